"""The plan of the items of a list endpoint, in simulated time: no threads, no HTTP."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from source_iterable.prefetch.item_failures import ItemFailure, ItemRetryPolicy, UnavailableError
from source_iterable.prefetch.items import ItemList, ItemPlan, Probe
from source_iterable.prefetch.plans import Slice, State
from source_iterable.reservation import Reservation
from source_iterable.streams.id_ranges import in_words, parse_ranges, ranges
from unit_tests.bodies import Body

MINUTE = 60.0
QUARTER = 15 * MINUTE
WORKERS = 4
PACE = 12.0
GENERIC = ItemFailure("Iterable answers HTTP 500 GenericError", "HTTP 500 GenericError", is_rejection=True)
NOT_FOUND = ItemFailure("Iterable answers HTTP 404 NotFound", "HTTP 404 NotFound", is_rejection=True)
CUT = ItemFailure("the answer broke off", "the answer broke off")
LOST = ItemFailure("the connection was lost", "the connection was lost")
REDIRECTED = ItemFailure("a redirect", "a redirect", is_permanent=True)


def name(parameter: object) -> str:
    return parameter.kind if isinstance(parameter, ItemFailure) else str(parameter)


Answer = Callable[[Any, float], ItemFailure | float | None]
"""What comes of a request for an item at a time: a failure, or the seconds that it takes; None for five."""


@dataclass
class Simulation:
    """A plan, four workers that share the pace of the endpoint, and a reader that takes what comes."""

    answer: Answer
    items: Sequence[int] = range(1, 41)
    known_good: Sequence[int] = ()
    turn: float = 0.0
    """When the reader comes to the stream."""
    requested: list[tuple[Any, float]] = field(default_factory=list)
    delivered: list[int] = field(default_factory=list)
    ended: float = 0.0
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.plan = ItemPlan(
            "list_users",
            "lists/getUsers",
            "list",
            lambda: ItemList(self.items, self.known_good),
            lambda item, reservation, is_first: Body(),
            lambda item: None,
            ItemRetryPolicy(),
        )

    def run(self, until: float = 48 * 3600.0) -> "Simulation":
        """Run to the end, or to a time; the plan is called whenever something has changed, as the prefetcher does."""
        now, free, paced = 0.0, WORKERS, 0.0
        order = count()
        under_way: list[tuple[float, int, Slice[Any], ItemFailure | None]] = []
        while now < until:
            while free and (slice_ := self.plan.next(now)) is not None:
                slice_.state = State.RUNNING
                began = max(now, paced)
                paced = began + (PACE if slice_.partition is not None else 0)
                self.requested.append((slice_.partition, began))
                item = slice_.partition.item if isinstance(slice_.partition, Probe) else slice_.partition
                came = self.answer(item, began)
                seconds = came if isinstance(came, float) else 5.0
                failure = came if isinstance(came, ItemFailure) else None
                heapq.heappush(under_way, (began + seconds, next(order), slice_, failure))
                free -= 1
            waiting = [slice_.not_before for slice_ in self.plan.slices if slice_.state is State.WAITING]
            coming = [moment for moment in waiting if moment > now]
            moments = coming + [ends for ends, *_ in under_way[:1]]
            if not moments:
                break
            now = min(moments)
            while under_way and under_way[0][0] <= now:
                _, _, slice_, failure = heapq.heappop(under_way)
                free += 1
                self._settle(slice_, failure, now)
                if self.error is not None:
                    return self
        self.ended = now
        return self

    def _settle(self, slice_: Slice[Any], failure: ItemFailure | None, now: float) -> None:
        if failure is not None:
            slice_.state = State.WAITING
            error = UnavailableError(failure)
            if not self.plan.failed(slice_, error, now, is_current=now >= self.turn):
                self.error = error
            return
        slice_.state = State.READY
        slice_.body = self.plan.fetch(slice_, Reservation())
        self.plan.succeeded(slice_)
        if slice_ in self.plan.slices:
            self.plan.slices.remove(slice_)
            self.delivered.append(slice_.partition)

    def times(self, item: int) -> list[float]:
        return [at for requested, at in self.requested if requested == item]


def outage(since: float, to: float, failure: ItemFailure = GENERIC, of: Answer | None = None) -> Answer:
    """Everything fails from one time to another."""

    def answer(item: Any, at: float) -> ItemFailure | float | None:
        return failure if since <= at < to else (of(item, at) if of else None)

    return answer


def bad(*items: int, failure: ItemFailure = GENERIC) -> Answer:
    return lambda item, at: failure if item in items else None


@pytest.mark.parametrize("failure", [GENERIC, CUT, LOST], ids=name)
@pytest.mark.parametrize("minutes", [0.5, 1, 2, 4, 10, 25])
def test_an_outage_of_minutes_costs_no_list(minutes: float, failure: ItemFailure) -> None:
    simulation = Simulation(outage(MINUTE, MINUTE * (1 + minutes), failure)).run()

    assert sorted(simulation.delivered) == list(simulation.items)
    assert not simulation.plan.skipped
    assert simulation.plan.outage_failure is None


def test_an_outage_is_met_with_few_requests() -> None:
    simulation = Simulation(outage(MINUTE, 21 * MINUTE)).run()

    assert len([at for _, at in simulation.requested if MINUTE <= at < 21 * MINUTE]) < 12
    assert simulation.ended < 45 * MINUTE


@pytest.mark.parametrize("items", [1, 2, 3, 6])
@pytest.mark.parametrize("failure", [GENERIC, LOST], ids=name)
def test_an_outage_at_the_very_beginning_costs_a_small_project_no_list(items: int, failure: ItemFailure) -> None:
    simulation = Simulation(outage(0, 28 * MINUTE, failure), range(items)).run()

    assert sorted(simulation.delivered) == list(range(items))
    assert not simulation.plan.skipped


@pytest.mark.parametrize("item", [1, 2, 20, 39, 40])
@pytest.mark.parametrize(("failure", "rounds"), [(GENERIC, 2), (NOT_FOUND, 2), (CUT, 3)], ids=name)
def test_a_list_that_keeps_failing_is_skipped_after_all_others(item: int, failure: ItemFailure, rounds: int) -> None:
    simulation = Simulation(bad(item, failure=failure)).run()

    assert sorted([*simulation.delivered, item]) == list(simulation.items)
    assert simulation.plan.skipped == {item: failure}
    times = simulation.times(item)
    assert len(times) == rounds
    assert all(later - earlier >= QUARTER for earlier, later in pairwise(times))
    others = [at for what, at in simulation.requested if isinstance(what, int) and what != item]
    assert times[1] > max(others)


def test_neighbors_that_all_fail_are_no_outage() -> None:
    """Six lists one after the other that Iterable cannot give: the rest is delivered without a wait."""
    broken = range(10, 16)
    simulation = Simulation(bad(*broken)).run()

    assert set(simulation.plan.skipped) == set(broken)
    assert sorted(simulation.delivered) == sorted(set(simulation.items) - set(broken))
    assert simulation.ended < 25 * MINUTE


def test_an_outage_while_a_list_is_suspected_does_not_count_against_it() -> None:
    """It fails in its first round, and is healthy from then on, but its second round falls into an outage."""
    first = outage(0, MINUTE, of=outage(16 * MINUTE, 30 * MINUTE))
    simulation = Simulation(lambda item, at: first(item, at) if item == 7 or at > MINUTE else None, range(1, 31)).run()

    assert sorted(simulation.delivered) == list(range(1, 31))
    assert not simulation.plan.skipped


def test_one_slow_list_holds_up_no_other() -> None:
    simulation = Simulation(lambda item, at: 5 * 3600.0 if item == 3 else None).run()

    assert simulation.delivered[-1] == 3
    assert max(at for what, at in simulation.requested if what != 3) < 10 * MINUTE


def test_a_slow_list_that_ends_in_an_outage_does_not_end_the_outage() -> None:
    answer = outage(MINUTE, 20 * MINUTE)
    simulation = Simulation(lambda item, at: 10 * MINUTE if item == 1 else answer(item, at)).run()

    assert sorted(simulation.delivered) == list(simulation.items)
    assert not simulation.plan.skipped
    assert len([at for _, at in simulation.requested if MINUTE <= at < 20 * MINUTE]) < 12


def test_an_outage_that_lasts_too_long_ends_with_all_ids() -> None:
    simulation = Simulation(outage(MINUTE, 1e9)).run()

    assert simulation.plan.outage_failure == GENERIC
    assert sorted([*simulation.delivered, *simulation.plan.missing]) == list(simulation.items)
    assert 29 * MINUTE < simulation.ended < 40 * MINUTE
    assert not simulation.plan.slices


def test_each_kind_of_failure_is_timed_separately() -> None:
    first = outage(20 * MINUTE, 45 * MINUTE, LOST)
    simulation = Simulation(outage(MINUTE, 20 * MINUTE, CUT, of=first)).run()

    assert sorted(simulation.delivered) == list(simulation.items)


def test_before_the_stream_is_read_no_outage_ends_it() -> None:
    simulation = Simulation(outage(MINUTE, 5 * 3600.0), turn=6 * 3600.0).run()

    assert sorted(simulation.delivered) == list(simulation.items)
    assert simulation.plan.outage_failure is None


def test_the_list_of_lists_waits_out_an_outage_too() -> None:
    simulation = Simulation(outage(-1, 20 * MINUTE)).run()

    assert sorted(simulation.delivered) == list(simulation.items)


@pytest.mark.parametrize("failure", [GENERIC, NOT_FOUND, CUT], ids=name)
@pytest.mark.parametrize("items", [1, 2, 40])
def test_where_every_list_fails_all_are_missing(failure: ItemFailure, items: int) -> None:
    simulation = Simulation(lambda item, at: None if item is None else failure, range(items)).run()

    assert not simulation.delivered
    assert simulation.plan.outage_failure == failure
    assert sorted(simulation.plan.missing) == list(range(items))
    assert simulation.ended < 70 * MINUTE


def test_a_resumed_run_probes_lists_that_were_delivered_before() -> None:
    simulation = Simulation(bad(5, 6), [5, 6], known_good=range(100, 140)).run()

    assert set(simulation.plan.skipped) == {5, 6}
    assert simulation.plan.outage_failure is None


def test_a_permanent_failure_ends_the_stream_unless_others_are_available() -> None:
    assert Simulation(lambda item, at: None if item is None else REDIRECTED).run().error is not None

    simulation = Simulation(bad(20, failure=REDIRECTED)).run()
    assert simulation.error is None
    assert simulation.plan.skipped == {20: REDIRECTED}


@example(5, set(), [(3011.0, 1500.0)], {1, 2, 3, 4}, GENERIC)
@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 60),
    st.sets(st.integers(1, 60), max_size=12),
    st.lists(st.tuples(st.floats(0, 7200), st.floats(1, 1500)), max_size=3),
    st.sets(st.integers(1, 60), max_size=5),
    st.sampled_from([GENERIC, NOT_FOUND, CUT]),
)
def test_whatever_happens_every_list_is_delivered_or_named(
    items: int, broken: set[int], outages: list[tuple[float, float]], slow: set[int], failure: ItemFailure
) -> None:
    """No list that works is skipped, and no list is forgotten."""

    def answer(item: Any, at: float) -> ItemFailure | float | None:
        if any(since <= at < since + seconds for since, seconds in outages):
            return failure
        if item in broken:
            return failure
        return 3600.0 if item in slow else None

    simulation = Simulation(answer, range(1, items + 1)).run()

    plan = simulation.plan
    named = [*plan.skipped, *plan.missing]
    if simulation.plan.outage_failure is None or named:
        assert sorted([*simulation.delivered, *named]) == list(range(1, items + 1))
    assert len(set(simulation.delivered)) == len(simulation.delivered)
    assert set(plan.skipped) <= broken
    assert not plan.slices


@pytest.mark.parametrize(
    ("numbers", "short"),
    [([], []), ([3], [3]), ([5, 3, 4], [[3, 5]]), ([1, 2, 4, 6, 7], [[1, 2], 4, [6, 7]])],
    ids=str,
)
def test_consecutive_ids_are_saved_as_ranges(numbers: list[int], short: list[Any]) -> None:
    assert ranges(numbers) == short
    assert parse_ranges(short) == set(numbers)


def test_ids_in_messages_are_ranges_too() -> None:
    assert in_words([9, 3, 5, 6, 7, 8]) == "3, 5 to 9"
