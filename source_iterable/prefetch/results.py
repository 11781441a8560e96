"""What a finished request means for its slice: its body is kept, or the slice is split, retried or failed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.exceptions import DiskFullError, TooLargeError
from source_iterable.prefetch.plans import Body, JobsUnavailableError, State
from source_iterable.prefetch.work import Attempt, EvictedError, Work

# Seconds before a slice that failed before its reader waits for it is requested again, the last one repeated.
RETRY_DELAYS = (60.0, 120.0, 300.0, 600.0)
MAX_DISK_FULL = 3  # attempts at the slice that the reader waits for, on a full disk


def finish(
    work: Work, attempt: Attempt, result: Body | Exception, retry_delays: Sequence[float] = RETRY_DELAYS
) -> None:
    """Remove ``attempt`` from ``work``, and apply its result to its slice and plan."""
    work.attempts.remove(attempt)
    if isinstance(result, Exception):
        attempt.used = 0
    work.trim(attempt)
    if attempt.is_cancelled or attempt.slice_ not in attempt.plan.slices:
        if not isinstance(result, Exception):
            result.close()
        return
    attempt.slice_.seconds += time.monotonic() - attempt.started
    if isinstance(result, Exception):
        _fail(work, attempt, result, retry_delays)
    else:
        _succeed(work, attempt, result)


def _succeed(work: Work, attempt: Attempt, body: Body) -> None:
    slice_ = attempt.slice_
    for other in work.attempts_for(slice_):
        work.cancel(other)
    if attempt.by_job:
        work.job_took(time.monotonic() - attempt.started)
    slice_.body, slice_.state, slice_.is_evicted = body, State.READY, False
    attempt.plan.succeeded(slice_)


def _fail(work: Work, attempt: Attempt, error: Exception, retry_delays: Sequence[float]) -> None:
    plan, slice_ = attempt.plan, attempt.slice_
    is_unavailable = isinstance(error, JobsUnavailableError)
    slice_.job_failed = slice_.job_failed or is_unavailable
    if work.attempts_for(slice_):
        return  # the other request decides
    slice_.state = State.WAITING
    if is_unavailable and plan.allows_direct:
        return
    if isinstance(error, EvictedError):
        slice_.is_evicted = True
    elif isinstance(error, DiskFullError) and _may_wait_for_disk(work, attempt):
        pass
    elif isinstance(error, TooLargeError):
        plan.split(slice_)
    else:
        _retry_or_fail(work, attempt, error, retry_delays)


def _retry_or_fail(work: Work, attempt: Attempt, error: Exception, retry_delays: Sequence[float]) -> None:
    """Fail the slice if its reader waits for it; otherwise request it again later."""
    plan, slice_, now = attempt.plan, attempt.slice_, time.monotonic()
    if plan.failed(slice_, error, now, is_current=plan is work.current):
        return
    is_awaited = work.is_awaited(slice_) or (plan is work.awaited and not plan.is_ordered)
    if is_awaited or not isinstance(error, AirbyteTracedException):
        slice_.state, slice_.error = State.FAILED, error
        return
    # A failure that is not transient is retried only when the reader waits for the slice.
    is_transient = error.failure_type is FailureType.transient_error
    slice_.not_before = now + (retry_delays[min(slice_.failures, len(retry_delays) - 1)] if is_transient else inf)
    slice_.failures += 1


def _may_wait_for_disk(work: Work, attempt: Attempt) -> bool:
    """Whether the slice may be requested again after the disk was full.

    All other bodies are evicted for the slice that the reader waits for, which fails after some attempts; any other
    slice is requested again when the reader waits for it.
    """
    slice_ = attempt.slice_
    if work.is_awaited(slice_):
        slice_.disk_full_count += 1
        work.evict(slice_, until=0)
        return slice_.disk_full_count < MAX_DISK_FULL
    slice_.disk_full_count = max(1, slice_.disk_full_count)
    return True
