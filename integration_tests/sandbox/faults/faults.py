"""The faults in force: which strike a call, and how often each has."""

import asyncio
from collections.abc import Mapping
from threading import RLock

from integration_tests.sandbox.faults.fault import Fault
from integration_tests.sandbox.project.clock import monotonic


class Faults:
    """The faults in force; safe to change from another thread.

    Attributes:
        time: What timed and slow faults go by.
    """

    def __init__(self) -> None:
        """Start without any."""
        self.time = RealTime()
        self._lock = RLock()
        self._faults: list[Fault] = []
        self._matched: dict[Fault, int] = {}
        self._struck: dict[Fault, int] = {}
        self._began: dict[Fault, float] = {}
        self._broke_out: dict[Fault, float] = {}

    def add(self, fault: Fault) -> Fault:
        """Put a fault in force."""
        with self._lock:
            self._faults.append(fault)
            self._matched[fault] = self._struck[fault] = 0
            self._began[fault] = self.time.now()
        return fault

    def remove(self, fault: Fault) -> None:
        """Take a fault out of force; `struck` still knows it."""
        with self._lock:
            self._faults.remove(fault)

    def clear(self) -> None:
        """Take all faults out of force."""
        with self._lock:
            self._faults.clear()

    def struck(self, fault: Fault) -> int:
        """How many calls the fault has struck."""
        with self._lock:
            return self._struck[fault]

    def all(self) -> list[tuple[Fault, int]]:
        """The faults in force, each with the number of calls that it has struck."""
        with self._lock:
            return [(fault, self._struck[fault]) for fault in self._faults]

    def strike(self, endpoint: str, params: Mapping[str, str]) -> list[Fault]:
        """The faults that strike this call, which is counted."""
        with self._lock:
            striking = []
            for fault in self._faults:
                if not fault.matches(endpoint, params) or not self._is_time_of(fault):
                    continue
                self._matched[fault] += 1
                if self._matched[fault] >= fault.nth and (fault.times is None or self._struck[fault] < fault.times):
                    self._struck[fault] += 1
                    self._broke_out.setdefault(fault, self.time.now())
                    striking.append(fault)
            return striking

    def _is_time_of(self, fault: Fault) -> bool:
        now = self.time.now()
        if fault.lasting is not None and now >= self._broke_out.get(fault, now) + fault.lasting:
            return False
        seconds = now - self._began[fault]
        return fault.from_second <= seconds and (fault.to_second is None or seconds < fault.to_second)


class RealTime:
    """The time that faults go by; tests in which hours pass at once put another in its place."""

    def now(self) -> float:
        """Seconds that only ever grow."""
        return monotonic()

    async def sit_out(self, seconds: float) -> None:
        """Return when so many seconds have passed."""
        await asyncio.sleep(seconds)
