"""List endpoints that return only a part of each row: the rest is requested row by row, a few at a time."""

from __future__ import annotations

import threading
from abc import ABC
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any

from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.api.error_response import endpoint_of
from source_iterable.api.errors import MissingEndpointError, RequestRejected
from source_iterable.api.retry import RetryPolicy
from source_iterable.prefetch.in_order import in_order
from source_iterable.records.json_lines import Row
from source_iterable.streams.chunks import ChunkedStream, Derived, Kept, Position, RowSource

THREADS = 4


class DetailStream(ChunkedStream, ABC):
    """A list whose rows are each requested by themselves, in `derived`."""

    def begin(self) -> bool:
        """Forget which endpoints have answered as well."""
        self._answered: set[str] = set()
        self._failure: AirbyteTracedException | None = None
        self._one_by_one = threading.Lock()
        return super().begin()

    def rows_left(self, source: RowSource) -> Generator[tuple[Position, Callable[[], Derived]]]:
        """Those of the rows that ``source`` returns that are left, each requested a little before its turn."""

        def request(row: tuple[Position, Kept]) -> Derived:
            return self.records_from(row[1])

        with (
            closing(self.sorted_on_disk(source)) as rows,
            closing(in_order(request, rows, THREADS)) as requested,
        ):
            for (position, _), answer in requested:
                yield position, answer.result

    def detail(self, path: str, params: Mapping[str, Any], policy: RetryPolicy) -> Row:
        """The object that ``path`` returns; called on several threads.

        Until an endpoint has answered, it is requested by one thread at a time: it may be refused, or missing.
        """
        endpoint = endpoint_of(self.api.url + path)
        if endpoint in self._answered:
            return self.request(path, params, policy)
        with self._one_by_one:
            if self._failure is not None:  # the stream ends: what waits here is not needed any more
                raise self._failure
            try:
                found = self.request(path, params, policy)
            except RequestRejected:
                self._answered.add(endpoint)
                raise
            except MissingEndpointError:
                raise
            except AirbyteTracedException as error:
                self._failure = error
                raise
            self._answered.add(endpoint)
        return found
