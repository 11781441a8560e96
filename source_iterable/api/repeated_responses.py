"""Compares repeated responses to one request, when no single one proves that it is complete."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

CONFIRMATIONS = 2  # identical bodies in a row, if nothing proves that one is complete
LINE_CONFIRMATIONS = 3  # bodies with a line that is not JSON; identical ones in a row, if it may be cut
MAX_RESPONSES = 5  # bodies that all differ


class BodyEnd(NamedTuple):
    """How a body ended.

    Attributes:
        is_framed: Whether a length, chunked encoding or compression marks its end.
        is_proven: Whether the transport proves that it is complete.
        is_malformed: Whether one of its lines is not a JSON object.
        is_truncated: Whether that is the last line, without a newline: it may be cut.
    """

    is_framed: bool = True
    is_proven: bool = True
    is_malformed: bool = False
    is_truncated: bool = False

    @property
    def needs_confirmation(self) -> bool:
        """Whether another response may contain more."""
        return self.is_malformed or not self.is_proven


class BodyDigest(NamedTuple):
    """A digest of a body that ignores the order of its lines: their number, size and sum of hashes."""

    lines: int
    size: int
    hashes: int

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> BodyDigest:
        """The digest of ``lines``."""
        count = size = hashes = 0
        for line in lines:
            count += 1
            size += len(line)
            hashes += int.from_bytes(hashlib.blake2b(line, digest_size=16).digest(), "big")
        return cls(count, size, hashes)


class RepeatedResponses:
    """The bodies of one request so far that need confirmation.

    Attributes:
        count: How many there were.
        identical: How many of the last ones in a row are identical.
    """

    def __init__(self) -> None:
        self.count = 0
        self.identical = 0
        self._last: BodyDigest | None = None

    def confirms(self, ending: BodyEnd, digest: BodyDigest) -> bool:
        """Count one more body, and return whether it is confirmed as complete.

        A server that fails in the middle of a line hardly stops at the same place again; a malformed line that Iterable
        stores is the same each time.
        """
        self.count += 1
        self.identical = self.identical + 1 if digest == self._last else 1
        self._last = digest
        if not ending.is_malformed:
            return self.identical >= CONFIRMATIONS
        may_be_cut = ending.is_truncated or not ending.is_proven
        return (self.identical if may_be_cut else self.count) >= LINE_CONFIRMATIONS

    @property
    def differ(self) -> bool:
        """Whether the last body differs from the one before."""
        return self.count > self.identical == 1
