"""Streams whose bodies are downloaded ahead of their turn."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping
from typing import Any

from source_iterable.prefetch import plans
from source_iterable.prefetch.prefetcher import Prefetcher
from source_iterable.streams.base import IterableStream
from source_iterable.streams.disk import DiskLimit


class PrefetchedStream(IterableStream, ABC):
    """A stream whose bodies are downloaded ahead of their emission, by the prefetcher of the sync if it has one."""

    def _disk_limit(self) -> DiskLimit | None:
        return None  # the prefetcher counts the bodies itself

    def plan(self, state: Mapping[str, Any]) -> plans.SlicePlan[Any]:
        """What the stream wants downloaded, given its saved state."""
        raise NotImplementedError

    def prefetched(self) -> Iterator[plans.Slice[Any] | None]:
        """What was wanted, in order, as it arrives; None for half an hour in which nothing did."""
        if self.sync.prefetcher is not None:
            yield from self.sync.prefetcher.slices(self.name)
            return
        prefetcher = Prefetcher([self.plan(self.state)], self.config.spool_bytes)
        prefetcher.start()
        try:
            yield from prefetcher.slices(self.name)
        finally:
            prefetcher.stop()
