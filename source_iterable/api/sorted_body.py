"""Rows on disk that come back in order, however many they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from heapq import merge
from operator import itemgetter
from typing import Any

from source_iterable.api.body import Body
from source_iterable.records.json_lines import Row, dump, undump
from source_iterable.reservation import Reservation

RUN_BYTES = 32_000_000  # of rows, uncompressed, that are sorted in memory


class SortedBody:
    """Rows, kept in runs, each of them sorted in memory; the runs are merged as they are read."""

    def __init__(
        self, rows: Iterable[Row], position: Callable[[Row], Any], new_reservation: Callable[[], Reservation]
    ) -> None:
        """Put ``rows`` on disk, all of them before anybody reads one.

        Args:
            rows: The rows.
            position: By what a row is ordered among the others; rows of one position keep their order.
            new_reservation: Makes the reservation of a run, which is given back once it was read.

        Raises:
            OSError: If the disk is full.
        """
        self._position = position
        self._new_reservation = new_reservation
        self._runs: list[Body] = []
        try:
            self._keep(rows)
        except BaseException:
            self.close()
            raise

    def _keep(self, rows: Iterable[Row]) -> None:
        run: list[tuple[Any, bytes]] = []
        size = 0
        for row in rows:
            line = dump(row)
            run.append((self._position(row), line))
            size += len(line)
            if size >= RUN_BYTES:
                self._end(run)
                run, size = [], 0
        self._end(run)

    def _end(self, run: list[tuple[Any, bytes]]) -> None:
        if run:
            run.sort(key=itemgetter(0))
            self._runs.append(Body.from_lines((line for _, line in run), self._new_reservation()))

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        """The rows in order, each with its position; they can be read once."""
        return merge(*(self._read(run) for run in self._runs), key=itemgetter(0))

    def _read(self, run: Body) -> Iterator[tuple[Any, Row]]:
        for line in run.lines():
            row = undump(line)
            yield self._position(row), row

    def close(self) -> None:
        """Give the disk back."""
        for run in self._runs:
            with suppress(OSError):
                run.close()
