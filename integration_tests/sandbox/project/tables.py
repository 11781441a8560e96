"""The rows of one export table: kept in memory, or made while they are sent."""

import json
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from integration_tests.sandbox.data.rows import Row, wire_time

BATCH = 500
"""Lines that are made and sent at a time."""
MESSAGE_STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd, so that no two of 2**128 numbers share a message id


def encode(row: Row) -> bytes:
    """A row as a line of an export, without its line end."""
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, order=True, slots=True)
class Stored:
    """One row: when it happened, since when it is exportable (both Unix times), and its line."""

    at: int
    exportable_at: float
    line: bytes


class Bulk:
    """Any number of rows, spread evenly over a span, made from the lines of a few real ones."""

    def __init__(self, models: Sequence[Row], time_field: str, count: int, start: int, end: int) -> None:
        """Make ``count`` rows like ``models`` in ``start <= time < end``."""
        self.count = count
        self._start = start
        self._span = max(1, end - start)
        self._lines = [self._template(model, time_field) for model in models]

    @staticmethod
    def _template(model: Row, time_field: str) -> bytes:
        row = model | {"email": "\0email", time_field: "\0time"}
        for key in ("messageId", "_id"):
            if key in row:
                row[key] = "\0message"
        line = encode(row).replace(b"%", b"%%")
        for name in (b"email", b"time", b"message"):
            line = line.replace(b"\\u0000" + name, b"%(" + name + b")b")
        return line

    def _first(self, at: int) -> int:
        """The number of the first row that happened at ``at`` or later."""
        return min(self.count, max(0, -(-(at - self._start) * self.count // self._span)))

    def batches(self, start: int, end: int) -> Iterator[list[bytes]]:
        """The lines of ``start <= time < end``, in batches, not in the order of time."""
        first, last = self._first(start), self._first(end)
        known_time, text = -1, b""
        for begin in range(first, last, BATCH):
            lines = []
            for number in range(min(last, begin + BATCH) - 1, begin - 1, -1):
                at = self._start + number * self._span // self.count
                if at != known_time:
                    known_time, text = at, wire_time(at).encode()
                values = {
                    b"email": b"bulk.%d@example.com" % number,
                    b"time": text,
                    b"message": b"%032x" % (number * MESSAGE_STEP % (1 << 128)),
                }
                lines.append(self._lines[number % len(self._lines)] % values)
            yield lines

    def number(self, start: int, end: int) -> int:
        """How many rows lie in ``start <= time < end``."""
        return self._first(end) - self._first(start)


class Table:
    """All rows of one data type."""

    def __init__(self, seed: object) -> None:
        """Start empty; ``seed`` decides in which order rows are sent."""
        self._seed = seed
        self._made: list[Stored] = []
        self._unmade: list[Callable[[], list[Stored]]] = []
        self.bulk: Bulk | None = None

    def add(self, at: int, line: bytes, exportable_at: float) -> Stored:
        """Add a row."""
        stored = Stored(at, exportable_at, line)
        insort(self._rows(), stored)
        return stored

    def fill(self, make: Callable[[], list[Stored]]) -> None:
        """Add many rows at once; they are made when the table is first looked at, since most never are."""
        self._unmade.append(make)

    def remove(self, stored: Stored) -> None:
        """Take a row away."""
        self._rows().remove(stored)

    def rows(self, start: float, end: float, exportable_by: float) -> list[Stored]:
        """The kept rows of ``start <= time < end`` that are exportable by then, oldest first."""
        kept = self._rows()
        low = bisect_left(kept, start, key=lambda row: row.at)
        high = bisect_left(kept, end, key=lambda row: row.at)
        return [row for row in kept[low:high] if row.exportable_at <= exportable_by]

    def batches(self, start: int, end: int, exportable_by: float) -> Iterator[list[bytes]]:
        """The lines of a window in batches, in an order of their own that stays the same."""
        lines = [row.line for row in self.rows(start, end, exportable_by)]
        Random(f"{self._seed}:{start}").shuffle(lines)
        for begin in range(0, len(lines), BATCH):
            yield lines[begin : begin + BATCH]
        if self.bulk:
            yield from self.bulk.batches(start, end)

    def _rows(self) -> list[Stored]:
        """The rows that are kept, oldest first."""
        while self._unmade:
            self._made = sorted(self._made + self._unmade.pop(0)())
        return self._made
