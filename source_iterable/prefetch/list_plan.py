"""The entries of a list endpoint, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from source_iterable.prefetch.plans import (
    REMEMBERED_SIZES,
    SIZE_MARGIN,
    Body,
    InMemory,
    Partition,
    Slice,
    SlicePlan,
)
from source_iterable.reservation import Reservation


class ListPlan(SlicePlan[Partition | None]):
    """The entries that a list endpoint returns, in order, one request each; the first slice, None, requests the list.

    Args:
        stream: The stream's name.
        endpoint: The endpoint of the entries.
        fetch_list: Requests the list; called on a thread of the prefetcher.
        fetch: Requests one entry.
    """

    def __init__(
        self,
        stream: str,
        endpoint: str,
        fetch_list: Callable[[], Sequence[Partition]],
        fetch: Callable[[Partition, Reservation], Body],
    ) -> None:
        super().__init__(stream, endpoint)
        self._fetch_list = fetch_list
        self._fetch = fetch
        self._sizes: deque[int] = deque(maxlen=REMEMBERED_SIZES)
        self.slices.append(Slice(None))

    def fetch(self, slice_: Slice[Partition | None], reservation: Reservation) -> Body:
        """Request the entry, or the list."""
        return InMemory(self._fetch_list()) if slice_.partition is None else self._fetch(slice_.partition, reservation)

    def succeeded(self, slice_: Slice[Partition | None]) -> None:
        """Replace the list with its entries."""
        if isinstance(slice_.body, InMemory):
            self.slices.remove(slice_)
            self.slices.extend(map(Slice, slice_.body.content))
        else:
            self._sizes.append(slice_.body.size)

    def expected_size(self, slice_: Slice[Partition | None]) -> int | None:
        """The largest of the last sizes, with a margin; 0 for the list itself."""
        if slice_.partition is None:
            return 0
        return int(SIZE_MARGIN * max(self._sizes)) if self._sizes else None
