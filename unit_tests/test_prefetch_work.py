"""What the prefetcher requests, evicts and counts, where a request ends long after its slice stopped needing it."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone

from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.prefetch.activity import Activity, ActivityPlan, Days, Subjects
from source_iterable.prefetch.choice import next_direct, next_for_job
from source_iterable.prefetch.plans import Slice, State
from source_iterable.prefetch.prefetcher import Prefetcher
from source_iterable.prefetch.window_plan import WindowPlan
from source_iterable.prefetch.work import Attempt, Work
from source_iterable.reservation import Reservation
from source_iterable.windows import Width, Window
from unit_tests.bodies import Body, Transport

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
ENDPOINT = "export"


def never(*_: object) -> Body:
    raise AssertionError("nothing is requested here")


def proven(days: int) -> WindowPlan:
    """The plan of a stream whose windows may come by jobs; a first one of a day came whole."""
    plan = WindowPlan("a", ENDPOINT, Window(START, START + days * DAY), Width(DAY, small=0), Transport(never, never))
    first = plan.next(0.0)
    assert first is not None
    first.body = Body(1)
    plan.succeeded(first)
    plan.slices.remove(first)
    return plan


def requested_in_two_ways(plan: WindowPlan, work: Work) -> tuple[Slice[Window], Attempt, Attempt]:
    """The next slice, which a job prepares and a direct request fetches as well."""
    slice_ = plan.next(0.0)
    assert slice_ is not None
    return slice_, work.start(plan, slice_, by_job=True), work.start(plan, slice_)


def test_a_slice_fails_although_a_request_for_it_that_was_cancelled_still_hangs() -> None:
    """Its reader would wait for ever for a request whose outcome counts no more."""
    began, hangs = threading.Event(), threading.Event()
    requested: list[str] = []

    def large(window: Window, max_attempts: int, reservation: Reservation) -> Body:
        reservation.grow(10)
        began.wait()
        reservation.grow(85)
        return Body(95, window, reservation)

    def hanging(window: Window, max_attempts: int, reservation: Reservation) -> Body:
        requested.append("b")
        if len(requested) > 1:
            raise AirbyteTracedException(message="b: failed")
        reservation.grow(10)
        began.set()
        hangs.wait()
        reservation.grow(1)
        return Body(11, window, reservation)

    span = Window(START, START + DAY)
    plans = [
        WindowPlan("a", ENDPOINT, span, Width(DAY), Transport(large)),
        WindowPlan("b", ENDPOINT, span, Width(DAY), Transport(hanging)),
    ]
    prefetcher = Prefetcher(plans, disk_limit=100)
    ended: list[str] = []

    def read() -> None:
        list(prefetcher.slices("a"))
        try:
            list(prefetcher.slices("b"))
        except AirbyteTracedException as error:
            ended.append(str(error.message))

    reader = threading.Thread(target=read, daemon=True)
    prefetcher.start()
    reader.start()
    reader.join(10)
    hangs.set()
    prefetcher.stop()

    assert ended == ["b: failed"]


def test_a_slice_that_gives_way_to_another_stays_with_the_job_that_prepares_it() -> None:
    """Its window must not be cut again while a request for it may still deliver the old one."""
    plan = proven(10)
    work = Work([plan], disk_limit=1000)
    slice_, job, direct = requested_in_two_ways(plan, work)
    window = slice_.partition
    work.reserve(direct, 500)

    work.evict(None, until=0)
    plan.width.current = 4 * DAY
    following = plan.next(0.0)

    assert direct.is_cancelled
    assert not job.is_cancelled
    assert slice_.state is State.RUNNING
    assert slice_.partition == window
    assert following is not None
    assert following.partition == Window(window.end, window.end + 4 * DAY)


def test_a_slice_that_came_is_not_requested_again_while_its_job_still_ends() -> None:
    plan = proven(2)
    work = Work([plan], disk_limit=1000)
    slice_, job, direct = requested_in_two_ways(plan, work)
    work.attempts.remove(direct)
    work.cancel(job)  # as when the direct request has delivered the window
    slice_.state, slice_.body = State.READY, Body(7)

    attempt = next_direct(work, ENDPOINT, 256, time.monotonic() + 3600)

    assert attempt is None
    assert slice_.state is State.READY


def test_a_window_that_was_too_much_is_requested_again_while_a_job_prepares_a_later_one() -> None:
    """A job may take long, and is no reason to have the reader wait for it."""
    plan = proven(10)
    work = Work([plan], disk_limit=1000)
    work.awaited = plan
    first = next_direct(work, ENDPOINT, 256, now=0.0)
    job = next_for_job(work, seconds_per_request=15.5, now=0.0)
    assert first is not None
    assert job is not None
    work.attempts.remove(first)
    first.slice_.state = State.WAITING
    plan.split(first.slice_)

    again = next_direct(work, ENDPOINT, 256, now=0.0)

    assert again is not None
    assert again.slice_ is first.slice_
    assert again.slice_.partition.width == DAY / 2
    assert next_direct(work, ENDPOINT, 256, now=0.0) is None


def test_no_job_is_started_for_what_a_full_disk_did_not_take_before_its_turn() -> None:
    """The disk would stay full, and one job would follow the other."""
    plan = proven(10)
    work = Work([plan], disk_limit=1000)
    job = next_for_job(work, seconds_per_request=15.5, now=0.0)
    assert job is not None
    work.attempts.remove(job)
    job.slice_.state, job.slice_.disk_full_count = State.WAITING, 1

    assert next_for_job(work, seconds_per_request=15.5, now=0.0) is None


def test_a_span_without_metrics_takes_no_disk_and_is_not_discarded() -> None:
    def batches(ids: Iterable[int]) -> Iterator[Sequence[int]]:
        if found := list(ids):
            yield found

    days = Days(date(2024, 1, 1), date(2024, 1, 31))
    plan = ActivityPlan("a", ENDPOINT, lambda: (Subjects({1: days.first}), days), batches, never)
    listing = plan.next(0.0)
    assert listing is not None
    listing.body = plan.fetch(listing, Reservation())
    plan.succeeded(listing)
    span = plan.next(0.0)
    assert span is not None
    span.body, span.state = Activity([]), State.READY
    plan.succeeded(span)
    work = Work([plan], disk_limit=1000)
    work.reserved = 5  # of the body that is read

    work.evict(None, until=0)

    assert [slice_.state for slice_ in plan.slices] == [State.READY]


def test_bodies_of_later_streams_leave_disk_for_the_stream_that_is_read() -> None:
    """They may wait for hours, while its windows would come one at a time."""
    current, later = proven(100), proven(100)
    work = Work([current, later], 1000)
    for plan, most in ((later, 5), (current, 5)):
        for number in range(most + 1):
            slice_ = plan.next(0.0)
            assert slice_ is not None
            slice_.evicted_size = 100
            assert work.fits(plan, slice_) == (number < most)
            if number < most:
                work.start(plan, slice_)
