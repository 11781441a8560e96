"""Long lists: their records leave in chunks, in order, with a state after each.

A full refresh orders the rows by their key, an incremental sync by their last change. The state is the position of the
first row that is left, so an attempt that resumes from there repeats none and leaves none out, in whatever order
Iterable returns them. The list endpoint returns again what an earlier attempt delivered; nothing else is requested
for it.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, ClassVar

from source_iterable.api.body import Body
from source_iterable.api.sorted_body import SortedBody
from source_iterable.exceptions import DiskFullError
from source_iterable.records.json_lines import Row, dump, undump
from source_iterable.streams.base import HEARTBEAT, Slice, Turn
from source_iterable.streams.full_refresh import ResumedStream
from source_iterable.streams.paged import PagedStream

CHUNK_BYTES = 8_000_000  # of records, uncompressed
CHUNK_SHARE = 4  # A chunk takes at most one part in so many of the disk limit, and so do two beside the list.

Position = Any  # what can be compared: a time in an incremental sync, otherwise a list of numbers and text
Derived = list[tuple[Row, Row]]
RowSource = Callable[[], Iterator[tuple[Row, Row]]]
Kept = Row  # {"row": a row of the list, "added": columns that the connector adds}


@dataclass
class Chunk:
    """What is known of a chunk.

    Attributes:
        rows: How many rows of the list it covers, up to `end`.
        whole: How many of its records belong to them.
        end: The position of the first row behind it.
    """

    rows: int = 0
    whole: int = 0
    end: Position = None


class ChunkedStream(ResumedStream[Position], PagedStream, ABC):
    """A stream whose list leaves in chunks, in the order of its rows.

    Attributes:
        chunk_rows: How many rows of the list end a chunk.
        position_types: The types of what the positions of a full refresh consist of.
    """

    done_key = "from"
    chunk_rows: ClassVar = 200
    position_types: ClassVar[tuple[type, ...]] = (int,)
    _rows: Generator[tuple[Position, Callable[[], Derived]]] | None = None
    _next: tuple[Position, Callable[[], Derived]] | None = None
    _is_done = False
    _error: Exception | None = None

    def turn(self, *, is_first_sync: bool) -> Turn:
        """Late: it may take hours; last of these if it would start over."""
        return Turn.DETAILS if self.is_resumed else Turn.NOT_RESUMABLE

    def require_readable(self) -> None:
        """Also find where a full refresh resumes."""
        super().require_readable()
        if not self.is_incremental:
            self.begin_run(self._state)
            self._state = {}

    def slices(self) -> Iterator[Slice]:
        """Chunks, until no row is left.

        Raises:
            Exception: What failed, once what came before it has left.
        """
        if not self.begin():
            yield HEARTBEAT
            return
        if self.run is not None and self.run.is_finished:
            self._finish()
            yield HEARTBEAT
            return
        self._rows = self.rows_in_order()
        number = 0
        while not self._is_done and self._error is None:
            number += 1
            yield {"number": number, "chunk": Chunk()}
        if self._error is not None:
            raise self._error

    def records(self, stream_slice: Slice) -> Iterator[Row]:
        """The records of the next chunk: none leaves before all are here, so that a failure repeats none."""
        chunk: Chunk = stream_slice["chunk"]
        try:
            with closing(Body.from_lines(self._lines(chunk), self.reservation())) as body:
                yield from map(undump, islice(body.lines(), chunk.whole))
        except OSError as error:
            raise DiskFullError(self.name, error) from error

    def delivered(self, stream_slice: Slice, count: int) -> None:
        """Move the state behind the chunk."""
        chunk: Chunk = stream_slice["chunk"]
        if self._error is not None and not chunk.rows:
            raise self._error
        if self._is_done:
            self._finish()
        elif chunk.end is not None:
            if self.run is None:
                self.reached(chunk.end)
            else:
                self.run.done = chunk.end
                self._state = self.run.state(self.api.clock.now(), chunk.end)
            self.logger.info("%s: %s records so far.", self.name, f"{self.progress.records:,}")

    def conclude(self) -> None:
        """Request nothing more."""
        if self._rows is not None:
            self._rows.close()
        super().conclude()

    def parse_done(self, saved: object) -> Position | None:
        """The position to resume a full refresh from; None if ``saved`` has other types."""
        types = tuple(map(type, saved)) if isinstance(saved, list) else ()
        return saved if types == self.position_types else None

    def key_position(self, row: Row) -> Position:
        """By what ``row`` is ordered in a full refresh; no personal data, as the CDK logs states."""
        return [row[self.row_key]]

    def rows_in_order(self) -> Generator[tuple[Position, Callable[[], Derived]]]:
        """The rows that are left, in order, each with its position and what gives its records."""
        yield from self.rows_left(self.distinct_rows)

    def rows_left(self, source: RowSource) -> Generator[tuple[Position, Callable[[], Derived]]]:
        """Those of the rows that ``source`` returns that are left, as `rows_in_order`."""
        with closing(self.sorted_on_disk(source)) as rows:
            for position, kept in rows:
                yield position, partial(self.records_from, kept)

    def records_from(self, kept: Kept) -> Derived:
        """The records of a row, with the columns that the connector adds."""
        return list(self.derived(kept["row"], kept["added"]))

    def sorted_on_disk(self, source: RowSource) -> Generator[tuple[Position, Kept]]:
        """Those of the rows that ``source`` returns that are left, once all are here, each after its position."""

        def store() -> SortedBody:
            rows = ({"row": row, "added": added} for row, added in source() if self._is_left(row))
            return SortedBody(rows, lambda kept: self._position(kept["row"]), self.reservation)

        try:
            with closing(self.retry_on_full_disk(store)) as body:
                yield from body
        except OSError as error:
            raise DiskFullError(self.name, error) from error

    def _position(self, row: Row) -> Position:
        return self.position(row) if self.run is None else self.key_position(row)

    def _is_left(self, row: Row) -> bool:
        if self.run is not None and self.run.done is not None and self.key_position(row) < self.run.done:
            return False
        return self.is_wanted(row)

    def _finish(self) -> None:
        self.end()
        if self.run is not None:
            self._state = self.run.finished(self.api.clock.now())

    def _resumption(self, state: Mapping[str, Any]) -> str:
        if self.is_incremental:
            return super()._resumption(state)
        can_resume = self.run is not None and self.run.may_resume and self.run.done is not None
        return "the first row that is missing" if can_resume else "its beginning"

    def _lines(self, chunk: Chunk) -> Iterator[bytes]:
        max_bytes = min(CHUNK_BYTES, self.config.spool_bytes // CHUNK_SHARE)
        lines = rows = size = 0
        before: Position = None
        try:
            while True:
                following = self._peek()
                position = following[0] if following is not None else None
                if following is None or position != before:
                    chunk.rows, chunk.whole, chunk.end, before = rows, lines, position, position
                    if following is None:
                        self._is_done = True
                        return
                    if rows >= self.chunk_rows or size >= max_bytes:
                        return
                derived = following[1]()
                self._next = None
                rows += 1
                for row, added in derived:
                    line = dump(self.selected_columns.record(row, added))
                    yield line
                    lines += 1
                    size += len(line)
        except Exception as error:
            self._error = error  # raised when what is whole has left

    def _peek(self) -> tuple[Position, Callable[[], Derived]] | None:
        """The next row, which stays the next one."""
        if self._next is None and self._rows is not None:
            self._next = next(self._rows, None)
        return self._next
