"""What is planned, under way and on disk: the accounts that the prefetcher keeps while it holds its lock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from source_iterable.exceptions import TooLargeError
from source_iterable.prefetch.plans import Slice, SlicePlan, State

# Of an export job's expected time, after which its window is requested directly too.
OVERDUE = 1.5
JOBS_REMEMBERED = 5
# The share of the disk limit that a body takes of which nothing is known.
UNKNOWN_SHARE = 8
# The share of the disk limit that the bodies of later streams may fill: they wait for hours, and would leave the
# stream that is being read room for one request at a time.
LATER_SHARE = 0.5


class NoRoomError(Exception):
    """Bodies that are needed sooner fill the disk limit, or nobody wants this one any more."""


@dataclass(eq=False)
class Attempt:
    """One request for a slice that is under way.

    Attributes:
        plan: The plan that the slice belongs to.
        piece: The slice.
        by_job: Whether an export job delivers it.
        began: The monotonic time at which it began.
        reserved: Bytes of the disk limit that it holds.
        used: Bytes that its body takes so far.
        is_cancelled: Whether what comes is not wanted any more.
    """

    plan: SlicePlan[Any]
    piece: Slice[Any]
    by_job: bool
    began: float
    reserved: int = 0
    used: int = 0
    is_cancelled: bool = False


class Work:
    """The plans of a sync, the requests under way, and the bytes that all bodies take.

    Attributes:
        plans: What is still to be read, the stream that is being read first.
        attempts: What is under way.
        used: Bytes of the disk limit that are taken or reserved.
        kept: Those of them that readers of streams without a plan took.
        awaited: The plan for whose next slice the reader waits; None while it is busy.
        reading: The slice that the reader is busy with.
    """

    def __init__(self, plans: Sequence[SlicePlan[Any]], disk_limit: int) -> None:
        self.plans = list(plans)
        self.attempts: list[Attempt] = []
        self.used = 0
        self.kept = 0
        self.awaited: SlicePlan[Any] | None = None
        self.reading: Slice[Any] | None = None
        self._disk_limit = disk_limit
        self._job_seconds: deque[float] = deque(maxlen=JOBS_REMEMBERED)

    def is_head(self, piece: Slice[Any]) -> bool:
        """Whether the reader waits for ``piece``; where the order does not matter, for the first that may come."""
        plan = self.awaited
        if plan is None or not plan.slices:
            return False
        if plan.is_ordered:
            return plan.slices[0] is piece
        now = time.monotonic()
        may_come = (one for one in plan.slices if one.state in {State.RUNNING, State.WAITING} and one.not_before <= now)
        return next(may_come, None) is piece

    def of(self, piece: Slice[Any]) -> list[Attempt]:
        """The requests for ``piece`` that are under way, but for those that nobody wants any more."""
        return [attempt for attempt in self.attempts if attempt.piece is piece and not attempt.is_cancelled]

    @property
    def job_seconds(self) -> float | None:
        """How long an export job is expected to take: as the slowest of the last ones; None before the first."""
        return max(self._job_seconds, default=None)

    def job_took(self, seconds: float) -> None:
        """Learn how long a job took, or took at the least."""
        self._job_seconds.append(seconds)

    # The disk

    def begin(self, plan: SlicePlan[Any], piece: Slice[Any], *, by_job: bool = False) -> Attempt:
        """Put a request for ``piece`` under way, with disk reserved for its body."""
        reserved = min(self._expected(plan, piece), max(0, self._disk_limit - self.used))
        self.used += reserved
        attempt = Attempt(plan, piece, by_job, time.monotonic(), reserved)
        piece.state = State.RUNNING
        self.attempts.append(attempt)
        return attempt

    def fits(self, plan: SlicePlan[Any], piece: Slice[Any]) -> bool:
        """Whether the body of ``piece`` is expected to fit beside all others, in the share of its stream."""
        if piece.is_evicted and not piece.known_size:
            return False
        expected = self._expected(plan, piece)
        if self.used + expected > self._disk_limit:
            return False
        return plan is self.plans[0] or self._used_by_later() + expected <= LATER_SHARE * self._disk_limit

    def _used_by_later(self) -> int:
        """The bytes that all streams but the one that is being read take or reserve."""
        current = self.plans[0]
        here: int = sum(piece.body.size for piece in current.slices if piece.state is State.READY)
        under_way = sum(attempt.reserved for attempt in self.attempts if attempt.plan is current)
        read = self.reading.body.size if self.reading is not None and self.reading.body is not None else 0
        return self.used - self.kept - here - under_way - read

    def _expected(self, plan: SlicePlan[Any], piece: Slice[Any]) -> int:
        """How many bytes ``piece`` will take on disk: as its stream's last ones, or as those of any other stream."""
        known = plan.expected_size(piece)
        if known is None:
            others = [other.expected_size(piece) for other in self.plans if type(other) is type(plan)]
            known = max((one for one in others if one is not None), default=self._disk_limit // UNKNOWN_SHARE)
        return max(known, piece.known_size)

    def reserve(self, attempt: Attempt, size: int) -> None:
        """Take ``size`` more bytes of disk for the body of an attempt, from bodies needed later if need be.

        A negative ``size`` gives bytes back.

        Raises:
            NoRoomError: If bodies that are needed sooner fill the disk limit, or nobody wants this one any more.
            TooLargeError: If the body alone is larger than the disk limit.
        """
        attempt.used = max(0, attempt.used + size)
        if size < 0:
            return
        if attempt.is_cancelled:
            raise NoRoomError
        grown = attempt.used - attempt.reserved
        if grown <= 0:
            return
        attempt.reserved += grown
        self.used += grown
        if self.used <= self._disk_limit:
            return
        if attempt.used > self._disk_limit:
            raise TooLargeError("it is larger than the disk limit")
        if self.is_head(attempt.piece):
            self.evict(attempt.piece, until=self._disk_limit)
        if self.used > self._disk_limit:
            raise NoRoomError

    def reserve_for_reader(self, size: int) -> None:
        """Take ``size`` bytes for the reader of a stream without a plan, from bodies that wait if need be.

        A negative ``size`` gives bytes back.

        Raises:
            TooLargeError: If such readers alone would take more than the disk limit.
        """
        if size > 0 and self.kept + size > self._disk_limit:
            raise TooLargeError("it is larger than the disk limit")
        self.kept += size
        self.used += size
        if size > 0:
            self.evict(None, until=self._disk_limit)

    def evict(self, head: Slice[Any] | None, until: int) -> None:
        """Discard bodies, those needed last first, until no more than so many bytes are taken.

        A slice that two requests may deliver keeps the one that takes no disk yet. What takes none stays.
        """
        for attempt in self.attempts:  # what was reserved and is not used yet costs nothing to give back
            if self.used > until and attempt.piece is not head:
                self.used -= attempt.reserved - attempt.used
                attempt.reserved = attempt.used
        for plan in reversed(self.plans):
            for piece in reversed(plan.slices):
                if self.used <= until:
                    return
                if piece is head:
                    continue
                if piece.state is State.READY and piece.body.size:
                    piece.known_size = piece.body.size
                    self.discard(piece)
                    piece.state, piece.is_evicted = State.WAITING, True
                for attempt in [one for one in self.of(piece) if one.used]:
                    self.cancel(attempt)
                    piece.is_evicted = True
                    if not self.of(piece):
                        piece.state = State.WAITING

    def cancel(self, attempt: Attempt) -> None:
        """Let an attempt end unheeded: its thread lets go when it reserves more disk."""
        attempt.is_cancelled = True
        self.used -= attempt.reserved
        attempt.reserved = 0
        if attempt.by_job:  # which takes longer than this, and nobody will see how much
            self.job_took(OVERDUE * (time.monotonic() - attempt.began))

    def discard(self, piece: Slice[Any]) -> None:
        """Give the disk of a body back."""
        if piece.body is not None:
            self.used -= piece.body.size
            piece.body.close()
            piece.body = None

    def abandon(self, plan: SlicePlan[Any]) -> None:
        """Let go of everything that ``plan`` still wants."""
        for piece in plan.slices:
            self.discard(piece)
        for attempt in self.attempts:
            if attempt.plan is plan and not attempt.is_cancelled:
                self.cancel(attempt)
        plan.slices.clear()
