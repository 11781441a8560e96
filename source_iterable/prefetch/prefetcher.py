"""Downloads the coming slices of all streams ahead of their reader, a few at a time for each rate limit.

One reader reads the streams one after the other. Each rate limit has its own threads, so that all limits are used at
the same time; export jobs, which have no rate limit, have two more. A slice is requested only when its body is
expected to fit on disk, so that bodies are seldom evicted and downloaded twice. A slice that fails before its reader
waits for it is retried later; a stream fails only when its reader waits for the slice.
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

from source_iterable import messages
from source_iterable.prefetch.choice import next_direct, next_for_job
from source_iterable.prefetch.plans import Body, Slice, SlicePlan, State
from source_iterable.prefetch.results import RETRY_DELAYS, finish
from source_iterable.prefetch.work import OVERDUE_FACTOR, Attempt, AttemptReservation, Work

THREADS_PER_ENDPOINT = 4
NOTICE_SECONDS = 60.0  # of waiting for a slice, after which it is logged
HEARTBEAT_SECONDS = 1800.0  # of waiting for a slice, after which the reader sends the platform a sign of life
MAX_PREFETCHED = 256  # bodies of one endpoint that may wait for their reader; each is an open file
MIN_OPEN_FILES = 250
ENDPOINTS_WITH_FILES = 4  # that share the number of open files that the system allows

logger = logging.getLogger("airbyte")

Choose = Callable[[float], Attempt | None]
"""Starts the next request at a monotonic time."""


class _StillWaitingError(Exception):
    """Nothing changed for a while; the text names the slice that the reader waits for."""


class Prefetcher:
    """Downloads the slices of all plans ahead of their reader.

    Args:
        plans: One for each stream, in reading order; `add` adds more.
        disk_limit: How many bytes of bodies may be on disk at the same time.
        job_workers: How many export jobs may run at the same time.
        seconds_per_request: How far apart direct requests are on average, for plans that allow jobs.
        retry_delays: Seconds before a slice that failed before its reader waits for it is requested again, the last
            one repeated.
    """

    def __init__(
        self,
        plans: Sequence[SlicePlan[Any]],
        disk_limit: int,
        *,
        job_workers: int = 0,
        seconds_per_request: float = 0.0,
        retry_delays: Sequence[float] = RETRY_DELAYS,
    ) -> None:
        self._work = Work(plans, disk_limit)
        self._job_workers = job_workers
        self._seconds_per_request = seconds_per_request
        self._retry_delays = retry_delays
        self._is_stopped = False
        self._defect: Exception | None = None
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def add(self, plan: SlicePlan[Any]) -> None:
        """Add the plan of the stream that is read after all others; before the start."""
        self._work.plans.append(plan)

    def start(self) -> None:
        """Start the threads."""
        max_ready = min(MAX_PREFETCHED, _max_open_files() // (ENDPOINTS_WITH_FILES + 1))
        for endpoint in dict.fromkeys(plan.endpoint for plan in self._work.plans):
            choose: Choose = partial(next_direct, self._work, endpoint, max_ready)
            self._start_threads(f"download {endpoint}", choose, THREADS_PER_ENDPOINT)
        if any(plan.allows_jobs for plan in self._work.plans):
            choose = partial(next_for_job, self._work, self._seconds_per_request)
            self._start_threads("download by job", choose, self._job_workers)

    @property
    def reserved(self) -> int:
        """Bytes of the disk limit that are taken or reserved."""
        return self._work.reserved

    @property
    def threads(self) -> Sequence[threading.Thread]:
        """The threads that download."""
        return self._threads

    def stop(self) -> None:
        """Start no more requests, and free the disk; running requests end by themselves."""
        with self._changed:
            self._is_stopped = True
            for plan in self._work.plans:
                self._work.abandon(plan)
            self._release_reading()
            self._changed.notify_all()

    def slices(self, stream: str) -> Iterator[Slice[Any] | None]:
        """The slices of ``stream``, each once it is READY; its body is closed when the next one is taken.

        None is returned after half an hour without a slice.

        Raises:
            Exception: The error of a slice that failed.
        """
        plan = self._begin(stream)
        since = time.monotonic()
        while True:
            try:
                slice_ = self._take(plan, since + HEARTBEAT_SECONDS)
            except _StillWaitingError as waiting:
                # Without the lock: where the destination does not read, this blocks, and the threads continue.
                logger.info("%s: %s.", plan.stream, messages.STILL_WAITING.format(what=waiting))
                continue
            except TimeoutError:
                slice_ = None
            else:
                if slice_ is None:
                    return
            yield slice_
            since = time.monotonic()

    def free_disk(self) -> None:
        """Evict all bodies that wait for their reader, for a reader on a full disk; each is downloaded again later."""
        with self._changed:
            self._work.evict(None, until=0)
            for plan in self._work.plans:
                for slice_ in plan.slices:
                    if slice_.is_evicted:
                        slice_.disk_full_count = max(1, slice_.disk_full_count)
            self._changed.notify_all()

    def reserve_for_reader(self, size: int) -> None:
        """Reserve ``size`` bytes of the disk limit for the reader of a stream without a plan, evicting bodies.

        A negative ``size`` gives bytes back. Called from any thread.

        Raises:
            TooLargeError: If readers alone would take more than the limit.
        """
        with self._changed:
            if size > 0:
                self._release_reading()
            self._work.reserve_for_reader(size)
            if size < 0:
                self._changed.notify_all()

    # The reader

    def _begin(self, stream: str) -> SlicePlan[Any]:
        """The plan of ``stream``, which is now the first; streams that failed before their end are abandoned."""
        with self._changed:
            work = self._work
            while work.plans[0].stream != stream:
                work.abandon(work.plans.pop(0))
            work.current = work.plans[0]
            self._changed.notify_all()
            return work.current

    def _take(self, plan: SlicePlan[Any], until: float) -> Slice[Any] | None:
        """Wait for the next slice of ``plan``; None at its end."""
        with self._changed, self._awaiting(plan):
            while True:
                if self._defect is not None:
                    raise self._defect
                if self._is_stopped:
                    raise RuntimeError("the downloads were stopped")
                if not plan.slices and not plan.extend():
                    return None
                candidates = [plan.slices[0]] if plan.is_ordered else list(plan.slices)
                ready = next((slice_ for slice_ in candidates if slice_.state is State.READY), None)
                if ready is not None:
                    plan.slices.remove(ready)
                    self._work.reading = ready
                    return ready
                for slice_ in candidates:
                    if slice_.state is State.FAILED and slice_.error is not None:
                        raise slice_.error
                    if slice_.failures and slice_.not_before:
                        slice_.not_before = 0.0  # its reader waits: request it now
                        self._changed.notify_all()
                seconds_left = until - time.monotonic()
                if seconds_left <= 0:
                    raise TimeoutError
                if not self._changed.wait(min(seconds_left, NOTICE_SECONDS)):
                    raise _StillWaitingError(candidates[0].partition or "the list")

    @contextmanager
    def _awaiting(self, plan: SlicePlan[Any]) -> Iterator[None]:
        """Note for the threads that the reader waits for the next slice of ``plan``."""
        self._release_reading()
        self._work.awaited = plan
        self._changed.notify_all()
        try:
            yield
        finally:
            self._work.awaited = None

    def _release_reading(self) -> None:
        if self._work.reading is not None:
            self._work.discard(self._work.reading)
            self._work.reading = None

    # The threads

    def _start_threads(self, name: str, choose: Choose, number: int) -> None:
        for index in range(number):
            # Daemons: a thread that waits for a response does not keep the process alive.
            thread = threading.Thread(target=self._run, args=(choose,), name=f"{name} {index + 1}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, choose: Choose) -> None:
        try:
            while (attempt := self._next(choose)) is not None:
                self._download(attempt)
        except Exception as defect:
            with self._changed:
                self._defect = defect
                self._changed.notify_all()

    def _next(self, choose: Choose) -> Attempt | None:
        """Wait for something to request; None at the end."""
        with self._changed:
            while not self._is_stopped:
                now = time.monotonic()
                attempt = choose(now)
                if attempt is not None:
                    return attempt
                self._changed.wait(self._seconds_until_next(now))
            return None

    def _seconds_until_next(self, now: float) -> float | None:
        """Seconds until a slice may be requested again, or an export job is overdue; None for never."""
        times = [
            slice_.not_before
            for plan in self._work.plans
            for slice_ in plan.slices
            if slice_.state is State.WAITING and now < slice_.not_before < inf
        ]
        expected = self._work.job_seconds
        if expected is not None:
            times += [one.started + OVERDUE_FACTOR * expected for one in self._work.attempts if one.by_job]
        return min((due - now for due in times if due > now), default=None)

    def _download(self, attempt: Attempt) -> None:
        fetch = attempt.plan.fetch_by_job if attempt.by_job else attempt.plan.fetch
        result: Body | Exception
        try:
            result = fetch(attempt.slice_, AttemptReservation(self._work, attempt, self._changed))
        except Exception as error:
            result = error
        with self._changed:
            finish(self._work, attempt, result, self._retry_delays)
            self._changed.notify_all()


def _max_open_files() -> int:
    """How many files this process may have open."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return MIN_OPEN_FILES
    return max(MIN_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
