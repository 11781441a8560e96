"""The arithmetic of windows, the time ranges that one export request covers. No clock, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from source_iterable.timestamps import formatted

SECOND = timedelta(seconds=1)
MAX_WIDTH = timedelta(days=365)
MAX_PATIENCE = 1024


@dataclass(frozen=True, order=True)
class Window:
    """The half-open time range ``start <= t < end``, in UTC, in whole seconds."""

    start: datetime
    end: datetime

    @property
    def width(self) -> timedelta:
        """The duration of the window."""
        return self.end - self.start

    @property
    def is_least(self) -> bool:
        """Whether the window is too short to be split."""
        return self.width <= SECOND

    def cut(self, width: timedelta) -> tuple[Window, Window | None]:
        """The first ``width`` of the window, and the rest; None if nothing is left.

        ``width`` is rounded down to whole seconds, but is at least one.
        """
        middle = self.start + max(SECOND, timedelta(seconds=width // SECOND))
        if middle >= self.end:
            return self, None
        return Window(self.start, middle), Window(middle, self.end)

    def __str__(self) -> str:
        """`2024-01-01T00:00:00Z to 2024-01-31T00:00:00Z`."""
        return f"{formatted(self.start)} to {formatted(self.end)}"


class Width:
    """The width of a stream's next window, adapted to the windows that succeeded and failed.

    Windows start ``base`` wide, or ``current`` wide if that width succeeded before. A body of less than ``small`` bytes
    doubles the width, up to ``widest``; above ``base``, a body of at least ``large`` bytes resets it to ``base``.

    A window that the server fails to deliver halves the width. A width above ``base`` falls back to ``base``, and the
    width that failed is not reached again.

    Below ``base``, a body of at most a quarter of the largest one doubles the width, so that one busy day does not slow
    down a quiet month. Otherwise, after ``patience`` windows in a row, a single window is tried that is half as wide
    again. If it fails, the width stays and the patience doubles, so that a server with a fixed limit is tried ever more
    rarely.
    """

    def __init__(
        self,
        base: timedelta,
        *,
        current: timedelta | None = None,
        widest: timedelta = MAX_WIDTH,
        small: int = 5_000_000,
        large: int = 50_000_000,
        patience: int = 4,
    ) -> None:
        self.current = min(current or base, base)
        self._base = base
        self._widest = max(base, widest)
        self._small = small
        self._large = large
        self._patience = patience
        self._in_a_row = 0
        self._largest = 0

    @property
    def trial(self) -> timedelta | None:
        """A greater width to try with the next window only; None if it is too early to try."""
        if self.current >= self._base or self._in_a_row < self._patience:
            return None
        return min(_seconds(self.current * 3 / 2), self._base)

    def delivered(self, window: Window, size: int) -> None:
        """Adapt to ``window``, whose complete body was ``size`` bytes as transferred."""
        if window.width * 2 <= self.current:
            return  # the end of a time range, or requested before the width grew: it shows nothing about this width
        if self.current >= self._base:
            if size < self._small:
                self.current = min(self.current * 2, self._widest)
            elif size >= self._large:
                self.current = min(self.current, self._base)
        elif window.width > self.current:  # a trial that succeeded
            self.current, self._in_a_row = min(window.width, self._base), 0
        elif size * 4 <= self._largest:
            self.current, self._in_a_row = min(self.current * 2, self._base), 0
        else:
            self._in_a_row += 1
        self._largest = max(self._largest, size)

    def refused(self, window: Window) -> None:
        """Adapt to ``window``, which the server failed to deliver."""
        if window.width > self.current:
            return  # requested before the width shrank: the failure is known
        half = max(SECOND, _seconds(window.width / 2))
        self._widest = min(self._widest, max(half, self._base))
        self.current = min(half, self._base)
        self._in_a_row = 0

    def trial_failed(self) -> None:
        """Adapt to a `trial` that the server failed to deliver."""
        self._in_a_row = 0
        self._patience = min(self._patience * 2, MAX_PATIENCE)


def _seconds(width: timedelta) -> timedelta:
    """``width`` rounded up to whole seconds, so that two halves cover the whole."""
    return -(-width // SECOND) * SECOND
