"""The client of Iterable's HTTP API: one for each sync, with its key, rate limits and clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from airbyte_cdk.sources.streams.call_rate import LimiterSession
from airbyte_cdk.sources.streams.http import HttpClient
from airbyte_cdk.sources.streams.http.tcp_keepalive import TcpKeepaliveHTTPAdapter
from requests.auth import AuthBase

from source_iterable import messages
from source_iterable.api.body import Body
from source_iterable.api.clock import Clock
from source_iterable.api.error_response import API_STATUSES, endpoint_of, is_busy, is_web_page
from source_iterable.api.errors import MissingEndpointError
from source_iterable.api.patience import Outage
from source_iterable.api.rate_limits import (
    EXPORT_PATH,
    JOB_REQUESTS_PER_SECOND,
    LIST_USERS_PATH,
    MINUTE,
    REQUESTS_PER_MINUTE,
    SECOND,
    Budget,
)
from source_iterable.api.refusals import Refusals
from source_iterable.api.retry import RetryPolicy
from source_iterable.config import Config

SIMPLEST = "channels"  # a cheap request, to test whether Iterable answers at all
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT: Mapping[str, float] = {EXPORT_PATH: 15 * 60.0, LIST_USERS_PATH: 60 * 60.0}
USUAL_READ_TIMEOUT = 60.0

CANCEL_SECONDS = 2.0

CONNECTIONS = 20
CHUNK = 65_536
TIME_TRIES = 3

logger = logging.getLogger("airbyte")
# For requests whose URL is a secret: the CDK logs it at level DEBUG.
quiet = logging.getLogger("airbyte.signed")
quiet.setLevel(logging.INFO)
# Its warnings about malformed headers contain whole URLs, with their signatures.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class ApiKey(AuthBase):
    """Adds the API key to requests to Iterable, and to no other host."""

    def __init__(self, key: str, url: str) -> None:
        self._key = key
        self._origin = origin(url)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header.

        Raises:
            ValueError: If the request goes to another host.
        """
        if origin(request.url or "") != self._origin:
            raise ValueError("a request to another host than the API's")
        request.headers["Api-Key"] = self._key
        return request


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of ``url``, with the default port if it names none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


class Api:
    """Sends requests with the key and within the rate limits, and returns complete bodies on disk."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.url = f"{config.url}/api/"
        self.data_center = f"{config.region} data center ({urlsplit(config.url).hostname})"
        self.host = urljoin(config.url, "/").rstrip("/")
        self.clock = clock or Clock()
        self._rate_scale = config.rate_scale
        self.budget = Budget(config.rate_scale, REQUESTS_PER_MINUTE, MINUTE)
        self.authenticator = ApiKey(config.api_key, config.url)
        self.outage = Outage()
        self.refusals = Refusals(lambda: self.request_once(SIMPLEST))
        self.session = self.new_session(LimiterSession(api_budget=self.budget))
        self.storage = _storage_session()
        self._missing_endpoints: set[str] = set()

    def job_session(self) -> requests.Session:
        """A session for requests about export jobs, which have their own rate limits."""
        return self.new_session(LimiterSession(api_budget=Budget(self._rate_scale, JOB_REQUESTS_PER_SECOND, SECOND)))

    def get(
        self,
        path: str,
        params: Mapping[str, Any],
        policy: RetryPolicy,
        stream: str,
        session: requests.Session | None = None,
    ) -> Body:
        """Request ``path``, and return the complete body of the response.

        Raises:
            AirbyteTracedException: See `RetryPolicy.interpret_response`.
        """
        return self._send("GET", path, policy, stream, session or self.session, params=params)

    def post(
        self, path: str, body: Mapping[str, Any], policy: RetryPolicy, stream: str, session: requests.Session
    ) -> Body:
        """Send ``body``, as JSON, to ``path``; response and errors are those of `get`."""
        return self._send("POST", path, policy, stream, session, json=body)

    def _send(
        self, method: str, path: str, policy: RetryPolicy, stream: str, session: requests.Session, **content: Any
    ) -> Body:
        self.require_key(stream)
        endpoint = endpoint_of(self.url + path)
        if endpoint in self._missing_endpoints:
            raise MissingEndpointError(stream, endpoint, self.data_center)
        try:
            return self._body(method, self.url + path, path, policy, stream, session, logger, **content)
        except MissingEndpointError:
            self._missing_endpoints.add(endpoint)
            raise

    def _body(
        self,
        method: str,
        url: str,
        path: str,
        policy: RetryPolicy,
        stream: str,
        session: requests.Session,
        log: logging.Logger,
        **content: Any,
    ) -> Body:
        """Send a request through the CDK's client, and repeat it as ``policy`` decides."""
        client = HttpClient(name=stream, logger=log, error_handler=policy, backoff_strategy=policy, session=session)
        client.send_request(method, url, headers=self.headers(), request_kwargs=self.request_options(path), **content)
        return policy.take_body()

    def get_signed(self, url: str, policy: RetryPolicy, stream: str) -> Body:
        """Request a file at its signed ``url``, on any host, without the key.

        Raises:
            AirbyteTracedException: As `get`; a system_error if the API is HTTPS and the URL is not.
        """
        if urlsplit(url).scheme not in {"https", urlsplit(self.url).scheme}:
            raise messages.FILE_NOT_HTTPS.error(stream)
        return self._body("GET", url, EXPORT_PATH, policy, stream, self.storage, quiet)

    def cancel(self, path: str) -> None:
        """Send one DELETE request to ``path``, with a short timeout, and ignore failures."""
        options = {**self.request_options(path), "timeout": (CANCEL_SECONDS, CANCEL_SECONDS)}
        with suppress(requests.RequestException):
            self.new_session(requests.Session()).delete(self.url + path, headers=self.headers(), **options).close()

    def seconds_a_request(self, path: str) -> float:
        """The seconds between requests to ``path`` at the rate limit; 0 without a limit."""
        limit = REQUESTS_PER_MINUTE.get(path)
        return MINUTE.total_seconds() / (limit * self._rate_scale) if limit else 0.0

    def scaled(self, seconds: float) -> float:
        """``seconds`` between polls, divided by ITERABLE_RATE_SCALE."""
        return seconds / self._rate_scale

    def require_key(self, stream: str) -> None:
        """Raise the error for ``stream`` if Iterable refused the key for every endpoint."""
        if self.key_refusal:
            raise messages.KEY_REFUSED_IN_SYNC.error(stream, answer=self.key_refusal)

    def request_once(
        self, path: str, params: Mapping[str, Any] | None = None, silence: float = 20.0
    ) -> requests.Response:
        """Request ``path`` once, outside the rate limits; the caller checks the status.

        Raises:
            requests.RequestException: If there is no response.
        """
        session = self.new_session(requests.Session())
        options = {**self.request_options(path), "timeout": (CONNECT_TIMEOUT, silence)}
        return session.get(self.url + path, params=params, headers=self.headers(), **options)

    def begin_sync(self) -> None:
        """Get Iterable's time from a cheap request. A failure is only logged: the streams report their own."""
        self.refusals.are_checked = True
        reason = ""
        for attempt in range(1, TIME_TRIES + 1):
            try:
                self.request_once(SIMPLEST).close()
            except requests.RequestException as error:  # noqa: PERF203 - three times at the most
                reason = type(error).__name__
                time.sleep(attempt)
            else:
                return
        logger.warning(messages.NO_SERVER_TIME.format(reason=reason))

    @property
    def key_refusal(self) -> str:
        """Iterable's response to a key that it refuses for every endpoint; empty while it does not."""
        return self.refusals.of_key

    def is_down(self) -> bool:
        """Whether the simplest request fails too, in a way that may be temporary."""
        try:
            with self.request_once(SIMPLEST) as response:
                if is_busy(response.status_code) or (is_web_page(response) and response.status_code in API_STATUSES):
                    return True
                for _ in response.iter_content(CHUNK):  # raises if the body ends early
                    pass
        except requests.RequestException:
            return True
        return False

    @staticmethod
    def headers() -> Mapping[str, str]:
        """The headers of every request, without the key."""
        return {"Accept-Encoding": "gzip", "User-Agent": "source-iterable"}

    @staticmethod
    def request_options(path: str) -> Mapping[str, Any]:
        """Options of a request to ``path``: streamed, without redirects, with its timeouts in seconds."""
        silence = READ_TIMEOUT.get(path, USUAL_READ_TIMEOUT)
        return {"stream": True, "allow_redirects": False, "timeout": (CONNECT_TIMEOUT, silence)}

    def new_session(self, session: requests.Session) -> requests.Session:
        """``session`` with the key, the response hooks and a pool of connections."""
        session.auth = self.authenticator
        session.hooks["response"] += [self.clock.observe, self.refusals.observe, self.outage.observe]
        return _with_adapters(session)


def _storage_session() -> requests.Session:
    session = requests.Session()
    session.auth = _no_credentials
    return _with_adapters(session)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add neither the key nor credentials from a .netrc file."""
    return request


def _with_adapters(session: requests.Session) -> requests.Session:
    for scheme in ("https://", "http://"):
        # A response may take an hour to begin, and NAT gateways drop connections that are idle for 350 s.
        adapter = TcpKeepaliveHTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
        session.mount(scheme, adapter)
    # Without a redirect target, requests does not read the body of a redirect into memory.
    session.get_redirect_target = _no_redirect  # type: ignore[method-assign,assignment]
    return session


def _no_redirect(response: requests.Response) -> None:
    """Return no target: redirects are not followed."""
