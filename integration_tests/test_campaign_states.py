"""A campaign that has not ended and changes its state is copied, whatever its timestamps say, and nothing else is."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.listings import failure, sync
from integration_tests.support.observed import EVER, remarks
from integration_tests.support.sync import Output, State, running_with
from integration_tests.support.sync import sync as sync_tables

TABLE = "campaigns"
MODES = ["append", "append_dedup"]
LONG_AGO = int(datetime(2024, 1, 2, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A project whose triggered campaigns tell neither a start nor an end."""
    with running_with(silent_campaigns=True) as running:
        yield running


def saved(state: dict[str, Any]) -> State:
    return [{"type": "STREAM", "stream": {"stream_descriptor": {"name": TABLE}, "stream_state": state}}]


def handed_back(output: Output) -> State:
    """The state as one gets it back who kept it as text."""
    state: State = json.loads(json.dumps(output.state))
    return state


def then(sandbox: Sandbox, before: Output, to: str = "append") -> Output:
    """The next sync, some days later."""
    sandbox.advance(days=2)
    return sync(sandbox, TABLE, state=handed_back(before), to=to)


def seen(output: Output) -> list[tuple[int, str | None]]:
    """The campaigns that arrived, and their states."""
    return [(record["id"], record["campaignState"]) for record in output.records(TABLE)]


def states(output: Output) -> dict[int, str]:
    """The saved states of campaigns, by their ids."""
    grouped = output.states(TABLE)[-1]["campaignStates"]
    return {one: state for state, ids in grouped.items() for one in ids}


def silent(sandbox: Sandbox, state: str, kind: str = "Triggered") -> int:
    """A campaign in that state that tells no end."""
    rows = sandbox.truth(TABLE)
    found: int = next(
        row["id"] for row in rows if row["campaignState"] == state and row["type"] == kind and "endedAt" not in row
    )
    return found


def change(sandbox: Sandbox, campaign: int, **fields: Any) -> None:
    """Change fields of a campaign, and no other; None takes one away."""
    with sandbox.project.lock:
        row = next(row for row in sandbox.project.campaigns if row["id"] == campaign)
        row.update(fields)
        for name in [name for name, value in row.items() if value is None]:
            del row[name]


@pytest.mark.parametrize("to", MODES)
def test_given_a_campaign_that_goes_on_silently_when_synced_then_each_of_its_states_comes_once(
    sandbox: Sandbox, to: str
) -> None:
    one = silent(sandbox, "Ready")
    output = sync(sandbox, TABLE, to=to)
    assert len(seen(output)) == Size().campaigns

    for state in "Running", "Finished":
        sandbox.advance_campaign(one)
        output = then(sandbox, output, to)
        assert seen(output) == [(one, state)]
        output = then(sandbox, output, to)
        assert seen(output) == []


def test_given_a_campaign_that_ends_silently_when_synced_then_it_comes_once(sandbox: Sandbox) -> None:
    one = silent(sandbox, "Running")
    first = sync(sandbox, TABLE)
    sandbox.finish_campaign(one)

    second = then(sandbox, first)
    third = then(sandbox, second)

    assert seen(second) == [(one, "Finished")]
    assert seen(third) == []


def test_given_a_project_when_synced_then_the_state_keeps_campaigns_without_an_end(sandbox: Sandbox) -> None:
    output = sync(sandbox, TABLE)

    rows = sandbox.truth(TABLE)
    assert states(output) == {row["id"]: row["campaignState"] for row in rows if "endedAt" not in row}
    assert output.states(TABLE)[-1].keys() == {"updatedAt", "campaignStates"}


def test_given_an_end_that_lies_before_the_last_sync_when_synced_then_the_new_state_comes_once(
    sandbox: Sandbox,
) -> None:
    one = silent(sandbox, "Running")
    first = sync(sandbox, TABLE)
    change(sandbox, one, campaignState="Finished", endedAt=LONG_AGO)

    second = then(sandbox, first)
    third = then(sandbox, second)

    assert seen(second) == [(one, "Finished")]
    assert one not in states(second)
    assert seen(third) == []


@pytest.mark.parametrize("to", MODES)
def test_given_a_state_of_an_older_version_when_synced_then_campaigns_without_an_end_come_once(
    sandbox: Sandbox, to: str
) -> None:
    first = sync(sandbox, TABLE, to=to)
    older = saved({"updatedAt": first.states(TABLE)[-1]["updatedAt"]})

    second = sync(sandbox, TABLE, state=older, to=to)
    third = then(sandbox, second, to)

    assert {one for one, _ in seen(second)} == {row["id"] for row in sandbox.truth(TABLE) if "endedAt" not in row}
    assert seen(third) == []


def test_given_an_end_that_is_taken_back_when_synced_then_the_campaign_comes_once(sandbox: Sandbox) -> None:
    one = next(row["id"] for row in sandbox.truth(TABLE) if "endedAt" in row)
    first = sync(sandbox, TABLE)
    change(sandbox, one, endedAt=None)

    second = then(sandbox, first)
    third = then(sandbox, second)

    assert [campaign for campaign, _ in seen(second)] == [one]
    assert seen(third) == []


@pytest.mark.parametrize("field", ["updatedAt", "startAt", "endedAt"])
def test_given_a_change_since_the_listing_began_when_synced_then_it_waits_and_comes_once(
    sandbox: Sandbox, field: str
) -> None:
    """Its state alone would let it leave now, and its timestamp in the next sync once more."""
    one = silent(sandbox, "Running")
    first = sync(sandbox, TABLE, to="append")
    sandbox.advance(days=2)
    now = int(sandbox.now.timestamp() * 1000)
    change(sandbox, one, campaignState="Finished", **{field: now + 2000})

    second = sync(sandbox, TABLE, state=handed_back(first), to="append")
    third = then(sandbox, second)
    fourth = then(sandbox, third)

    assert seen(second) == []
    assert states(second)[one] == "Running"
    assert seen(third) == [(one, "Finished")]
    assert seen(fourth) == []


def test_given_a_change_that_waits_and_loses_its_timestamp_when_synced_then_it_comes_nevertheless(
    sandbox: Sandbox,
) -> None:
    one = silent(sandbox, "Ready")
    first = sync(sandbox, TABLE, to="append")
    sandbox.advance(days=2)
    change(sandbox, one, campaignState="Running", startAt=int(sandbox.now.timestamp() * 1000) + 2000)
    second = sync(sandbox, TABLE, state=handed_back(first), to="append")
    change(sandbox, one, startAt=None)

    third = then(sandbox, second)

    assert seen(second) == []
    assert seen(third) == [(one, "Running")]


def test_given_a_campaign_that_is_planned_when_its_state_changes_then_it_comes_and_again_when_it_starts(
    sandbox: Sandbox,
) -> None:
    one = silent(sandbox, "Ready", "Blast")
    start = sandbox.now + timedelta(days=5)
    change(sandbox, one, startAt=int(start.timestamp() * 1000))
    first = sync(sandbox, TABLE, to="append")
    change(sandbox, one, campaignState="Scheduled")

    came = []
    output = first
    for _ in range(4):
        output = then(sandbox, output)
        came.append(seen(output))

    assert came == [[(one, "Scheduled")], [], [(one, "Scheduled")], []]


def test_given_two_versions_in_one_listing_when_synced_then_the_later_one_comes_with_the_next_sync() -> None:
    with running_with(silent_campaigns=True, size=Size(campaigns=1005)) as sandbox:
        one = silent(sandbox, "Ready")
        before = sync(sandbox, TABLE)
        sandbox.edit_campaign(one)
        sandbox.advance(minutes=1)
        sandbox.between_pages(TABLE, lambda: sandbox.advance_campaign(one))

        first = sync(sandbox, TABLE, state=handed_back(before))
        second = then(sandbox, first)
        third = then(sandbox, second)

    assert [seen(output) for output in (first, second, third)] == [[(one, "Ready")], [(one, "Running")], []]


def test_given_a_sync_that_fails_when_synced_again_then_the_change_comes(sandbox: Sandbox) -> None:
    one = silent(sandbox, "Ready")
    first = sync(sandbox, TABLE)
    sandbox.advance_campaign(one)
    fault = sandbox.faults.add(Fault(kind="status", status=403, endpoint=TABLE, nth=2, **EVER))

    broken = sync_tables(sandbox, TABLE, state=handed_back(first))
    sandbox.faults.remove(fault)
    second = sync(sandbox, TABLE, state=handed_back(broken) or handed_back(first))

    failure(broken, TABLE)
    assert seen(broken) == []
    assert broken.states(TABLE) in ([], first.states(TABLE)[-1:])
    assert seen(second) == [(one, "Running")]


def test_given_a_listing_in_doubt_when_synced_then_what_it_did_not_show_is_not_repeated(sandbox: Sandbox) -> None:
    first = sync(sandbox, TABLE, to="append")
    fault = sandbox.faults.add(Fault(kind="empty_page", endpoint=TABLE, params={"campaignState": "Archived"}, **EVER))
    body = json.dumps({"campaigns": sandbox.truth(TABLE)[:7], "totalCampaignsCount": Size().campaigns})
    part = sandbox.faults.add(Fault(kind="status", status=200, endpoint=TABLE, params={"page": "1"}, body=body, **EVER))

    second = then(sandbox, first)
    sandbox.faults.remove(fault)
    sandbox.faults.remove(part)
    third = then(sandbox, second)

    assert remarks(second, TABLE)
    assert seen(second) == seen(third) == []


def test_given_a_campaign_that_is_deleted_when_synced_then_it_is_kept_no_more(sandbox: Sandbox) -> None:
    one = silent(sandbox, "Ready")
    first = sync(sandbox, TABLE)
    sandbox.delete_campaign(one)

    second = then(sandbox, first)

    assert one in states(first)
    assert one not in states(second)
    assert seen(second) == []


@pytest.mark.parametrize("value", [None, ""])
def test_given_a_campaign_without_a_state_when_synced_then_it_comes_once_and_again_with_a_state(
    sandbox: Sandbox, value: str | None
) -> None:
    one = silent(sandbox, "Ready")
    change(sandbox, one, campaignState=value)
    first = sync(sandbox, TABLE)
    second = then(sandbox, first)
    change(sandbox, one, campaignState="Running")
    third = then(sandbox, second)
    fourth = then(sandbox, third)

    assert [seen(output) for output in (second, third, fourth)] == [[], [(one, "Running")], []]


def test_given_a_full_refresh_when_synced_then_everything_comes_each_time(sandbox: Sandbox) -> None:
    for _ in range(2):
        output = sync(sandbox, TABLE, mode="full_refresh", to="overwrite")
        assert len(seen(output)) == Size().campaigns


@pytest.mark.parametrize(
    "value",
    [
        7,
        "Running",
        [1],
        {"Running": 7},
        {"Running": ["7"]},
        {"Running": [True]},
        {"Running": [1.5]},
        {"Running": {"7": 1}},
        {"Running": None},
        {"Running": [7], "Finished": [7]},
    ],
    ids=json.dumps,
)
def test_given_saved_states_of_another_form_when_synced_then_it_is_refused(sandbox: Sandbox, value: Any) -> None:
    state = {"updatedAt": "2024-03-01T00:00:00Z", "campaignStates": value}

    output = sync_tables(sandbox, TABLE, "channels", state=saved(state))

    error = failure(output, TABLE)
    assert error["failure_type"] == "config_error"
    assert "'campaignStates'" in error["message"]
    assert "Clear this stream's data" in error["message"]
    assert not output.records(TABLE)
    assert output.statuses("channels")[-1] == "COMPLETE"
