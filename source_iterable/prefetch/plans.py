"""What a stream downloads, slice by slice.

A plan says which slice to request next and is notified of the result; the prefetcher decides when to request it
(prefetcher.py). Its methods are called by one thread at a time, except `fetch` and `fetch_by_job`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import takewhile
from typing import Any, Generic, Protocol, TypeVar

from source_iterable.reservation import Reservation

# A body is expected to be at most this many times as large as the ones before it.
SIZE_MARGIN = 1.2
REMEMBERED_SIZES = 20


class JobsUnavailableError(Exception):
    """No export job can deliver a slice; the message says why."""


class Body(Protocol):
    """The body of a response, on disk."""

    @property
    def size(self) -> int:
        """Bytes on disk."""

    def close(self) -> None:
        """Free the disk."""


@dataclass
class InMemory:
    """A response that takes no disk."""

    content: Any = None
    size: int = 0

    def close(self) -> None:
        """Nothing to free."""


class State(Enum):
    """The state of a slice."""

    WAITING = auto()
    RUNNING = auto()
    READY = auto()
    FAILED = auto()


Partition = TypeVar("Partition")


@dataclass(eq=False)
class Slice(Generic[Partition]):
    """One partition of a stream, to be requested at once, and the result.

    Attributes:
        partition: What is requested: a window of time, a batch of ids, the id of a list.
        body: The body, once the slice is READY.
        seconds: How long the download took, including waits for the rate limit.
        state: Whether the slice is still to be requested, is being requested, was downloaded, or failed.
        error: Why it failed.
        failures: How many requests for it failed before its reader waited for it.
        not_before: The monotonic time, in seconds, before which it is not requested again, unless its reader waits.
        evicted_size: Bytes of a body that was downloaded and evicted; 0 without one.
        is_evicted: Whether its body was evicted in favor of one that is needed sooner.
        job_failed: Whether no export job can deliver it.
        disk_full_count: How many times the disk was full when it was downloaded.
    """

    partition: Partition
    body: Any = None
    seconds: float = 0.0
    state: State = State.WAITING
    error: Exception | None = None
    failures: int = 0
    not_before: float = 0.0
    evicted_size: int = 0
    is_evicted: bool = False
    job_failed: bool = False
    disk_full_count: int = 0

    def may_start(self, now: float) -> bool:
        """Whether it may be requested at the monotonic time ``now``."""
        return self.state is State.WAITING and self.not_before <= now


@dataclass
class SlicePlan(ABC, Generic[Partition]):
    """The slices that a stream still has to read.

    Attributes:
        stream: The stream's name.
        endpoint: The endpoint whose rate limit its requests share.
        slices: The slices, in reading order.
        is_ordered: Whether the reader takes the slices in order, or each as soon as it is READY.
        allows_direct: Whether slices may be requested directly, under the rate limit.
        allows_jobs: Whether export jobs may deliver slices.
    """

    stream: str
    endpoint: str
    slices: deque[Slice[Partition]] = field(default_factory=deque, init=False)
    is_ordered: bool = field(default=True, init=False)
    allows_direct: bool = field(default=True, init=False)
    allows_jobs: bool = field(default=False, init=False)

    def next(self, now: float) -> Slice[Partition] | None:
        """The next slice to request at the monotonic time ``now``; None if there is none."""
        return self._first_startable(now)

    @abstractmethod
    def fetch(self, slice_: Slice[Partition], reservation: Reservation) -> Body:
        """Download ``slice_``; called on a thread of the prefetcher.

        Raises:
            TooLargeError: If the server cannot deliver the slice in one response.
        """

    def fetch_by_job(self, slice_: Slice[Partition], reservation: Reservation) -> Body:
        """Download ``slice_`` from an export job; called on a thread of the prefetcher.

        Raises:
            JobsUnavailableError: If no job can deliver it.
            TooLargeError: If it is too large for one job.
        """
        raise NotImplementedError

    @abstractmethod
    def succeeded(self, slice_: Slice[Partition]) -> None:
        """Called when ``slice_`` was downloaded."""

    def split(self, slice_: Slice[Partition]) -> None:
        """Called when ``slice_`` is too large: plan smaller slices in its place."""
        raise NotImplementedError

    def failed(self, slice_: Slice[Partition], error: Exception, now: float, *, is_current: bool) -> bool:
        """Called when a request failed; returns whether the plan handles it.

        ``is_current`` is whether the stream is the one being read.
        """
        return False

    def requests_left(self, now: float) -> int:
        """How many requests are left, as far as known."""
        return len(self._startable(now))

    def after(self, requests: int, now: float) -> Slice[Partition] | None:
        """The slice whose turn comes after ``requests`` others of this plan; None if there is none."""
        startable = self._startable(now)
        return startable[requests] if requests < len(startable) else None

    def expected_size(self, slice_: Slice[Partition]) -> int | None:
        """How many bytes ``slice_`` will take on disk; None if unknown."""
        return None

    def extend(self) -> bool:
        """Called when all slices were read: add those known only now; returns whether there are any."""
        return False

    def _startable(self, now: float) -> list[Slice[Partition]]:
        return [slice_ for slice_ in self.slices if slice_.may_start(now)]

    def _first_startable(self, now: float) -> Slice[Partition] | None:
        for slice_ in self.slices:
            if slice_.state is State.FAILED:
                return None  # the stream ends there
            if slice_.may_start(now):
                return slice_
        return None

    def _is_running_before(self, slice_: Slice[Partition]) -> bool:
        """Whether a slice ahead of ``slice_`` is being requested; those behind may take long, by an export job."""
        return any(one.state is State.RUNNING for one in takewhile(lambda other: other is not slice_, self.slices))


class UnreadablePlan(SlicePlan[None]):
    """The plan of a stream that cannot be planned: its reader gets ``error``."""

    def __init__(self, stream: str, endpoint: str, error: Exception) -> None:
        super().__init__(stream, endpoint)
        self.slices.append(Slice(None, state=State.FAILED, error=error))

    def fetch(self, slice_: Slice[None], reservation: Reservation) -> Body:
        """Never called."""
        raise NotImplementedError

    def succeeded(self, slice_: Slice[None]) -> None:
        """Never called."""
