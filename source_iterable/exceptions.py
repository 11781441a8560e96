"""Exceptions that API clients and streams raise and that the prefetcher handles."""

from __future__ import annotations

import tempfile

from source_iterable import messages


class TooLargeError(Exception):
    """The server failed to deliver what was requested; a smaller request may succeed."""


class DiskFullError(messages.MessageError):
    """The temporary folder takes no more."""

    def __init__(self, stream: str, error: OSError) -> None:
        reason = error.strerror or error
        super().__init__(messages.DISK_FULL, stream, repr(error), folder=tempfile.gettempdir(), reason=reason)
