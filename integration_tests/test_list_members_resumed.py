"""Members of lists: an attempt continues where the one before ended."""

import json
import re
import signal
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.expected import assert_exact
from integration_tests.support.list_members import BAD, ids, members, numbers, requested
from integration_tests.support.observed import EVER, LISTS
from integration_tests.support.processes import Reading
from integration_tests.support.sync import (
    NEXT_SYNC,
    NOW,
    PLATFORM,
    START,
    Output,
    State,
    catalog_here,
    configured,
    connect,
    environment,
    read_here,
    settings,
)
from integration_tests.support.sync import sync as sync_here


def catalog_of(sandbox: Sandbox, to: str, **numbers_of_sync: int) -> dict[str, Any]:
    """A catalog with list_users, with what the platform adds to tell syncs apart."""
    catalog = configured(catalog_here(sandbox), ["list_users"], to=to)
    for stream in catalog["streams"]:
        stream.update(numbers_of_sync)
    return catalog


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
        sandbox.faults.add(Fault(kind="hang", endpoint=LISTS, list_id=one, seconds=30, **EVER))
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
    fault = sandbox.faults.add(Fault(kind="reset", endpoint=LISTS, list_id=BAD, **EVER))
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
        connect(other, monkeypatch)

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
    sandbox.faults.add(Fault(kind="reset", endpoint=LISTS, list_id=BAD, **EVER))
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
