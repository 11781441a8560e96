"""Other hosts, lines that are not JSON, keys that are refused: what cannot be had is said in a sentence."""

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.expected import KEYS, TABLES, assert_exact, merged
from integration_tests.support.observed import EVER, EXPORT, LISTS, failure_of, truth, windows
from integration_tests.support.sync import (
    sync,
)

# Other hosts


@pytest.mark.parametrize("table", ["campaigns", "templates"])
def test_given_a_next_page_on_another_host_when_synced_then_it_is_refused_and_the_key_stays(
    sandbox: Sandbox, thief: Sandbox, table: str
) -> None:
    sandbox.faults.add(
        Fault(kind="next_page", endpoint=table, location=f"{thief.url}/api/{table}?page=2&pageSize=1000", **EVER)
    )

    output = sync(sandbox, table)

    error = failure_of(output, table)
    assert error["failure_type"] == "system_error"
    assert "another host" in error["message"]
    assert not thief.requests


def test_given_a_relative_next_page_when_synced_then_it_is_followed(
    sandbox: Sandbox,
) -> None:
    sandbox.faults.add(Fault(kind="next_page", endpoint="campaigns", location="/api/campaigns?page=2&pageSize=1000"))

    output = sync(sandbox, "campaigns")

    assert [one.params["page"] for one in sandbox.requests if one.endpoint == "campaigns"] == ["1", "2", "1", "1"]
    assert_exact(output.records("campaigns"), truth(sandbox, "campaigns"))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize(
    ("table", "endpoint"),
    [("email_send", EXPORT), ("list_users", LISTS), ("campaigns", "campaigns"), ("metadata", "metadata*")],
)
def test_given_a_redirect_when_synced_then_it_is_refused_and_the_key_stays(
    sandbox: Sandbox, thief: Sandbox, table: str, endpoint: str, status: int
) -> None:
    sandbox.faults.add(
        Fault(kind="redirect", status=status, endpoint=endpoint, location=f"{thief.url}/api/{endpoint}", **EVER)
    )

    output = sync(sandbox, table)

    assert "redirect" in failure_of(output, table)["message"]
    assert not thief.requests
    assert sandbox.api_key not in output.text


# Lines that are not JSON


def test_given_a_malformed_line_once_when_synced_then_the_window_is_read_again_and_exact(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="malformed", endpoint=EXPORT, data_type="emailSend"))

    output = sync(sandbox, "email_send")

    assert_exact(output.records("email_send"), truth(sandbox, "email_send"))
    assert len(windows(sandbox)) == 3


@pytest.mark.parametrize("line", ['{"email":"broken@exa', "[1]", "null", "<html>", '{"a":1}{"b":2}', "\udcff\udcfe"])
def test_given_a_malformed_line_that_persists_when_synced_then_an_event_is_delivered_as_it_is(
    sandbox: Sandbox, line: str
) -> None:
    sandbox.faults.add(Fault(kind="malformed", endpoint=EXPORT, data_type="emailSend", line=line, times=3))

    output = sync(sandbox, "email_send")

    unparsed = [record for record in output.records("email_send") if "unparsed" in record.get("dataFields", {})]
    others = [record for record in output.records("email_send") if record not in unparsed]
    assert_exact(others, truth(sandbox, "email_send"))
    (record,) = unparsed
    assert len(record["event_id"]) == 32
    assert record.get("createdAt") is None
    assert record["dataFields"]["unparsed"] == line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    assert len(windows(sandbox)) == 4, "read three times, then the next window"
    assert any(one.startswith("WARN") and "not JSON" in one for one in output.logs)
    assert "broken@exa" not in "".join(output.logs)
    assert output.statuses("email_send")[-1] == "COMPLETE"


def test_given_a_malformed_profile_that_persists_when_synced_then_users_fails_with_the_line(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="malformed", endpoint=EXPORT, data_type="user", after_rows=4, **EVER))

    output = sync(sandbox, "users", "email_send")

    error = failure_of(output, "users")
    assert error["failure_type"] == "system_error"
    assert "2024-01-01T00:00:00Z to 2024-01-31T00:00:00Z" in error["message"]
    assert "line 5" in error["message"]
    assert not output.records("users")
    assert len(windows(sandbox, "user")) in {3, 6}, "three times, ahead of its turn too if it came to that"
    assert "broken@example.com" not in output.text
    assert_exact(output.records("email_send"), truth(sandbox, "email_send"))


def test_given_blank_lines_everywhere_when_synced_then_exact(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="blank_lines", **EVER))

    output = sync(sandbox)

    for table in TABLES:
        assert_exact(output.records(table), truth(sandbox, table), table)


# Things that vanish


def test_given_a_metadata_key_that_vanishes_when_synced_then_the_others_come(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="status", status=404, endpoint="metadata/stores/50% off", **EVER))

    output = sync(sandbox, "metadata")

    left = [record for record in truth(sandbox, "metadata") if record["key"] != "50% off"]
    assert_exact(output.records("metadata"), left)
    assert output.statuses("metadata")[-1] == "COMPLETE"


@pytest.mark.parametrize("at", [3, 9, 20])
def test_given_a_key_that_is_revoked_in_the_middle_when_synced_then_it_ends_promptly_and_states_are_valid(
    sandbox: Sandbox, waits: list[float], at: int
) -> None:
    sandbox.faults.add(Fault(kind="status", status=401, endpoint="*", nth=at, **EVER))

    first = sync(sandbox, window_in_days=7)
    refused = [request for request in sandbox.requests if request.status == 401]
    sandbox.faults.clear()
    second = sync(sandbox, state=first.state)

    # Each of the threads sends its request again for two minutes, and the simplest one with it.
    assert len(refused) <= 150
    assert sum(waits) <= 13 * 120
    assert all(error["failure_type"] == "config_error" for error in first.errors)
    for table in TABLES:
        assert first.statuses(table)[-1] in {"COMPLETE", "INCOMPLETE"}
        assert_exact(
            merged([first.records(table), second.records(table)], KEYS[table]),
            merged([truth(sandbox, table)], KEYS[table]),
            table,
        )
