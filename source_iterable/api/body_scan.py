"""What is looked at while a body comes, piece by piece: how much it inflates, its lines, its size."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from source_iterable.records.json_lines import MalformedLineError

LONGEST_LINE = 64_000_000
MOST_INFLATED = 1_000_000_000
STEEPEST_INFLATION = 200
STEP = 1 << 20  # bytes that are inflated at a time

Check = Callable[[bytes], object]


class BrokenBodyError(Exception):
    """A body that did not end as its transport says it must."""


class UnusableBodyError(Exception):
    """A body that came whole but that no reader can be asked to take: too long a line, an inflating bomb."""


class Inflation:
    """Gunzips pieces, in steps of bounded size, and watches how much comes of how little."""

    def __init__(self) -> None:
        self._gunzip = zlib.decompressobj(31)
        self.has_begun = False
        self._taken = 0
        self._given = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What ``piece`` inflates to, in steps of bounded size.

        Raises:
            UnusableBodyError: If it is over 200 times as much as came, beyond 1 GB.
        """
        self._taken += len(piece)
        rest = piece
        while rest:
            if self._gunzip.eof:  # one member may follow another
                self._gunzip = zlib.decompressobj(31)
            self.has_begun = True
            plain = self._gunzip.decompress(rest, STEP)
            rest = self._gunzip.unused_data if self._gunzip.eof else self._gunzip.unconsumed_tail
            self._given += len(plain)
            if self._given > max(MOST_INFLATED, STEEPEST_INFLATION * self._taken):
                raise UnusableBodyError(f"the body inflates to more than {STEEPEST_INFLATION} times its size")
            yield plain

    def end(self) -> None:
        """Raise if the compression is not at its end."""
        if self.has_begun and not self._gunzip.eof:
            raise BrokenBodyError("the compressed body ends early")


class Whole:
    """Counts the bytes of a body that is not a text of lines."""

    count, malformed = 0, None

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._size = 0

    def feed(self, piece: bytes) -> None:
        """Count ``piece``; raise if the body is too large."""
        self._size += len(piece)
        if self._size > self._largest:
            raise UnusableBodyError(f"the body is larger than {self._largest // 1_000_000} MB")

    def end(self, *, is_proven: bool) -> bool:
        """No line of it can be cut."""
        return False


class Lines:
    """Cuts pieces into lines, counts them and has each checked; keeps at most one unfinished line."""

    def __init__(self, check: Check | None) -> None:
        self._check = check
        self._begun: list[bytes] = []
        self._begun_size = 0
        self.count = 0
        self.malformed: int | None = None

    def feed(self, piece: bytes) -> None:
        """Check the lines that end in ``piece``; raise if the one that does not is too long."""
        if self._check is None:
            end = piece.rfind(b"\n")
            self._grow(len(piece) if end < 0 else piece.index(b"\n"))
            if end >= 0:
                self._begun_size = len(piece) - end - 1
            return
        first, *others = piece.split(b"\n")
        self._begun.append(first)
        self._grow(len(first))
        if others:
            self._line(b"".join(self._begun))
            *whole, last = others
            for line in whole:
                self._line(line)
            self._begun, self._begun_size = [last], len(last)

    def _grow(self, size: int) -> None:
        self._begun_size += size
        if self._begun_size > LONGEST_LINE:
            raise UnusableBodyError(f"a line is longer than {LONGEST_LINE // 1_000_000} MB")

    def end(self, *, is_proven: bool) -> bool:
        """Check the last line, if its end is missing; tell whether it may be cut, although the body's end is proven."""
        is_cut = not self._line(b"".join(self._begun))
        if is_cut and not is_proven:
            raise BrokenBodyError("the last line is cut")
        return is_cut

    def _line(self, line: bytes) -> bool:
        """Count and check ``line``; tell whether all is well with it."""
        if not line or line.isspace() or self._check is None:
            return True
        self.count += 1
        try:
            self._check(line.rstrip(b"\r"))
        except MalformedLineError:
            if self.malformed is None:
                self.malformed = self.count
            return False
        return True
