"""What a stream that is read directly keeps on disk, within the limit that it shares with the downloads of others."""

from __future__ import annotations

from typing import Protocol

import requests
from airbyte_cdk.models import FailureType

from source_iterable.api.body import LARGEST_ANSWER, Body
from source_iterable.api.errors import failure
from source_iterable.exceptions import TooLargeError


class Room(Protocol):
    """The disk limit of a sync."""

    def free_disk(self) -> None:
        """Give back what can be downloaded again, on a disk that is full."""

    def reserve_for_reader(self, size: int) -> None:
        """Take so many bytes, or, negative, give them back.

        Raises:
            TooLargeError: If the reader alone would take more than the limit.
        """


class DiskUser:
    """A stream that keeps listings and answers on disk.

    Attributes:
        room: The disk limit of the sync; None where the stream is read by itself, or its bytes are counted elsewhere.
    """

    name: str
    room: Room | None

    def make_room(self) -> None:
        """Have other streams give back what disk they can spare."""
        if self.room is not None:
            self.room.free_disk()

    def reserve(self, size: int) -> None:
        """Take so many bytes of the disk limit, or, negative, give them back; called from any thread.

        Raises:
            AirbyteTracedException: A config_error if this stream alone would take more than the limit.
        """
        if self.room is None:
            return
        try:
            self.room.reserve_for_reader(size)
        except TooLargeError as error:
            raise failure(
                self.name,
                "what has to wait on disk is larger than the disk limit. Raise ITERABLE_SPOOL_MEGABYTES.",
                str(error),
                FailureType.config_error,
            ) from error

    def receive(self, response: requests.Response) -> Body:
        """The body of ``response``, whole, on disk until it is read."""
        return Body.receive(response, grow=self.reserve, largest=LARGEST_ANSWER, gives_back=True)
