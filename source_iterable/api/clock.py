"""The time of a sync: one fixed `now`, never ahead of Iterable's clock nor of this machine's."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import requests

from source_iterable import messages
from source_iterable.timestamps import system_time, whole_second

TOLERANCE = timedelta(seconds=60)

logger = logging.getLogger("airbyte")


class Clock:
    """The earlier of this machine's clock and the `Date` header of the first response.

    A window that ends in Iterable's future would count as read before its rows exist. So a clock that runs ahead is
    corrected; one that runs behind only reads a little less.
    """

    def __init__(self, system: Callable[[], datetime] = system_time) -> None:
        self._system = system
        self._lock = threading.Lock()
        self._server: tuple[datetime, float] | None = None
        self._fixed: datetime | None = None

    def observe(self, response: requests.Response, *_: object, **__: object) -> None:
        """Read Iterable's time from the first response; a response hook of requests."""
        with self._lock:
            if self._server is not None:
                return
            try:
                server_time = parsedate_to_datetime(response.headers["Date"])
                if server_time.tzinfo is None:
                    server_time = server_time.replace(tzinfo=timezone.utc)
                server_time = server_time.astimezone(timezone.utc)
            except (KeyError, ValueError, TypeError, OverflowError):
                return
            self._server = (server_time, time.monotonic())
            if self._fixed is not None:  # the sync began without a response: no state may lie after Iterable's time
                self._fixed = min(self._fixed, whole_second(server_time))
        ahead = self._system() - self._server[0]
        if abs(ahead) > TOLERANCE:
            direction = "ahead of" if ahead > timedelta() else "behind"
            logger.warning(messages.CLOCK_IS_OFF.format(seconds=abs(ahead).total_seconds(), direction=direction))

    def fixed(self) -> datetime:
        """The start of this sync: the result of `now` at the first call."""
        if self._fixed is None:
            self._fixed = self.now()
        return self._fixed

    def now(self) -> datetime:
        """The current time, in UTC, truncated to the second."""
        with self._lock:
            server = self._server
        here = self._system()
        if server is None:
            return whole_second(here)
        server_time, measured_at = server
        return whole_second(min(here, server_time + timedelta(seconds=time.monotonic() - measured_at)))
