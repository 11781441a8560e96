"""What 401 and 403 mean in one sync: a temporary error, a missing permission, or a key that is refused."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import requests

from source_iterable.api.error_response import ErrorResponse, endpoint_of, is_web_page

# Seconds before a refused request of an accepted key is repeated; after two minutes in total the refusal is final.
CHECK_WAITS = (5.0, 15.0, 40.0, 60.0)
MAX_CHECKS = 5  # endpoints without a success in this sync; more would cost a key with few permissions hours
MAX_CHECKS_OF_ALLOWED = 3  # streams of an endpoint that allowed other requests


class Refusals:
    """The refusals of one sync; shared by its threads.

    Args:
        request_simplest: Sends the simplest request once.

    Attributes:
        are_checked: Whether refusals of an accepted key are checked again: not in `discover`, where users wait.
        of_key: Iterable's response to a key that it refuses for every endpoint; empty while it does not.
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
        """Record that a response accepts the key; a response hook of requests."""
        if response.status_code == requests.codes.ok and not is_web_page(response):
            with self._lock:
                self._is_accepted = True
                self._allowed.add(endpoint_of(str(response.url)))

    def is_key_refused(self) -> bool:
        """Whether the key is refused for the simplest request too."""
        try:
            with self._request_simplest() as response:
                return bool(response.status_code == requests.codes.unauthorized)
        except requests.RequestException:
            return False

    def needs_check(self, endpoint: str, stream: str, *, is_key_refused: bool) -> bool:
        """Whether to check a refusal again.

        Not if the key was never accepted, and not if the endpoint is known to be denied: to this stream, to any stream
        if it allowed none, or to several.
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
        """Whether the key counts as refused, after it was refused at each of ``checks`` checks."""
        with self._lock:
            return checks >= len(CHECK_WAITS) or not self._is_accepted or not self.are_checked

    def record_key_refused(self, answer: ErrorResponse) -> None:
        """Record that the key is refused: this sync sends no more requests."""
        self.of_key = str(answer)

    def record_denied(self, endpoint: str, stream: str) -> None:
        """Record that the key may not request ``endpoint`` for ``stream``."""
        with self._lock:
            self._denied.add((endpoint, stream))

    def record_allowed(self, url: str, stream: str) -> None:
        """Record a success of ``stream``, which ends an earlier refusal."""
        with self._lock:
            self._denied.discard((endpoint_of(url), stream))
