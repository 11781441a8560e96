"""A sandbox in this process: the server in a thread of its own, and all that a test does with it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from integration_tests.sandbox.data.rows import Row
from integration_tests.sandbox.faults.faults import Faults
from integration_tests.sandbox.http.answers import Handler
from integration_tests.sandbox.http.control import Control
from integration_tests.sandbox.http.job import Job
from integration_tests.sandbox.http.limits import MINUTE, worst
from integration_tests.sandbox.http.listener import Listener
from integration_tests.sandbox.http.request import Request
from integration_tests.sandbox.http.server import Server
from integration_tests.sandbox.project.changes import Changes
from integration_tests.sandbox.project.clock import Clock
from integration_tests.sandbox.project.options import DEFAULT_SPAN_IN_DAYS, Options, Size
from integration_tests.sandbox.project.project import Project
from integration_tests.sandbox.project.timestamps import FOR_EVER, Timestamp, default_start, timestamp


class Sandbox(Changes):
    """A stand-in for Iterable's API on the loopback interface.

    Serves between `start` and `stop`, or within a ``with`` block. The project is generated when the
    object is made, so its truth is there before the first call.
    """

    def __init__(
        self,
        *,
        size: Size | None = None,
        start: Timestamp | None = None,
        now: Timestamp | None = None,
        port: int = 0,
        **options: Any,
    ) -> None:
        """Generate a project of that size between ``start`` (default: 90 days ago) and ``now``.

        ``options`` are the fields of `Options`; port 0 is any that is free.
        """
        self.options = Options(**options)
        self.clock = Clock(None if now is None else timestamp(now))
        begin = default_start(self.clock.now, DEFAULT_SPAN_IN_DAYS) if start is None else timestamp(start)
        self.start_date = begin
        super().__init__(Project(self.options, size or Size(), begin, self.clock))
        self.faults = Faults()
        self._server = Server(self.project, self.faults)
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.url = ""

    # Serving

    def __enter__(self) -> Self:
        """Start serving."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self.stop()

    def start(self) -> None:
        """Serve from a daemon thread; returns as soon as calls are answered."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="sandbox", daemon=True)
        self._thread.start()
        ready.wait()
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Stop serving; calls under way are broken off."""
        if self._loop and self._stopping and self._thread:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._loop = None

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:
            self._failure = error
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        api, storage = web.Application(), web.Application()
        Control(self._server).add_to(api)
        api.router.add_route("*", "/{path:.*}", self._server.handle)
        storage.router.add_route("*", "/{path:.*}", self._server.storage.handle)
        async with Listener(api, self._port) as self._api, Listener(storage, 0) as objects:
            self.url, self._server.storage.url = self._api.url, objects.url
            ready.set()
            await self._stopping.wait()

    def refuse_connections(self) -> None:
        """Listen no more, and break off what is under way, as if the API's host were down."""
        self._soon(self._api.close())

    def accept_connections(self) -> None:
        """Listen again, at the same address."""
        self._soon(self._api.listen())

    def _soon(self, change: Coroutine[Any, Any, None]) -> None:
        """Make a change on the server's thread, and wait for it on any other."""
        if self._loop is None:
            raise RuntimeError("the sandbox does not serve")
        made = asyncio.run_coroutine_threadsafe(change, self._loop)
        if threading.current_thread() is not self._thread:
            made.result()

    def serve(self, pattern: str, handler: Handler) -> None:
        """Have ``handler`` answer the paths of ``pattern`` below ``/api/``; ``{}`` is any one part of a path."""
        self._server.endpoints.serve(pattern, handler)

    # Looking

    @property
    def jobs(self) -> list[Job]:
        """The export jobs of the project, those of other tools first."""
        return list(self._server.jobs.all)

    @property
    def storage_url(self) -> str:
        """Where exported files are served: another port than the API's."""
        return self._server.storage.url

    @property
    def storage_requests(self) -> list[Request]:
        """The calls for exported files so far, with the headers that they carried."""
        return list(self._server.storage.requests)

    @property
    def api_key(self) -> str:
        """The key that calls must carry."""
        return self.options.api_key

    @property
    def requests(self) -> list[Request]:
        """The calls so far, in the order in which they arrived."""
        return list(self._server.requests)

    def forget_requests(self) -> None:
        """Forget the calls so far; the limits still count them."""
        self._server.requests.clear()
        self._server.storage.requests.clear()

    def worst_rate(self, endpoint: str, seconds: float | None = None) -> int:
        """The most calls of ``endpoint`` that arrived within any ``seconds`` (default: 60 / rate scale).

        In ``endpoint``, ``*`` is any text.
        """
        span = MINUTE / self.options.rate_scale if seconds is None else seconds
        return worst([request.started for request in self.requests if fnmatchcase(request.endpoint, endpoint)], span)

    def rows(
        self, table: str, start: Timestamp = 0, end: Timestamp | None = None, exportable_by: Timestamp | None = None
    ) -> Iterator[Row]:
        """The rows of a table as they are sent, one at a time: see `Project.truth`."""
        bounds = [FOR_EVER if value is None else timestamp(value).timestamp() for value in (end, exportable_by)]
        return self.project.truth(table, timestamp(start).timestamp(), *bounds)

    def truth(
        self, table: str, start: Timestamp = 0, end: Timestamp | None = None, exportable_by: Timestamp | None = None
    ) -> list[Row]:
        """The rows of a table as they are sent: a data type name, "campaigns", "list_users" and so on."""
        return list(self.rows(table, start, end, exportable_by))

    # Changing

    @property
    def now(self) -> datetime:
        """The timestamp by the sandbox's clock."""
        return self.clock.now

    def set_clock(self, now: Timestamp) -> None:
        """Put the clock to ``now``."""
        self.clock.set(timestamp(now))

    def advance(self, **by: float) -> datetime:
        """Put the clock forward by ``days``, ``hours``, ``minutes``, ``seconds``; gives the new timestamp."""
        self.clock.advance(timedelta(**by))
        return self.clock.now

    def grow(self, events: int, users: int = 0) -> None:
        """Add events to every event table, between the last growth and now.

        Also changes the first ``users`` profiles now.
        """
        self.project.grow(events)
        for number in range(users):
            self.project.change_user(number)

    def add_event(
        self,
        table: str,
        row: Row | str | bytes,
        *,
        at: Timestamp | None = None,
        exportable_at: Timestamp | None = None,
    ) -> None:
        """Add a row, or a line as it is; it happened ``at``, or else at its own time.

        It is exportable from ``exportable_at`` on (default: since it happened).
        """
        if at is None:
            if not isinstance(row, dict):
                message = "A line as it is needs to be told when it happened: at."
                raise TypeError(message)
            at = row["profileUpdatedAt" if table == "user" else "createdAt"].replace(" +", "+")
        since = None if exportable_at is None else timestamp(exportable_at).timestamp()
        self.project.add_event(table, row, int(timestamp(at).timestamp()), since)

    def change_user(self, number: int) -> Row:
        """Change the profile of that number now; gives what is sent from now on."""
        return self.project.change_user(number)
