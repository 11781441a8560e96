"""The disk that a body takes, within the disk limit of a sync."""

from __future__ import annotations


class Reservation:
    """The bytes that one body takes on disk: it grows before they are written, and is closed with the body.

    This one has no limit; others raise where the limit is reached. One thread uses it at a time.

    Attributes:
        size: Bytes that are reserved.
    """

    def __init__(self) -> None:
        self.size = 0

    def grow(self, size: int) -> None:
        """Reserve ``size`` more bytes; 0 only checks that the body is still needed."""
        self.size += size

    def shrink(self, size: int) -> None:
        """Give ``size`` bytes back."""
        self.size -= size

    def close(self) -> None:
        """Give all bytes back; it may grow again."""
        self.shrink(self.size)
