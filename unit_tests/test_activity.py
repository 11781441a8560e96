"""The plan of the requests for metrics by day: every day with metrics is requested, and hardly any other."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise, zip_longest
from random import Random
from tracemalloc import get_traced_memory, start, stop

from hypothesis import given
from hypothesis import strategies as st

from source_iterable.prefetch.activity import Activity, ActivityPlan, Batch, Days, Subjects
from source_iterable.prefetch.plans import State
from source_iterable.reservation import Reservation
from unit_tests.bodies import Body

FIRST = date(2019, 1, 1)
BATCH = 50

Active = Callable[[int, Days], bool]
"""Whether a subject has metrics within a span."""


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def days(first: int, last: int) -> Days:
    return Days(day(first), day(last))


def batches(ids: Iterable[int]) -> Iterator[Sequence[int]]:
    found: list[int] = []
    for one in ids:
        found.append(one)
        if len(found) == BATCH:
            yield found
            found = []
    if found:
        yield found


def plan(first_days: Mapping[int, date], wanted: Days | None, active: Active) -> ActivityPlan:
    def fetch(batch: Batch, reservation: Reservation) -> Activity:
        assert batch.days is not None
        return Activity([one for one in batch.ids if active(one, batch.days)])

    return ActivityPlan("stream", "limit", lambda: (Subjects(first_days), wanted), batches, fetch)


def carried_out(plan: ActivityPlan, order: Random | None = None) -> tuple[list[Batch], int]:
    """What the reader of a plan gets, in order, and how many requests that took; answers come in any ``order``."""
    requests = -1  # the listing is none
    running = []
    while True:
        while len(running) < 4 and (slice_ := plan.next(0.0)) is not None:
            slice_.state = State.RUNNING
            running.append(slice_)
        if not running:
            break
        slice_ = running.pop(order.randrange(len(running)) if order else 0)
        requests += 1
        batch = slice_.partition
        body = plan.fetch(slice_, Reservation())
        is_day = isinstance(batch, Batch) and batch.days is not None and len(batch.days) == 1
        slice_.body = Body() if is_day else body
        slice_.state = State.READY
        plan.succeeded(slice_)
    return [slice_.partition for slice_ in plan.slices], requests


def contiguous(active: Mapping[int, tuple[int, int]]) -> Active:
    """Each subject has metrics on all days from the first to the last of its pair."""

    def is_active(one: int, days: Days) -> bool:
        first, last = active[one]
        return day(first) <= days.last and days.first <= day(last)

    return is_active


@given(st.integers(1, 900), st.integers(1, 20))
def test_the_parts_of_a_span_are_adjacent_and_of_nearly_the_same_length(length: int, parts: int) -> None:
    cut = list(days(0, length - 1).split(parts))

    assert len(cut) == min(parts, length)
    assert cut[0].first == day(0)
    assert cut[-1].last == day(length - 1)
    assert all(one.last + timedelta(days=1) == other.first for one, other in pairwise(cut))
    assert max(map(len, cut)) - min(map(len, cut)) <= 1


@given(
    st.dictionaries(st.integers(1, 10**12), st.sets(st.integers(0, 99), max_size=8), max_size=130),
    st.integers(0, 60),
    st.integers(0, 60),
    st.randoms(use_true_random=False),
)
def test_every_day_with_metrics_is_requested_once_and_in_order(
    active: dict[int, set[int]], first: int, length: int, order: Random
) -> None:
    wanted = days(first, first + length)
    begins = {one: day(min(on, default=99)) for one, on in active.items()}

    def is_active(one: int, some: Days) -> bool:
        return any(some.first <= day(number) <= some.last for number in active[one])

    read, _ = carried_out(plan(begins, wanted, is_active), order)

    singles = [(one, batch.days.first) for batch in read if batch.days and len(batch.days) == 1 for one in batch.ids]
    assert len(set(singles)) == len(singles)
    expected = {(one, day(n)) for one, on in active.items() for n in on if wanted.first <= day(n) <= wanted.last}
    assert expected <= set(singles)
    spans = [batch.days for batch in read if batch.days]
    assert spans == sorted(spans)
    for batch, following in zip_longest(read, read[1:]):
        assert batch.is_last == (following is None or following.days != batch.days)
    if any(begin <= wanted.last for begin in begins.values()):
        assert read[-1].days is not None
        assert read[-1].days.last == wanted.last, "the state must reach the last day"


def test_campaigns_that_sent_on_thirty_days_each_take_a_few_thousand_requests() -> None:
    """Requested day by day, as long as they may have metrics, they take over a hundred thousand."""
    dice = Random(7)
    begins = {2_000_000 + 7 * number: dice.randrange(2850) for number in range(3000)}
    active = contiguous({one: (begin, begin + 29) for one, begin in begins.items()})

    read, requests = carried_out(plan({one: day(begin) for one, begin in begins.items()}, days(0, 2879), active))

    assert sum(len(batch.ids) for batch in read) >= 3000 * 30
    assert requests < 4500


def test_campaigns_without_metrics_take_one_request_for_each_batch() -> None:
    read, requests = carried_out(plan(dict.fromkeys(range(1, 501), FIRST), days(0, 2879), lambda one, some: False))

    assert requests == 10
    assert [str(batch.days) for batch in read] == ["2019-01-01 to 2026-11-19"]


def test_nothing_to_read_takes_no_request() -> None:
    assert carried_out(plan({}, days(0, 9), lambda one, some: True)) == ([], 0)
    assert carried_out(plan({1: FIRST}, None, lambda one, some: True)) == ([], 0)
    assert carried_out(plan({1: day(20)}, days(0, 9), lambda one, some: True)) == ([], 0)


def test_a_plan_for_many_campaigns_takes_little_memory() -> None:
    """All of them active on every day, planned as far as the prefetcher goes ahead."""
    first_days = dict.fromkeys(range(1, 50_001), FIRST)

    def planned() -> ActivityPlan:
        made = plan(first_days, days(0, 2879), lambda one, some: True)
        kept = 0
        while kept < 32 and (slice_ := made.next(0.0)) is not None:
            slice_.body = made.fetch(slice_, Reservation())
            batch = slice_.partition
            if isinstance(batch, Batch) and batch.days is not None and len(batch.days) == 1:
                slice_.body = Body()
                kept += 1
            slice_.state = State.READY
            made.succeeded(slice_)
        return made

    start()
    try:
        made = planned()
        held, _ = get_traced_memory()
    finally:
        stop()

    assert len(made.slices) < 100
    assert held < 6_000_000
