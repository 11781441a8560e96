"""Checks of a body while it is received: its lines, its size, and how much it inflates."""

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
    """A body that ended early."""


class UnusableBodyError(Exception):
    """A body that is too large to be read: a line that is too long, or a decompression bomb."""


class Inflation:
    """Decompresses gzip in steps of limited size, and limits the compression ratio."""

    def __init__(self) -> None:
        self._gunzip = zlib.decompressobj(31)
        self.has_begun = False
        self._received = 0
        self._inflated = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What ``piece`` inflates to, in steps of limited size.

        Raises:
            UnusableBodyError: If it inflates to over 1 GB and 200 times the size received.
        """
        self._received += len(piece)
        rest = piece
        while rest:
            if self._gunzip.eof:  # one member may follow another
                self._gunzip = zlib.decompressobj(31)
            self.has_begun = True
            plain = self._gunzip.decompress(rest, STEP)
            rest = self._gunzip.unused_data if self._gunzip.eof else self._gunzip.unconsumed_tail
            self._inflated += len(plain)
            if self._inflated > max(MOST_INFLATED, STEEPEST_INFLATION * self._received):
                raise UnusableBodyError(f"the body inflates to more than {STEEPEST_INFLATION} times its size")
            yield plain

    def end(self) -> None:
        """Raise if the compressed body ends early."""
        if self.has_begun and not self._gunzip.eof:
            raise BrokenBodyError("the compressed body ends early")


class Whole:
    """Limits the size of a body that is not split into lines."""

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
        """The body has no last line that could be cut."""
        return False


class Lines:
    """Splits a body into lines, and counts and checks them; holds at most one incomplete line in memory."""

    def __init__(self, check: Check | None) -> None:
        self._check = check
        self._begun: list[bytes] = []
        self._begun_size = 0
        self.count = 0
        self.malformed: int | None = None

    def feed(self, piece: bytes) -> None:
        """Check the lines that end in ``piece``; raise if a line is too long."""
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
        """Check the last line if no line end follows; return whether it may be cut, although the body is proven."""
        is_truncated = not self._line(b"".join(self._begun))
        if is_truncated and not is_proven:
            raise BrokenBodyError("the last line is cut")
        return is_truncated

    def _line(self, line: bytes) -> bool:
        """Count and check ``line``; return whether it is valid."""
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
