"""List endpoints that are read page by page.

A list is kept on disk until all its pages are here. Pages are numbered, so what is added or deleted between two
pages shifts the rest and may hide a row: a list of several pages is read again until two passes in a row return the
same rows; each row that any of them returned is emitted once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, ClassVar, TypeVar

from source_iterable import messages
from source_iterable.api.body import Body
from source_iterable.exceptions import DiskFullError
from source_iterable.records.json_lines import Row, dump, undump
from source_iterable.streams.base import HEARTBEAT, IterableStream, Slice
from source_iterable.streams.paging import Paging, Params
from source_iterable.streams.totals import ListTotals, Tally, named

MAX_PASSES = 4  # over a list that changes while it is read
PAGE_SIZE = 1000
DISK_WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds between tries on a full disk

Part = Mapping[str, str]
OnDisk = TypeVar("OnDisk")


class PagedStream(IterableStream):
    """A stream that is read whole, page by page.

    Attributes:
        first_page: The parameters of the first page; without `page` Iterable would return 20 rows
            as if they were all.
        parts: The parameters that choose each part of the list; a row that several return comes once.
        paging: How the pages follow one another.
        in_doubt: Whether rows may be missing, as a remark says.
    """

    first_page: ClassVar[Mapping[str, Any]] = {"page": 1, "pageSize": PAGE_SIZE, "sort": "id"}
    parts: ClassVar[Sequence[Part]] = ({},)
    paging: ClassVar[type[Paging]] = Paging
    in_doubt = False

    def path_to(self, part: Part) -> str:
        """The path that returns ``part``."""
        return self.endpoint

    def filters(self, part: Part) -> Mapping[str, str]:
        """The parameters that choose ``part`` of the list."""
        return part

    def slices(self) -> Iterable[Slice]:
        """One, or none but a heartbeat."""
        return [{} if self.begin() else HEARTBEAT]

    def records(self, stream_slice: Slice) -> Iterable[Row]:
        """Everything, or what changed since the saved state; none before the last page is here."""
        try:
            with closing(self.retry_on_full_disk(self._stored)) as body:
                for line in body.lines():
                    stored = undump(line)
                    if self.is_wanted(stored["row"]):
                        for row, added in self.derived(stored["row"], stored["added"]):
                            yield self.selected_columns.record(row, added)
        except OSError as error:
            raise DiskFullError(self.name, error) from error

    def delivered(self, stream_slice: Slice, count: int) -> None:
        """Move the state on."""
        self.end()

    def retry_on_full_disk(self, store: Callable[[], OnDisk]) -> OnDisk:
        """What ``store`` returns; tried again while downloads of other streams fill the disk."""
        for wait in DISK_WAITS:
            try:
                return store()
            except OSError as error:  # noqa: PERF203 - a few times at the most
                self.logger.info("%s: no room on disk (%s). Trying again in %.0f s.", self.name, error.strerror, wait)
                self.free_disk()
                time.sleep(wait)
        return store()

    def _stored(self) -> Body:
        return Body.from_lines(
            (dump({"row": row, "added": added}) for row, added in self.distinct_rows()), self.reservation()
        )

    def is_wanted(self, row: Row) -> bool:
        """Whether ``row`` belongs to this sync."""
        return True

    def derived(self, row: Row, added: Row) -> Iterator[tuple[Row, Row]]:
        """The records of a row, with the columns that the connector adds: as a rule, the row itself."""
        yield row, added

    def distinct_rows(self) -> Iterator[tuple[Row, Row]]:
        """Every row once, with the columns that the connector adds to it.

        Raises:
            AirbyteTracedException: At the end, a transient_error if there is no row although a total is not 0.
        """
        tally = Tally()
        for part in self.parts:
            for row in self.distinct_rows_of(tally, part):
                yield row, {}
        self.compare_totals(tally.result())

    def distinct_rows_of(self, tally: Tally, part: Part) -> Iterator[Row]:
        """The rows of ``part`` that no earlier part returned; ``tally`` counts them."""
        before = 0  # what is empty the first time is not read again
        for _ in range(MAX_PASSES):
            tally.begin_pass()
            hashes = 0  # their sum distinguishes two sets of keys and takes no memory
            paging = self.paging(self, self.first_page, self.filters(part))
            for row in self._pages(self.path_to(part), paging):
                key = row.get(self.row_key)
                hashes += hash(repr(key))  # an integer's own hash is the integer: 5 + 8 would pass for 6 + 7
                if tally.add(key):
                    yield row
            self.in_doubt |= paging.is_doubtful
            if paging.pages <= 1 or hashes == before:
                break
            before = hashes
        else:
            self.in_doubt = True
            self.progress.remark(messages.LISTING_CHANGED)
        filters = ", ".join(f"{name}={value}" for name, value in self.filters(part).items())
        tally.end_part(filters, paging.total)

    def _pages(self, path: str, paging: Paging) -> Iterator[Row]:
        """The rows of all pages of one pass, as they were sent, each with its key."""
        params: Params | None = paging.first()
        while params is not None:
            answer = self.request(path, params, self.retry_policy("the listing", rejects=self.rejects))
            rows = self.keyed(self.objects(answer, self.records_key), self.row_key)
            yield from rows
            params = paging.following(answer, rows)

    def compare_totals(self, *lists: ListTotals) -> None:
        """Remark which totals disagree with the rows of ``lists``.

        Raises:
            AirbyteTracedException: A transient_error if there are no rows at all.
        """
        doubts = [claim for totals in lists for claim in totals.doubts]
        if not doubts:
            return
        self.in_doubt = True
        if not any(totals.rows for totals in lists):
            raise messages.NO_ROWS_BUT_TOTALS.error(self.name, totals=named(doubts))
        self.progress.remark(messages.TOTALS_DISAGREE, totals=named(doubts))

    def begin(self) -> bool:
        """Prepare to read; returns whether there is anything to read."""
        return True

    def position(self, row: Row) -> Any:
        """By what ``row`` is ordered in an incremental sync, where rows leave in order."""
        return None

    def reached(self, end: Any) -> None:
        """Called when all rows before the position ``end`` have left."""

    def end(self) -> None:
        """Called when the whole list has left."""

    @property
    def row_key(self) -> str:
        """The field that identifies a row of the list."""
        return str(self.primary_key)
