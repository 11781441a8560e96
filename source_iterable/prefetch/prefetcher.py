"""Downloads the coming slices of all streams, a few at a time for each rate limit, ahead of their reader.

One reader takes the slices of one stream after the other. Each rate limit has some threads of its own, so
that limits are used side by side; export jobs, which fall under none, have two more. A slice is requested only
when its body is expected to fit on disk, so that what came is not thrown away to be requested again. A slice
that fails before its turn is requested again later; only the one whose turn it is fails its stream.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import ceil, inf
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.errors import DiskError, TooMuchError
from source_iterable.prefetch.plans import Body, JobsUnavailableError, Slice, SlicePlan, State

THREADS_PER_LIMIT = 4
NOTICE_SECONDS = 60.0  # of waiting for the next slice, after which the log says that nothing is amiss
HEARTBEAT_SECONDS = 1800.0  # of waiting, after which the reader is to give a sign of life to the platform
# Seconds before a slice that failed before its turn is requested again.
RETRY_DELAYS = (60.0, 120.0, 300.0, 600.0)
DISK_TRIES = 3  # of the body whose turn it is, on a disk that is full
MAX_PREFETCHED = 256  # bodies of one limit that may wait for their reader; each is an open file
LEAST_FILES = 250
LIMITS = 4  # that hold open files at a time, for the share that each has of what the system allows
# Of an export job's expected time, after which its window is requested directly too if nothing else waits.
OVERDUE = 1.5
# While no job was seen to its end, one tries a window so many direct requests ahead.
FIRST_JOB_AHEAD = 2
JOBS_REMEMBERED = 5

logger = logging.getLogger("airbyte")


class _NoRoomError(Exception):
    """Bodies that are needed sooner fill the disk limit, or nobody wants this one any more."""


@dataclass(eq=False)
class _Attempt:
    """One request for a slice that is under way.

    Attributes:
        plan: The plan that the slice belongs to.
        piece: The slice.
        by_job: Whether an export job delivers it.
        reserved: Bytes of the disk limit that it holds.
        used: Bytes that its body takes so far.
        is_cancelled: Whether what comes is not wanted any more.
    """

    plan: SlicePlan[Any]
    piece: Slice[Any]
    by_job: bool
    began: float = field(default_factory=time.monotonic)
    reserved: int = 0
    used: int = 0
    is_cancelled: bool = False


Choose = Callable[[float], "_Attempt | None"]
"""Chooses what to request at a monotonic time."""


class Prefetcher:
    """Fetches the slices of all plans ahead of their reader.

    Args:
        plans: One for each stream, in the order in which the streams are read.
        disk_limit: How many bytes of bodies may lie on disk at once.
        job_workers: How many export jobs may run at a time.
        seconds_a_request: How far direct requests under the limit of a plan with jobs lie apart on the average.
        retry_delays: Seconds before a slice that failed before its turn is requested again, the last one repeated.
    """

    def __init__(
        self,
        plans: Sequence[SlicePlan[Any]],
        disk_limit: int,
        *,
        job_workers: int = 0,
        seconds_a_request: float = 0.0,
        retry_delays: Sequence[float] = RETRY_DELAYS,
    ) -> None:
        self._plans = list(plans)
        self._disk_limit = disk_limit
        self._job_workers = job_workers
        self._seconds_a_request = seconds_a_request
        self._retry_delays = retry_delays
        self._most = min(MAX_PREFETCHED, _files_allowed() // (LIMITS + 1))
        self._attempts: list[_Attempt] = []
        self._job_seconds: deque[float] = deque(maxlen=JOBS_REMEMBERED)
        self._used = 0
        self._reading: Slice[Any] | None = None
        self._awaited: SlicePlan[Any] | None = None
        self._stopped = False
        self._defect: Exception | None = None
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to fetch."""
        limits = dict.fromkeys(plan.limit for plan in self._plans)
        workers: list[tuple[str, Choose, int]] = [
            (f"download {limit}", partial(self._next_direct, limit), THREADS_PER_LIMIT) for limit in limits
        ]
        if any(plan.by_jobs for plan in self._plans):
            workers.append(("download by job", self._next_for_job, self._job_workers))
        for name, choose, number in workers:
            for at in range(number):
                # Daemons: a thread that waits for an answer keeps no ended process alive.
                thread = threading.Thread(target=self._work, args=(choose,), name=f"{name} {at + 1}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def stop(self) -> None:
        """Begin nothing more, and give all disk back; a request under way ends by itself."""
        with self._changed:
            self._stopped = True
            for plan in self._plans:
                self._abandon(plan)
            self._release_reading()
            self._changed.notify_all()

    def slices(self, stream: str) -> Iterator[Slice[Any] | None]:
        """The slices of ``stream``, each when it is here; a body is closed when the next one is taken.

        None stands for half an hour in which nothing came.

        Raises:
            Exception: What a slice failed with, when it is its turn.
        """
        with self._changed:
            at = next(at for at, plan in enumerate(self._plans) if plan.stream == stream)
            for passed in self._plans[:at]:  # streams that failed before they were read to their end
                self._abandon(passed)
            self._plans = self._plans[at:]
            self._changed.notify_all()
        plan = self._plans[0]
        since = time.monotonic()
        while True:
            try:
                piece = self._take(plan, since + HEARTBEAT_SECONDS)
            except TimeoutError:
                piece = None
            else:
                if piece is None:
                    return
            yield piece
            since = time.monotonic()

    def free_disk(self) -> None:
        """Give back the disk of all bodies that wait, for a reader who meets a full disk; each comes in its turn."""
        with self._changed:
            self._evict(None, until=0)
            for plan in self._plans:
                for piece in plan.slices:
                    if piece.is_evicted:
                        piece.disk_full = max(1, piece.disk_full)

    # The reader

    def _take(self, plan: SlicePlan[Any], until: float) -> Slice[Any] | None:
        with self._changed, self._awaiting(plan):
            while True:
                if self._defect is not None:
                    raise self._defect
                if self._stopped:
                    raise RuntimeError("the downloads were stopped")
                if not plan.slices and not plan.extend():
                    return None
                if (piece := self._ready(plan)) is not None:
                    plan.slices.remove(piece)
                    self._reading = piece
                    return piece
                head = plan.slices[0]
                if head.state is State.FAILED and head.error is not None:
                    raise head.error
                if head.failures and head.not_before:
                    head.not_before = 0.0  # its turn has come
                    self._changed.notify_all()
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                if not self._changed.wait(min(left, NOTICE_SECONDS)):
                    logger.info("%s: still waiting for what comes next (%s).", plan.stream, head.what or "the list")

    @contextmanager
    def _awaiting(self, plan: SlicePlan[Any]) -> Iterator[None]:
        """Let the threads know that the reader waits for the next slice of ``plan``."""
        self._release_reading()
        self._awaited = plan
        self._changed.notify_all()
        try:
            yield
        finally:
            self._awaited = None

    @staticmethod
    def _ready(plan: SlicePlan[Any]) -> Slice[Any] | None:
        """The slice to read next, if it is here."""
        if plan.is_ordered:
            return plan.slices[0] if plan.slices[0].state is State.READY else None
        return next((piece for piece in plan.slices if piece.state is State.READY), None)

    def _release_reading(self) -> None:
        if self._reading is not None:
            self._discard(self._reading)
            self._reading = None

    # The threads

    def _work(self, choose: Choose) -> None:
        try:
            while (attempt := self._next(choose)) is not None:
                self._carry_out(attempt)
        except Exception as defect:
            with self._changed:
                self._defect = defect
                self._changed.notify_all()

    def _next(self, choose: Choose) -> _Attempt | None:
        """Wait for something to request; None at the end."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                attempt = choose(now)
                if attempt is not None:
                    attempt.piece.state = State.RUNNING
                    self._attempts.append(attempt)
                    return attempt
                self._changed.wait(self._until_next_retry(now))
            return None

    def _until_next_retry(self, now: float) -> float | None:
        """Seconds until something that waits may be requested, or an export job is overdue; None for never."""
        moments = [
            piece.not_before
            for plan in self._plans
            for piece in plan.slices
            if piece.state is State.WAITING and now < piece.not_before < inf
        ]
        expected = self._expected_job_seconds
        if expected is not None:
            moments += [attempt.began + OVERDUE * expected for attempt in self._attempts if attempt.by_job]
        return min((moment - now for moment in moments if moment > now), default=None)

    def _carry_out(self, attempt: _Attempt) -> None:
        plan, piece = attempt.plan, attempt.piece
        body: Body | None = None
        error: Exception | None = None
        try:
            fetch = plan.fetch_by_job if attempt.by_job else plan.fetch
            body = fetch(piece, partial(self._reserve, attempt))
        except Exception as raised:
            error = raised
        with self._changed:
            self._attempts.remove(attempt)
            self._settle(attempt, body, error)
            self._changed.notify_all()

    # What to request

    def _next_direct(self, limit: str, now: float) -> _Attempt | None:
        """What a thread of ``limit`` should request now: what is needed soonest first."""
        overdue = self._overdue_job(limit, now)
        if overdue is not None and self._is_head(overdue[1]):
            return self._attempt(*overdue)
        ready = 0
        for plan in self._plans:
            if plan.limit != limit:
                continue
            ready += sum(piece.state is State.READY for piece in plan.slices)
            piece = plan.next(now) if plan.directly else None
            if piece is None:
                continue
            if self._is_head(piece):
                return self._attempt(plan, piece)
            if ready >= self._most or piece.disk_full or not self._fits(plan, piece):
                break
            return self._attempt(plan, piece)
        return None if overdue is None else self._attempt(*overdue)

    def _next_for_job(self, now: float) -> _Attempt | None:
        """The window that an export job should deliver: one that it is expected to deliver before its direct turn."""
        expected = self._expected_job_seconds
        if expected is None:
            under_way = any(attempt.by_job for attempt in self._attempts)
            if under_way and any(plan.by_jobs and plan.directly for plan in self._plans):
                return None
            ahead: float = FIRST_JOB_AHEAD
        else:
            ahead = ceil(expected / self._seconds_a_request) if self._seconds_a_request else inf
        before = sum(not attempt.by_job and attempt.plan.by_jobs for attempt in self._attempts)
        for plan in self._plans:
            if not plan.by_jobs:
                continue
            left = plan.requests_left(now)
            if plan.directly and before + left <= ahead:
                before += left
                continue
            piece = plan.after(int(max(0, ahead - before)), now) if plan.directly else plan.next(now)
            if piece is None or piece.job_failed:
                before += left
                continue
            if self._is_head(piece):
                if not plan.directly:
                    return self._attempt(plan, piece, by_job=True)
                before += left
                continue
            return self._attempt(plan, piece, by_job=True) if self._fits(plan, piece) else None
        return None

    def _overdue_job(self, limit: str, now: float) -> tuple[SlicePlan[Any], Slice[Any]] | None:
        """The first window whose export job takes longer than expected, or whose turn has come before any was seen."""
        expected = self._expected_job_seconds
        for plan in self._plans:
            if plan.limit != limit or not plan.directly:
                continue
            for piece in plan.slices:
                own = [attempt for attempt in self._attempts if attempt.piece is piece]
                if len(own) != 1 or not own[0].by_job:
                    continue
                is_late = now - own[0].began > OVERDUE * expected if expected is not None else self._is_head(piece)
                if is_late and self._fits(plan, piece):
                    return plan, piece
        return None

    @property
    def _expected_job_seconds(self) -> float | None:
        return max(self._job_seconds, default=None)

    def _attempt(self, plan: SlicePlan[Any], piece: Slice[Any], *, by_job: bool = False) -> _Attempt:
        """Reserve disk for ``piece``."""
        free = max(0, self._disk_limit - self._used)
        reserved = min(self._expected(plan, piece), free)
        self._used += reserved
        return _Attempt(plan, piece, by_job, reserved=reserved)

    def _fits(self, plan: SlicePlan[Any], piece: Slice[Any]) -> bool:
        if piece.is_evicted and not piece.known_size:
            return False
        return self._used + self._expected(plan, piece) <= self._disk_limit

    def _expected(self, plan: SlicePlan[Any], piece: Slice[Any]) -> int:
        """How many bytes ``piece`` will take on disk: as its stream's last ones, or as those of any other stream."""
        known = plan.expected_size(piece)
        if known is None:
            others = [other.expected_size(piece) for other in self._plans if type(other) is type(plan)]
            known = max((one for one in others if one is not None), default=self._disk_limit // 8)
        return max(known, piece.known_size)

    # What came of it

    def _settle(self, attempt: _Attempt, body: Body | None, error: Exception | None) -> None:
        plan, piece = attempt.plan, attempt.piece
        self._used -= attempt.reserved
        others = [other for other in self._attempts if other.piece is piece]
        if attempt.is_cancelled or piece not in plan.slices or self._stopped:
            if body is not None:
                body.close()
            return
        piece.seconds += time.monotonic() - attempt.began
        if body is not None:
            for other in others:
                self._cancel(other)
            if attempt.by_job:
                self._job_seconds.append(time.monotonic() - attempt.began)
            piece.body, piece.state, piece.is_evicted = body, State.READY, False
            self._used += body.size
            plan.succeeded(piece)
            return
        piece.job_failed = piece.job_failed or isinstance(error, JobsUnavailableError)
        if others:
            return  # what is still under way decides
        piece.state = State.WAITING
        if isinstance(error, JobsUnavailableError) and plan.directly:
            return
        if isinstance(error, _NoRoomError):
            piece.is_evicted = True
        elif isinstance(error, DiskError) and self._may_wait_for_disk(piece):
            pass
        elif isinstance(error, TooMuchError):
            plan.split(piece)
        else:
            self._failed(attempt, error)

    def _failed(self, attempt: _Attempt, error: Exception | None) -> None:
        """Give the slice up if its reader waits for it; otherwise request it again later."""
        piece = attempt.piece
        if self._is_head(piece) or not isinstance(error, AirbyteTracedException):
            piece.state, piece.error = State.FAILED, error
            return
        delays = self._retry_delays
        # What time does not help is requested again only when its turn comes.
        may_pass = error.failure_type is FailureType.transient_error
        delay = delays[min(piece.failures, len(delays) - 1)] if may_pass else inf
        piece.failures += 1
        piece.not_before = time.monotonic() + delay

    def _may_wait_for_disk(self, piece: Slice[Any]) -> bool:
        """After a full disk: whether ``piece`` should be requested again in its turn.

        Bodies that are needed later make room for the one whose turn it is; that one gives up when it was
        refused so often.
        """
        if self._is_head(piece):
            piece.disk_full += 1
            self._evict(piece, until=0)
            return piece.disk_full < DISK_TRIES
        piece.disk_full = max(1, piece.disk_full)
        return True

    # The disk

    def _reserve(self, attempt: _Attempt, size: int) -> None:
        """Take ``size`` more bytes of disk for the body of an attempt, from bodies needed later if need be.

        A negative ``size`` gives bytes back.

        Raises:
            _NoRoomError: If bodies that are needed sooner fill the disk limit, or nobody wants this one any more.
            TooMuchError: If the body alone is larger than the disk limit.
        """
        with self._changed:
            attempt.used = max(0, attempt.used + size)
            if size < 0:
                return
            if attempt.is_cancelled or self._stopped:
                raise _NoRoomError
            grown = attempt.used - attempt.reserved
            if grown <= 0:
                return
            attempt.reserved += grown
            self._used += grown
            if self._used <= self._disk_limit:
                return
            if attempt.used > self._disk_limit:
                raise TooMuchError("it is larger than the disk limit")
            if self._is_head(attempt.piece):
                self._evict(attempt.piece, until=self._disk_limit)
            if self._used > self._disk_limit:
                raise _NoRoomError

    def _evict(self, head: Slice[Any] | None, until: int) -> None:
        """Discard bodies, those needed last first, until no more than so many bytes are taken."""
        for attempt in self._attempts:  # what was reserved and is not used yet costs nothing to give back
            if self._used > until and attempt.piece is not head:
                self._used -= attempt.reserved - attempt.used
                attempt.reserved = attempt.used
        for plan in reversed(self._plans):
            for piece in reversed(plan.slices):
                if self._used <= until:
                    return
                if piece is head:
                    continue
                if piece.state is State.READY:
                    piece.known_size = piece.body.size
                    self._discard(piece)
                    piece.state, piece.is_evicted = State.WAITING, True
                for attempt in [one for one in self._attempts if one.piece is piece and one.used]:
                    self._cancel(attempt)
                    piece.state, piece.is_evicted = State.WAITING, True

    def _cancel(self, attempt: _Attempt) -> None:
        """Let an attempt end unheeded: its thread lets go when it reserves more disk."""
        attempt.is_cancelled = True
        self._used -= attempt.reserved
        attempt.reserved = 0
        if attempt.by_job:  # which takes longer than this, and nobody will see how much
            self._job_seconds.append(OVERDUE * (time.monotonic() - attempt.began))

    def _discard(self, piece: Slice[Any]) -> None:
        if piece.body is not None:
            self._used -= piece.body.size
            piece.body.close()
            piece.body = None

    def _abandon(self, plan: SlicePlan[Any]) -> None:
        for piece in plan.slices:
            self._discard(piece)
        for attempt in self._attempts:
            if attempt.plan is plan and not attempt.is_cancelled:
                self._cancel(attempt)
        plan.slices.clear()

    def _is_head(self, piece: Slice[Any]) -> bool:
        """Whether the reader waits for ``piece``."""
        plan = self._awaited
        if plan is None or not plan.slices:
            return False
        return plan.slices[0] is piece if plan.is_ordered else piece in plan.slices


def _files_allowed() -> int:
    """How many files this process may have open."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return LEAST_FILES
    return max(LEAST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
