"""Whether the bodies that answered one request agree, where no single one of them proves that it is whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

CONFIRMATIONS = 2  # bodies in a row that must be the same where nothing proves that one is whole
LINE_CONFIRMATIONS = 3  # and where a line is not JSON: bodies that hold it, or if it may be cut, that are the same
MAX_READINGS = 5  # of bodies that are never the same


class Ending(NamedTuple):
    """How a body ended.

    Attributes:
        is_framed: Whether more than the end of the connection told its end.
        is_proven: Whether its transport proves that it is whole.
        is_malformed: Whether one of its lines is not a JSON object.
        is_cut: Whether that is its last one, and no newline follows it: it may end within a row.
    """

    is_framed: bool = True
    is_proven: bool = True
    is_malformed: bool = False
    is_cut: bool = False

    @property
    def is_doubtful(self) -> bool:
        """Whether another reading may show more."""
        return self.is_malformed or not self.is_proven


class Digest(NamedTuple):
    """What a body holds, whatever the order of its lines: their number, their bytes, and a sum of their hashes."""

    lines: int
    size: int
    hashes: int

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Digest:
        """The digest of ``lines``, of which one at a time is in memory."""
        count = size = hashes = 0
        for line in lines:
            count += 1
            size += len(line)
            hashes += int.from_bytes(hashlib.blake2b(line, digest_size=16).digest(), "big")
        return cls(count, size, hashes)


class Readings:
    """The doubtful bodies that answered a request so far.

    Attributes:
        count: How many there were.
        alike: How many of them, the last ones in a row, hold the same.
    """

    def __init__(self) -> None:
        self.count = 0
        self.alike = 0
        self._last: Digest | None = None

    def believe(self, ending: Ending, digest: Digest) -> bool:
        """Take note of one more body, and tell whether it is all there is.

        A server that is cut off within a row, and then ends its answer properly, will hardly stop at the same place
        again; a row that Iterable holds like that comes the same each time.
        """
        self.count += 1
        self.alike = self.alike + 1 if digest == self._last else 1
        self._last = digest
        if not ending.is_malformed:
            return self.alike >= CONFIRMATIONS
        may_be_cut = ending.is_cut or not ending.is_proven
        return (self.alike if may_be_cut else self.count) >= LINE_CONFIRMATIONS

    @property
    def differ(self) -> bool:
        """Whether the last body is not the one before."""
        return self.count > self.alike == 1
