"""Answers in JSON that hold much in one line: they are read to a bound, and the list of forgotten users beyond any."""

import json
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.sync import Output, sync
from source_iterable.api import body, body_scan

FORGOTTEN = "users/forgotten"


def answering(sandbox: Sandbox, endpoint: str, body: str) -> None:
    sandbox.faults.add(Fault(kind="status", status=200, endpoint=endpoint, body=body, times=None))


def hashes(output: Output) -> list[str]:
    """What came by email address; the sandbox's project knows no user ids."""
    return [one["hash"] for one in output.records("forgotten_users") if one["identifier"] == "email"]


def test_given_an_answer_of_one_long_line_when_synced_then_it_is_read(sandbox: Sandbox) -> None:
    """Longer than a line of an export may be."""
    description = "x" * (body_scan.LONGEST_LINE + 1_000_000)
    answering(sandbox, "lists", json.dumps({"lists": [{"id": 7, "name": "seven", "description": description}]}))

    output = sync(sandbox, "lists")

    (record,) = output.records("lists")
    assert record["id"] == 7
    assert len(record["description"]) == len(description)


@pytest.mark.parametrize("table", ["lists", "campaigns", "catalogs", "snippets"])
def test_given_an_answer_beyond_the_bound_when_synced_then_the_stream_fails_with_its_size(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr(body, "LARGEST_ANSWER", 2_000_000)
    answering(sandbox, table, json.dumps({"lists": [{"id": 7, "name": "x" * 2_000_000}]}))

    output = sync(sandbox, table, "channels")

    (error,) = output.errors
    assert error["failure_type"] == "system_error"
    assert "the body is larger than 2 MB" in error["message"]
    assert output.statuses(table)[-1] == "INCOMPLETE"
    assert output.statuses("channels")[-1] == "COMPLETE"


BODIES = {
    "in one line": '{"hashedEmails":["a1","b2","c3"]}',
    "printed prettily": '{\n  "hashedEmails" : [\n    "a1",\n    "b2",\r\n\t"c3"\n  ]\n}\n',
    "among others": '{"a":{"hashedEmails":["x",[1]]},"hashedEmails":["a1","b2","c3"],"b":[{"hashedEmails":["y"]}]}',
    "with repetitions": '{"hashedEmails":["a1","b2","a1","a1","c3","b2"]}',
    "with escapes": '{"hashedEmails":["\\u0061\\u0031","b2","c3"]}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_given_forgotten_users_in_any_form_when_synced_then_each_comes_once_and_in_order(
    sandbox: Sandbox, body: str
) -> None:
    answering(sandbox, FORGOTTEN, body)

    output = sync(sandbox, "forgotten_users")

    assert hashes(output) == ["a1", "b2", "c3"]
    assert output.statuses("forgotten_users")[-1] == "COMPLETE"


def test_given_forgotten_users_that_are_no_text_when_synced_then_they_come_as_json(sandbox: Sandbox) -> None:
    values: list[Any] = [1, 1.5, True, None, {"a": [1, {"b": None}]}, [], "text"]
    answering(sandbox, FORGOTTEN, json.dumps({"hashedEmails": values}))

    output = sync(sandbox, "forgotten_users")

    assert hashes(output) == [*(json.dumps(value) for value in values[:-1]), "text"]


UNUSABLE = {
    "no object": ('["a1"]', "no JSON object"),
    "no JSON": ("hashedEmails", "no JSON object"),
    "nothing": ("", "no JSON object"),
    "cut in the list": ('{"hashedEmails":["a1","b2"', "no JSON object"),
    "cut after the list": ('{"hashedEmails":["a1","b2"]', "no JSON object"),
    "two objects": ('{"hashedEmails":["a1"]}{"hashedEmails":["b2"]}', "no JSON object"),
    "no such list": ('{"hashedUserIds":["a1"]}', "no list under 'hashedEmails'"),
    "a number": ('{"hashedEmails":7}', "no list under 'hashedEmails'"),
    "an object": ('{"hashedEmails":{"a":1}}', "no list under 'hashedEmails'"),
    "null": ('{"hashedEmails":null}', "no list under 'hashedEmails'"),
}


@pytest.mark.parametrize(("body", "trouble"), UNUSABLE.values(), ids=UNUSABLE)
def test_given_forgotten_users_that_cannot_be_read_when_synced_then_none_is_delivered(
    sandbox: Sandbox, body: str, trouble: str
) -> None:
    answering(sandbox, FORGOTTEN, body)

    output = sync(sandbox, "forgotten_users")

    (error,) = output.errors
    assert error["failure_type"] == "system_error"
    assert f"contains {trouble}, which is not as documented" in error["message"]
    assert not output.records("forgotten_users")
    assert output.statuses("forgotten_users")[-1] == "INCOMPLETE"
