"""List endpoints that tell only a part: the rest is requested for each row, a few at a time."""

from __future__ import annotations

import threading
from abc import ABC
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, nullcontext
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteStream

from source_iterable.api.error_response import endpoint_of
from source_iterable.api.errors import RequestRejected
from source_iterable.api.retry import RetryPolicy
from source_iterable.prefetch.in_order import in_order
from source_iterable.records.json_lines import Row
from source_iterable.streams.api_stream import ApiStream
from source_iterable.streams.chunks import ChunkedStream, Derived, Kept, Listing, Position
from source_iterable.sync import Sync

THREADS = 4


class DetailStream(ChunkedStream, ABC):
    """A list endpoint that is listed whole, and of whose rows each is requested by itself, by `derived`."""

    def __init__(
        self,
        sync: Sync,
        configured: ConfiguredAirbyteStream | None = None,
        parent: ApiStream | None = None,
    ) -> None:
        super().__init__(sync, configured, parent)
        self._answered: set[str] = set()
        self._one_by_one = threading.Lock()

    def left_of(self, listed: Listing) -> Generator[tuple[Position, Callable[[], Derived]]]:
        """Those of the rows that ``listed`` lists that are left, each requested a little before its turn."""

        def request(row: tuple[Position, Kept]) -> Derived:
            return self.records_from(row[1])

        with (
            closing(self.on_disk_in_order(listed)) as rows,
            closing(in_order(request, rows, THREADS)) as requested,
        ):
            for (position, _), answer in requested:
                yield position, answer.result

    def detail(self, path: str, params: Mapping[str, Any], policy: RetryPolicy) -> Row:
        """The object that ``path`` returns; called on several threads.

        As long as an endpoint has not answered, requests to it are made one by one: it may be refused, or not be there.
        """
        endpoint = endpoint_of(self.api.url + path)
        with nullcontext() if endpoint in self._answered else self._one_by_one:
            try:
                found = self.request(path, params, policy)
            except RequestRejected:
                self._answered.add(endpoint)
                raise
            self._answered.add(endpoint)
        return found
