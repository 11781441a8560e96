"""What 401 and 403 mean in one sync: a hiccup, an endpoint that the key may not use, or a key that is refused."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import requests

from source_iterable.api.error_response import ErrorResponse, endpoint_of, is_web_page

# Seconds before a refused request of an accepted key is sent again: two minutes in all, then the refusal is believed.
CHECK_WAITS = (5.0, 15.0, 40.0, 60.0)
MAX_CHECKS = 5  # of endpoints that allowed nothing in this sync; a key that may do little would cost hours otherwise
MAX_CHECKS_OF_ALLOWED = 3  # of streams of one endpoint that allowed other requests


class Refusals:
    """The refusals of one sync; used by all its threads.

    Args:
        request_simplest: Sends the simplest request once.

    Attributes:
        are_checked: Whether refusals of an accepted key are doubtful: they are in a sync, but people wait for
            `discover`.
        of_key: Iterable's answer to a key that it refuses everywhere; empty while it does not.
    """

    def __init__(self, request_simplest: Callable[[], requests.Response]) -> None:
        self._request_simplest = request_simplest
        self._lock = threading.Lock()
        self._is_accepted = False
        self._allowed: set[str] = set()
        self._denied: set[tuple[str, str]] = set()
        self.are_checked = False
        self.of_key = ""

    def observe(self, response: requests.Response, *_: object, **__: object) -> None:
        """Learn from an answer that the key is accepted; a response hook of requests."""
        if response.status_code == requests.codes.ok and not is_web_page(response):
            with self._lock:
                self._is_accepted = True
                self._allowed.add(endpoint_of(str(response.url)))

    def is_key_refused(self) -> bool:
        """Whether the key is refused for the simplest request too, at this moment."""
        try:
            with self._request_simplest() as response:
                return bool(response.status_code == requests.codes.unauthorized)
        except requests.RequestException:
            return False

    def is_doubtful(self, endpoint: str, stream: str, *, is_key_refused: bool) -> bool:
        """Whether a refusal should be checked again before it is believed.

        That of a key that was never accepted is clear. So is that of an endpoint which was found to be denied before:
        to this stream, to any stream if it allowed none, or to several.
        """
        with self._lock:
            if not self.are_checked or (is_key_refused and not self._is_accepted):
                return False
            if (endpoint, stream) in self._denied:
                return False
            by_endpoint = Counter(denied for denied, _ in self._denied)
            if endpoint in self._allowed:
                return by_endpoint[endpoint] < MAX_CHECKS_OF_ALLOWED
            return not by_endpoint[endpoint] and len(by_endpoint) < MAX_CHECKS

    def is_final(self, checks: int) -> bool:
        """Whether the key is refused for good, after it was refused everywhere at each of so many checks."""
        with self._lock:
            return checks >= len(CHECK_WAITS) or not self._is_accepted or not self.are_checked

    def believe_key_refused(self, answer: ErrorResponse) -> None:
        """Send no request any more in this sync."""
        self.of_key = str(answer)

    def believe_denied(self, endpoint: str, stream: str) -> None:
        """Take note that the key may not request ``endpoint`` for ``stream``."""
        with self._lock:
            self._denied.add((endpoint, stream))

    def allowed(self, url: str, stream: str) -> None:
        """Take note that a request of ``stream`` was answered: an earlier refusal is past."""
        with self._lock:
            self._denied.discard((endpoint_of(url), stream))
