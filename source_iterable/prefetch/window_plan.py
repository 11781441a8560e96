"""The windows of an export stream, cut from its span as they are requested."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar, Protocol

from source_iterable.prefetch.plans import SIZE_MARGIN, Body, Slice, SlicePlan, State
from source_iterable.reservation import Reservation
from source_iterable.windows import SECOND, Width, Window

REMEMBERED_DENSITIES = 3
# How many attempts a window gets: two while its width is expected to work, one while the width is a guess.
MAX_ATTEMPTS = 2
MAX_ATTEMPTS_OF_GUESS = 1


class Transport(Protocol):
    """How the server delivers windows: directly, by export jobs, or both.

    Attributes:
        allows_direct: Whether windows may be requested directly.
        allows_jobs: Whether export jobs may deliver windows.
    """

    allows_direct: ClassVar[bool]
    allows_jobs: ClassVar[bool]

    def fetch(self, window: Window, max_attempts: int, reservation: Reservation) -> Body:
        """Request ``window`` directly.

        Raises:
            TooLargeError: If the server cannot deliver it in so many attempts.
        """

    def fetch_by_job(self, window: Window, reservation: Reservation) -> Body:
        """Download ``window`` from an export job.

        Raises:
            JobsUnavailableError: If no job can deliver it and it may be requested directly.
            TooLargeError: If it is too large for one job.
        """


class WindowPlan(SlicePlan[Window]):
    """The windows of an export stream, cut from its span as wide as the server is known to deliver.

    Until one window succeeded, only the first one is requested: a stream that the key may not export costs few
    requests, and a width that is too large is not tried several times at once.

    Args:
        stream: The stream's name.
        endpoint: The endpoint whose rate limit direct requests share.
        span: The time to read; None for nothing.
        width: The initial width, and how it adapts.
        transport: Downloads a window.
        last: Returns a window to request once all others were read, if there is one.
    """

    def __init__(
        self,
        stream: str,
        endpoint: str,
        span: Window | None,
        width: Width,
        transport: Transport,
        last: Callable[[], Window] | None = None,
    ) -> None:
        super().__init__(stream, endpoint)
        self.width = width
        self.allows_direct = transport.allows_direct
        self.allows_jobs = transport.allows_jobs
        self._transport = transport
        self._last = last
        self._is_proven = False
        self._is_narrowing = False
        self._is_extended = False
        self._trial: Slice[Window] | None = None  # of a wider window
        self._densities: deque[float] = deque(maxlen=REMEMBERED_DENSITIES)  # bytes per second of width
        if span is not None:
            self.slices.append(Slice(span))

    def next(self, now: float) -> Slice[Window] | None:
        """The next window, cut to the current width, or to the width of a trial."""
        slice_ = self._first_startable(now)
        if slice_ is None or (self._is_single and not self._may_start_alone(slice_)):
            return None
        self._join(slice_, now)
        if self._trial is slice_:  # it failed before, and is requested again
            self._trial = None
        width = self.width.current
        if self._trial is None and (trial := self.width.trial) is not None and slice_.partition.width > width:
            self._trial, width = slice_, trial
        self._cut(slice_, width)
        return slice_

    def requests_left(self, now: float) -> int:
        """How many windows of the current width are left."""
        if self._is_single:
            first = self._first_waiting()
            return int(first is not None and self._may_start_alone(first))
        return sum(map(self._windows_in, self._startable(now)))

    def after(self, requests: int, now: float) -> Slice[Window] | None:
        """The window whose turn comes after ``requests`` others, cut from what is left."""
        if self._is_single:
            return self.next(now) if requests == 0 else None
        for slice_ in self._startable(now):
            windows = self._windows_in(slice_)
            if requests >= windows:
                requests -= windows
                continue
            found = self._cut(slice_, requests * self.width.current) if requests else slice_
            if found is not None:
                self._cut(found, self.width.current)
            return found
        return None

    def fetch(self, slice_: Slice[Window], reservation: Reservation) -> Body:
        """Request the window directly."""
        is_guess = self._is_narrowing or slice_ is self._trial
        return self._transport.fetch(slice_.partition, MAX_ATTEMPTS_OF_GUESS if is_guess else MAX_ATTEMPTS, reservation)

    def fetch_by_job(self, slice_: Slice[Window], reservation: Reservation) -> Body:
        """Download the window from an export job."""
        return self._transport.fetch_by_job(slice_.partition, reservation)

    def succeeded(self, slice_: Slice[Window]) -> None:
        """Remember that this width works, and how dense the window is."""
        self._is_proven, self._is_narrowing = True, False
        if slice_ is self._trial:
            self._trial = None
        size, width = slice_.body.size, slice_.partition.width
        self.width.delivered(slice_.partition, size)
        self._densities.append(size / max(width, SECOND).total_seconds())

    def split(self, slice_: Slice[Window]) -> None:
        """Narrow the width; `next` cuts the window again."""
        if slice_ is self._trial:
            self._trial = None
            self.width.trial_failed()
            return
        self._is_proven, self._is_narrowing = False, True
        self.width.refused(slice_.partition)

    def expected_size(self, slice_: Slice[Window]) -> int | None:
        """The size at the density of the densest of the last windows, with a margin."""
        if not self._densities:
            return None
        return int(SIZE_MARGIN * max(self._densities) * slice_.partition.width.total_seconds())

    def extend(self) -> bool:
        """Add the last window."""
        if self._last is None:
            return False
        self.slices.append(Slice(self._last()))
        self._last = None
        self._is_extended = True
        return True

    @property
    def _is_single(self) -> bool:
        """Whether windows are requested one at a time; in the last one, records move to its end meanwhile."""
        return self._is_extended or not self._is_proven

    def _may_start_alone(self, slice_: Slice[Window]) -> bool:
        return slice_ is self._first_waiting() and not self._is_running_before(slice_)

    def _first_waiting(self) -> Slice[Window] | None:
        return next((slice_ for slice_ in self.slices if slice_.state is State.WAITING), None)

    def _windows_in(self, slice_: Slice[Window]) -> int:
        """How many windows of the current width ``slice_`` holds."""
        return -(-slice_.partition.width // self.width.current)

    def _cut(self, slice_: Slice[Window], width: timedelta) -> Slice[Window] | None:
        """Cut ``slice_`` to ``width``; the rest becomes the next slice, which is returned."""
        slice_.partition, rest = slice_.partition.cut(width)
        if rest is None:
            return None
        following = Slice(rest)
        self.slices.insert(self.slices.index(slice_) + 1, following)
        return following

    def _join(self, slice_: Slice[Window], now: float) -> None:
        """Join ``slice_`` with the adjacent windows that wait, which were cut to another width."""
        index = self.slices.index(slice_) + 1
        while index < len(self.slices):
            other = self.slices[index]
            if not other.may_start(now) or slice_.partition.end != other.partition.start:
                return
            slice_.partition = Window(slice_.partition.start, other.partition.end)
            slice_.job_failed = slice_.job_failed and other.job_failed
            if self._trial is other:
                self._trial = None
            del self.slices[index]
