"""The last lines of a failed sync: what happened, to which stream and window, what is saved, and what to do.

One failure of each kind in docs/reliability.md. The last error of a sync is what platforms show first, and its
type tells whether they try again.
"""

import errno
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.observed import EXPORT, LISTS
from integration_tests.support.sync import (
    Output,
    State,
    catalog_here,
    configured,
    connect,
    read_here,
    sync,
)
from source_iterable.api import body_scan

TABLES = ("campaigns", "email_open", "email_send", "list_users", "users")
SECOND_WINDOW = "2024-01-31T00:00:00Z"
ELSEWHERE = "http://127.0.0.1:9/elsewhere"

TRANSIENT, CONFIG, SYSTEM = "transient_error", "config_error", "system_error"


@dataclass(frozen=True)
class Failure:
    """What goes wrong, in all calls from some on, and what must be read of it.

    Attributes:
        fault: The fault in the sandbox.
        stream: The stream that stops.
        failure_type: The type of the error.
        happened: What happened, to which window or list.
        resumes: From where the next attempt resumes.
        remedy: What to do.
        settings: Settings of the sync.
    """

    fault: dict[str, Any]
    table: str
    failure_type: str
    happened: str
    resumes: str
    remedy: str
    settings: dict[str, Any]


def failure(
    table: str,
    failure_type: str,
    happened: str,
    remedy: str,
    resumes: str = "its beginning",
    settings: dict[str, Any] | None = None,
    **fault: Any,
) -> Failure:
    return Failure(fault, table, failure_type, happened, resumes, remedy, settings or {})


def export(failure_type: str, happened: str, remedy: str, table: str = "email_send", **fault: Any) -> Failure:
    """A failure of the second window of an export."""
    data_type = {"email_send": "emailSend", "users": "user"}[table]
    matched: dict[str, Any] = {"endpoint": EXPORT, "data_type": data_type, "nth": 2}
    return failure(table, failure_type, happened, remedy, SECOND_WINDOW, **matched | fault)


BY_JOBS = {"export_method": "jobs"}
DOWN = "Iterable or the network on the way may be down"

FAILURES = {
    "1 cut": failure(
        "email_send", TRANSIENT, "the export of 2024-02-01T08:01:02Z to 2024-02-01T08:01:03Z failed 16 times in "
        "10 minutes; the last time the answer broke off", DOWN, resumes="2024-02-01T08:01:02Z",
        kind="cut", cut_at="plain", after_bytes=1, endpoint=EXPORT, data_type="emailSend", nth=2,
    ),
    "1 reset": export(
        TRANSIENT, "failed 16 times in 10 minutes; the last time the connection was lost", DOWN, "users", kind="reset"
    ),
    "1 a server in trouble": export(
        TRANSIENT, "failed 16 times in 10 minutes; the last time Iterable answered HTTP 500 GenericError", DOWN,
        kind="status", status=500,
    ),
    "1 a web page": export(
        TRANSIENT, f"the export of {SECOND_WINDOW} to 2024-03-10", "from a proxy or login page",
        kind="status", status=200, body="<html>Please sign in</html>",
    ),
    "1 a listing": failure(
        "campaigns", TRANSIENT, "the listing failed 16 times in 10 minutes; the last time Iterable answered HTTP 503",
        DOWN, kind="status", status=503, endpoint="campaigns",
    ),
    "6 a profile that is not JSON": export(
        SYSTEM, f"the export of {SECOND_WINDOW} to 2024-03-10", "Report the window and the line to Iterable's support",
        "users", kind="malformed",
    ),
    "7 the limit in use": export(
        TRANSIENT, "met Iterable's rate limit (HTTP 429): the connector waited 585 s", "Stop them during the sync",
        kind="status", status=429,
    ),
    "7 the limit in use for hours": export(
        TRANSIENT, "Iterable asks to wait 7200 s more", "Stop them during the sync",
        kind="status", status=429, retry_after=7200,
    ),
    "8 a stream that the key may not read": export(
        CONFIG, "Iterable refused the API key for this stream (HTTP 403", "Create such a key in Iterable",
        kind="status", status=403,
    ),
    "9 a list that cannot be had": failure(
        "list_users", TRANSIENT, "lists are missing (1 of 6): 949811. All others were delivered. The last one "
        "failed whenever it was requested: Iterable answered HTTP 502",
        "report that to Iterable's support", "the lists that are missing (5 of 6 are delivered)",
        kind="status", status=502, endpoint=LISTS, list_id=949811,
    ),
    "9 no list that can be read": failure(
        "list_users", SYSTEM, "none of the 6 lists could be read", "Ask Iterable's support",
        kind="status", status=500, endpoint=LISTS,
    ),
    "11 a redirect": export(
        SYSTEM, "was answered with a redirect (HTTP 302)", "Check the data center (region), and any proxy",
        kind="redirect", location=ELSEWHERE,
    ),
    "11 a next page elsewhere": failure(
        "campaigns", SYSTEM, "names a next page on another host", "Check the data center (region), and any proxy",
        kind="next_page", location=ELSEWHERE, endpoint="campaigns",
    ),
    "11 an endless line": export(
        SYSTEM, "cannot be read: a line is longer than", "", kind="long_line", body_bytes=300_000,
    ),
    "jobs that are refused": failure(
        "email_send", CONFIG, "is not possible with an export job: HTTP 400", "Choose automatic", settings=BY_JOBS,
        kind="status", status=400, endpoint="export/start", params={"dataTypeName": "emailSend"},
    ),
    "jobs that fail": failure(
        "email_send", CONFIG, "is not possible with an export job: 3 jobs in a row failed", "Choose automatic",
        settings=BY_JOBS, kind="job_failed", endpoint="export/start", params={"dataTypeName": "emailSend"},
    ),
}  # fmt: skip


def last_error(output: Output) -> dict[str, Any]:
    """The error that the sync ends with, which is of no stream."""
    error: dict[str, Any] = [trace["error"] for trace in output.of("TRACE") if trace["type"] == "ERROR"][-1]
    assert not error.get("stream_descriptor")
    return error


def stopped(output: Output) -> list[str]:
    return [line for line in output.logs if "STOPPED before its end" in line]


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_given_a_failure_when_synced_then_the_last_lines_say_all_that_one_needs(
    sandbox: Sandbox, waits: list[float], monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    monkeypatch.setattr(body_scan, "LONGEST_LINE", 200_000)
    sandbox.faults.add(Fault(**failure.fault, times=None))

    output = sync(sandbox, *TABLES, **failure.settings)

    (error,) = output.errors
    assert error["stream_descriptor"]["name"] == failure.table
    assert error["message"].startswith(f"{failure.table}: ")
    assert f" The next attempt resumes from {failure.resumes}. " in error["message"]
    last = last_error(output)
    heading, told = last["message"].split("\n")
    assert heading.startswith("1 of 5 streams stopped before the end; all others are complete.")
    assert told.startswith(f"{failure.table} ({failure.resumes}): ")
    for text in (error["message"], told):
        assert failure.happened in text
        assert failure.remedy in text
    assert error["failure_type"] == last["failure_type"] == failure.failure_type
    (line,) = stopped(output)
    assert line.startswith(f"WARN {failure.table}: STOPPED before its end: ")
    assert f"; the next attempt resumes from {failure.resumes}" in line
    assert waited(output, failure.table) == failure.resumes


def waited(output: Output, table: str) -> str:
    """From where a stream's last state, which the platform has, continues."""
    states = [state for state in output.states(table) if "settled" in state or state.get("complete")]
    if states and table == "list_users":
        return f"the lists that are missing ({delivered(states[-1])} of 6 are delivered)"
    return str(states[-1]["settled"]) if states else "its beginning"


def delivered(state: Mapping[str, Any]) -> int:
    """How many lists are delivered, as a state of list_users tells."""
    return sum(one[1] - one[0] + 1 if isinstance(one, list) else 1 for one in state["complete"])


def test_given_a_key_that_is_revoked_when_synced_then_the_last_lines_tell_the_cause_once(sandbox: Sandbox) -> None:
    state: State = [
        {
            "type": "STREAM",
            "stream": {
                "stream_descriptor": {"name": "email_send"},
                "stream_state": {"createdAt": "2024-02-01T01:00:00Z", "settled": "2024-02-01T00:00:00Z"},
            },
        }
    ]
    catalog = configured(catalog_here(sandbox), TABLES)
    sandbox.faults.add(Fault(kind="status", status=401, times=None))

    output = read_here(sandbox, catalog, state)

    heading, told = last_error(output)["message"].split("\n")
    assert heading.startswith("5 of 5 streams stopped before the end. ")
    assert told.startswith(
        "campaigns (its beginning), email_open (its beginning), email_send (2024-02-01T00:00:00Z), "
        "list_users (its beginning), users (its beginning): not read: Iterable refused the API key (HTTP 401 "
    )
    assert told.count("Three usual causes: ") == 1
    assert last_error(output)["failure_type"] == CONFIG
    assert len(stopped(output)) == len(TABLES)


def test_given_failures_of_several_kinds_when_synced_then_the_platform_is_told_that_another_try_may_help(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="status", status=403, endpoint=EXPORT, data_type="emailSend", times=None))
    sandbox.faults.add(Fault(kind="status", status=503, endpoint="campaigns", times=None))

    output = sync(sandbox, *TABLES)

    assert {error["failure_type"] for error in output.errors} == {CONFIG, TRANSIENT}
    assert last_error(output)["failure_type"] == TRANSIENT
    assert [line.partition(" (")[0] for line in last_error(output)["message"].splitlines()[1:]] == [
        "campaigns",
        "email_send",
    ]


def test_given_a_full_disk_when_synced_then_the_last_lines_name_the_folder(
    sandbox: Sandbox, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    catalog = configured(catalog_here(sandbox), ("email_open", "email_send"))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)

    output = read_here(sandbox, catalog)

    heading, told = last_error(output)["message"].split("\n")
    assert heading.startswith("2 of 2 streams stopped before the end. ")
    assert told.startswith("email_open (its beginning), email_send (its beginning): no disk space for an answer in ")
    assert "No space left on device. Free disk space there" in told
    assert last_error(output)["failure_type"] == TRANSIENT


def test_given_a_server_that_is_gone_when_synced_then_the_last_lines_say_that_it_is_not_reached(
    monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    with Sandbox(start="2024-01-01T00:00:00Z", now="2024-03-10T12:00:00Z", rate_scale=10_000) as sandbox:
        connect(sandbox, monkeypatch)
        catalog = configured(catalog_here(sandbox), TABLES)

    output = read_here(sandbox, catalog)

    last = last_error(output)
    assert last["message"].count("the last time no connection could be made. Iterable or the network on the way") >= 1
    assert last["failure_type"] == TRANSIENT
    assert len(output.errors) == len(TABLES)


def test_given_a_stream_that_is_no_more_when_synced_then_it_is_named_and_the_others_are_read(sandbox: Sandbox) -> None:
    catalog = configured(catalog_here(sandbox), ("channels", "email_send"))
    catalog["streams"][1]["stream"]["name"] = "email_sent"

    output = read_here(sandbox, catalog)

    (error,) = output.errors
    assert error["message"] == (
        "email_sent: there is no such stream in this version. The next attempt resumes from its beginning. "
        "Refresh the source's schema, and leave this stream out."
    )
    assert error["failure_type"] == CONFIG
    assert output.statuses("email_sent") == ["STARTED", "INCOMPLETE"]
    assert output.statuses("channels")[-1] == "COMPLETE"
    assert "email_sent (its beginning): there is no such stream" in last_error(output)["message"]


@pytest.mark.parametrize("properties", [[], "all"])
def test_given_a_catalog_whose_columns_are_none_when_synced_then_it_says_so(sandbox: Sandbox, properties: Any) -> None:
    catalog = configured(catalog_here(sandbox), ("email_send",))
    catalog["streams"][0]["stream"]["json_schema"]["properties"] = properties

    output = read_here(sandbox, catalog)

    (error,) = output.errors
    assert error["message"].startswith("email_send: 'properties' of this stream's json_schema")
    assert error["failure_type"] == CONFIG


def test_given_a_defect_when_synced_then_it_is_called_one_and_the_others_are_read(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = configured(catalog_here(sandbox), ("channels", "message_types"))
    monkeypatch.setattr("source_iterable.streams.project.Channels.rows", lambda *_, **__: 1 // 0)

    output = read_here(sandbox, catalog)

    (error,) = output.errors
    assert error["message"] == (
        "channels: stopped by a defect of this connector (ZeroDivisionError). "
        "The next attempt resumes from its beginning. Report this with the log of the sync."
    )
    assert error["failure_type"] == SYSTEM
    assert output.statuses("message_types")[-1] == "COMPLETE"


STATES = {
    "a state": ({"createdAt": "2024-02-01T01:00:00Z", "settled": "2024-02-01T00:00:00Z"}, "2024-02-01T00:00:00Z"),
    "a state without the settled timestamp": ({"createdAt": "2024-02-01 01:00:00 +00:00"}, "2024-02-01T00:00:00Z"),
    "a state before the start date": ({"createdAt": "2023-02-01T01:00:00Z"}, "2024-01-01T00:00:00Z"),
    "a state in milliseconds": ({"createdAt": 1706749200000}, "2024-02-01T00:00:00Z"),
    "a state that is not a timestamp": ({"createdAt": "2024-99-01T00:00:00Z"}, "the same state"),
    "no state": ({}, "its beginning"),
}


@pytest.mark.parametrize(("state", "resumes"), STATES.values(), ids=STATES)
def test_given_a_state_when_the_sync_fails_then_it_says_from_where_another_try_asks(
    sandbox: Sandbox, waits: list[float], state: dict[str, Any], resumes: str
) -> None:
    sandbox.faults.add(Fault(kind="status", status=429, retry_after=7200, endpoint=EXPORT, times=None))

    output = sync(sandbox, "email_send", state=of("email_send", state), lookback_window_in_minutes=60)

    (error,) = output.errors
    assert f" The next attempt resumes from {resumes}. " in error["message"]
    asked = [one.params["startDateTime"] for one in sandbox.requests if one.endpoint == EXPORT]
    assert {f"{moment[:10]}T{moment[11:19]}Z" for moment in asked if resumes[:4].isdigit()} <= {resumes}


def of(table: str, state: dict[str, Any]) -> State:
    """The saved state of one stream."""
    return [{"type": "STREAM", "stream": {"stream_descriptor": {"name": table}, "stream_state": state}}]
