"""Iterable's HTTP API as one sync sees it: one host, one key, one budget of requests, one clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from airbyte_cdk.sources.streams.call_rate import (
    CallRateLimitHit,
    HttpAPIBudget,
    HttpRequestRegexMatcher,
    LimiterSession,
    MovingWindowCallRatePolicy,
    Rate,
)
from airbyte_cdk.sources.streams.http import HttpClient
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from source_iterable.clock import Clock
from source_iterable.config import Config
from source_iterable.errors import NOTABLE_WAIT, Attempts, refused_key_error

EXPORT_PATH = "export/data.json"
LIST_USERS_PATH = "lists/getUsers"
# Requests a minute for each project (https://api.iterable.com/api/docs).
REQUESTS_PER_MINUTE: Mapping[str, int] = {EXPORT_PATH: 4, LIST_USERS_PATH: 5, "campaigns/metrics": 10}
# A minute, and what the arrival of requests may jitter by.
MINUTE = timedelta(seconds=62)

CONNECT_SECONDS = 10.0
SILENCE_SECONDS: Mapping[str, float] = {EXPORT_PATH: 15 * 60.0, LIST_USERS_PATH: 60 * 60.0}
USUAL_SILENCE_SECONDS = 60.0

CONNECTIONS = 20
TIME_TRIES = 3

logger = logging.getLogger("airbyte")


class ApiKey(AuthBase):
    """Puts the key into the header that Iterable reads it from, and into no request to another host."""

    def __init__(self, key: str, url: str) -> None:
        self._key = key
        self._origin = origin(url)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header.

        Raises:
            ValueError: If the request goes elsewhere than the key.
        """
        if origin(request.url or "") != self._origin:
            raise ValueError("a request to another host than the API's")
        request.headers["Api-Key"] = self._key
        return request


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of ``url``, the port also where it goes without saying."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


class Budget(HttpAPIBudget):
    """The requests a minute that Iterable allows, shared by all tables; says so where one must wait."""

    def __init__(self, scale: float) -> None:
        super().__init__(
            policies=[
                MovingWindowCallRatePolicy(
                    rates=[Rate(max(1, int(limit * scale)), MINUTE)],
                    matchers=[HttpRequestRegexMatcher(url_path_pattern=f"/api/{path}$")],
                )
                for path, limit in REQUESTS_PER_MINUTE.items()
            ],
            # A 429 is waited for as the answer says (errors.py); the CDK would stop all tables for a minute.
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
            if wait > NOTABLE_WAIT:
                path = urlsplit(request.url).path.removeprefix("/api/")
                logger.info(
                    "Waiting %.0f s or more before the next request to %s: Iterable allows %d a minute.",
                    wait, path, REQUESTS_PER_MINUTE[path],
                )  # fmt: skip
            super().acquire_call(request, block=True, timeout=timeout)


class Api:
    """Sends requests: with the key, within the budget, the answers' bodies spooled and proved whole."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.url = f"{config.url}/api/"
        self.clock = clock or Clock()
        self._rate_scale = config.rate_scale
        self.budget = Budget(config.rate_scale)
        self.authenticator = ApiKey(config.api_key, config.url)
        self.session = self._new_session(LimiterSession(api_budget=self.budget))
        self.key_revoked = False

    def client(self, table: str, attempts: Attempts) -> HttpClient:
        """A client of the CDK for requests of ``table`` that follows ``attempts``."""
        return HttpClient(
            name=table, logger=logger, error_handler=attempts, backoff_strategy=attempts, session=self.session
        )

    def get(self, path: str, params: Mapping[str, Any], attempts: Attempts, table: str) -> requests.Response:
        """Ask for ``path``; the answer's `raw` is the spool of its whole body.

        Raises:
            AirbyteTracedException: As `Attempts` tells.
        """
        self.require_key(table)
        _, response = self.client(table, attempts).send_request(
            "GET",
            self.url + path,
            params=params,
            headers=self.headers(),
            request_kwargs=self.request_options(path),
        )
        return response

    def seconds_a_request(self, path: str) -> float:
        """How far requests to ``path`` lie apart on the average, where all of the limit is in use."""
        limit = REQUESTS_PER_MINUTE.get(path)
        return MINUTE.total_seconds() / (limit * self._rate_scale) if limit else 0.0

    def require_key(self, table: str) -> None:
        """Raise the error for ``table`` if Iterable refused the key everywhere, instead of asking once more."""
        if self.key_revoked:
            raise refused_key_error(table, "HTTP 401, earlier in this sync")

    def ask_once(self, path: str, params: Mapping[str, Any] | None = None, silence: float = 20.0) -> requests.Response:
        """Ask for ``path`` outside the budget and without a second try; the caller reads the status.

        Raises:
            requests.RequestException: If no answer comes.
        """
        session = self._new_session(requests.Session())
        options = {**self.request_options(path), "timeout": (CONNECT_SECONDS, silence)}
        return session.get(self.url + path, params=params, headers=self.headers(), **options)

    def learn_time(self) -> None:
        """Have the clock learn Iterable's time from a cheap request; a failure is left for the tables to meet."""
        trouble = ""
        for attempt in range(1, TIME_TRIES + 1):
            try:
                self.ask_once("channels").close()
            except requests.RequestException as error:  # noqa: PERF203 - three times at the most
                trouble = type(error).__name__
                time.sleep(attempt)
            else:
                return
        logger.warning("Iterable's time could not be asked for (%s): this machine's clock counts.", trouble)

    def is_refused_everywhere(self) -> bool:
        """After a 401 on some endpoint: find out whether the key is refused for the simplest request too."""
        try:
            with self.ask_once("channels") as response:
                self.key_revoked = response.status_code == requests.codes.unauthorized
        except requests.RequestException:
            pass
        return self.key_revoked

    @staticmethod
    def headers() -> Mapping[str, str]:
        """The headers of every request but the key."""
        return {"Accept-Encoding": "gzip", "User-Agent": "source-iterable"}

    @staticmethod
    def request_options(path: str) -> Mapping[str, Any]:
        """How a request to ``path`` is sent: streamed, never redirected, with time-outs in seconds."""
        silence = SILENCE_SECONDS.get(path, USUAL_SILENCE_SECONDS)
        return {"stream": True, "allow_redirects": False, "timeout": (CONNECT_SECONDS, silence)}

    def _new_session(self, session: requests.Session) -> requests.Session:
        session.auth = self.authenticator
        session.hooks["response"].append(self.clock.observe)
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS))
        return session
