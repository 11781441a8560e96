"""How failures of items are retried, and how long an outage may last before a stream fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ItemRetryPolicy:
    """How failures of items are retried.

    Attributes:
        retry_delay: Seconds before an item that failed is requested again.
        probe_delays: Seconds before each probe of whether an outage is over, the last one repeated.
        max_outage: Seconds that failures of one kind may last before the stream fails.
        max_rejections: How many times an item may be rejected before it is skipped.
        max_failures: How many times it may fail in another way.
    """

    retry_delay: float = 15 * 60.0
    probe_delays: Sequence[float] = (60.0, 120.0, 300.0, 600.0)
    max_outage: float = 30 * 60.0
    max_rejections: int = 2
    max_failures: int = 3

    def scaled(self, scale: Callable[[float], float]) -> ItemRetryPolicy:
        """The same policy with ``scale`` applied to all durations."""
        return ItemRetryPolicy(
            scale(self.retry_delay),
            [scale(delay) for delay in self.probe_delays],
            scale(self.max_outage),
            self.max_rejections,
            self.max_failures,
        )


@dataclass(frozen=True)
class ItemFailure:
    """Why an item is not available.

    Attributes:
        reason: A clause for messages: "Iterable answers HTTP 404 NotFound".
        kind: The kind of failure; each kind of an outage is timed separately.
        is_rejection: Whether the server rejected the request for this item.
        is_final: Whether another request cannot succeed.
        is_permanent: Whether waiting does not help: either the item is at fault, or the stream fails.
        error: The error to report, where it says more than the reason.
    """

    reason: str
    kind: str
    is_rejection: bool = False
    is_final: bool = False
    is_permanent: bool = False
    error: Exception | None = field(default=None, compare=False)


class UnavailableError(Exception):
    """An item is not available."""

    def __init__(self, failure: ItemFailure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Outage:
    """Whether there is an outage, and how long it may still last."""

    def __init__(self, policy: ItemRetryPolicy) -> None:
        self.is_on = False
        self._policy = policy
        self._probes = 0
        self._since: dict[str, float] = {}  # the monotonic time of the first failure, by kind

    def next_delay(self, kind: str, now: float, *, is_current: bool) -> float | None:
        """Seconds until the next probe, after a failure at ``now``; None if the outage has lasted too long.

        The time starts when the stream is being read (``is_current``).
        """
        if not self.is_on or not is_current:
            self._since.clear()
        self.is_on = True
        seconds_left = self._since.setdefault(kind, now) + self._policy.max_outage - now
        if seconds_left <= 0:
            return None
        delays = self._policy.probe_delays
        delay = delays[min(self._probes, len(delays) - 1)]
        self._probes += 1
        return min(delay, seconds_left)

    def end(self) -> None:
        """Note that a request succeeded."""
        self.is_on, self._probes = False, 0
