"""Plans the items that a list endpoint returns, in any order, so that none of them delays or loses another.

An item that fails is requested again after all others. A failure counts as the item's own only once a request that
started after it succeeded. Otherwise there may be an outage: requests stop, and single probes show when it is over.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from source_iterable import messages
from source_iterable.prefetch.item_failures import ItemFailure, ItemRetryPolicy, Outage, UnavailableError
from source_iterable.prefetch.plans import (
    REMEMBERED_SIZES,
    SIZE_MARGIN,
    Body,
    InMemory,
    Slice,
    SlicePlan,
    State,
)
from source_iterable.reservation import Reservation

MAX_SUSPECTS = 3  # items that failed in a row, after which a probe shows whether others are available
REMEMBERED_ITEMS = 10  # that were downloaded, to probe with

logger = logging.getLogger("airbyte")


@dataclass(frozen=True)
class ItemList:
    """What a list endpoint returns.

    Attributes:
        items: The items to request.
        known_good: Other items, which were downloaded before.
    """

    items: Sequence[Any]
    known_good: Sequence[Any] = ()


@dataclass(frozen=True)
class Probe:
    """A request that shows whether an item that was downloaded before is available now; its body is not read."""

    item: Any

    def __str__(self) -> str:
        """What is probed."""
        return f"a probe of {self.item}"


class ItemPlan(SlicePlan[Any]):
    """The items that a list endpoint returns, in any order; the first slice, None, requests the list.

    Args:
        stream: The stream's name.
        endpoint: The endpoint of the items.
        noun: What an item is called in the log.
        fetch_list: Requests the list; called on a thread of the prefetcher.
        fetch: Requests an item; the flag says whether for the first time. Raises UnavailableError.
        probe: Requests an item without reading it. Raises UnavailableError.
        policy: How failures are retried.

    Attributes:
        skipped: The items that are not available although others are, and why.
        missing: The items that were not downloaded because of an outage.
        outage_failure: The failure of an outage that lasted too long; None without one.
    """

    def __init__(
        self,
        stream: str,
        endpoint: str,
        noun: str,
        fetch_list: Callable[[], ItemList],
        fetch: Callable[[Any, Reservation, bool], Body],
        probe: Callable[[Any], None],
        policy: ItemRetryPolicy,
    ) -> None:
        super().__init__(stream, endpoint)
        self.is_ordered = False
        self.skipped: dict[Any, ItemFailure] = {}
        self.missing: list[Any] = []
        self.outage_failure: ItemFailure | None = None
        self._noun = noun
        self._fetch_list = fetch_list
        self._fetch = fetch
        self._probe_item = probe
        self._policy = policy
        self._sizes: deque[int] = deque(maxlen=REMEMBERED_SIZES)
        self._known_good: deque[Any] = deque(maxlen=REMEMBERED_ITEMS)
        self._requests = 0
        self._running: dict[Slice[Any], int] = {}  # the number of each request that is running
        self._failed_items: set[Any] = set()  # the items that failed, also in an outage
        self._own_failures: dict[Any, int] = {}  # how many failures were the item's own
        # Failures that may be the item's own, with the number of the last request that had started then.
        self._suspects: dict[Slice[Any], tuple[ItemFailure, int]] = {}
        self._outage = Outage(policy)
        self._probe: Slice[Any] | None = None  # all that is requested, while an outage is possible
        self._is_current = False
        self.slices.append(Slice(None))

    def next(self, now: float) -> Slice[Any] | None:
        """An item that was not requested yet, or one whose retry is due; in an outage the probe."""
        if self.outage_failure is not None or any(map(_is_blocking, self.slices)):
            return None
        if self._probe is None and len(self._suspects) >= MAX_SUSPECTS:
            self._start_probe(now)
        slice_ = self._probe or self._first_startable(now)
        if slice_ is None and self._is_undecided():
            self._start_probe(now)
            slice_ = self._probe
        if slice_ is None or not slice_.may_start(now):
            return None
        self._requests += 1
        self._running[slice_] = self._requests
        return slice_

    def fetch(self, slice_: Slice[Any], reservation: Reservation) -> Body:
        """Request the list or the item, or probe."""
        item = slice_.partition
        if item is None:
            return InMemory(self._fetch_list())
        if isinstance(item, Probe):
            self._probe_item(item.item)
            return InMemory()
        return self._fetch(item, reservation, item not in self._failed_items)

    def succeeded(self, slice_: Slice[Any]) -> None:
        """Replace the list with its items, and decide which failed items are at fault."""
        body = slice_.body
        if isinstance(body, InMemory):
            self.slices.remove(slice_)
            if body.content is not None:
                self.slices.extend(map(Slice, body.content.items))
                self._known_good.extend(body.content.known_good)
        else:
            self._sizes.append(body.size)
            self._known_good.append(slice_.partition)
            self._suspects.pop(slice_, None)
        self._decide_suspects(slice_)

    def failed(self, slice_: Slice[Any], error: Exception, now: float, *, is_current: bool) -> bool:
        """Retry the item later; in an outage, wait and probe."""
        if not isinstance(error, UnavailableError):
            return False
        failure = error.failure
        if failure.is_permanent and not self._known_good:
            return False  # nothing shows that the item is at fault
        self._running.pop(slice_, None)
        self._is_current = is_current
        if not isinstance(slice_.partition, Probe) and slice_.partition is not None:
            self._retry_later(slice_, failure, now)
        if self.outage_failure is not None:
            self._end(failure)
        elif slice_ is self._probe or slice_.partition is None:
            self._wait(slice_, failure, now)
        return True

    def expected_size(self, slice_: Slice[Any]) -> int | None:
        """The largest of the last sizes, with a margin; 0 for the list itself, and for a probe."""
        if slice_.partition is None or isinstance(slice_.partition, Probe):
            return 0
        return int(SIZE_MARGIN * max(self._sizes)) if self._sizes else None

    # Failed items

    def _retry_later(self, slice_: Slice[Any], failure: ItemFailure, now: float) -> None:
        """Request the item again after all others, unless that cannot succeed."""
        self.slices.remove(slice_)
        if failure.is_final:
            self.skipped[slice_.partition] = failure
            return
        self.slices.append(slice_)
        slice_.not_before = now + self._policy.retry_delay
        self._failed_items.add(slice_.partition)
        if not self._outage.is_on:
            self._suspects[slice_] = failure, self._requests
            if self._own_failures.get(slice_.partition, 0) + 1 < self._max_failures(failure):
                logger.info(
                    "%s: %s %s: %s. It is requested again after all others, %.0f s from now at the earliest.",
                    self.stream, self._noun, slice_.partition, failure.reason, self._policy.retry_delay,
                )  # fmt: skip

    def _max_failures(self, failure: ItemFailure) -> int:
        """How many failures of its own, the last one ``failure``, cause an item to be skipped."""
        return self._policy.max_rejections if failure.is_rejection else self._policy.max_failures

    def _is_undecided(self) -> bool:
        """Whether an item failed, and no running request can show whether others are available."""
        failed = [number for _, number in self._suspects.values()]
        running = [self._running.get(slice_, 0) for slice_ in self.slices if slice_.state is State.RUNNING]
        return bool(failed) and max(running, default=0) <= max(failed)

    def _decide_suspects(self, slice_: Slice[Any]) -> None:
        """After a success: what failed before it was requested is the item's own failure."""
        number = self._running.pop(slice_, 0)
        if slice_ is self._probe:
            self._probe = None
        elif self._outage.is_on:
            return  # requested before the outage: a long download shows nothing about new requests
        if self._outage.is_on:
            logger.info("%s: Iterable answers again.", self.stream)
        self._outage.end()
        for suspect in [one for one, (_, failed_at) in self._suspects.items() if number > failed_at]:
            failure, _ = self._suspects.pop(suspect)
            own = self._own_failures[suspect.partition] = self._own_failures.get(suspect.partition, 0) + 1
            if own >= self._max_failures(failure) and suspect.state is State.WAITING and suspect in self.slices:
                self.slices.remove(suspect)
                self.skipped[suspect.partition] = failure

    # Outages

    def _start_probe(self, now: float) -> None:
        """Probe whether any item is available; if none ever was, there is an outage."""
        if self._known_good:
            self._probe = self._new_probe(self._known_good[0])
            self._probe.not_before = now
            self._known_good.rotate(-1)
            return
        latest, _ = list(self._suspects.values())[-1]
        self._wait(None, latest, now)

    def _wait(self, failed: Slice[Any] | None, failure: ItemFailure, now: float) -> None:
        """Request nothing for a while, then one slice, which shows whether the outage is over."""
        if not self._outage.is_on:
            warning = messages.LISTS_PAUSED.format(reason=failure.reason, seconds=self._policy.max_outage)
            logger.warning("%s: %s", self.stream, warning)
        delay = self._outage.next_delay(failure.kind, now, is_current=self._is_current)
        self._suspects.clear()  # their failures are those of the outage
        self._drop_probe()
        if delay is None:
            self._end(failure)
            return
        self._probe = self._next_probe(failed)
        if self._probe is not None:
            self._probe.not_before = max(self._probe.not_before, now + delay)

    def _next_probe(self, failed: Slice[Any] | None) -> Slice[Any] | None:
        """The list if it failed, else an item that was downloaded, else the one that has waited longest."""
        if failed is not None and failed.partition is None:
            return failed
        if self._known_good:
            self._known_good.rotate(-1)
            return self._new_probe(self._known_good[0])
        waiting = (slice_ for slice_ in self.slices if slice_.state is State.WAITING)
        return min(waiting, key=lambda slice_: slice_.not_before, default=None)

    def _new_probe(self, item: object) -> Slice[Any]:
        probe: Slice[Any] = Slice(Probe(item))
        self.slices.append(probe)
        return probe

    def _drop_probe(self) -> None:
        if self._probe is not None and isinstance(self._probe.partition, Probe):
            self.slices.remove(self._probe)
        self._probe = None

    def _end(self, failure: ItemFailure) -> None:
        """End after the running downloads: all other items are missing."""
        self.outage_failure = failure
        self._drop_probe()
        for slice_ in [one for one in self.slices if one.state is State.WAITING]:
            self.slices.remove(slice_)
            if slice_.partition is not None:
                self.missing.append(slice_.partition)


def _is_blocking(slice_: Slice[Any]) -> bool:
    """Whether ``slice_`` failed for a reason that concerns all items: nothing is requested until its reader waits."""
    return slice_.state is State.FAILED or (slice_.failures > 0 and slice_.not_before == inf)
