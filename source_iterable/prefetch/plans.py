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
        state: Whether it is still to be requested, under way, here, or abandoned.
        error: Why it was abandoned.
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
            TooLargeError: If the server could not deliver it at once.
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
            TooLargeError: If it is too much for one job.
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
        """What was listed cannot be requested in parts: its `fetch` does not raise TooLargeError."""
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
