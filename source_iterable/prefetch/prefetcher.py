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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.exceptions import DiskFullError, TooLargeError
from source_iterable.prefetch.choice import next_direct, next_for_job
from source_iterable.prefetch.plans import Body, JobsUnavailableError, Slice, SlicePlan, State
from source_iterable.prefetch.work import OVERDUE, Attempt, NoRoomError, Work

THREADS_PER_LIMIT = 4
NOTICE_SECONDS = 60.0  # of waiting for the next slice, after which the log says that nothing is amiss
HEARTBEAT_SECONDS = 1800.0  # of waiting, after which the reader is to give a sign of life to the platform
# Seconds before a slice that failed before its turn is requested again.
RETRY_DELAYS = (60.0, 120.0, 300.0, 600.0)
DISK_TRIES = 3  # of the body whose turn it is, on a disk that is full
MAX_PREFETCHED = 256  # bodies of one limit that may wait for their reader; each is an open file
LEAST_FILES = 250
LIMITS = 4  # that hold open files at a time, for the share that each has of what the system allows

logger = logging.getLogger("airbyte")


Choose = Callable[[float], Attempt | None]
"""Chooses what to request at a monotonic time."""


class _QuietError(Exception):
    """Nothing happened for a while; its text is what is waited for."""


class Prefetcher:
    """Fetches the slices of all plans ahead of their reader.

    Args:
        plans: One for each stream, in the order in which the streams are read; `add` adds more.
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
        self._work = Work(plans, disk_limit)
        self._job_workers = job_workers
        self._seconds_a_request = seconds_a_request
        self._retry_delays = retry_delays
        self._most = min(MAX_PREFETCHED, _files_allowed() // (LIMITS + 1))
        self._current: SlicePlan[Any] | None = None  # that the reader reads
        self._stopped = False
        self._defect: Exception | None = None
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def add(self, plan: SlicePlan[Any]) -> None:
        """Add the plan of the stream that is read after those that were added, before the start."""
        self._work.plans.append(plan)

    def start(self) -> None:
        """Begin to fetch."""
        limits = dict.fromkeys(plan.limit for plan in self._work.plans)
        workers: list[tuple[str, Choose, int]] = [
            (f"download {limit}", partial(next_direct, self._work, limit, self._most), THREADS_PER_LIMIT)
            for limit in limits
        ]
        if any(plan.by_jobs for plan in self._work.plans):
            choose = partial(next_for_job, self._work, self._seconds_a_request)
            workers.append(("download by job", choose, self._job_workers))
        for name, chosen, number in workers:
            for at in range(number):
                # Daemons: a thread that waits for an answer keeps no ended process alive.
                thread = threading.Thread(target=self._fetch_all, args=(chosen,), name=f"{name} {at + 1}", daemon=True)
                self._threads.append(thread)
                thread.start()

    @property
    def used(self) -> int:
        """Bytes of the disk limit that are taken or reserved."""
        return self._work.used

    @property
    def threads(self) -> Sequence[threading.Thread]:
        """The threads that fetch."""
        return self._threads

    def stop(self) -> None:
        """Begin nothing more, and give all disk back; a request under way ends by itself."""
        with self._changed:
            self._stopped = True
            for plan in self._work.plans:
                self._work.abandon(plan)
            self._release_reading()
            self._changed.notify_all()

    def slices(self, stream: str) -> Iterator[Slice[Any] | None]:
        """The slices of ``stream``, each when it is here; a body is closed when the next one is taken.

        None stands for half an hour in which nothing came.

        Raises:
            Exception: What a slice failed with, when it is its turn.
        """
        with self._changed:
            at = next(at for at, plan in enumerate(self._work.plans) if plan.stream == stream)
            for passed in self._work.plans[:at]:  # streams that failed before they were read to their end
                self._work.abandon(passed)
            self._work.plans = self._work.plans[at:]
            self._current = plan = self._work.plans[0]
            self._changed.notify_all()
        since = time.monotonic()
        while True:
            try:
                piece = self._take(plan, since + HEARTBEAT_SECONDS)
            except _QuietError as quiet:
                # Without the lock: the destination may read nothing, and the threads continue meanwhile.
                logger.info("%s: still waiting for what comes next (%s).", plan.stream, quiet)
                continue
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
            self._work.evict(None, until=0)
            for plan in self._work.plans:
                for piece in plan.slices:
                    if piece.is_evicted:
                        piece.disk_full = max(1, piece.disk_full)
            self._changed.notify_all()

    def reserve_for_reader(self, size: int) -> None:
        """Take ``size`` bytes of the disk limit for the reader of a stream without a plan, from bodies that wait.

        A negative ``size`` gives bytes back. Called from any thread.

        Raises:
            TooLargeError: If such readers alone would take more than the limit.
        """
        with self._changed:
            if size > 0:
                self._release_reading()
            self._work.reserve_for_reader(size)
            if size < 0:
                self._changed.notify_all()

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
                    self._work.reading = piece
                    return piece
                head = plan.slices[0]
                for due in [head] if plan.is_ordered else list(plan.slices):
                    if due.state is State.FAILED and due.error is not None:
                        raise due.error
                    if due.failures and due.not_before:
                        due.not_before = 0.0  # its turn has come
                        self._changed.notify_all()
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                if not self._changed.wait(min(left, NOTICE_SECONDS)):
                    raise _QuietError(head.what or "the list")

    @contextmanager
    def _awaiting(self, plan: SlicePlan[Any]) -> Iterator[None]:
        """Let the threads know that the reader waits for the next slice of ``plan``."""
        self._release_reading()
        self._work.awaited = plan
        self._changed.notify_all()
        try:
            yield
        finally:
            self._work.awaited = None

    @staticmethod
    def _ready(plan: SlicePlan[Any]) -> Slice[Any] | None:
        """The slice to read next, if it is here."""
        if plan.is_ordered:
            return plan.slices[0] if plan.slices[0].state is State.READY else None
        return next((piece for piece in plan.slices if piece.state is State.READY), None)

    def _release_reading(self) -> None:
        if self._work.reading is not None:
            self._work.discard(self._work.reading)
            self._work.reading = None

    # The threads

    def _fetch_all(self, choose: Choose) -> None:
        try:
            while (attempt := self._next(choose)) is not None:
                self._carry_out(attempt)
        except Exception as defect:
            with self._changed:
                self._defect = defect
                self._changed.notify_all()

    def _next(self, choose: Choose) -> Attempt | None:
        """Wait for something to request; None at the end."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                attempt = choose(now)
                if attempt is not None:
                    return attempt
                self._changed.wait(self._until_next_retry(now))
            return None

    def _until_next_retry(self, now: float) -> float | None:
        """Seconds until something that waits may be requested, or an export job is overdue; None for never."""
        moments = [
            piece.not_before
            for plan in self._work.plans
            for piece in plan.slices
            if piece.state is State.WAITING and now < piece.not_before < inf
        ]
        expected = self._work.job_seconds
        if expected is not None:
            moments += [attempt.began + OVERDUE * expected for attempt in self._work.attempts if attempt.by_job]
        return min((moment - now for moment in moments if moment > now), default=None)

    def _carry_out(self, attempt: Attempt) -> None:
        plan, piece = attempt.plan, attempt.piece
        body: Body | None = None
        error: Exception | None = None
        try:
            fetch = plan.fetch_by_job if attempt.by_job else plan.fetch
            body = fetch(piece, partial(self._reserve, attempt))
        except Exception as raised:
            error = raised
        with self._changed:
            self._work.attempts.remove(attempt)
            self._settle(attempt, body, error)
            self._changed.notify_all()

    # What came of it

    def _settle(self, attempt: Attempt, body: Body | None, error: Exception | None) -> None:
        plan, piece = attempt.plan, attempt.piece
        self._work.used -= attempt.reserved
        others = self._work.of(piece)
        if attempt.is_cancelled or piece not in plan.slices or self._stopped:
            if body is not None:
                body.close()
            return
        piece.seconds += time.monotonic() - attempt.began
        if body is not None:
            for other in others:
                self._work.cancel(other)
            if attempt.by_job:
                self._work.job_took(time.monotonic() - attempt.began)
            piece.body, piece.state, piece.is_evicted = body, State.READY, False
            self._work.used += body.size
            plan.succeeded(piece)
            return
        piece.job_failed = piece.job_failed or isinstance(error, JobsUnavailableError)
        if others:
            return  # what is still under way decides
        piece.state = State.WAITING
        if isinstance(error, JobsUnavailableError) and plan.directly:
            return
        if isinstance(error, NoRoomError):
            piece.is_evicted = True
        elif isinstance(error, DiskFullError) and self._may_wait_for_disk(piece):
            pass
        elif isinstance(error, TooLargeError):
            plan.split(piece)
        else:
            self._failed(attempt, error)

    def _failed(self, attempt: Attempt, error: Exception | None) -> None:
        """Give the slice up if its reader waits for it; otherwise request it again later."""
        plan, piece, now = attempt.plan, attempt.piece, time.monotonic()
        if error is not None and plan.failed(piece, error, now, is_current=plan is self._current):
            return
        is_awaited = self._work.is_head(piece) or (plan is self._work.awaited and not plan.is_ordered)
        if is_awaited or not isinstance(error, AirbyteTracedException):
            piece.state, piece.error = State.FAILED, error
            return
        delays = self._retry_delays
        # What time does not help is requested again only when its turn comes.
        may_pass = error.failure_type is FailureType.transient_error
        delay = delays[min(piece.failures, len(delays) - 1)] if may_pass else inf
        piece.failures += 1
        piece.not_before = now + delay

    def _may_wait_for_disk(self, piece: Slice[Any]) -> bool:
        """After a full disk: whether ``piece`` should be requested again in its turn.

        Bodies that are needed later make room for the one whose turn it is; that one fails when it was
        refused so often.
        """
        if self._work.is_head(piece):
            piece.disk_full += 1
            self._work.evict(piece, until=0)
            return piece.disk_full < DISK_TRIES
        piece.disk_full = max(1, piece.disk_full)
        return True

    def _reserve(self, attempt: Attempt, size: int) -> None:
        with self._changed:
            if self._stopped and size >= 0:
                raise NoRoomError
            self._work.reserve(attempt, size)


def _files_allowed() -> int:
    """How many files this process may have open."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return LEAST_FILES
    return max(LEAST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
