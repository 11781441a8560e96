"""The arithmetic of windows: spans of time that one export request covers. No clock, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from source_iterable.timestamps import formatted

SECOND = timedelta(seconds=1)
WIDEST = timedelta(days=365)
MOST_PATIENCE = 1024


@dataclass(frozen=True, order=True)
class Window:
    """The half-open span ``start <= t < end``, in UTC, on whole seconds."""

    start: datetime
    end: datetime

    @property
    def width(self) -> timedelta:
        """How long the window is."""
        return self.end - self.start

    @property
    def is_least(self) -> bool:
        """Whether the window cannot be cut any more."""
        return self.width <= SECOND

    def cut(self, width: timedelta) -> tuple[Window, Window | None]:
        """The first ``width`` of the window, and the rest; None for a rest of nothing.

        ``width`` is cut to whole seconds, at least one.
        """
        middle = self.start + max(SECOND, timedelta(seconds=width // SECOND))
        if middle >= self.end:
            return self, None
        return Window(self.start, middle), Window(middle, self.end)

    def __str__(self) -> str:
        """`2024-01-01T00:00:00Z to 2024-01-31T00:00:00Z`."""
        return f"{formatted(self.start)} to {formatted(self.end)}"


class Width:
    """How wide the next window of a stream is: remembers what worked, shrinks at once, grows gently.

    It begins at ``base``, or at ``current`` where that is known to work. Bodies smaller than ``small`` bytes double
    it, up to ``widest``, and a body of ``ample`` bytes brings a widened one back.

    A window that the server could not deliver halves it; one that was widened falls back to ``base`` and is
    not widened so far again. A narrowed width doubles again where bodies are under a quarter of the largest
    that came whole, so that a dense day is forgotten in a quiet month; otherwise ``patience`` windows must
    come before one, and only one, of half as much again is tried. A try that fails changes nothing but the
    patience, which doubles: a server with a fixed limit is not tried for ever.
    """

    def __init__(
        self,
        base: timedelta,
        *,
        current: timedelta | None = None,
        widest: timedelta = WIDEST,
        small: int = 5_000_000,
        ample: int = 50_000_000,
        patience: int = 4,
    ) -> None:
        self.current = min(current or base, base)
        self._base = base
        self._widest = max(base, widest)
        self._small = small
        self._ample = ample
        self._patience = patience
        self._in_a_row = 0
        self._largest = 0

    @property
    def trial(self) -> timedelta | None:
        """A width that it is time to try with one window; None for none."""
        if self.current >= self._base or self._in_a_row < self._patience:
            return None
        return min(_seconds(self.current * 3 / 2), self._base)

    def delivered(self, window: Window, size: int) -> None:
        """Learn that ``window`` came whole, in ``size`` bytes on the wire."""
        if window.width * 2 <= self.current:
            return  # a rest at the end of a span, or one requested before the width grew, proves nothing
        if self.current >= self._base:
            if size < self._small:
                self.current = min(self.current * 2, self._widest)
            elif size >= self._ample:
                self.current = min(self.current, self._base)
        elif window.width > self.current:  # a trial that went well
            self.current, self._in_a_row = min(window.width, self._base), 0
        elif size * 4 <= self._largest:
            self.current, self._in_a_row = min(self.current * 2, self._base), 0
        else:
            self._in_a_row += 1
        self._largest = max(self._largest, size)

    def refused(self, window: Window) -> None:
        """Learn that the server could not deliver ``window``."""
        if window.width > self.current:
            return  # requested before the width shrank: nothing new
        half = max(SECOND, _seconds(window.width / 2))
        self._widest = min(self._widest, max(half, self._base))
        self.current = min(half, self._base)
        self._in_a_row = 0

    def trial_failed(self) -> None:
        """Learn that the server could not deliver the window that was a trial."""
        self._in_a_row = 0
        self._patience = min(self._patience * 2, MOST_PATIENCE)


def _seconds(width: timedelta) -> timedelta:
    """``width`` rounded up to whole seconds, so that two halves make a whole."""
    return -(-width // SECOND) * SECOND
