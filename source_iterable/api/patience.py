"""How long a request that fails is retried: by time, for each kind of failure."""

from __future__ import annotations

import time
from enum import Enum

import requests

from source_iterable.api.error_response import is_web_page

# Seconds for which one kind of failure is retried. Longer if a failure of the stream costs more.
PATIENCE = 10 * 60.0  # a stream that resumes
LONG_PATIENCE = 30 * 60.0  # a stream that starts again from its beginning
# If no request of any stream succeeded for this time, five attempts are enough: otherwise a sync would take days.
OUTAGE_PATIENCE = 60 * 60.0
SHORT_PATIENCE = 15.0  # the request is repeated later, or a user waits for the result
NO_PATIENCE = 0.0  # no retries: there is an alternative
MOST_PATIENCES = 2  # times as long in total, if the kind of failure changes
MIN_TRIES = 5
MIN_SILENT_TRIES = 2  # of requests without a response, each of which takes minutes
LONGEST_WAIT = 60.0  # seconds; waits are 1, 2, 4 ... seconds


class FailureKind(Enum):
    """The kinds of failure, each with its own time limit."""

    UNREACHABLE = "no connection"
    WEB_PAGE = "a web page of a proxy"
    LOST = "a connection or body that broke off"
    SILENCE = "no response"
    SERVER = "a server error"

    @property
    def may_be_too_much(self) -> bool:
        """Whether a smaller request may succeed."""
        return self in {FailureKind.LOST, FailureKind.SILENCE, FailureKind.SERVER}


class Outage:
    """The time since the first failure in a sync after the last success; shared by its threads."""

    def __init__(self) -> None:
        self._since: float | None = None

    def failed(self) -> None:
        """Record a failed request."""
        if self._since is None:
            self._since = time.monotonic()

    def observe(self, response: requests.Response, *_: object, **__: object) -> None:
        """End the outage if a response is a success; a response hook of requests."""
        if response.status_code == requests.codes.ok and not is_web_page(response):
            self._since = None

    @property
    def is_long(self) -> bool:
        """Whether the outage is too long to retry each stream at length."""
        since = self._since
        return since is not None and time.monotonic() - since >= OUTAGE_PATIENCE


class Patience:
    """The failures of one request, and whether it was retried for long enough.

    Time is the greater of elapsed time and waits: a wait counts in full even if a test skips it.

    Args:
        seconds: How long one kind of failure is retried.
        outage: The failures of the whole sync.
    """

    def __init__(self, seconds: float, outage: Outage | None = None) -> None:
        self.seconds = seconds
        self.tries = 0
        self._outage = outage
        self._tries_of_all_kinds = 0
        self._kind: FailureKind | None = None
        self._waited = 0.0
        self._first = self._first_of_kind = (0.0, 0.0)

    def failed(self, kind: FailureKind) -> None:
        """Record one more failure."""
        now = (time.monotonic(), self._waited)
        if self._kind is None:
            self._first = now
        if kind is not self._kind:
            self._kind, self.tries, self._first_of_kind = kind, 0, now
        self.tries += 1
        self._tries_of_all_kinds += 1
        if self._outage is not None:
            self._outage.failed()

    def waited(self, seconds: float) -> None:
        """Record a wait before the next attempt."""
        self._waited += seconds

    @property
    def elapsed(self) -> float:
        """The seconds since the first failure of the current kind."""
        return self._since(self._first_of_kind)

    @property
    def is_exhausted(self) -> bool:
        """Whether to stop retrying."""
        least = MIN_SILENT_TRIES if self._kind is FailureKind.SILENCE else MIN_TRIES
        if self._tries_of_all_kinds >= MIN_TRIES and self._since(self._first) >= MOST_PATIENCES * self.seconds:
            return True
        is_long = self._outage is not None and self._outage.is_long
        return self.tries >= least and (is_long or self.elapsed >= self.seconds)

    def _since(self, first: tuple[float, float]) -> float:
        began, waited = first
        return max(time.monotonic() - began, self._waited - waited)
