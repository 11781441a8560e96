"""A transport that breaks, a server that is gone, a limit in use: nothing is lost and nothing comes twice."""

from datetime import timedelta
from math import log2
from typing import Any

import pytest

from integration_tests.model.virtual_time import VirtualTime
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import EVENTS, TRUTH_OF, assert_exact
from integration_tests.support.observed import EVER, EXPORT, LISTS, failure_of, truth, windows
from integration_tests.support.sync import (
    NOW,
    START,
    catalog_here,
    configured,
    read_here,
    sync,
)
from source_iterable.api import client

# Broken transport


BREAKS = {
    "cut after a byte": {"kind": "cut", "cut_at": "plain", "after_bytes": 1},
    "cut inside the compressed body": {"kind": "cut", "after_bytes": 700},
    "cut inside the compressed body, which is then ended properly": {"kind": "cut", "after_bytes": 700, "clean": True},
    "cut at the end of a line": {"kind": "cut", "cut_at": "line", "after_bytes": 2000},
    "cut inside a character": {"kind": "cut", "cut_at": "character", "after_bytes": 1},
    "cut before the last line": {"kind": "cut", "cut_at": "last_line"},
    "cut after everything": {"kind": "cut", "cut_at": "end"},
    "reset before the headers": {"kind": "reset"},
    "reset after a while": {"kind": "reset", "after_bytes": 500},
    "500 GenericError": {"kind": "status", "status": 500},
    "502 in HTML": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503},
    "504": {"kind": "status", "status": 504},
    "a megabyte of error": {"kind": "status", "status": 500, "body_bytes": 1_000_000},
    "a web page": {"kind": "status", "status": 200, "body": "<html>\n<body>Please sign in</body>\n</html>"},
}


@pytest.mark.parametrize("fault", BREAKS.values(), ids=BREAKS)
@pytest.mark.parametrize("table", ["email_send", "users"])
def test_given_an_export_that_breaks_once_when_synced_then_the_window_is_asked_for_again_and_exact(
    sandbox: Sandbox, waits: list[float], table: str, fault: dict[str, Any]
) -> None:
    broken = sandbox.faults.add(Fault(endpoint=EXPORT, data_type=TRUTH_OF[table], **fault))

    output = sync(sandbox, table)

    assert sandbox.faults.struck(broken) == 1
    assert_exact(output.records(table), truth(sandbox, table))
    assert output.statuses(table)[-1] == "COMPLETE"
    first, again, second = windows(sandbox, TRUTH_OF[table])
    assert first == again
    assert second[0] == first[1]
    assert len(waits) == 1


@pytest.mark.parametrize("fault", BREAKS.values(), ids=BREAKS)
def test_given_a_list_that_breaks_once_when_synced_then_it_is_asked_for_again_and_exact(
    sandbox: Sandbox, waits: list[float], fault: dict[str, Any]
) -> None:
    small = {"after_bytes": min(fault.get("after_bytes", 0), 20)} if "after_bytes" in fault else {}
    if fault.get("cut_at") == "character":
        pytest.skip("the members of this list are ASCII")
    broken = sandbox.faults.add(Fault(endpoint=LISTS, list_id=949811, **fault | small))

    output = sync(sandbox, "list_users")

    assert sandbox.faults.struck(broken) == 1
    assert_exact(output.records("list_users"), truth(sandbox, "list_users"))
    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert [one.params["listId"] for one in sandbox.requests if one.endpoint == LISTS].count("949811") == 2
    assert len(waits) == 1


@pytest.mark.parametrize("fault", BREAKS.values(), ids=BREAKS)
@pytest.mark.parametrize("table", ["campaigns", "metadata"])
def test_given_a_listing_that_breaks_once_when_synced_then_exact(
    sandbox: Sandbox, waits: list[float], table: str, fault: dict[str, Any]
) -> None:
    small = {"after_bytes": min(fault.get("after_bytes", 0), 10)} if "after_bytes" in fault else {}
    if fault.get("cut_at") in {"character", "line"}:
        pytest.skip("one line of ASCII")
    broken = sandbox.faults.add(Fault(endpoint=table, **fault | small))

    output = sync(sandbox, table)

    assert sandbox.faults.struck(broken) == 1
    assert_exact(output.records(table), truth(sandbox, table))
    assert len(waits) == 1


@pytest.mark.parametrize("after_bytes", [None, 300])
def test_given_a_server_that_hangs_once_when_synced_then_exact(
    sandbox: Sandbox, waits: list[float], monkeypatch: pytest.MonkeyPatch, after_bytes: int | None
) -> None:
    monkeypatch.setitem(client.READ_TIMEOUT, EXPORT, 0.3)
    sandbox.faults.add(Fault(kind="hang", endpoint=EXPORT, data_type="emailSend", seconds=30, after_bytes=after_bytes))

    output = sync(sandbox, "email_send")

    assert_exact(output.records("email_send"), truth(sandbox, "email_send"))
    assert len(windows(sandbox)) == 3
    assert len(waits) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "cut", "cut_at": "end"},
        {"kind": "reset"},
    ],
    ids=str,
)
def test_given_a_stream_that_never_recovers_when_synced_then_it_alone_is_incomplete_and_the_next_sync_is_exact(
    sandbox: Sandbox, waits: list[float], fault: dict[str, Any]
) -> None:
    sandbox.faults.add(
        Fault(
            endpoint=EXPORT,
            data_type="emailSend",
            params={"startDateTime": "2024-01-31 00:00:00 +00:00"},
            **EVER,
            **fault,
        )
    )

    first = sync(sandbox, *EVENTS)
    asked = windows(sandbox)
    sandbox.faults.clear()
    second = sync(sandbox, "email_send", state=first.state)

    error = failure_of(first, "email_send")
    assert error["failure_type"] == "transient_error"
    assert "2024-01-31T00:00:00Z to 2024-01-31T00:00:01Z" in error["message"]
    errors_of_the_server = 2 if "status" in fault else 0  # are met four times, not twice, before the first narrowing
    patience = 16  # tries in ten minutes, of the window that cannot be cut
    assert len(asked) <= 1 + 1 + errors_of_the_server + log2(60 * 86400) + 2 * patience + 1
    assert asked[-1][1] - asked[-1][0] == timedelta(seconds=1)
    assert first.states("email_send")[-1]["createdAt"] == "2024-01-31T00:00:00Z"
    assert 600 < sum(waits) < 2 * 660, "once ahead of its turn, and once more when it has come"
    for table in EVENTS:
        batches = [first.records(table), second.records(table)]
        assert_exact([one for batch in batches for one in batch], truth(sandbox, table), table)


def test_given_a_server_that_is_gone_when_synced_then_every_stream_says_so_without_narrowing(
    sandbox: Sandbox, hours: VirtualTime
) -> None:
    catalog = configured(catalog_here(sandbox), ["campaigns", "email_send", "list_users", "users"])
    sandbox.stop()

    with hours.in_force():
        output = read_here(sandbox, catalog)

    for table in "campaigns", "email_send", "list_users", "users":
        error = failure_of(output, table)
        assert error["failure_type"] == "transient_error"
        assert "no connection could be made" in error["message"]
    # Virtual time adds up the waits of threads that wait beside each other: a bound for an end, not for its speed.
    assert 0 < hours.now() < 12 * 3600
    assert not output.of("RECORD")


# The limit is in use


@pytest.mark.parametrize(
    ("retry_after", "waited"),
    [(None, 15.0), (7, 7.0), (0, 0.0), ("soon", 15.0), ("Sun, 10 Mar 2024 12:01:00 GMT", 60.0)],
)
@pytest.mark.parametrize("table", ["email_send", "list_users", "campaigns"])
def test_given_the_limit_in_use_when_synced_then_it_is_waited_as_asked_and_exact(
    sandbox: Sandbox, waits: list[float], table: str, retry_after: int | str | None, waited: float
) -> None:
    endpoint = {"email_send": EXPORT, "list_users": LISTS, "campaigns": "campaigns"}[table]
    sandbox.faults.add(Fault(kind="status", status=429, endpoint=endpoint, retry_after=retry_after))

    output = sync(sandbox, table)

    (wait,) = waits
    assert wait == pytest.approx(waited, abs=3 if isinstance(retry_after, str) else 0.01) or waited == 0 < wait < 1.1
    assert_exact(output.records(table), truth(sandbox, table))
    if waited > 10:
        assert any(f"INFO {table}: waiting" in line and "429" in line for line in output.logs)


def test_given_the_limit_in_use_for_ever_when_synced_then_ten_minutes_are_waited_and_then_a_transient_error(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="status", status=429, endpoint=EXPORT, data_type="emailSend", **EVER))

    output = sync(sandbox, "email_open", "email_send")

    patience = [15.0, 30.0, *[60.0] * 9]
    assert waits
    assert waits == patience * (len(waits) // len(patience)), "ahead of its turn, and once more when it has come"
    error = failure_of(output, "email_send")
    assert error["failure_type"] == "transient_error"
    assert "429" in error["message"]
    assert len(set(windows(sandbox))) == 1, "nothing is narrowed for a 429"
    assert_exact(output.records("email_open"), truth(sandbox, "email_open"))


def test_given_a_retry_after_beyond_patience_when_synced_then_it_fails_at_once_and_names_it(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(
        Fault(kind="status", status=429, endpoint=EXPORT, data_type="emailSend", retry_after=3600, **EVER)
    )

    output = sync(sandbox, "email_send")

    assert not waits
    assert "3600 s" in failure_of(output, "email_send")["message"]


@pytest.mark.real_time
def test_given_windows_on_many_threads_when_synced_then_the_documented_rates_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A minute is shortened to a second for both sides; nothing else is."""
    with Sandbox(start=START, now=NOW, rate_scale=60, rate_window=1.0, size=Size(lists=12)) as sandbox:
        monkeypatch.setattr(client, "MINUTE", timedelta(seconds=1.5))  # arrivals jitter on a busy machine
        monkeypatch.setenv("ITERABLE_API_URL", sandbox.url)
        monkeypatch.setenv("ITERABLE_RATE_SCALE", "1")

        output = sync(sandbox, "email_open", "email_send", "users", "list_users", window_in_days=10)

        assert all(request.status == 200 for request in sandbox.requests)
        assert sandbox.worst_rate(EXPORT) == 4
        assert sandbox.worst_rate(LISTS) == 5
        for table in "email_open", "email_send", "users", "list_users":
            assert_exact(output.records(table), truth(sandbox, table), table)
