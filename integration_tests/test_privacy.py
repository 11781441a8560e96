"""No person's data gets into the log, an error or a trace, whatever rows and answers hold."""

import json
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.command import run_here
from integration_tests.support.observed import EVER, EXPORT
from integration_tests.support.sync import settings, sync


def told(output: Any) -> str:
    """Everything that was written but records."""
    return json.dumps([one for one in output.messages if one["type"] != "RECORD"], ensure_ascii=False)


# Names of custom events

ODD_NAMES = [
    "invite accepted by ann.smith@example.com",
    "call +1 555 010 0100",
    "ssn 078-05-1120",
    '{"user": "bob"}',
    "x" * 200_000,
    {"user": "bob"},
    ["bob"],
    1555010,
    True,
    None,
]


def test_given_names_of_events_that_hold_anything_when_synced_then_only_names_are_logged(sandbox: Sandbox) -> None:
    event = {"email": "a@example.com", "createdAt": "2024-01-10 00:00:00 +00:00"}
    rows = [json.dumps(event | {"eventName": name}) for name in [*ODD_NAMES, "购买完成"]]
    sandbox.faults.add(Fault(kind="malformed", endpoint=EXPORT, data_type="customEvent", line="\n".join(rows)))

    output = sync(sandbox, "custom_event", window_in_days=365)

    (line,) = [line for line in output.logs if line.startswith("INFO custom_event: by name: ")]
    counts = dict(one.rsplit(" ", 1) for one in line.removeprefix("INFO custom_event: by name: ").split(", "))
    assert counts.pop("others") == str(len(ODD_NAMES))
    assert counts.pop("购买完成") == "1"
    assert set(counts) == {"checkoutStarted", "appOpened", "Survey Answered", "wish.list changed"}
    assert len(output.records("custom_event")) == sum(map(int, counts.values())) + len(ODD_NAMES) + 1
    assert not any(part in told(output) for part in ("ann.smith", "555 010", "078-05", "bob", "xxx"))


# What Iterable says about an error

PEOPLE = (
    "jurgen%40example.com",
    '"jurgen smith"@example.com',
    "+1 555 010 0100",
    "15550100100",
    "(555) 010-0100",
    'user id "jurgen"',
)


@pytest.mark.parametrize("table", ["email_send", "campaigns", "list_users", "template_content"])
def test_given_an_error_that_quotes_people_when_synced_then_nothing_of_them_is_written(
    sandbox: Sandbox, waits: list[float], table: str
) -> None:
    endpoint = {"email_send": EXPORT, "list_users": "lists", "template_content": "templates"}.get(table, table)
    body = json.dumps({"msg": f"No: {' or '.join(PEOPLE)} is not welcome", "code": "Bad15550100100"})
    sandbox.faults.add(Fault(kind="status", status=400, endpoint=endpoint, body=body, **EVER))

    output = sync(sandbox, table)

    (error,) = output.errors
    assert "HTTP 400" in error["message"]
    assert error["internal_message"].endswith(" is not welcome")
    assert not any(part in told(output) for part in ("jurgen", "smith", "555 010", "15550100100", "010-0100"))


# Settings


@pytest.mark.parametrize("command", ["check", "discover", "read"])
@pytest.mark.parametrize("field", ["start_date", "end_date", "region", "window_in_days"])
def test_given_a_key_in_the_wrong_field_when_run_then_it_is_not_printed(
    sandbox: Sandbox, command: str, field: str
) -> None:
    documents = {"catalog": {"streams": []}} if command == "read" else {}

    output = run_here(sandbox, command, config=settings(sandbox) | {field: "fedcba9876543210"}, **documents)

    assert f"'{field}'" in output.text
    assert "fedcba98" not in output.text
    assert not sandbox.requests
