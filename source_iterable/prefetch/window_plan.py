"""The windows of an export stream, cut from its span as they are requested."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from source_iterable.prefetch.plans import MARGIN, Body, Reserve, Slice, SlicePlan, State
from source_iterable.windows import SECOND, Width, Window

FetchWindow = Callable[[Window, int, Reserve], Body]
FetchWindowByJob = Callable[[Window, Reserve], Body]


class WindowPlan(SlicePlan[Window]):
    """The windows of an export stream, cut from its span as wide as the server is known to deliver.

    Until one window came whole, the first that is missing is requested alone: a stream that the key may not export
    costs few requests, and a width that is too much is not tried several times at once.

    Args:
        stream: The stream's name.
        limit: The endpoint.
        span: From where to where to read; None for nothing.
        width: The width to begin with, and its rules.
        fetch: Requests a window, meeting failures so many times.
        last: Returns a window to request when all others were taken, if there is to be one.
        fetch_by_job: Has an export job deliver a window; None where there are no jobs.
        directly: Whether windows may be requested directly.
    """

    def __init__(
        self,
        stream: str,
        limit: str,
        span: Window | None,
        width: Width,
        fetch: FetchWindow,
        last: Callable[[], Window] | None = None,
        fetch_by_job: FetchWindowByJob | None = None,
        *,
        directly: bool = True,
    ) -> None:
        super().__init__(stream, limit)
        self.width = width
        self.by_jobs = fetch_by_job is not None
        self.directly = directly or not self.by_jobs
        self._fetch = fetch
        self._fetch_by_job = fetch_by_job
        self._last = last
        self._proven = False
        self._narrowing = False
        self._one_by_one = False
        self._trial: Slice[Window] | None = None
        self._densities: deque[float] = deque(maxlen=3)  # bytes a second of width, of the last windows
        if span is not None:
            self.slices.append(Slice(span))

    def next(self, now: float) -> Slice[Window] | None:
        """The next window, cut to the present width, or to one that is worth a try."""
        piece = self._waiting(now)
        if piece is None or (self._is_single and (self._running_before(piece) or piece is not self._first_waiting())):
            return None
        self._join(piece, now)
        if self._trial is piece:  # it was put off, and is requested once more
            self._trial = None
        width = self.width.current
        if self._trial is None and (trial := self.width.trial) is not None and piece.what.width > width:
            self._trial, width = piece, trial
        head, rest = piece.what.cut(width)
        if rest is not None:
            piece.what = head
            self.slices.insert(self.slices.index(piece) + 1, Slice(rest))
        return piece

    def requests_left(self, now: float) -> int:
        """How many windows of the present width are left."""
        if self._is_single:
            first = self._first_waiting()
            return int(first is not None and not self._running_before(first))
        return sum(-(-piece.what.width // self.width.current) for piece in self._all_waiting(now))

    def after(self, requests: int, now: float) -> Slice[Window] | None:
        """The window after so many others, cut out of what is left."""
        if self._is_single:
            return self.next(now) if requests == 0 else None
        width = self.width.current
        for piece in self._all_waiting(now):
            here = -(-piece.what.width // width)
            if requests >= here:
                requests -= here
                continue
            if requests:
                before, rest = piece.what.cut(requests * width)
                if rest is None:
                    return None
                piece.what = before
                following = Slice(rest)
                self.slices.insert(self.slices.index(piece) + 1, following)
                piece = following  # noqa: PLW2901 - it is what is left of it
            head, rest = piece.what.cut(width)
            if rest is not None:
                piece.what = head
                self.slices.insert(self.slices.index(piece) + 1, Slice(rest))
            return piece
        return None

    def fetch(self, piece: Slice[Window], reserve: Reserve) -> Body:
        """Request the window: twice where its width is thought to work, once where it is a guess."""
        return self._fetch(piece.what, 1 if self._narrowing or piece is self._trial else 2, reserve)

    def fetch_by_job(self, piece: Slice[Window], reserve: Reserve) -> Body:
        """Have an export job deliver the window."""
        if self._fetch_by_job is None:
            return super().fetch_by_job(piece, reserve)
        return self._fetch_by_job(piece.what, reserve)

    def succeeded(self, piece: Slice[Window]) -> None:
        """Remember that this width works, and how much came."""
        self._proven, self._narrowing = True, False
        if piece is self._trial:
            self._trial = None
        self.width.delivered(piece.what, piece.body.size)
        self._densities.append(piece.body.size / max(piece.what.width, SECOND).total_seconds())

    def split(self, piece: Slice[Window]) -> None:
        """Request less from where ``piece`` begins."""
        if piece is self._trial:
            self._trial = None
            self.width.trial_failed()
            return
        self._proven, self._narrowing = False, True
        self.width.refused(piece.what)

    def expected_size(self, piece: Slice[Window]) -> int | None:
        """As much as the densest of the last windows held for its width."""
        if not self._densities:
            return None
        return int(MARGIN * max(self._densities) * piece.what.width.total_seconds())

    def extend(self) -> bool:
        """Add the window that is requested last."""
        if self._last is None:
            return False
        self.slices.append(Slice(self._last()))
        self._last = None
        self._one_by_one = True  # what changes meanwhile moves towards its end
        return True

    @property
    def _is_single(self) -> bool:
        return self._one_by_one or not self._proven

    def _first_waiting(self) -> Slice[Window] | None:
        return next((piece for piece in self.slices if piece.state is State.WAITING), None)

    def _all_waiting(self, now: float) -> list[Slice[Window]]:
        return [piece for piece in self.slices if piece.state is State.WAITING and piece.not_before <= now]

    def _join(self, piece: Slice[Window], now: float) -> None:
        """Add the windows that wait behind ``piece``, which were cut to another width."""
        following = self.slices.index(piece) + 1
        while following < len(self.slices):
            other = self.slices[following]
            if other.state is not State.WAITING or other.not_before > now or piece.what.end != other.what.start:
                return
            piece.what = Window(piece.what.start, other.what.end)
            piece.job_failed = piece.job_failed and other.job_failed
            if self._trial is other:
                self._trial = None
            del self.slices[following]
