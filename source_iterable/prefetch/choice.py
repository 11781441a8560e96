"""What to request next: what is needed soonest, by the way that is expected to be done first."""

from __future__ import annotations

from math import ceil, inf
from typing import Any

from source_iterable.prefetch.plans import Slice, SlicePlan, State
from source_iterable.prefetch.work import OVERDUE, Attempt, Work

# While no job was seen to its end, one tries a window so many direct requests ahead.
FIRST_JOB_AHEAD = 2


def next_direct(work: Work, limit: str, most: int, now: float) -> Attempt | None:
    """What to request directly under ``limit`` at the monotonic time ``now``; None for nothing.

    At most ``most`` bodies wait for their reader.
    """
    overdue = _overdue_job(work, limit, now)
    if overdue is not None and work.is_head(overdue[1]):
        return work.begin(*overdue)
    ready = 0
    for plan in work.plans:
        if plan.limit != limit:
            continue
        ready += sum(piece.state is State.READY for piece in plan.slices)
        piece = plan.next(now) if plan.directly else None
        if piece is None:
            continue
        if work.is_head(piece):
            return work.begin(plan, piece)
        if ready >= most or piece.disk_full or not work.fits(plan, piece):
            break
        return work.begin(plan, piece)
    return None if overdue is None else work.begin(*overdue)


def next_for_job(work: Work, seconds_a_request: float, now: float) -> Attempt | None:
    """The window that an export job should deliver: one that it is expected to deliver before its direct turn.

    Direct requests lie ``seconds_a_request`` apart on the average.
    """
    expected = work.job_seconds
    if expected is None:
        under_way = any(attempt.by_job for attempt in work.attempts)
        if under_way and any(plan.by_jobs and plan.directly for plan in work.plans):
            return None
        ahead: float = FIRST_JOB_AHEAD
    else:
        ahead = ceil(expected / seconds_a_request) if seconds_a_request else inf
    before = sum(not attempt.by_job and attempt.plan.by_jobs for attempt in work.attempts)
    for plan in work.plans:
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
        if work.is_head(piece):
            if not plan.directly:
                return work.begin(plan, piece, by_job=True)
            before += left
            continue
        return None if piece.disk_full or not work.fits(plan, piece) else work.begin(plan, piece, by_job=True)
    return None


def _overdue_job(work: Work, limit: str, now: float) -> tuple[SlicePlan[Any], Slice[Any]] | None:
    """The first window whose export job takes longer than expected, or whose turn has come before any was seen."""
    expected = work.job_seconds
    for plan in work.plans:
        if plan.limit != limit or not plan.directly:
            continue
        for piece in plan.slices:
            own = work.of(piece)
            if len(own) != 1 or not own[0].by_job:
                continue
            is_late = now - own[0].began > OVERDUE * expected if expected is not None else work.is_head(piece)
            if is_late and work.fits(plan, piece):
                return plan, piece
    return None
