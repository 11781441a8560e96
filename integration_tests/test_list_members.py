"""Members of lists: no list is lost, and none holds up another."""

import re
from typing import Any

import pytest

from integration_tests.model.virtual_time import VirtualTime
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import assert_exact
from integration_tests.support.list_members import BAD, ids, members, numbers, requested
from integration_tests.support.observed import EVER, LISTS, failure_of
from integration_tests.support.sync import (
    Output,
    catalog_here,
    configured,
    read_here,
    running_with,
)
from integration_tests.support.sync import sync as sync_here
from source_iterable.prefetch import prefetcher

MINUTE = 60.0
FEW_MEMBERS = {"users_per_list": 3, "events": 0, "users": 9}


def times_of(sandbox: Sandbox, list_id: int) -> list[float]:
    wanted = str(list_id)
    return [one.started for one in sandbox.requests if one.endpoint == LISTS and one.params["listId"] == wanted]


def lists_of(output: Output) -> list[int]:
    """The ids of the lists in an output, each once for each time that it came, in their order."""
    found = [record["listId"] for record in output.records("list_users")]
    return [one for at, one in enumerate(found) if at == 0 or found[at - 1] != one]


def read_in(hours: VirtualTime, sandbox: Sandbox, *faults: Fault) -> Output:
    """Read all lists while these faults are in force, by the clock of a day that passes at once."""
    catalog = configured(catalog_here(sandbox), ["list_users"], to="overwrite")
    sandbox.faults.time = hours
    for fault in faults:
        sandbox.faults.add(fault)
    with hours.in_force():
        return read_here(sandbox, catalog)


# Outages


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "reset"},
        {"kind": "cut", "cut_at": "end"},
    ],
    ids=str,
)
def test_given_an_outage_of_four_minutes_when_synced_then_no_list_is_missing(
    hours: VirtualTime, fault: dict[str, Any]
) -> None:
    outage = Fault(endpoint=LISTS, nth=6, lasting=4 * MINUTE, **fault, **EVER)
    with running_with(size=Size(lists=40, **FEW_MEMBERS)) as sandbox:
        output = read_in(hours, sandbox, outage)

        assert sandbox.faults.struck(outage) > 0
        assert hours.now() >= 4 * MINUTE
        assert output.statuses("list_users")[-1] == "COMPLETE"
        assert_exact(output.records("list_users"), members(sandbox))
        assert "skipped" not in output.text


def test_given_an_outage_before_the_first_answer_when_synced_then_it_is_waited_out(
    sandbox: Sandbox, hours: VirtualTime
) -> None:
    output = read_in(hours, sandbox, Fault(kind="status", status=503, endpoint="*", to_second=10 * MINUTE, **EVER))

    assert hours.now() >= 10 * MINUTE
    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert_exact(output.records("list_users"), members(sandbox))


def test_given_an_outage_without_end_when_synced_then_incomplete_with_all_missing_ids(hours: VirtualTime) -> None:
    with running_with(size=Size(lists=20, **FEW_MEMBERS)) as sandbox:
        output = read_in(hours, sandbox, Fault(kind="status", status=500, endpoint=LISTS, nth=6, **EVER))
        every = set(ids(sandbox))

    error = failure_of(output, "list_users")
    assert error["failure_type"] == "transient_error"
    missing = every - set(numbers(output.states("list_users")[-1]["complete"]))
    ((number, named),) = re.findall(r"Lists are missing \((\d+) of 20\): ([^.]+)\.", error["message"])
    spans = [[int(one) for one in span.split(" to ")] for span in named.split(", ")]
    assert {one for span in spans for one in range(span[0], span[-1] + 1)} == missing
    assert int(number) == len(missing)
    assert "30 min" in error["message"]


# Lists that cannot be given


@pytest.mark.parametrize(("status", "asked"), [(500, 3), (400, 2), (404, 2)])
def test_given_a_bad_list_when_synced_then_it_is_skipped_with_a_warning_and_named_in_the_summary(
    sandbox: Sandbox, waits: list[float], status: int, asked: int
) -> None:
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=LISTS, list_id=BAD, **EVER))

    output = sync_here(sandbox, "list_users")

    assert_exact(output.records("list_users"), members(sandbox, BAD))
    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert any(line.startswith("WARN") and f"list {BAD} skipped" in line for line in output.logs)
    (summary,) = [line for line in output.logs if "list_users: complete" in line]
    assert f"list {BAD} skipped" in summary
    assert f"HTTP {status}" in summary
    assert requested(sandbox).count(BAD) == 2 * asked, "in each of two rounds"


def test_given_a_rejected_list_when_synced_then_it_is_requested_again_after_all_others_and_a_quarter_of_an_hour(
    sandbox: Sandbox, hours: VirtualTime
) -> None:
    output = read_in(hours, sandbox, Fault(kind="status", status=500, endpoint=LISTS, list_id=BAD, times=3))

    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert_exact(output.records("list_users"), members(sandbox))
    sent = [(at, url) for at, url in hours.sent if f"/{LISTS}?" in url]
    *_, rejected, delivered = [at for at, url in sent if url.endswith(f"listId={BAD}")]
    assert delivered - rejected >= 15 * MINUTE
    assert delivered == max(at for at, _ in sent)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_given_several_bad_lists_in_a_row_when_synced_then_all_others_are_delivered(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    bad = ids(sandbox)[1:5]
    for one in bad:
        sandbox.faults.add(Fault(kind="status", status=status, endpoint=LISTS, list_id=one, **EVER))

    output = sync_here(sandbox, "list_users")

    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert_exact(output.records("list_users"), members(sandbox, *bad))
    (warning,) = [line for line in output.logs if line.startswith("WARN list_users: lists")]
    assert f"lists {bad[0]} to {bad[-1]} skipped" in warning


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 502},
        {"kind": "status", "status": 500, "body": "oops"},
        {"kind": "status", "status": 404, "body": "<html>who are you?</html>"},
        {"kind": "status", "status": 429},
        {"kind": "reset"},
        {"kind": "cut", "cut_at": "end"},
    ],
    ids=str,
)
@pytest.mark.parametrize("list_id", [949810, 949812, 949815])
def test_given_a_list_that_fails_without_being_bad_when_synced_then_incomplete_after_all_others_with_its_id(
    sandbox: Sandbox, waits: list[float], fault: dict[str, Any], list_id: int
) -> None:
    sandbox.faults.add(Fault(endpoint=LISTS, list_id=list_id, **EVER, **fault))

    output = sync_here(sandbox, "list_users", "lists")

    error = failure_of(output, "list_users")
    assert error["failure_type"] == "transient_error"
    assert f"lists are missing (1 of 6): {list_id}." in error["message"]
    assert "the lists that are missing (5 of 6 are delivered)" in error["message"]
    assert "skipped" not in output.text
    assert_exact(output.records("list_users"), members(sandbox, list_id))
    assert output.statuses("lists")[-1] == "COMPLETE"


@pytest.mark.parametrize("status", [401, 403])
def test_given_a_list_that_the_key_may_not_read_when_synced_then_incomplete_at_once(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=LISTS, list_id=949812, **EVER))

    output = sync_here(sandbox, "list_users", "lists")

    assert failure_of(output, "list_users")["failure_type"] == "config_error"
    assert "skipped" not in output.text
    assert set(lists_of(output)) <= set(ids(sandbox)) - {949812}
    assert output.statuses("lists")[-1] == "COMPLETE"


def test_given_a_list_that_is_too_large_for_the_disk_when_synced_then_all_others_are_delivered(
    sandbox: Sandbox, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERABLE_SPOOL_MEGABYTES", "0.05")
    sandbox.faults.add(Fault(kind="long_line", endpoint=LISTS, list_id=BAD, body_bytes=60_000_000, **EVER))

    output = sync_here(sandbox, "list_users")

    error = failure_of(output, "list_users")
    assert error["failure_type"] == "config_error"
    assert f"lists are missing (1 of 6): {BAD}." in error["message"]
    assert "Raise ITERABLE_SPOOL_MEGABYTES" in error["message"]
    assert_exact(output.records("list_users"), members(sandbox, BAD))


@pytest.mark.parametrize("lists", [1, 6])
@pytest.mark.parametrize("status", [404, 500])
def test_given_only_bad_lists_when_synced_then_incomplete(hours: VirtualTime, status: int, lists: int) -> None:
    with running_with(size=Size(lists=lists)) as sandbox:
        output = read_in(hours, sandbox, Fault(kind="status", status=status, endpoint=LISTS, **EVER))

    message = failure_of(output, "list_users")["message"]
    assert f"none of the {lists} lists could be read" in message
    assert "The next attempt resumes from its beginning. " in message


# Lists that are slow


def test_given_a_slow_list_when_synced_then_all_others_are_delivered_meanwhile(
    sandbox: Sandbox,
) -> None:
    """The slow one begins after a part of its body, as large lists do."""
    slow = ids(sandbox)[0]
    sandbox.faults.add(Fault(kind="hang", endpoint=LISTS, list_id=slow, seconds=1, after_bytes=5))

    output = sync_here(sandbox, "list_users")

    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert_exact(output.records("list_users"), members(sandbox))
    assert lists_of(output)[-1] == slow
    (started,) = times_of(sandbox, slow)
    others = [one for one in sandbox.requests if one.endpoint == LISTS and one.params["listId"] != str(slow)]
    assert all(one.ended is not None and one.ended < started + 1 for one in others)


def test_given_slow_lists_when_synced_then_the_state_is_saved_again_while_nothing_comes(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefetcher, "HEARTBEAT_SECONDS", 0.05)
    sandbox.faults.add(Fault(kind="hang", endpoint=LISTS, list_id=ids(sandbox)[0], seconds=0.5))

    output = sync_here(sandbox, "list_users")

    assert_exact(output.records("list_users"), members(sandbox))
    assert len(output.states("list_users")) > 6 + 1 + 3
