"""What a stream that is read directly keeps on disk, within the limit that it shares with the downloads of others."""

from __future__ import annotations

from typing import Protocol

import requests

from source_iterable import messages
from source_iterable.api.body import LARGEST_ANSWER, Body
from source_iterable.exceptions import TooLargeError
from source_iterable.reservation import Reservation


class DiskLimit(Protocol):
    """The disk limit of a sync."""

    def free_disk(self) -> None:
        """Evict the bodies that can be downloaded again."""

    def reserve_for_reader(self, size: int) -> None:
        """Reserve ``size`` bytes; a negative ``size`` gives bytes back.

        Raises:
            TooLargeError: If readers alone would take more than the limit.
        """


class DiskUser:
    """A stream that keeps lists and responses on disk.

    Attributes:
        disk_limit: The disk limit of the sync; None where the stream is read by itself, or others count its bytes.
    """

    name: str
    disk_limit: DiskLimit | None

    def free_disk(self) -> None:
        """Evict the bodies of other streams, on a full disk."""
        if self.disk_limit is not None:
            self.disk_limit.free_disk()

    def reservation(self) -> Reservation:
        """A new reservation within the disk limit."""
        return Reservation() if self.disk_limit is None else _ReaderReservation(self.name, self.disk_limit)

    def receive(self, response: requests.Response) -> Body:
        """The body of ``response``, whole, on disk until it is read."""
        return Body.receive(response, reservation=self.reservation(), largest=LARGEST_ANSWER)


class _ReaderReservation(Reservation):
    """The disk that a stream takes beside the downloads of others; any thread may use it."""

    def __init__(self, stream: str, limit: DiskLimit) -> None:
        super().__init__()
        self._stream = stream
        self._limit = limit

    def grow(self, size: int) -> None:
        """Reserve ``size`` more bytes.

        Raises:
            AirbyteTracedException: A config_error if streams that are read directly would take more than the limit.
        """
        try:
            self._limit.reserve_for_reader(size)
        except TooLargeError as error:
            raise messages.LISTING_OVER_LIMIT.error(self._stream, str(error)) from error
        super().grow(size)

    def shrink(self, size: int) -> None:
        """Give ``size`` bytes back."""
        super().shrink(size)
        self._limit.reserve_for_reader(-size)
