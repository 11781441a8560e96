"""What a stream wants downloaded, slice by slice: windows of time, or what a list endpoint returns.

A plan says what to request next, and learns what came of it; when to request it is the prefetcher's business
(prefetcher.py). Its methods are called by one thread at a time, but for `fetch` and `fetch_by_job`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import takewhile
from typing import Any, Generic, Protocol, TypeVar

from source_iterable.windows import SECOND, Width, Window

# Called with the bytes that a body is about to take on disk, or, negative, gives back.
Reserve = Callable[[int], None]
# How much larger than the ones before a body is expected to be at most.
MARGIN = 1.2


class JobsUnavailableError(Exception):
    """A window cannot be had by an export job; the message says why."""


class Body(Protocol):
    """What a download yields."""

    @property
    def size(self) -> int:
        """Bytes on disk."""

    def close(self) -> None:
        """Give the disk back."""


class State(Enum):
    """Where a slice stands."""

    WAITING = auto()
    RUNNING = auto()
    READY = auto()
    FAILED = auto()


What = TypeVar("What")


@dataclass(eq=False)
class Slice(Generic[What]):
    """One thing to request, and what came of it.

    Attributes:
        what: The window, the list, or whatever the plan requests.
        body: What came, once it came.
        seconds: How long that took, waiting for the rate limit included.
        state: Whether it is still to be requested, under way, here, or given up.
        error: Why it was given up.
        failures: How often a request for it failed before its turn.
        not_before: The monotonic time before which it is not requested again, unless its turn comes.
        known_size: Bytes of a body that came before, and had to be discarded; 0 if none did.
        is_evicted: Whether its body had to make room for one that is needed sooner.
        job_failed: Whether no export job can deliver it.
        disk_full: How often the disk was full when it came.
    """

    what: What
    body: Any = None
    seconds: float = 0.0
    state: State = State.WAITING
    error: Exception | None = None
    failures: int = 0
    not_before: float = 0.0
    known_size: int = 0
    is_evicted: bool = False
    job_failed: bool = False
    disk_full: int = 0


@dataclass
class SlicePlan(ABC, Generic[What]):
    """What a stream still wants, in the order in which it is read.

    Attributes:
        stream: The stream's name.
        limit: The endpoint whose rate limit its requests fall under.
        slices: What is wanted, next first.
        is_ordered: Whether its reader needs the slices in order; otherwise it takes each when it is here.
        directly: Whether slices may be requested one by one under the rate limit.
        by_jobs: Whether slices may come by export jobs.
    """

    stream: str
    limit: str
    slices: deque[Slice[What]] = field(default_factory=deque, init=False)
    is_ordered: bool = field(default=True, init=False)
    directly: bool = field(default=True, init=False)
    by_jobs: bool = field(default=False, init=False)

    @abstractmethod
    def next(self, now: float) -> Slice[What] | None:
        """The next slice to request at the monotonic time ``now``; None if there is none."""

    @abstractmethod
    def fetch(self, piece: Slice[What], reserve: Reserve) -> Body:
        """Request ``piece``; called on a thread of the prefetcher.

        Raises:
            TooMuchError: If the server could not deliver it at once.
        """

    @abstractmethod
    def succeeded(self, piece: Slice[What]) -> None:
        """Learn that ``piece`` came whole."""

    @abstractmethod
    def split(self, piece: Slice[What]) -> None:
        """Learn that ``piece`` is too much, and plan to request less."""

    def failed(self, piece: Slice[What], error: Exception, now: float, *, is_current: bool) -> bool:
        """Learn that a request failed, of the stream that is read if ``is_current``; True if the plan sees to it."""
        return False

    def fetch_by_job(self, piece: Slice[What], reserve: Reserve) -> Body:
        """Have an export job deliver ``piece``; called on a thread of the prefetcher.

        Raises:
            JobsUnavailableError: If no job can.
            TooMuchError: If it is too much for one job.
        """
        raise JobsUnavailableError("there are no export jobs for this")

    def requests_left(self, now: float) -> int:
        """How many requests are still to be made, as far as that is known."""
        return sum(piece.state is State.WAITING and piece.not_before <= now for piece in self.slices)

    def after(self, requests: int, now: float) -> Slice[What] | None:
        """A slice that would be requested at ``now`` after so many others of this plan; None if there is none."""
        waiting = [piece for piece in self.slices if piece.state is State.WAITING and piece.not_before <= now]
        return waiting[requests] if requests < len(waiting) else None

    def expected_size(self, piece: Slice[What]) -> int | None:
        """How many bytes ``piece`` will take on disk; None if nothing is known yet."""
        return None

    def extend(self) -> bool:
        """Called when everything was taken: add what can be requested only now, and say whether there is any."""
        return False

    def _waiting(self, now: float) -> Slice[What] | None:
        for piece in self.slices:
            if piece.state is State.FAILED:
                return None  # the stream ends there: what follows is not needed any more
            if piece.state is State.WAITING and piece.not_before <= now:
                return piece
        return None

    def _running_before(self, piece: Slice[What]) -> bool:
        """Whether anything is under way that is read before ``piece``; what follows may take long, by an export job."""
        return any(one.state is State.RUNNING for one in takewhile(lambda other: other is not piece, self.slices))


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


class ListPlan(SlicePlan[What | None]):
    """What a list endpoint returns, each a slice; first of all, the slice None that requests the list.

    Args:
        stream: The stream's name.
        limit: The endpoint.
        listing: Requests the list; called on a thread of the prefetcher.
        fetch: Requests one thing of it.
    """

    def __init__(
        self, stream: str, limit: str, listing: Callable[[], Sequence[What]], fetch: Callable[[What, Reserve], Body]
    ) -> None:
        super().__init__(stream, limit)
        self._listing = listing
        self._fetch = fetch
        self._sizes: deque[int] = deque(maxlen=20)
        self.slices.append(Slice(None))

    def next(self, now: float) -> Slice[What | None] | None:
        """The next thing that was listed."""
        return self._waiting(now)

    def fetch(self, piece: Slice[What | None], reserve: Reserve) -> Body:
        """Request the slice, or the list of what there is."""
        return _Found(self._listing()) if piece.what is None else self._fetch(piece.what, reserve)

    def succeeded(self, piece: Slice[What | None]) -> None:
        """Put what was found in the place of the slice that requested it."""
        if isinstance(piece.body, _Found):
            self.slices.remove(piece)
            self.slices.extend(Slice(found) for found in piece.body.found)
        else:
            self._sizes.append(piece.body.size)

    def split(self, piece: Slice[What | None]) -> None:
        """What was listed cannot be requested in parts: its `fetch` does not raise TooMuchError."""
        raise NotImplementedError

    def expected_size(self, piece: Slice[What | None]) -> int | None:
        """As much as the largest of the last ones; nothing for the list itself."""
        if piece.what is None:
            return 0
        return int(MARGIN * max(self._sizes)) if self._sizes else None


@dataclass
class _Found:
    found: Sequence[Any]
    size: int = 0

    def close(self) -> None:
        """Nothing lies on disk."""


class UnreadablePlan(SlicePlan[None]):
    """The plan of a stream that cannot even be begun: its reader meets ``error``."""

    def __init__(self, stream: str, limit: str, error: Exception) -> None:
        super().__init__(stream, limit)
        self.slices.append(Slice(None, state=State.FAILED, error=error))

    def next(self, now: float) -> None:
        """Nothing is requested."""

    def fetch(self, piece: Slice[None], reserve: Reserve) -> Body:
        """Never called."""
        raise NotImplementedError

    def succeeded(self, piece: Slice[None]) -> None:
        """Never called."""

    def split(self, piece: Slice[None]) -> None:
        """Never called."""
