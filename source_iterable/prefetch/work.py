"""The plans of a sync, the requests that are running, and the disk that bodies take.

Every method is called with the prefetcher's lock held.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from source_iterable.exceptions import TooLargeError
from source_iterable.prefetch.plans import Slice, SlicePlan, State
from source_iterable.reservation import Reservation

# A window is requested directly too once its export job takes this many times as long as expected.
OVERDUE_FACTOR = 1.5
REMEMBERED_JOBS = 5
# The share of the disk limit, one of this many, that a body of unknown size is expected to take.
UNKNOWN_SHARE = 8
# The share of the disk limit that bodies of later streams may take: they wait for hours, and would leave the stream
# that is being read enough for only one request at a time.
LATER_STREAMS_SHARE = 0.5


class EvictedError(Exception):
    """A download was stopped: bodies that are needed sooner take the disk limit, or its result is not needed."""


@dataclass(eq=False)
class Attempt:
    """A request for a slice that is running.

    Attributes:
        plan: The plan of the slice.
        slice_: The slice.
        by_job: Whether an export job delivers it.
        started: The monotonic time at which it started, in seconds.
        reserved: Bytes of the disk limit that it reserves; once it succeeded, those that its body takes.
        used: Bytes of these that its body takes so far.
        is_cancelled: Whether its result is not needed any more.
    """

    plan: SlicePlan[Any]
    slice_: Slice[Any]
    by_job: bool
    started: float
    reserved: int = 0
    used: int = 0
    is_cancelled: bool = False


class AttemptReservation(Reservation):
    """The disk that the body of an attempt takes, also once it succeeded; any thread may use it."""

    def __init__(self, work: Work, attempt: Attempt, lock: threading.Condition) -> None:
        super().__init__()
        self._work = work
        self._attempt = attempt
        self._lock = lock

    def grow(self, size: int) -> None:
        """Reserve ``size`` more bytes, as `Work.reserve` does."""
        with self._lock:
            self._work.reserve(self._attempt, size)
        super().grow(size)

    def shrink(self, size: int) -> None:
        """Give ``size`` bytes back."""
        super().shrink(size)
        with self._lock:
            self._work.release(self._attempt, size)


class Work:
    """The plans of a sync, the requests that are running, and the disk that bodies take.

    Attributes:
        plans: The streams that are still to be read, the one that is being read first.
        current: The plan of the stream that is being read; None before the first.
        awaited: The plan whose next slice the reader waits for; None while it processes records.
        reading: The slice whose records the reader processes.
        attempts: The requests that are running.
        reserved: Bytes of the disk limit that are taken or reserved.
        reserved_by_readers: Bytes of these that the readers of streams without a plan take.
    """

    def __init__(self, plans: Sequence[SlicePlan[Any]], disk_limit: int) -> None:
        self.plans = list(plans)
        self.current: SlicePlan[Any] | None = None
        self.awaited: SlicePlan[Any] | None = None
        self.reading: Slice[Any] | None = None
        self.attempts: list[Attempt] = []
        self.reserved = 0
        self.reserved_by_readers = 0
        self._disk_limit = disk_limit
        self._job_seconds: deque[float] = deque(maxlen=REMEMBERED_JOBS)

    def is_awaited(self, slice_: Slice[Any]) -> bool:
        """Whether the reader waits for ``slice_``; in a plan without order, for the first that may be downloaded."""
        plan = self.awaited
        if plan is None or not plan.slices:
            return False
        if plan.is_ordered:
            return plan.slices[0] is slice_
        now = time.monotonic()
        candidates = (
            one for one in plan.slices if one.state in {State.RUNNING, State.WAITING} and one.not_before <= now
        )
        return next(candidates, None) is slice_

    def start(self, plan: SlicePlan[Any], slice_: Slice[Any], *, by_job: bool = False) -> Attempt:
        """Start a request for ``slice_``, and reserve disk for its body."""
        reserved = min(self._expected_size(plan, slice_), max(0, self._disk_limit - self.reserved))
        self.reserved += reserved
        attempt = Attempt(plan, slice_, by_job, time.monotonic(), reserved)
        slice_.state = State.RUNNING
        self.attempts.append(attempt)
        return attempt

    def attempts_for(self, slice_: Slice[Any]) -> list[Attempt]:
        """The requests for ``slice_`` that are running, without cancelled ones."""
        return [attempt for attempt in self.attempts if attempt.slice_ is slice_ and not attempt.is_cancelled]

    def cancel(self, attempt: Attempt) -> None:
        """Ignore the result of an attempt: its thread stops when it reserves more disk."""
        attempt.is_cancelled = True
        self.reserved -= attempt.reserved
        attempt.reserved = 0
        if attempt.by_job:  # it would take longer than this
            self.job_took(OVERDUE_FACTOR * (time.monotonic() - attempt.started))

    def abandon(self, plan: SlicePlan[Any]) -> None:
        """Discard the slices of ``plan``, and cancel its requests."""
        for slice_ in plan.slices:
            self.discard(slice_)
        for attempt in self.attempts:
            if attempt.plan is plan and not attempt.is_cancelled:
                self.cancel(attempt)
        plan.slices.clear()

    @property
    def job_seconds(self) -> float | None:
        """The seconds that an export job is expected to take, as the slowest of the last ones; None without any."""
        return max(self._job_seconds, default=None)

    def job_took(self, seconds: float) -> None:
        """Remember how long a job took, or took at least."""
        self._job_seconds.append(seconds)

    # The disk limit

    def fits(self, plan: SlicePlan[Any], slice_: Slice[Any]) -> bool:
        """Whether the body of ``slice_`` is expected to fit beside all others, in the share of its stream."""
        if slice_.is_evicted and not slice_.evicted_size:
            return False
        expected = self._expected_size(plan, slice_)
        if self.reserved + expected > self._disk_limit:
            return False
        is_first = plan is self.plans[0]
        return is_first or self._reserved_by_later_streams() + expected <= LATER_STREAMS_SHARE * self._disk_limit

    def reserve(self, attempt: Attempt, size: int) -> None:
        """Reserve ``size`` more bytes for the body of an attempt, evicting bodies that are needed later if necessary.

        Raises:
            EvictedError: If bodies that are needed sooner take the disk limit, or the attempt was cancelled.
            TooLargeError: If the body alone is larger than the disk limit.
        """
        if attempt.is_cancelled:
            raise EvictedError
        attempt.used += size
        missing = attempt.used - attempt.reserved
        if missing <= 0:
            return
        attempt.reserved += missing
        self.reserved += missing
        if self.reserved <= self._disk_limit:
            return
        if attempt.used > self._disk_limit:
            raise TooLargeError("it is larger than the disk limit")
        if self.is_awaited(attempt.slice_):
            self.evict(attempt.slice_, until=self._disk_limit)
        if self.reserved > self._disk_limit:
            raise EvictedError

    def release(self, attempt: Attempt, size: int) -> None:
        """Give back ``size`` bytes of the body of an attempt; while it is running, they stay reserved for a retry."""
        attempt.used -= size
        if attempt not in self.attempts:
            self.trim(attempt)

    def trim(self, attempt: Attempt) -> None:
        """Reserve no more for an attempt than its body takes."""
        excess = max(0, attempt.reserved - attempt.used)
        attempt.reserved -= excess
        self.reserved -= excess

    def reserve_for_reader(self, size: int) -> None:
        """Reserve ``size`` bytes for the reader of a stream without a plan, evicting bodies if necessary.

        A negative ``size`` gives bytes back.

        Raises:
            TooLargeError: If readers alone would take more than the disk limit.
        """
        if size > 0 and self.reserved_by_readers + size > self._disk_limit:
            raise TooLargeError("it is larger than the disk limit")
        self.reserved_by_readers += size
        self.reserved += size
        if size > 0:
            self.evict(None, until=self._disk_limit)

    def evict(self, awaited: Slice[Any] | None, until: int) -> None:
        """Discard bodies other than that of ``awaited``, those needed last first, until ``until`` bytes are reserved.

        Of two requests for a slice, one that takes no disk yet continues, and so does whatever takes no disk.
        """
        for attempt in self.attempts:  # what is reserved but not used costs nothing to give back
            if self.reserved > until and attempt.slice_ is not awaited:
                self.trim(attempt)
        for plan in reversed(self.plans):
            for slice_ in reversed(plan.slices):
                if self.reserved <= until:
                    return
                if slice_ is awaited:
                    continue
                if slice_.state is State.READY and slice_.body.size:
                    slice_.evicted_size = slice_.body.size
                    self.discard(slice_)
                    slice_.state, slice_.is_evicted = State.WAITING, True
                for attempt in [one for one in self.attempts_for(slice_) if one.used]:
                    self.cancel(attempt)
                    slice_.is_evicted = True
                    if not self.attempts_for(slice_):
                        slice_.state = State.WAITING

    def discard(self, slice_: Slice[Any]) -> None:
        """Close the body of ``slice_``, if it has one."""
        if slice_.body is not None:
            slice_.body.close()
            slice_.body = None

    def _reserved_by_later_streams(self) -> int:
        """The bytes that all streams but the one that is being read take or reserve."""
        later = self.plans[1:]
        ready: int = sum(slice_.body.size for plan in later for slice_ in plan.slices if slice_.state is State.READY)
        return ready + sum(attempt.reserved for attempt in self.attempts if attempt.plan is not self.plans[0])

    def _expected_size(self, plan: SlicePlan[Any], slice_: Slice[Any]) -> int:
        """The bytes that ``slice_`` is expected to take: as the last ones of its stream, or those of any other."""
        size = plan.expected_size(slice_)
        if size is None:
            others = [other.expected_size(slice_) for other in self.plans if type(other) is type(plan)]
            size = max((one for one in others if one is not None), default=self._disk_limit // UNKNOWN_SHARE)
        return max(size, slice_.evicted_size)
