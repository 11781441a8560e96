"""Chains of syncs: late events, kills, a wrong clock, and events on every awkward edge of time."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from integration_tests.model.attempts import MODES
from integration_tests.model.replica import Replica
from integration_tests.model.signs import Tally
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.all_tables import TABLES
from integration_tests.support.expected import EVENT_TABLES, TRUTH_OF, assert_exact, expected
from integration_tests.support.sync import NOW, START, catalog_here, connect, sync

SYNCS = 10
SEEDS = 3


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A small project."""
    size = Size(events=20, users=10, lists=3, campaigns=5, templates=6, metadata_keys=2, journeys=5, experiments=4)
    with Sandbox(start=START, now=NOW, rate_scale=10_000, size=size) as running:
        connect(running, monkeypatch)
        yield running


def some_tables(rng: Random, seed: int) -> list[str]:
    """A third of all streams but events, other ones for each seed, and a few of these."""
    others = [table for table in TABLES if table not in EVENT_TABLES]
    return [*others[seed::SEEDS], *rng.sample(EVENT_TABLES, 5)]


def late_events(sandbox: Sandbox, tables: list[str], lookback: int, rng: Random) -> None:
    """Events of ``streams`` that happened at any time of the lookback, and become exportable in what is left of it."""
    now = sandbox.now
    events = [table for table in tables if table in EVENT_TABLES]
    for number in range(rng.randrange(1, 9)):
        at = (now - timedelta(seconds=rng.randrange(lookback * 60))).replace(microsecond=0)
        shown = max(now, now + (at + timedelta(minutes=lookback, seconds=-1) - now) * rng.choice([0, 1, rng.random()]))
        row = {
            "email": f"late.{at:%d%H%M%S}.{number}.{rng.randrange(10**9)}@example.com",
            "createdAt": f"{at:%Y-%m-%d %H:%M:%S} +00:00",
        }
        sandbox.add_event(TRUTH_OF[rng.choice(events)], row, exportable_at=shown)


@pytest.mark.parametrize(
    ("skew", "lookback"),
    [(None, 10), (None, 1440), (-5, 60), (7, 60)],
    ids=["ten minutes", "a day", "clock 5 hours behind", "clock 7 hours ahead"],
)
@pytest.mark.parametrize("mode", MODES)
def test_given_late_events_when_synced_ten_times_then_nothing_is_lost_and_nothing_twice(
    small: Sandbox, mode: str, skew: int | None, lookback: int
) -> None:
    """`Replica` compares after each sync; here all that is older than the lookback must be there in the end."""
    rng = Random(f"{mode}:{skew}:{lookback}")
    tally = Tally()
    events = rng.sample(EVENT_TABLES, 8)
    replica = Replica(small, events, mode, tally, lookback, export_method="automatic")
    for _ in range(SYNCS):
        replica.skew = None if skew is None else timedelta(hours=skew)
        statuses = replica.sync()
        assert set(statuses.values()) == {"COMPLETE"}
        small.grow(0)
        small.advance(minutes=rng.choice([1, 9, 25, 100, 700]))
        small.grow(rng.randrange(4))
        late_events(small, events, lookback, rng)

    replica.skew = None
    small.advance(minutes=lookback, seconds=2)
    replica.sync()

    assert (tally.lost, tally.twice) == (0, 0)
    assert tally.compared > SYNCS * 8 * 20


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_given_ten_kills_when_resumed_each_time_then_nothing_is_lost_and_only_the_torn_window_is_twice(
    small: Sandbox, mode: str, seed: int
) -> None:
    rng = Random(f"{mode}:{seed}")
    tally = Tally()
    tables = some_tables(rng, seed)
    replica = Replica(small, tables, mode, tally, 60, window_in_days=5, export_method="automatic")

    for _ in range(SYNCS):
        replica.sync(rng.randrange(1, rng.choice([20, 60, 200])), keep_torn=rng.random() < 0.7)
        late_events(small, tables, 60, rng)
        small.advance(minutes=rng.choice([0, 30]))
    statuses = replica.sync()

    assert set(statuses.values()) == {"COMPLETE"}
    assert tally.killed >= 3
    assert (tally.lost, tally.twice) == (0, 0)


@pytest.mark.parametrize("mode", ["append", "append + deduped"])
def test_given_a_clock_ahead_and_a_reset_of_the_first_answer_when_synced_then_nothing_is_lost(
    small: Sandbox, mode: str
) -> None:
    """A window that ends after Iterable's present counts as read, while its rows are still to come."""
    replica = Replica(small, ["email_send"], mode, Tally(), 60)
    replica.skew = timedelta(hours=7)
    small.faults.add(Fault(kind="reset", endpoint="channels"))

    replica.sync()
    small.grow(0)
    small.advance(hours=5)
    small.grow(9)
    small.faults.clear()
    small.advance(hours=5)
    replica.sync()


EDGES = {
    "a year's end": ("2023-12-31T23:59:59Z", "2024-01-01T00:00:00Z"),
    "a leap day's begin": ("2024-02-28T23:59:59Z", "2024-02-29T00:00:00Z"),
    "a leap day's end": ("2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z"),
    "summer time in New York": ("2024-03-10T06:59:59Z", "2024-03-10T07:00:00Z"),
    "summer time in Berlin": ("2024-03-31T00:59:59Z", "2024-03-31T01:00:00Z"),
    "winter time in Berlin": ("2024-10-27T00:59:59Z", "2024-10-27T01:00:00Z"),
    "a month's end": ("2024-04-30T23:59:59Z", "2024-05-01T00:00:00Z"),
    "the day of a lost leap second": ("2016-12-31T23:59:59Z", "2017-01-01T00:00:00Z"),
}


@pytest.mark.parametrize("inclusive_end", [False, True])
@pytest.mark.parametrize(("last", "first"), EDGES.values(), ids=EDGES)
def test_given_events_on_both_sides_of_an_edge_when_windows_meet_there_then_each_comes_once(
    monkeypatch: pytest.MonkeyPatch, last: str, first: str, inclusive_end: bool
) -> None:
    with Sandbox(start="2015-01-01", now="2025-01-01", rate_scale=10_000, size=Size(events=0, users=0),
                 inclusive_end=inclusive_end) as sandbox:  # fmt: skip
        connect(sandbox, monkeypatch)
        for number, at in enumerate([last, last, first, first]):
            wire = at.replace("T", " ").replace("Z", " +00:00")
            sandbox.add_event("emailSend", {"email": f"{number}@example.com", "createdAt": wire})
        (schema,) = [one["json_schema"] for one in catalog_here(sandbox)["streams"] if one["name"] == "email_send"]
        wanted = expected("email_send", sandbox.truth("emailSend"), schema)

        # The first sync ends on the edge, and the second one begins there.
        batches: list[dict[str, Any]] = []
        state = None
        for end in first, "2025-01-01T00:00:00Z":
            output = sync(sandbox, "email_send", state=state, to="append", start_date=last, end_date=end,
                          window_in_days=1, lookback_window_in_minutes=0)  # fmt: skip
            batches += output.records("email_send")
            state = output.state

        assert_exact(batches, wanted)
