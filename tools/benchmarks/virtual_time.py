"""Virtual time: the real threads of a program run one at a time, on a clock that moves only while all of them wait.

`install` replaces what the standard library offers for time and threads. It must be called before the program under
simulation is imported. Hours pass in seconds, and two runs take the same turns.
"""

from __future__ import annotations

import _thread
import heapq
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from math import inf
from typing import Any, Self

EPOCH = 1_748_779_200.0
"""When virtual time begins, as a Unix time: 2025-06-01T12:00:00Z."""


class TimeUpError(BaseException):
    """The main thread has no more time."""


class Ticket:
    """A thread that waits, and whether it was woken before its time ran out."""

    def __init__(self, gate: Any) -> None:
        self.gate = gate
        self.is_over = False
        self.is_woken = False


class World:
    """The threads of a simulation and their clock.

    Attributes:
        now: Seconds since `EPOCH`.
        ends: When the main thread's time is up, in the same seconds; `inf` for never.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.ends: Callable[[], float] = lambda: inf
        self._gates: dict[int, Any] = {}
        self._main = self._enter()
        self._ready: deque[Any] = deque()
        self._timers: list[tuple[float, int, Ticket]] = []
        self._order = count()
        self._time_is_up = False

    def sleep(self, seconds: float) -> None:
        """Let virtual seconds pass, a millisecond at least: who sleeps for nothing in a loop must get on."""
        self.block(self.ticket(), max(seconds, 0.001))

    def ticket(self) -> Ticket:
        """A ticket to wait with, for the thread that calls."""
        return Ticket(self._gates[_thread.get_ident()])

    def block(self, ticket: Ticket, seconds: float | None) -> bool:
        """Wait until the ticket is woken, so many seconds at most; tell whether it was."""
        if seconds is not None:
            heapq.heappush(self._timers, (self.now + max(0.0, seconds), next(self._order), ticket))
        following = self._next()
        if following is not ticket.gate:
            following.release()
            ticket.gate.acquire()
        ticket.is_over = True
        if ticket.gate is self._main and self._time_is_up:
            self._time_is_up, self.ends = False, lambda: inf
            raise TimeUpError
        return ticket.is_woken

    def wake(self, ticket: Ticket) -> bool:
        """Let a thread that waits continue; tell whether it still waited."""
        if ticket.is_over:
            return False
        ticket.is_over = ticket.is_woken = True
        self._ready.append(ticket.gate)
        return True

    def start(self, run: Callable[[], None]) -> None:
        """Begin a thread; it runs when others wait."""
        gate = _locked()
        self._ready.append(gate)

        def whole() -> None:
            gate.acquire()
            self._gates[_thread.get_ident()] = gate
            try:
                run()
            finally:
                del self._gates[_thread.get_ident()]
                self._next().release()

        _thread.start_new_thread(whole, ())

    def _enter(self) -> Any:
        return self._gates.setdefault(_thread.get_ident(), _locked())

    def _next(self) -> Any:
        """The thread whose turn it is; the clock moves if none is ready."""
        if self._ready:
            return self._ready.popleft()
        while self._timers and self._timers[0][2].is_over:
            heapq.heappop(self._timers)
        ends = self.ends()
        if not self._timers or self._timers[0][0] > ends:
            if ends == inf:
                raise RuntimeError("all threads wait for each other")
            self.now, self._time_is_up = max(self.now, ends), True
            return self._main
        self.now, _, ticket = heapq.heappop(self._timers)
        ticket.is_over = True
        return ticket.gate


def _locked() -> Any:
    gate = _thread.allocate_lock()
    gate.acquire()
    return gate


WORLD = World()


class Lock:
    """A lock whose holder may wait for virtual time; also a re-entrant one."""

    def __init__(self) -> None:
        self._owner: int | None = None
        self._depth = 0
        self._waiting: deque[Ticket] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As threading's."""
        me = _thread.get_ident()
        while self._owner not in {None, me}:
            if not blocking:
                return False
            self._waiting.append(ticket := WORLD.ticket())
            if not WORLD.block(ticket, None if timeout < 0 else timeout):
                return False
        self._owner = me
        self._depth += 1
        return True

    def release(self) -> None:
        """As threading's."""
        self._depth -= 1
        if not self._depth:
            self._owner = None
            while self._waiting and not WORLD.wake(self._waiting.popleft()):
                pass

    def __enter__(self) -> Self:
        """Acquire it."""
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Release it."""
        self.release()


class Condition(Lock):
    """A condition, each with a lock of its own."""

    def __init__(self, _: object = None) -> None:
        super().__init__()
        self._sleeping: list[Ticket] = []

    def wait(self, timeout: float | None = None) -> bool:
        """As threading's."""
        self._sleeping.append(ticket := WORLD.ticket())
        depth, self._depth = self._depth, 1
        self.release()
        woken = False
        try:
            woken = WORLD.block(ticket, timeout)
        finally:
            self.acquire()
            self._depth = depth
        return woken

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """As threading's."""
        ends = None if timeout is None else WORLD.now + timeout
        while not (result := predicate()):
            left = None if ends is None else ends - WORLD.now
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        """As threading's."""
        while n > 0 and self._sleeping:
            n -= WORLD.wake(self._sleeping.pop(0))

    def notify_all(self) -> None:
        """As threading's."""
        self.notify(len(self._sleeping))


class Thread:
    """A thread; what it raises ends it alone."""

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str = "",
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        self.name, self.daemon = name, daemon
        self._call: Callable[[], object] = partial(target or _nothing, *args, **(kwargs or {}))
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin."""
        WORLD.start(self._run)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.is_set()

    def _run(self) -> None:
        try:
            self._call()
        finally:
            self._ended.set()


def _nothing() -> None:
    """What a thread without a target does."""


def install() -> None:
    """Have the standard library, and what is imported from now on, live in virtual time."""
    import pyrate_limiter.clocks  # noqa: PLC0415 - it takes the functions by their names
    from pyrate_limiter.abstracts import BucketFactory  # noqa: PLC0415

    replaced: dict[Any, dict[str, Any]] = {
        threading: {
            "Lock": Lock,
            "RLock": Lock,
            "Condition": Condition,
            "Thread": Thread,
            "current_thread": threading.main_thread,  # a name for the log
        },
        queue: {"SimpleQueue": queue._PySimpleQueue},  # type: ignore[attr-defined]
        time: {
            "sleep": WORLD.sleep,
            "monotonic": lambda: WORLD.now,
            "time": lambda: EPOCH + WORLD.now,
            "time_ns": lambda: int((EPOCH + WORLD.now) * 1e9),
        },
        pyrate_limiter.clocks: {"time": lambda: EPOCH + WORLD.now},
        BucketFactory: {"schedule_leak": lambda *_: None},
    }
    for owner, names in replaced.items():
        for name, value in names.items():
            setattr(owner, name, value)
