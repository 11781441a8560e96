"""Sorts any number of rows on disk (external merge sort)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from heapq import merge
from operator import itemgetter
from typing import Any

from source_iterable.api.body import Body
from source_iterable.records.json_lines import Row, dump, undump
from source_iterable.reservation import Reservation

RUN_BYTES = 32_000_000  # uncompressed size of the rows that are sorted in memory


class SortedBody:
    """Rows in runs, each sorted in memory; reading merges the runs."""

    def __init__(
        self, rows: Iterable[Row], position: Callable[[Row], Any], new_reservation: Callable[[], Reservation]
    ) -> None:
        """Write all ``rows`` to disk.

        Args:
            rows: The rows to sort.
            position: The sort key of a row; rows with equal keys keep their order.
            new_reservation: Reserves disk space for a run; it is released when the run was read.

        Raises:
            OSError: If the disk is full.
        """
        self._position = position
        self._new_reservation = new_reservation
        self._runs: list[Body] = []
        try:
            self._write_runs(rows)
        except BaseException:
            self.close()
            raise

    def _write_runs(self, rows: Iterable[Row]) -> None:
        run: list[tuple[Any, bytes]] = []
        size = 0
        for row in rows:
            line = dump(row)
            run.append((self._position(row), line))
            size += len(line)
            if size >= RUN_BYTES:
                self._write_run(run)
                run, size = [], 0
        self._write_run(run)

    def _write_run(self, run: list[tuple[Any, bytes]]) -> None:
        if run:
            run.sort(key=itemgetter(0))
            self._runs.append(Body.from_lines((line for _, line in run), self._new_reservation()))

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        """The sorted rows, each with its sort key; they can be read once."""
        return merge(*(self._read(run) for run in self._runs), key=itemgetter(0))

    def _read(self, run: Body) -> Iterator[tuple[Any, Row]]:
        for line in run.lines():
            row = undump(line)
            yield self._position(row), row

    def close(self) -> None:
        """Release the disk space."""
        for run in self._runs:
            with suppress(OSError):
                run.close()
