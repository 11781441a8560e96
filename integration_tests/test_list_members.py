"""Members of lists: no list is lost, none holds up another, and an attempt continues where the one before ended."""

import json
import re
import signal
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from integration_tests.model.virtual_time import VirtualTime
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import assert_exact
from integration_tests.support.processes import Reading
from integration_tests.support.sync import (
    NOW,
    START,
    Output,
    State,
    catalog_here,
    configured,
    environment,
    read_here,
    settings,
)
from integration_tests.support.sync import sync as sync_here
from integration_tests.test_faults import failure_of, truth
from integration_tests.test_listings import running_with
from source_iterable.prefetch import prefetcher

LISTS = "lists/getUsers"
BAD = 949811
FOR_EVER: dict[str, Any] = {"times": None}
MINUTE = 60.0
FEW_MEMBERS = {"users_per_list": 3, "events": 0, "users": 9}


def requested(sandbox: Sandbox) -> list[int]:
    """The ids of the lists that were requested, in their order."""
    return [int(one.params["listId"]) for one in sandbox.requests if one.endpoint == LISTS]


def times_of(sandbox: Sandbox, list_id: int) -> list[float]:
    wanted = str(list_id)
    return [one.started for one in sandbox.requests if one.endpoint == LISTS and one.params["listId"] == wanted]


def ids(sandbox: Sandbox) -> list[int]:
    return sorted(int(row["id"]) for row in sandbox.truth("lists"))


def members(sandbox: Sandbox, *without: int) -> list[dict[str, Any]]:
    return [record for record in truth(sandbox, "list_users") if record["listId"] not in without]


def lists_of(output: Output) -> list[int]:
    """The ids of the lists in an output, each once for each time that it came, in their order."""
    found = [record["listId"] for record in output.records("list_users")]
    return [one for at, one in enumerate(found) if at == 0 or found[at - 1] != one]


def with_members(sandbox: Sandbox) -> list[int]:
    """The ids of the lists that are not empty."""
    return sorted({record["listId"] for record in truth(sandbox, "list_users")})


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
    outage = Fault(endpoint=LISTS, nth=6, lasting=4 * MINUTE, **fault, **FOR_EVER)
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
    output = read_in(hours, sandbox, Fault(kind="status", status=503, endpoint="*", to_second=10 * MINUTE, **FOR_EVER))

    assert hours.now() >= 10 * MINUTE
    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert_exact(output.records("list_users"), members(sandbox))


def test_given_an_outage_without_end_when_synced_then_incomplete_with_all_missing_ids(hours: VirtualTime) -> None:
    with running_with(size=Size(lists=20, **FEW_MEMBERS)) as sandbox:
        output = read_in(hours, sandbox, Fault(kind="status", status=500, endpoint=LISTS, nth=6, **FOR_EVER))
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
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=LISTS, list_id=BAD, **FOR_EVER))

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
        sandbox.faults.add(Fault(kind="status", status=status, endpoint=LISTS, list_id=one, **FOR_EVER))

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
    sandbox.faults.add(Fault(endpoint=LISTS, list_id=list_id, **FOR_EVER, **fault))

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
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=LISTS, list_id=949812, **FOR_EVER))

    output = sync_here(sandbox, "list_users", "lists")

    assert failure_of(output, "list_users")["failure_type"] == "config_error"
    assert "skipped" not in output.text
    assert set(lists_of(output)) <= set(ids(sandbox)) - {949812}
    assert output.statuses("lists")[-1] == "COMPLETE"


def test_given_a_list_that_is_too_large_for_the_disk_when_synced_then_all_others_are_delivered(
    sandbox: Sandbox, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERABLE_SPOOL_MEGABYTES", "0.05")
    sandbox.faults.add(Fault(kind="long_line", endpoint=LISTS, list_id=BAD, body_bytes=60_000_000, **FOR_EVER))

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
        output = read_in(hours, sandbox, Fault(kind="status", status=status, endpoint=LISTS, **FOR_EVER))

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


# Another attempt continues


def numbers(complete: list[Any]) -> list[int]:
    """The ids in a saved state."""
    return [n for one in complete for n in (range(one[0], one[1] + 1) if isinstance(one, list) else [one])]


def catalog_of(sandbox: Sandbox, to: str, **numbers_of_sync: int) -> dict[str, Any]:
    """A catalog with list_users, with what the platform adds to tell syncs apart."""
    catalog = configured(catalog_here(sandbox), ["list_users"], to=to)
    for stream in catalog["streams"]:
        stream.update(numbers_of_sync)
    return catalog


PLATFORM = {"generation_id": 7, "minimum_generation_id": 7, "sync_id": 4711}
NEXT_SYNC = {"generation_id": 8, "minimum_generation_id": 8, "sync_id": 4712}


def interrupted(sandbox: Sandbox, catalog: dict[str, Any]) -> Output:
    """What a sync wrote whose process was killed after three lists or so."""
    whole = read_here(sandbox, catalog)
    saved = [at for at, message in enumerate(whole.messages, start=1) if message["type"] == "STATE"]
    return Output(whole.messages[: saved[2]])


@pytest.mark.parametrize(
    ("sign", "to"), [(signal.SIGTERM, "append"), (signal.SIGKILL, "overwrite")], ids=["SIGTERM", "SIGKILL"]
)
def test_given_a_process_that_was_ended_when_the_next_one_has_its_state_then_each_list_comes_once(
    sandbox: Sandbox, tmp_path: Path, sign: signal.Signals, to: str
) -> None:
    catalog = catalog_of(sandbox, to, **PLATFORM)
    for one in ids(sandbox)[3:]:
        sandbox.faults.add(Fault(kind="hang", endpoint=LISTS, list_id=one, seconds=30, **FOR_EVER))
    with Reading(tmp_path / "first", environment(sandbox), config=settings(sandbox), catalog=catalog) as reading:
        assert reading.read_until(lambda: reading.text.count(b'"type":"STATE"') >= 3)
        if sign == signal.SIGTERM:
            reading.terminate()
        else:
            reading.kill()
        first = reading.read_all()
    sandbox.faults.clear()
    sandbox.forget_requests()

    second = read_here(sandbox, catalog, first.state)

    assert first.exit_code
    assert second.statuses("list_users")[-1] == "COMPLETE"
    assert_exact(first.records("list_users") + second.records("list_users"), members(sandbox))
    assert set(requested(sandbox)) == set(ids(sandbox)[3:])
    assert Counter(requested(sandbox)).most_common(1)[0][1] == 1


@pytest.mark.parametrize(
    ("to", "numbers_of_sync"),
    [("append", {}), ("append_dedup", {}), ("append", PLATFORM), ("overwrite", PLATFORM)],
    ids=str,
)
def test_given_an_attempt_that_was_ended_when_the_next_one_has_its_state_then_each_list_comes_once(
    sandbox: Sandbox, to: str, numbers_of_sync: dict[str, int]
) -> None:
    catalog = catalog_of(sandbox, to, **numbers_of_sync)
    first = interrupted(sandbox, catalog)
    done = set(numbers(first.states("list_users")[-1]["complete"]))
    sandbox.forget_requests()

    second = read_here(sandbox, catalog, first.state)

    assert second.statuses("list_users")[-1] == "COMPLETE"
    assert_exact(first.records("list_users") + second.records("list_users"), members(sandbox))
    assert sorted(requested(sandbox)) == sorted(set(ids(sandbox)) - done)


@pytest.mark.parametrize(
    ("to", "before", "after"),
    [("overwrite", {}, {}), ("overwrite", PLATFORM, NEXT_SYNC), ("append", PLATFORM, NEXT_SYNC),
     ("overwrite", {}, PLATFORM), ("append", {}, PLATFORM), ("append", PLATFORM, {}), ("overwrite", PLATFORM, {}),
     ("overwrite", {"generation_id": 1, "minimum_generation_id": 1, "sync_id": 1},
      {"generation_id": 1, "minimum_generation_id": 1, "sync_id": 1})],
    ids=str,
)  # fmt: skip
def test_given_the_state_of_another_sync_when_synced_then_all_lists_are_read(
    sandbox: Sandbox, to: str, before: dict[str, int], after: dict[str, int]
) -> None:
    """What it calls delivered may not be there any more: in Overwrite it would be missing."""
    first = interrupted(sandbox, catalog_of(sandbox, to, **before))

    output = read_here(sandbox, catalog_of(sandbox, to, **after), first.state)

    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert_exact(output.records("list_users"), members(sandbox))


@pytest.mark.parametrize("to", ["append", "append_dedup", "overwrite"])
@pytest.mark.parametrize(("before", "after"), [({}, {}), (PLATFORM, NEXT_SYNC)], ids=str)
def test_given_the_state_of_a_finished_sync_when_synced_then_all_lists_are_read(
    sandbox: Sandbox, to: str, before: dict[str, int], after: dict[str, int]
) -> None:
    first = read_here(sandbox, catalog_of(sandbox, to, **before))

    second = read_here(sandbox, catalog_of(sandbox, to, **after), first.state)

    for output in first, second:
        assert output.statuses("list_users")[-1] == "COMPLETE"
        assert_exact(output.records("list_users"), members(sandbox))


@pytest.mark.parametrize("to", ["append", "overwrite"])
def test_given_a_stream_that_was_finished_when_the_same_sync_is_tried_again_then_nothing_comes_twice(
    sandbox: Sandbox, to: str
) -> None:
    """Another stream failed; the platform keeps what the first attempt wrote."""
    catalog = catalog_of(sandbox, to, **PLATFORM)
    first = read_here(sandbox, catalog)
    sandbox.forget_requests()

    second = read_here(sandbox, catalog, first.state)

    assert second.statuses("list_users")[-1] == "COMPLETE"
    assert not second.records("list_users")
    assert not requested(sandbox)
    assert changed(second.state, finished=None) == changed(first.state, finished=None)


def test_given_lists_that_were_missing_when_the_next_attempt_comes_then_only_these_are_read(
    sandbox: Sandbox, waits: list[float]
) -> None:
    catalog = catalog_of(sandbox, "append")
    fault = sandbox.faults.add(Fault(kind="reset", endpoint=LISTS, list_id=BAD, **FOR_EVER))
    first = read_here(sandbox, catalog)
    sandbox.faults.remove(fault)
    sandbox.forget_requests()

    second = read_here(sandbox, catalog, first.state)

    assert requested(sandbox) == [BAD]
    assert_exact(first.records("list_users") + second.records("list_users"), members(sandbox))


def changed(state: State, **parts: Any) -> State:
    """``state`` with other parts; None takes one away."""
    copy: State = json.loads(json.dumps(state))
    saved = copy[0]["stream"]["stream_state"]
    for name, value in parts.items():
        saved[name] = value
        if value is None:
            del saved[name]
    return copy


UNUSABLE = {
    "older than a day": {"saved": "2024-03-09T12:00:00Z"},
    "of the future": {"saved": "2024-03-11T12:00:00Z"},
    "without a time": {"saved": None},
    "a time that is none": {"saved": "yesterday"},
    "other settings": {"settings": "01234567"},
    "without settings": {"settings": None},
    "no ids": {"complete": "all"},
    "ids that are none": {"complete": [[1, "many"]]},
    "endless ids": {"complete": [[0, 10**15]]},
    "finished": {"finished": "2024-03-10T12:00:00Z"},
    "of another kind": {"complete": None, "updatedAt": "2024-03-10T12:00:00Z"},
}


@pytest.mark.parametrize("parts", UNUSABLE.values(), ids=UNUSABLE)
def test_given_a_state_in_doubt_when_synced_then_all_lists_are_read(sandbox: Sandbox, parts: dict[str, Any]) -> None:
    catalog = catalog_of(sandbox, "append")
    first = interrupted(sandbox, catalog)

    output = read_here(sandbox, catalog, changed(first.state, **parts))

    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert_exact(output.records("list_users"), members(sandbox))
    assert any("the saved state is not used" in line for line in output.logs)


def test_given_another_key_when_the_next_attempt_comes_then_all_lists_are_read(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the key of another project."""
    first = interrupted(sandbox, catalog_of(sandbox, "append"))
    with Sandbox(start=START, now=NOW, rate_scale=10_000, api_key="another-key-0123456789abcdef") as other:
        for name, value in environment(other).items():
            monkeypatch.setenv(name, value)

        output = read_here(other, catalog_of(other, "append"), first.state)

        assert_exact(output.records("list_users"), members(other))


def test_given_lists_that_came_and_went_when_the_next_attempt_comes_then_what_is_there_now_is_read(
    sandbox: Sandbox,
) -> None:
    catalog = catalog_of(sandbox, "append")
    first = interrupted(sandbox, catalog)
    sandbox.delete_list(ids(sandbox)[0])
    sandbox.delete_list(ids(sandbox)[-1])

    second = read_here(sandbox, catalog, first.state)

    assert second.statuses("list_users")[-1] == "COMPLETE"
    done = numbers(first.states("list_users")[-1]["complete"])
    assert_exact(second.records("list_users"), members(sandbox, *done))


def test_given_a_list_that_never_comes_when_tried_every_hour_then_the_others_are_read_again_after_a_day(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of an end with missing lists is not renewed by attempts at these."""
    monkeypatch.setenv("ITERABLE_RATE_SCALE", "1000000")
    catalog = catalog_of(sandbox, "append_dedup")
    sandbox.faults.add(Fault(kind="reset", endpoint=LISTS, list_id=BAD, **FOR_EVER))
    state: State | None = None
    read: list[bool] = []
    for _ in range(26):
        output = read_here(sandbox, catalog, state)
        state = output.state
        read.append(len(output.records("list_users")) > 0)
        sandbox.advance(hours=1)

    assert [at for at, whole in enumerate(read) if whole] == [0, 24]


def test_the_key_cannot_be_learned_from_the_state(sandbox: Sandbox) -> None:
    output = sync_here(sandbox, "list_users", to="append")

    (saved,) = output.states("list_users")[-1:]
    assert sandbox.api_key not in json.dumps(output.state)
    assert re.fullmatch("[0-9a-f]{8}", saved["settings"])
    assert datetime.fromisoformat(saved["finished"])
