"""Listings that come page by page, and what changed in them since the last sync.

A listing is kept on disk until all its pages are here. Pages are numbered, so what is added or deleted
between two pages shifts the rest, and may hide a row: a listing of several pages is made again until two in
a row show the same, and what any of them showed is emitted once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests
from airbyte_cdk.models import ConfiguredAirbyteStream, FailureType, SyncMode
from airbyte_cdk.sources.streams.core import StreamData

from source_iterable import timestamps
from source_iterable.api.body import Spool
from source_iterable.api.client import origin
from source_iterable.api.errors import disk_full_error, failure
from source_iterable.records.json_lines import Row, dump, undump
from source_iterable.streams.base import IterableStream, Slice
from source_iterable.streams.state import NonResumableFullRefresh
from source_iterable.streams.totals import Listed, Tally, named, total_of
from source_iterable.sync import Sync

POSITIONS = {"page", "offset"}  # the parameters that tell where a page begins
LISTINGS = 4  # how often a listing that changes while it is paged is made
MAX_EMPTY_PAGES = 300  # in a row, after which a listing is taken for one without an end
PAGE_SIZE = 1000
DISK_WAITS = (1.0, 2.0, 4.0, 8.0)  # seconds between tries on a full disk

Part = Mapping[str, str]
OnDisk = TypeVar("OnDisk")


class PagedListing(IterableStream):
    """A stream that is listed whole, page by page.

    Attributes:
        first_page: The parameters of a listing's first page; without `page` Iterable would send 20 rows
            and call them all.
        parts: The parameters that choose each part of the listing; a row that several show comes once.
        in_doubt: Whether rows may be missing from what was listed, which a remark said.
    """

    first_page: ClassVar[Mapping[str, Any]] = {"page": 1, "pageSize": PAGE_SIZE, "sort": "id"}
    parts: ClassVar[Sequence[Part]] = ({},)

    def __init__(
        self,
        sync: Sync,
        configured: ConfiguredAirbyteStream | None = None,
        parent: IterableStream | None = None,
    ) -> None:
        super().__init__(sync, configured, parent)
        self._pages: set[str] = set()
        self._read = 0
        self._empty = 0
        self._total: int | None = None
        self.in_doubt = False

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Slice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """Those of the page: the first one, or the one that the page before named."""
        filters = self.filters(stream_slice or {})
        if next_page_token:
            # Whether the address of a next page repeats the other parameters is not documented.
            kept = {name: value for name, value in self.first_page.items() if name not in POSITIONS}
            return {**kept, **filters, **next_page_token}
        self._pages.clear()
        self._read = 0
        self._empty = 0
        self._total = None
        return {**self.first_page, **filters}

    def filters(self, part: Slice) -> Mapping[str, str]:
        """The parameters that choose ``part`` of the listing."""
        return part

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        """The parameters of the page that the answer names, on Iterable's host, also after a page without rows."""
        body = self.body(response)
        url = body.get("nextPageUrl")
        if not url or not isinstance(url, str):
            return None
        query = self._query_of(url)
        if not body.get(self.records_key) and query in self._pages:
            self.in_doubt = True
            self.progress.remark(
                "a page without rows named a next page that was read before, and was taken for the end"
            )
            return None
        self.require_new_page(query)
        self.require_end_of_empty_pages()
        return dict(parse_qsl(query))

    def _query_of(self, url: str) -> str:
        """The parameters in the address of a next page, which may be relative: all else is known."""
        try:
            following = urljoin(self.api.url, url)
            is_of_iterable = self._is_of_iterable(following)
        except ValueError as error:
            raise self.unexpected("a next page whose address cannot be read") from error
        if not is_of_iterable:
            raise failure(
                self.name,
                "Iterable's answer names a next page on another host, which is refused: the API key would leave "
                "Iterable. Check the data center (region), and any proxy on the way.",
                "nextPageUrl on another host",
                FailureType.system_error,
            )
        query = urlsplit(following).query
        if not parse_qsl(query):
            raise self.unexpected("a next page without parameters")
        return query

    def _is_of_iterable(self, url: str) -> bool:
        """Whether ``url`` has the API's host, and port if any; behind a proxy a server may not know its scheme."""
        told, own = urlsplit(url), urlsplit(self.api.url)
        return told.hostname == own.hostname and (told.port is None or told.port == origin(self.api.url)[2])

    def require_end_of_empty_pages(self) -> None:
        """Raise if too many pages in a row had no rows, where another one is named: a listing must end."""
        if self._empty >= MAX_EMPTY_PAGES:
            raise failure(
                self.name,
                f"{MAX_EMPTY_PAGES} pages in a row have no rows, and yet Iterable names another one. Try again later; "
                "if it stays so, report this with the log of the sync.",
                "empty pages without end",
                FailureType.system_error,
            )

    def require_new_page(self, page: str) -> None:
        """Raise if ``page`` was read before: a listing must end."""
        if page in self._pages:
            raise self.unexpected("a next page that was read before")
        self._pages.add(page)

    def parse_response(
        self,
        response: requests.Response,
        *,
        stream_state: Mapping[str, Any],
        stream_slice: Slice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Row]:
        """The rows of a page, as they were sent, each with its key."""
        body = self.body(response)
        rows = self.keyed(self.objects(body, self.records_key), self.row_key)
        self._read += 1
        self._empty = 0 if rows else self._empty + 1
        total = total_of(body)
        self._total = self._total if total is None else total
        return rows

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Slice | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """Everything, or what changed since the saved state."""
        if self.begin(sync_mode):
            yield from self.emitted(self.counted(self.kept()))
            self.end()

    def kept(self) -> Iterator[Row]:
        """The records of the whole listing, none before its last page is here."""
        try:
            with closing(self.patiently(self._spooled)) as listing:
                yield from self._records(listing)
        except OSError as error:
            raise disk_full_error(self.name, error) from error

    def _records(self, listing: Spool) -> Iterator[Row]:
        for line in listing.lines():
            kept = undump(line)
            if self.is_wanted(kept["row"]):
                for row, added in self.derived(kept["row"], kept["added"]):
                    yield self.selected_columns.record(row, added)

    def patiently(self, keep: Callable[[], OnDisk]) -> OnDisk:
        """What ``keep`` keeps; kept again where downloads of other streams fill the disk for the moment."""
        for wait in DISK_WAITS:
            try:
                return keep()
            except OSError as error:  # noqa: PERF203 - a few times at the most
                self.logger.info("%s: no room on disk (%s). Trying again in %.0f s.", self.name, error.strerror, wait)
                self.make_room()
                time.sleep(wait)
        return keep()

    def _spooled(self) -> Spool:
        return Spool.keep((dump({"row": row, "added": added}) for row, added in self.listed()), self.reserve)

    def is_wanted(self, row: Row) -> bool:
        """Whether ``row`` belongs to this sync."""
        return True

    def derived(self, row: Row, added: Row) -> Iterator[tuple[Row, Row]]:
        """What becomes of a listed row, and the columns that the connector adds: as a rule, itself."""
        yield row, added

    def listed(self) -> Iterator[tuple[Row, Row]]:
        """Every row once, and the columns that the connector adds to it.

        Raises:
            AirbyteTracedException: At the end, a transient_error if no row was listed although a total is not 0.
        """
        tally = Tally()
        for part in self.parts:
            for row in self.list_all(tally, part):
                yield row, {}
        self.compare_totals(tally.result())

    def list_all(self, tally: Tally, part: Part | None = None) -> Iterator[Row]:
        """The rows of ``part`` of the listing that no part before showed; ``tally`` counts them."""
        before = 0  # what shows nothing the first time is not listed again
        for _ in range(LISTINGS):
            tally.begin_pass()
            listed = 0  # a sum of hashes, which tells two sets of keys apart and takes no room
            for row in self.rows(SyncMode.full_refresh, dict(part or {})):
                key = row.get(self.row_key)
                listed += hash(repr(key))  # an integer's own hash is the integer: 5 + 8 would pass for 6 + 7
                if tally.add(key):
                    yield row
            if self._read <= 1 or listed == before:
                break
            before = listed
        else:
            self.in_doubt = True
            self.progress.remark("it changed each time it was listed; what changed meanwhile comes with the next sync")
        filters = self.filters(part or {})
        tally.end_part(", ".join(f"{name}={value}" for name, value in filters.items()), self._total)

    def compare_totals(self, *listings: Listed) -> None:
        """Remark which totals disagree with what the listings of this stream showed.

        Raises:
            AirbyteTracedException: A transient_error if they showed nothing at all.
        """
        doubts = [claim for listed in listings for claim in listed.doubts]
        if not doubts:
            return
        self.in_doubt = True
        if not any(listed.rows for listed in listings):
            raise failure(
                self.name,
                f"Iterable lists no rows, although its own totals are not 0 (listed: {named(doubts)}). So nothing is "
                "read, and the destination keeps what it has. Try again later; if it stays so, report this with the "
                "log of the sync.",
                "no rows, but a total",
                FailureType.transient_error,
            )
        self.progress.remark(
            f"Iterable's own totals disagree with what it listed, so rows may be missing: {named(doubts)}. "
            "If it stays so, report this with the log of the sync"
        )

    def begin(self, sync_mode: SyncMode) -> bool:
        """Get ready to list; returns whether there is anything to read."""
        return True

    def position(self, row: Row) -> Any:
        """By what ``row`` is ordered in an incremental sync, where rows leave in order."""
        return None

    def reached(self, end: Any) -> None:
        """Learn that all rows before the position ``end`` have left."""

    def end(self) -> None:
        """Learn that all of the listing has left."""

    @property
    def row_key(self) -> str:
        """The field that tells the rows of a listing apart."""
        return str(self.primary_key)


class ChangingListing(NonResumableFullRefresh, PagedListing):
    """A listing whose rows tell when they changed, of which an incremental sync emits what did.

    Its state is `{"updatedAt": when the last listing began}`.
    """

    cursor_field = "updatedAt"

    def __init__(
        self,
        sync: Sync,
        configured: ConfiguredAirbyteStream | None = None,
        parent: IterableStream | None = None,
    ) -> None:
        super().__init__(sync, configured, parent)
        self._since: datetime | None = None
        self._began = timestamps.EPOCH
        self._all = True

    def begin(self, sync_mode: SyncMode) -> bool:
        """Choose what to emit: everything, or in an incremental sync what changed from the saved state until now."""
        self._began = self.api.clock.now()
        self._all = sync_mode is SyncMode.full_refresh
        self._since = None if self._all else self.saved()
        if self._since is not None and self._since > self._began:
            self.warn_of_future(timestamps.formatted(self._since))
            return False
        return True

    def end(self) -> None:
        """Move the state to when the listing began."""
        self._state = self.state_after()

    def state_after(self) -> MutableMapping[str, Any]:
        """The state once all of the listing has left."""
        return {self.cursor_field: timestamps.formatted(self._began)}

    def is_wanted(self, row: Row) -> bool:
        """Whether it changed in the half-open span; a row that tells no timestamp always did."""
        changed = self.changed(row, self._began)
        return (
            self._all or changed is None or (changed < self._began and (self._since is None or self._since <= changed))
        )

    def reached(self, end: datetime) -> None:
        """Move the state on: all rows that changed before ``end`` have left."""
        self._state = {self.cursor_field: timestamps.formatted(end)}

    def position(self, row: Row) -> datetime:
        """When ``row`` changed; what does not say comes last, and is emitted by every sync."""
        return self.changed(row, self._began) or self._began

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """When ``row`` last changed; None if it does not say."""
        return moment(row.get(self.cursor_field))

    def saved(self) -> datetime | None:
        """Since when what changed is wanted; None without a saved state.

        Raises:
            AirbyteTracedException: A config_error if the saved state cannot be read.
        """
        saved = self._state.get(self.cursor_field)
        if saved is None:
            return None
        try:
            return timestamps.moment(saved)
        except ValueError:
            raise self.unreadable_state(f"no timestamp under '{self.cursor_field}'") from None


def moment(value: object) -> datetime | None:
    """The timestamp that ``value`` tells; None if it tells none."""
    try:
        return timestamps.moment(value)
    except ValueError:
        return None
