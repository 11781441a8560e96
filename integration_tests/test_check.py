"""`check` and `discover` say in a sentence what is wrong with settings, key and server."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.command import run_here
from integration_tests.support.expected import EXPORTS, TABLES, TRUTH_OF, assert_exact
from integration_tests.support.observed import EVER, EXPORT, failure_of, truth, windows
from integration_tests.support.sync import (
    NOW,
    START,
    catalog_here,
    connect,
    settings,
    sync,
)
from source_iterable import SourceIterable

# check


def check(sandbox: Sandbox, **others: Any) -> tuple[str, str]:
    """The answer of `check` for these settings: its status and message."""
    status = SourceIterable().check(logging.getLogger("airbyte"), settings(sandbox, **others))
    assert sandbox.api_key not in str(status.message)
    return status.status.value, status.message or ""


def test_given_good_settings_when_checked_then_it_succeeds_with_two_cheap_requests(sandbox: Sandbox) -> None:
    assert check(sandbox) == ("SUCCEEDED", "")

    channels, export = sandbox.requests
    assert channels.endpoint == "channels"
    ((start, end),) = windows(sandbox, export.params["dataTypeName"])
    assert end - start == timedelta(seconds=1)


BAD_SETTINGS: dict[str, tuple[str, Any]] = {
    "no key": ("api_key", None),
    "an empty key": ("api_key", ""),
    "a key with a line break": ("api_key", "one\r\nX-Evil: two"),
    "a key with a space": ("api_key", "one two"),
    "a key that is not a text": ("api_key", 12345),
    "no start": ("start_date", None),
    "an empty start": ("start_date", ""),
    "a start that is not a date": ("start_date", "yesterday"),
    "a day that does not exist": ("start_date", "2024-02-30"),
    "a month that does not exist": ("start_date", "13/01/2024"),
    "day before month": ("start_date", "31/12/2023"),
    "a start without zone": ("start_date", "2024-01-01T00:00:00"),
    "a start in the future": ("start_date", "2099-01-01"),
    "a start that is a number": ("start_date", 20240101),
    "an end before the start": ("end_date", "2023-12-31"),
    "an end at the start": ("end_date", "2024-01-01"),
    "an end that is not a date": ("end_date", "soon"),
    "a window of nothing": ("window_in_days", 0),
    "a window that is too wide": ("window_in_days", 366),
    "a negative window": ("window_in_days", -1),
    "a window in text": ("window_in_days", "30"),
    "a window that is a truth": ("window_in_days", True),
    "half a day": ("window_in_days", 0.5),
    "a negative lookback": ("lookback_window_in_minutes", -1),
    "a lookback that is too long": ("lookback_window_in_minutes", 10081),
    "a lookback in text": ("lookback_window_in_minutes", "an hour"),
    "an unknown region": ("region", "Mars"),
    "a region that is a list": ("region", ["US"]),
    "an unknown event key": ("event_key", "messageId"),
}


@pytest.mark.parametrize(("field", "value"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_given_a_bad_setting_when_checked_then_it_is_refused_by_name_before_any_request(
    sandbox: Sandbox, field: str, value: Any
) -> None:
    status, message = check(sandbox, **{field: value})

    assert status == "FAILED"
    assert f"'{field}'" in message
    assert "X-Evil" not in message
    assert not sandbox.requests


@pytest.mark.parametrize("command", ["check", "discover", "read"])
def test_given_a_bad_setting_when_run_then_it_is_refused_by_name_without_the_key(
    sandbox: Sandbox, command: str
) -> None:
    documents = {"catalog": {"streams": []}} if command == "read" else {}

    output = run_here(sandbox, command, config=settings(sandbox, window_in_days=1000), **documents)

    assert "window_in_days" in output.text
    assert sandbox.api_key not in output.text
    assert "Traceback" not in output.stderr
    if command == "check":
        (status,) = output.of("CONNECTION_STATUS")
        assert status["status"] == "FAILED"
        assert "'window_in_days'" in status["message"]
    else:
        assert output.exit_code == 1
        (trace,) = [trace["error"] for trace in output.of("TRACE")]
        assert trace["failure_type"] == "config_error"
        assert "'window_in_days'" in trace["message"]


def test_given_a_wrong_key_when_checked_then_the_three_usual_causes_are_named(sandbox: Sandbox) -> None:
    status, message = check(sandbox, api_key="another-key-0123456789")

    assert status == "FAILED"
    assert all(word in message for word in ("401", "copied wrongly", "region", "Server-side"))
    assert "another-key" not in message
    assert len(sandbox.requests) == 1


def test_given_a_read_only_key_when_checked_then_it_says_that_exports_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Sandbox(start=START, now=NOW, read_only_key=True) as sandbox:
        monkeypatch.setenv("ITERABLE_API_URL", sandbox.url)

        status, message = check(sandbox)

        assert status == "FAILED"
        assert "not for exports" in message
        assert "Server-side" in message


def test_given_a_read_only_key_when_synced_then_what_it_may_read_comes(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(start=START, now=NOW, rate_scale=10_000, read_only_key=True) as sandbox:
        connect(sandbox, monkeypatch)

        output = sync(sandbox)

        denied = {*EXPORTS, "list_users"}
        for table in TABLES:
            if table in denied:
                assert failure_of(output, table)["failure_type"] == "config_error"
            else:
                assert_exact(output.records(table), truth(sandbox, table), table)
        asked = [one.params["dataTypeName"] for one in sandbox.requests if one.endpoint == EXPORT]
        assert set(asked) == {TRUTH_OF[table] for table in EXPORTS}
        counts = sorted(map(asked.count, set(asked)))
        checked = 4  # on as many threads at once; each of the others twice, ahead of its turn and when it has come
        assert counts[-checked - 1] <= 2
        assert counts[-1] <= 1 + 4 + 1
        assert sum(waits) <= 2 * (checked + 1) * 121, "exports and members, on all threads that met it"


def test_given_the_limit_in_use_when_checked_then_it_succeeds_and_says_what_is_not_proven(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="status", status=429, endpoint=EXPORT, **EVER))

    status, message = check(sandbox)

    assert status == "SUCCEEDED"
    assert "export permission not proven: the limit is in use" in message


@pytest.mark.parametrize(
    "fault",
    [{"kind": "status", "status": 500}, {"kind": "status", "status": 502}, {"kind": "reset"}, {"kind": "redirect"}],
    ids=str,
)
def test_given_a_server_in_trouble_when_checked_then_it_fails_in_a_sentence(
    sandbox: Sandbox, thief: Sandbox, fault: dict[str, Any]
) -> None:
    location = {"location": f"{thief.url}/api/channels"} if fault["kind"] == "redirect" else {}
    sandbox.faults.add(Fault(endpoint="channels", **EVER, **fault, **location))

    status, message = check(sandbox)

    assert status == "FAILED"
    assert message.endswith((".", "iterable.com."))
    assert "Traceback" not in message
    assert not thief.requests


def test_given_no_server_when_checked_then_it_names_the_address(sandbox: Sandbox) -> None:
    sandbox.stop()

    status, message = check(sandbox)

    assert status == "FAILED"
    assert sandbox.url in message


# discover


@pytest.mark.parametrize("status", [401, 403])
def test_given_fields_that_may_not_be_asked_for_when_discovered_then_documented_columns_with_a_warning(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    sandbox.faults.add(Fault(kind="status", status=status, endpoint="users/getFields", **EVER))

    catalog = catalog_here(sandbox)

    (users,) = [stream for stream in catalog["streams"] if stream["name"] == "users"]
    assert "firstName" not in users["json_schema"]["properties"]
    assert "signupDate" in users["json_schema"]["properties"]
    assert any(record.levelname == "WARNING" and "getFields" in record.message for record in caplog.records)


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "reset"}], ids=str)
def test_given_fields_that_cannot_be_had_when_discovered_then_it_fails(
    sandbox: Sandbox, waits: list[float], fault: dict[str, Any]
) -> None:
    sandbox.faults.add(Fault(endpoint="users/getFields", **EVER, **fault))

    with pytest.raises(Exception, match="profile fields"):
        catalog_here(sandbox)
