"""Hours that pass at once: the time in which the connector waits, where it runs in the process of a test.

Nothing waits for real. A wait of a thread ends where its last request began, and so much later; waits side by side
pass side by side. Waits for something to happen end when it does, or, once every thread waits, with the first
that has an end. The clocks of this machine and of Iterable are not touched.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import requests

from source_iterable.api import client, export_jobs, job_files, patience, rate_limits
from source_iterable.prefetch import prefetcher, results, work
from source_iterable.streams import transports

MODULES = (export_jobs, job_files, prefetcher, results, transports, work)
"""The modules of the connector that look at a clock to see how long something takes."""
FOR_EVER = 30 * 86400.0
"""A sync that waits for so many seconds without an end would never end."""


class VirtualTime:
    """The time of one chain of syncs, in seconds; it never goes back."""

    def __init__(self) -> None:
        """Start at 0."""
        self.sent: list[tuple[float, str]] = []
        """When requests were sent, and where to."""
        self._now = self._began = 0.0
        self._lock = threading.Lock()
        self._appointments: list[tuple[float, Callable[[], object]]] = []
        self._of_thread = threading.local()
        self._condition: _Condition | None = None
        self._threads = 0

    def now(self) -> float:
        """The present."""
        return self._now

    def own_waits(self) -> float:
        """For how long this thread waited: what its patience goes by, as others may let hours pass in between."""
        waited: float = getattr(self._of_thread, "waited", 0.0)
        return waited

    def meanwhile(self, seconds: float, begin: Callable[[], object], end: Callable[[], object]) -> None:
        """Do something now, and something else in so many seconds."""
        with self._lock:  # no time passes before it is done
            begin()
            self._appointments.append((self._now + seconds, end))

    def pass_to(self, moment: float) -> None:
        """Let time pass up to a timestamp, unless it is past."""
        with self._lock:
            if moment <= self._now:
                return
            self._now = moment
            due = [action for at, action in self._appointments if at <= moment]
            self._appointments = [one for one in self._appointments if one[0] > moment]
            for action in due:  # nobody's wait ends before it is done
                action()
        if self._condition is not None:
            with self._condition:
                self._condition.wake()

    def sleep(self, seconds: float) -> None:
        """Let a thread wait, from where its last request or wait came to."""
        self._of_thread.waited = self.own_waits() + max(0.0, seconds)
        until = getattr(self._of_thread, "at", self._now) + max(0.0, seconds)
        self._of_thread.at = until
        self.pass_to(until)

    async def sit_out(self, seconds: float) -> None:
        """Let an answer take so long; what is due then may need the thread of the server."""
        await asyncio.to_thread(self.pass_to, self._now + seconds)

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Let the connector of this process live in it."""
        began = self._began = self._now
        send, sleep = requests.Session.send, time.sleep
        self._threads = 0

        def send_now(session: requests.Session, request: requests.PreparedRequest, **how: Any) -> requests.Response:
            self._of_thread.at = self._now
            self.sent.append((self._now, str(request.url)))
            return send(session, request, **how)

        def sleep_here(seconds: float) -> None:
            thread = threading.current_thread()
            is_connector = thread is threading.main_thread() or thread.name.startswith("download ")
            (self.sleep if is_connector else sleep)(seconds)

        clock = SimpleNamespace(monotonic=self.now, sleep=self.sleep)
        tools = SimpleNamespace(Condition=self._new_condition, Thread=self._new_thread)
        with ExitStack() as stack:
            stack.enter_context(patch.object(time, "sleep", sleep_here))
            stack.enter_context(patch.object(requests.Session, "send", send_now))
            stack.enter_context(patch.object(client.Api, "scaled", lambda _, seconds: seconds))
            stack.enter_context(patch.object(client.Api, "seconds_a_request", _seconds_a_request))
            for module in MODULES:
                stack.enter_context(patch.object(module, "time", clock))
            patient = SimpleNamespace(monotonic=self.own_waits, sleep=self.sleep)
            stack.enter_context(patch.object(patience, "time", patient))
            # Threads cannot tell by their own waits for how long nothing succeeds for any of them.
            stack.enter_context(patch.object(patience.Outage, "is_long", False))
            stack.enter_context(patch.object(prefetcher, "threading", tools))
            waiting = {name: getattr(threading, name) for name in ("BoundedSemaphore", "Condition")}
            tools = SimpleNamespace(Event=lambda: _Event(self), **waiting)
            stack.enter_context(patch.object(export_jobs, "threading", tools))
            self._of_thread.at = began
            yield
        self._condition = None

    def _new_condition(self) -> "_Condition":
        self._condition = _Condition(self)
        return self._condition

    def _new_thread(self, **how: Any) -> threading.Thread:
        self._threads += 1
        return threading.Thread(**how)

    def lasts_for_ever(self, moment: float) -> bool:
        """Whether a sync that waits until then would never end."""
        return moment - self._began > FOR_EVER

    def all_wait(self, waiting: int) -> bool:
        """Whether so many threads that wait are all that there are, the reader included."""
        return waiting > self._threads


def _seconds_a_request(_: client.Api, path: str) -> float:
    limit = rate_limits.REQUESTS_PER_MINUTE.get(path)
    return rate_limits.MINUTE.total_seconds() / limit if limit else 0.0


class _Condition(threading.Condition):
    """The condition that the prefetcher and its reader wait for."""

    def __init__(self, virtual: VirtualTime) -> None:
        super().__init__()
        self._virtual = virtual
        self._ends: dict[int, float | None] = {}

    def wait(self, timeout: float | None = None) -> bool:
        me = threading.get_ident()
        end = None if timeout is None else self._virtual.now() + timeout
        while end is None or self._virtual.now() < end:
            self._ends[me] = end
            if not self._pass():
                super().wait()
                break
        self._ends.pop(me, None)
        return end is None or self._virtual.now() < end

    def notify(self, n: int = 1) -> None:
        self._ends.clear()  # whoever still waits says so again
        super().notify(n)

    def wake(self) -> None:
        """Let those continue whose wait is over."""
        if any(end is not None and end <= self._virtual.now() for end in self._ends.values()):
            self.notify_all()

    def _pass(self) -> bool:
        """Let time pass if everybody waits; tell whether it did."""
        ends = [end for end in self._ends.values() if end is not None]
        if not ends or not self._virtual.all_wait(len(self._ends)):
            return False
        if self._virtual.lasts_for_ever(min(ends)):
            raise AssertionError("the sync waits for ever")
        self._virtual.pass_to(min(ends))
        self.notify_all()
        return True


class _Event(threading.Event):
    """An event whose waits pass at once."""

    def __init__(self, virtual: VirtualTime) -> None:
        super().__init__()
        self._virtual = virtual

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set() and timeout is not None:
            self._virtual.sleep(timeout)
        return self.is_set()
