"""Iterable's limits of requests a minute or a second, for each endpoint."""

import math
import re
from collections import deque
from collections.abc import Iterable

from integration_tests.sandbox.project.clock import monotonic

REQUESTS_PER_MINUTE = {"campaigns/metrics": 10, "export/data.json": 4, "lists/getUsers": 5}
MINUTE = 60.0
REQUESTS_PER_SECOND = {"export/start": 1, "export/{}/files": 1, "export/{}": 1}
"""Those about export jobs; ``{}`` is a job's number."""


def limited(endpoint: str) -> str:
    """The endpoint as limits name it."""
    return re.sub(r"(?<=^export/)\d+", "{}", endpoint)


class Limits:
    """Counts the accepted calls of each limited endpoint over a moving window of real time."""

    def __init__(self, scale: float, window: float = MINUTE) -> None:
        """Allow the documented calls times ``scale``, counted over ``window`` seconds."""
        self._window = dict.fromkeys(REQUESTS_PER_MINUTE, window) | dict.fromkeys(REQUESTS_PER_SECOND, window / MINUTE)
        self._allowed = {
            endpoint: max(1, math.floor(limit * scale * window / MINUTE))
            for endpoint, limit in (REQUESTS_PER_MINUTE | REQUESTS_PER_SECOND).items()
        }
        self._accepted: dict[str, deque[float]] = {endpoint: deque() for endpoint in self._allowed}

    def wait(self, endpoint: str) -> float:
        """Seconds until ``endpoint`` takes another call; 0 when it takes one now."""
        endpoint = limited(endpoint)
        if endpoint not in self._allowed:
            return 0.0
        accepted = self._accepted[endpoint]
        horizon = monotonic() - self._window[endpoint]
        while accepted and accepted[0] <= horizon:
            accepted.popleft()
        if len(accepted) < self._allowed[endpoint]:
            return 0.0
        return max(0.001, accepted[-self._allowed[endpoint]] - horizon)

    def count(self, endpoint: str) -> None:
        """Count an accepted call; rejected calls are not counted."""
        endpoint = limited(endpoint)
        if endpoint in self._accepted:
            self._accepted[endpoint].append(monotonic())

    def reset(self) -> None:
        """Forget all calls."""
        for accepted in self._accepted.values():
            accepted.clear()


def worst(timestamps: Iterable[float], window: float) -> int:
    """The largest number of ``timestamps`` (seconds) that lie within any span shorter than ``window``."""
    inside: deque[float] = deque()
    largest = 0
    for at in sorted(timestamps):
        inside.append(at)
        while inside[0] <= at - window:
            inside.popleft()
        largest = max(largest, len(inside))
    return largest
