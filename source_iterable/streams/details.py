"""List endpoints that tell only a part: the rest is requested for each row, a few at a time.

The records leave in chunks, each when it is whole. In an incremental sync the rows come in the order of their last
change, and a state follows each chunk: the time of the first row that is left. Rows of one time are in one chunk, so
an attempt that goes on from there repeats none and leaves none out.
"""

from __future__ import annotations

import threading
from abc import ABC
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteStream, SyncMode
from airbyte_cdk.sources.streams.core import StreamData

from source_iterable import timestamps
from source_iterable.api import Api
from source_iterable.config import Config
from source_iterable.error_response import endpoint_of
from source_iterable.errors import Rejected, disk_error
from source_iterable.in_order import in_order
from source_iterable.json_lines import Row, dump, undump
from source_iterable.retry import RetryPolicy
from source_iterable.spool import Spool
from source_iterable.streams.base import IterableStream, Slice, Turn
from source_iterable.streams.paged import PagedListing

THREADS = 4
CHUNK = 200  # rows of the listing, before a chunk ends
CHUNK_BYTES = 8_000_000  # of records, uncompressed
CHUNK_SHARE = 4  # A chunk takes at most one part in so many of the disk limit, and so do two beside the listing.

# A line of the listing, and when its row changed; None where that does not matter.
Wanted = tuple[datetime | None, bytes]
Derived = list[tuple[Row, Row]]


@dataclass
class _Chunk:
    """What is known of a chunk.

    Attributes:
        rows: How many rows of the listing it covers, up to `end`.
        whole: How many of its records belong to them.
        end: When the first row behind it changed.
    """

    rows: int = 0
    whole: int = 0
    end: datetime | None = None


class DetailedListing(PagedListing, ABC):
    """A list endpoint that is listed whole, and of whose rows each is requested by itself, by `derived`."""

    _details: Generator[tuple[Wanted, Future[Derived]]] | None = None
    _next: tuple[Wanted, Future[Derived]] | None = None
    _rows: Generator[Wanted] | None = None
    _is_done = False
    _error: Exception | None = None

    def __init__(
        self,
        config: Config,
        api: Api,
        configured: ConfiguredAirbyteStream | None = None,
        behalf: IterableStream | None = None,
    ) -> None:
        super().__init__(config, api, configured, behalf)
        self._answered: set[str] = set()
        self._one_by_one = threading.Lock()

    def turn(self, *, is_first_sync: bool) -> Turn:
        """Late: it may take hours; last of these if it would begin anew."""
        return Turn.DETAILS if self.is_resumable else Turn.NOT_RESUMABLE

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[Slice]:
        """Chunks, until no row is left.

        Raises:
            Exception: What the request for a row failed with, once what came before it has left.
        """
        if not self.begin(sync_mode):
            yield {}
            return
        self._rows = self._wanted()
        self._details = in_order(self._request, self._rows, THREADS)
        number = 0
        while not self._is_done and self._error is None:
            number += 1
            yield {"chunk": number}
        if self._error is not None:
            raise self._error

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Slice | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """The records of a chunk; the state moves when the last one has left."""
        if not stream_slice:
            return
        chunk = _Chunk()
        yield from self.emitted(self.counted(self._records_of(chunk)))
        if self._error is not None and not chunk.rows:
            raise self._error
        if self._is_done:
            self.end()
        elif chunk.end is not None:
            self.reached(chunk.end)
            self.logger.info("%s: %s rows so far.", self.name, f"{self.progress.rows:,}")

    def conclude(self) -> None:
        """Request nothing more."""
        for generator in (self._details, self._rows):
            if generator is not None:
                generator.close()
        super().conclude()

    def get(self, path: str, params: Mapping[str, Any], attempts: RetryPolicy) -> Row:
        """The object that ``path`` returns; called on several threads.

        As long as an endpoint has not answered, requests to it are made one by one: it may be refused, or not be there.
        """
        endpoint = endpoint_of(self.api.url + path)
        with nullcontext() if endpoint in self._answered else self._one_by_one:
            try:
                response = self.api.get(path, params, attempts, self.name)
            except Rejected:
                self._answered.add(endpoint)
                raise
            self._answered.add(endpoint)
        return self.read_object(response)

    def reached(self, end: datetime) -> None:
        """Learn that all rows that changed before ``end`` have left."""

    def position(self, row: Row) -> datetime | None:
        """By what ``row`` is ordered among the others; None where the order of the listing stands."""
        return None

    def _wanted(self) -> Generator[Wanted]:
        """The rows that belong to this sync, in the order in which they leave."""
        try:
            with closing(self.on_disk(self.listed)) as listing:
                wanted = self._positions(listing)
                if not self.is_resumable:
                    yield from wanted
                    return
                ordered = sorted(wanted, key=lambda one: one[0] or timestamps.EPOCH)
        except OSError as error:
            raise disk_error(self.name, error) from error
        ordered.reverse()
        while ordered:
            yield ordered.pop()

    def _positions(self, listing: Spool) -> Iterator[Wanted]:
        for line in listing.lines():
            row = undump(line)["row"]
            if self.is_wanted(row):
                yield self.position(row), line

    def _request(self, wanted: Wanted) -> Derived:
        """What becomes of a row; called on several threads."""
        kept = undump(wanted[1])
        return list(self.derived(kept["row"], kept["added"]))

    def _records_of(self, chunk: _Chunk) -> Iterator[Row]:
        """The records of the next chunk: none leaves before all are here, so that a failure repeats none."""
        try:
            with closing(Spool.keep(self._lines(chunk), self.reserve)) as spool:
                yield from map(undump, islice(spool.lines(), chunk.whole))
        except OSError as error:
            raise disk_error(self.name, error) from error

    def _lines(self, chunk: _Chunk) -> Iterator[bytes]:
        most = min(CHUNK_BYTES, self.config.spool_bytes // CHUNK_SHARE)
        lines = rows = size = 0
        before: datetime | None = None
        while True:
            following = self._peek()
            at = following[0][0] if following is not None else None
            if following is None or at is None or at != before:
                chunk.rows, chunk.whole, chunk.end, before = rows, lines, at, at
                if following is None:
                    self._is_done = True
                    return
                if rows >= CHUNK or size >= most:
                    return
            try:
                derived = following[1].result()
            except Exception as error:
                self._error = error  # raised when what is whole has left
                return
            self._next = None
            rows += 1
            for row, added in derived:
                line = dump(self.selected_columns.record(row, added))
                yield line
                lines += 1
                size += len(line)

    def _peek(self) -> tuple[Wanted, Future[Derived]] | None:
        """The next row, which stays the next one."""
        if self._next is None and self._details is not None:
            self._next = next(self._details, None)
        return self._next
