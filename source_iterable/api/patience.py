"""For how long the failures of a request are met: by time, and each kind of failure by itself."""

from __future__ import annotations

import time
from enum import Enum

import requests

from source_iterable.api.error_response import is_web_page

# Seconds for which one kind of failure is met before a request is abandoned, by what that costs.
PATIENCE = 10 * 60.0  # a stream that resumes
LONG_PATIENCE = 30 * 60.0  # a stream that starts again from its beginning
# After so many seconds in which no request of any stream succeeded, five tries are enough: waiting as long for each
# stream would take days.
OUTAGE_PATIENCE = 60 * 60.0
SHORT_PATIENCE = 15.0  # little: the request is made again later, or somebody waits in front of a form
NO_PATIENCE = 0.0  # nothing: there is another way
MOST_PATIENCES = 2  # so many times as long where kinds of failure take turns
MIN_TRIES = 5
MIN_SILENT_TRIES = 2  # each of which takes minutes
LONGEST_WAIT = 60.0  # seconds; waits are 1, 2, 4 ... seconds


class Trouble(Enum):
    """The kinds of failure, each of which is met for some time by itself."""

    UNREACHABLE = "no connection"
    WEB_PAGE = "another's answer"
    LOST = "a connection or body that broke off"
    SILENCE = "no answer"
    SERVER = "an error of the server"

    @property
    def may_be_too_much(self) -> bool:
        """Whether less might be delivered."""
        return self in {Trouble.LOST, Trouble.SILENCE, Trouble.SERVER}


class Outage:
    """Since when no request of a sync succeeds; used by all its threads."""

    def __init__(self) -> None:
        self._since: float | None = None

    def failed(self) -> None:
        """Take note of a request that failed."""
        if self._since is None:
            self._since = time.monotonic()

    def observe(self, response: requests.Response, *_: object, **__: object) -> None:
        """Learn that it is over from an answer; a response hook of requests."""
        if response.status_code == requests.codes.ok and not is_web_page(response):
            self._since = None

    @property
    def is_long(self) -> bool:
        """Whether it lasts for so long that it will hardly end soon."""
        since = self._since
        return since is not None and time.monotonic() - since >= OUTAGE_PATIENCE


class Patience:
    """The failures of one request since its last success, and whether they were met for long enough.

    Time is the greater of what passed and what was waited for: a wait counts in full, also where a test passes it.

    Args:
        seconds: For how long one kind of failure is met.
        outage: The failures of the whole sync.
    """

    def __init__(self, seconds: float, outage: Outage | None = None) -> None:
        self.seconds = seconds
        self.tries = 0
        self._outage = outage
        self._tries_of_all_kinds = 0
        self._kind: Trouble | None = None
        self._waited = 0.0
        self._first = self._first_of_kind = (0.0, 0.0)

    def met(self, kind: Trouble) -> None:
        """Take note of one more failure."""
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
        """Take note of a wait before the next try."""
        self._waited += seconds

    @property
    def elapsed(self) -> float:
        """The seconds since the first failure of the last kind."""
        return self._since(self._first_of_kind)

    @property
    def is_exhausted(self) -> bool:
        """Whether the request should be abandoned."""
        least = MIN_SILENT_TRIES if self._kind is Trouble.SILENCE else MIN_TRIES
        if self._tries_of_all_kinds >= MIN_TRIES and self._since(self._first) >= MOST_PATIENCES * self.seconds:
            return True
        is_long = self._outage is not None and self._outage.is_long
        return self.tries >= least and (is_long or self.elapsed >= self.seconds)

    def _since(self, first: tuple[float, float]) -> float:
        at, waited = first
        return max(time.monotonic() - at, self._waited - waited)
