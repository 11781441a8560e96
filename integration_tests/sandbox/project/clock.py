"""The sandbox's own clock: it starts where a test wants it and runs on in real time."""

import time
from datetime import UTC, datetime, timedelta


def monotonic() -> float:
    """Seconds that only ever grow, read from the system so that a frozen test clock does not stop them."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


class Clock:
    """A clock that runs at the pace of real time from any timestamp."""

    def __init__(self, now: datetime | None = None) -> None:
        """Start at ``now``, or at the machine's own time."""
        self.set(now or datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC))

    @property
    def seconds(self) -> float:
        """The current timestamp as Unix time."""
        return self._start + monotonic() - self._started

    @property
    def now(self) -> datetime:
        """The current timestamp."""
        return datetime.fromtimestamp(self.seconds, UTC)

    def set(self, now: datetime) -> None:
        """Put the clock to ``now``."""
        self._start = now.timestamp()
        self._started = monotonic()

    def advance(self, by: timedelta) -> None:
        """Put the clock forward, or back by a negative time."""
        self._start += by.total_seconds()
