"""Iterable's rate limits: the requests that it allows, and the waits where it refuses one all the same (HTTP 429)."""

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
# Requests a minute for each project (https://api.iterable.com/api/docs).
REQUESTS_PER_MINUTE: Mapping[str, int] = {EXPORT_PATH: 4, LIST_USERS_PATH: 5, METRICS_PATH: 10}
# Requests a second for each organization; the paths are patterns.
JOB_REQUESTS_PER_SECOND: Mapping[str, int] = {"export/start": 1, r"export/\d+/files": 1}
# A minute and a second, and what the arrival of requests may jitter by.
MINUTE = timedelta(seconds=62)
SECOND = timedelta(seconds=1.1)

NOTABLE_WAIT = 10.0  # seconds; longer waits are logged
PATIENCE = 600.0  # seconds of waiting in all that one request may spend on 429 answers
WAITS = (15.0, 30.0, 60.0)  # seconds, the last one again and again

logger = logging.getLogger("airbyte")


class Budget(HttpAPIBudget):
    """The requests in a ``period`` that Iterable allows, shared by all streams; says so where one must wait.

    The library beneath keeps a thread for each limit, for as long as the process lives.
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
            # A 429 is waited for as the answer says (RateLimitWaits); the CDK would stop all streams for a minute.
            status_codes_for_ratelimit_hit=[],
        )

    def acquire_call(self, request: Any, block: bool = True, timeout: float | None = None) -> None:
        """Take a place in the budget, waiting for one if need be."""
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
    """The waits of one request that is refused because the limit is in use.

    Attributes:
        waited: Seconds in all so far.
    """

    def __init__(self) -> None:
        self._count = 0
        self.waited = 0.0

    def next(self, asked: float | None) -> float:
        """The seconds to wait now, given those that the answer asks for, if any.

        A request that is refused again waits longer, whatever was asked.
        """
        if asked is None:
            return WAITS[min(self._count, len(WAITS) - 1)]
        return max(asked, 1.0 if self._count == 0 else WAITS[min(self._count, len(WAITS)) - 1])

    def spend(self, wait: float) -> None:
        """Count a wait."""
        self._count += 1
        self.waited += wait
