"""The arithmetic of windows: spans of time that one export request asks for. No clock, no HTTP."""

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
    """How wide the next window of a table is: remembers what worked, shrinks at once, grows gently.

    It begins at ``base``. Bodies smaller than ``small`` bytes double it, up to ``widest``, and a body of
    ``ample`` bytes brings a widened one back.

    A window that the server could not deliver halves it; one that was widened falls back to ``base`` and is
    not widened so far again. A narrowed width doubles again where bodies are
    under a quarter of the largest that came whole, so that a dense day is forgotten in a quiet month;
    otherwise ``patience`` windows must come before half as much again is tried. A try that fails leads
    straight back, and doubles the patience: a server with a fixed limit is not tried for ever.
    """

    def __init__(
        self,
        base: timedelta,
        *,
        widest: timedelta = WIDEST,
        small: int = 5_000_000,
        ample: int = 50_000_000,
        patience: int = 4,
    ) -> None:
        self.current = base
        self._base = base
        self._widest = max(base, widest)
        self._small = small
        self._ample = ample
        self._patience = patience
        self._narrowed = False
        self._in_a_row = 0
        self._largest = 0
        self._before_trying: timedelta | None = None

    def delivered(self, window: Window, size: int) -> None:
        """Learn that ``window`` came whole, in ``size`` bytes on the wire."""
        if window.width * 2 <= self.current:
            return  # a rest at the end of a span, or one asked for before the width grew, proves nothing
        if self._narrowed:
            self._grow_back(size)
        elif size < self._small:
            self.current = min(self.current * 2, self._widest)
        elif size >= self._ample:
            self.current = min(self.current, self._base)
        self._largest = max(self._largest, size)

    def refused(self, window: Window) -> None:
        """Learn that the server could not deliver ``window``."""
        if window.width > self.current:
            return  # asked for before the width shrank: nothing new
        if self._before_trying is not None and self._before_trying < window.width:
            self.current = self._before_trying
            self._patience = min(self._patience * 2, MOST_PATIENCE)
        else:
            half = max(SECOND, timedelta(seconds=(window.width / 2) // SECOND))
            self.current = min(half, self._base)
            self._widest = min(self._widest, max(half, self._base))
        self._narrowed = self.current < self._base
        self._before_trying = None
        self._in_a_row = 0

    def _grow_back(self, size: int) -> None:
        self._before_trying = None
        self._in_a_row += 1
        if size * 4 <= self._largest:
            factor = 2.0
        elif self._in_a_row >= self._patience:
            factor = 1.5
        else:
            return
        self._in_a_row = 0
        self._before_trying = self.current
        self.current = min(max(self.current * factor, self.current + SECOND), self._base)
        self._narrowed = self.current < self._base
