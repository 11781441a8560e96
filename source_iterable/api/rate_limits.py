"""Iterable's rate limits: pacing of requests, and waits after HTTP 429."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from airbyte_cdk.sources.streams.call_rate import (
    CallRateLimitHit,
    HttpAPIBudget,
    HttpRequestRegexMatcher,
    MovingWindowCallRatePolicy,
    Rate,
)

from source_iterable import messages

EXPORT_PATH = "export/data.json"
LIST_USERS_PATH = "lists/getUsers"
METRICS_PATH = "campaigns/metrics"
# Requests per minute and project (https://api.iterable.com/api/docs).
REQUESTS_PER_MINUTE: Mapping[str, int] = {EXPORT_PATH: 4, LIST_USERS_PATH: 5, METRICS_PATH: 10}
# Requests per second and organization; the paths are patterns.
JOB_REQUESTS_PER_SECOND: Mapping[str, int] = {"export/start": 1, r"export/\d+/files": 1}
# A minute and a second, plus a margin for network jitter.
MINUTE = timedelta(seconds=62)
SECOND = timedelta(seconds=1.1)

NOTABLE_WAIT = 10.0  # seconds; longer waits are logged
PATIENCE = 600.0  # seconds that one request may wait in total after 429 responses
WAITS = (15.0, 30.0, 60.0)  # seconds; the last one repeats

logger = logging.getLogger("airbyte")


class Budget(HttpAPIBudget):
    """The requests that Iterable allows in a ``period``, shared by all streams; logs long waits.

    The library starts a thread for each limit, which lives as long as the process.
    """

    def __init__(self, scale: float, limits: Mapping[str, int], period: timedelta) -> None:
        super().__init__(
            policies=[
                MovingWindowCallRatePolicy(
                    rates=[Rate(max(1, int(limit * scale)), period)],
                    matchers=[HttpRequestRegexMatcher(url_path_pattern=f"/api/{path}$")],
                )
                for path, limit in limits.items()
            ],
            # RateLimitWaits handles 429 responses; the CDK would pause all streams for a minute.
            status_codes_for_ratelimit_hit=[],
        )

    def acquire_call(self, request: Any, block: bool = True, timeout: float | None = None) -> None:
        """Wait until the rate limit allows the request."""
        try:
            super().acquire_call(request, block=False)
        except CallRateLimitHit as hit:
            if not block:
                raise
            wait = hit.time_to_wait.total_seconds()
            path = urlsplit(request.url).path.removeprefix("/api/")
            if wait > NOTABLE_WAIT and path in REQUESTS_PER_MINUTE:
                number = REQUESTS_PER_MINUTE[path]
                logger.info(messages.WAITING_FOR_BUDGET.format(seconds=wait, endpoint=path, number=number))
            super().acquire_call(request, block=True, timeout=timeout)


class RateLimitWaits:
    """The waits of one request after 429 responses.

    Attributes:
        waited: Seconds in total so far.
    """

    def __init__(self) -> None:
        self._count = 0
        self.waited = 0.0

    def next(self, retry_after: float | None) -> float:
        """The seconds to wait now, at least ``retry_after`` if the response contains it.

        Each further 429 waits longer, whatever `Retry-After` contains.
        """
        if retry_after is None:
            return WAITS[min(self._count, len(WAITS) - 1)]
        return max(retry_after, 1.0 if self._count == 0 else WAITS[min(self._count, len(WAITS)) - 1])

    def spend(self, wait: float) -> None:
        """Count a wait."""
        self._count += 1
        self.waited += wait
