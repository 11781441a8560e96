"""Which slice to request next: the one needed soonest, in the way that is expected to deliver it first."""

from __future__ import annotations

from math import ceil, inf
from typing import Any

from source_iterable.prefetch.plans import Slice, SlicePlan, State
from source_iterable.prefetch.work import OVERDUE_FACTOR, Attempt, Work

# Until a job was completed, jobs are tried only for a window this many direct requests ahead.
FIRST_JOB_AHEAD = 2


def next_direct(work: Work, endpoint: str, max_ready: int, now: float) -> Attempt | None:
    """Start the next direct request to ``endpoint`` at the monotonic time ``now``; None if there is none.

    At most ``max_ready`` bodies wait for their reader.
    """
    overdue = _overdue_job(work, endpoint, now)
    if overdue is not None and work.is_awaited(overdue[1]):
        return work.start(*overdue)
    ready = 0
    for plan in work.plans:
        if plan.endpoint != endpoint:
            continue
        ready += sum(slice_.state is State.READY for slice_ in plan.slices)
        slice_ = plan.next(now) if plan.allows_direct else None
        if slice_ is None:
            continue
        if work.is_awaited(slice_):
            return work.start(plan, slice_)
        if ready >= max_ready or slice_.disk_full_count or not work.fits(plan, slice_):
            break
        return work.start(plan, slice_)
    return None if overdue is None else work.start(*overdue)


def next_for_job(work: Work, seconds_per_request: float, now: float) -> Attempt | None:
    """Start an export job for the first window that it is expected to deliver before its direct turn; None for none.

    Direct requests are ``seconds_per_request`` apart on average.
    """
    expected_seconds = work.job_seconds
    if expected_seconds is None:
        is_running = any(attempt.by_job for attempt in work.attempts)
        if is_running and any(plan.allows_jobs and plan.allows_direct for plan in work.plans):
            return None
        ahead: float = FIRST_JOB_AHEAD
    else:
        ahead = ceil(expected_seconds / seconds_per_request) if seconds_per_request else inf
    requests_before = sum(not attempt.by_job and attempt.plan.allows_jobs for attempt in work.attempts)
    for plan in work.plans:
        if not plan.allows_jobs:
            continue
        requests_left = plan.requests_left(now)
        if plan.allows_direct and requests_before + requests_left <= ahead:
            requests_before += requests_left
            continue
        slice_ = plan.after(int(max(0, ahead - requests_before)), now) if plan.allows_direct else plan.next(now)
        if slice_ is None or slice_.job_failed:
            requests_before += requests_left
            continue
        if work.is_awaited(slice_):
            if not plan.allows_direct:
                return work.start(plan, slice_, by_job=True)
            requests_before += requests_left
            continue
        if slice_.disk_full_count or not work.fits(plan, slice_):
            return None
        return work.start(plan, slice_, by_job=True)
    return None


def _overdue_job(work: Work, endpoint: str, now: float) -> tuple[SlicePlan[Any], Slice[Any]] | None:
    """The first window whose job takes longer than expected, or whose reader waits before any job was completed."""
    expected_seconds = work.job_seconds
    for plan in work.plans:
        if plan.endpoint != endpoint or not plan.allows_direct:
            continue
        for slice_ in plan.slices:
            attempts = work.attempts_for(slice_)
            if len(attempts) != 1 or not attempts[0].by_job:
                continue
            if expected_seconds is None:
                is_late = work.is_awaited(slice_)
            else:
                is_late = now - attempts[0].started > OVERDUE_FACTOR * expected_seconds
            if is_late and work.fits(plan, slice_):
                return plan, slice_
    return None
