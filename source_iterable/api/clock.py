"""What time it is for a sync: one fixed `now`, never ahead of Iterable's clock nor of this machine's."""

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
    """The earlier of this machine's clock and the `Date` header of the first answer.

    A window that ends after Iterable's present would count as read while its rows are still to come, so
    a machine whose clock runs ahead is corrected; one whose clock runs behind reads a little less.
    """

    def __init__(self, system: Callable[[], datetime] = system_time) -> None:
        self._system = system
        self._lock = threading.Lock()
        self._server: tuple[datetime, float] | None = None
        self._fixed: datetime | None = None

    def observe(self, response: requests.Response, *_: object, **__: object) -> None:
        """Learn Iterable's time from an answer; a response hook of requests. Only the first one counts."""
        with self._lock:
            if self._server is not None:
                return
            try:
                told = parsedate_to_datetime(response.headers["Date"])
                if told.tzinfo is None:
                    told = told.replace(tzinfo=timezone.utc)
                told = told.astimezone(timezone.utc)
            except (KeyError, ValueError, TypeError, OverflowError):
                return
            self._server = (told, time.monotonic())
            if self._fixed is not None:  # the sync began without an answer: no state may lie beyond this one
                self._fixed = min(self._fixed, whole_second(told))
        ahead = self._system() - self._server[0]
        if abs(ahead) > TOLERANCE:
            direction = "ahead of" if ahead > timedelta() else "behind"
            logger.warning(messages.CLOCK_IS_OFF.format(seconds=abs(ahead).total_seconds(), direction=direction))

    def fixed(self) -> datetime:
        """The timestamp at which this sync began: the present when it was first requested."""
        if self._fixed is None:
            self._fixed = self.now()
        return self._fixed

    def now(self) -> datetime:
        """The present, in UTC, cut to the whole second."""
        with self._lock:
            server = self._server
        here = self._system()
        if server is None:
            return whole_second(here)
        told, at = server
        return whole_second(min(here, told + timedelta(seconds=time.monotonic() - at)))
