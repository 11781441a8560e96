"""Whatever breaks, nothing is lost and nothing comes twice; what cannot be had is said in a sentence."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import log2
from typing import Any

import pytest

from integration_tests.model.virtual_time import VirtualTime
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.command import run_here
from integration_tests.support.expected import EVENTS, EXPORTS, KEYS, TABLES, TRUTH_OF, assert_exact, expected, merged
from integration_tests.support.sync import (
    NOW,
    START,
    Output,
    catalog_here,
    configured,
    environment,
    read_here,
    settings,
    sync,
)
from source_iterable import SourceIterable
from source_iterable.api import client

EXPORT = "export/data.json"
LISTS = "lists/getUsers"
FOR_EVER: dict[str, Any] = {"times": None}


def truth(sandbox: Sandbox, table: str, **bounds: Any) -> list[dict[str, Any]]:
    """The records of a stream that the sandbox's rows, within bounds, must become."""
    faults = [fault for fault, _ in sandbox.faults.all()]
    sandbox.faults.clear()
    (schema,) = [one["json_schema"] for one in catalog_here(sandbox)["streams"] if one["name"] == table]
    for fault in faults:
        sandbox.faults.add(fault)
    return expected(table, sandbox.truth(TRUTH_OF[table], **bounds), schema)


def windows(sandbox: Sandbox, data_type: str = "emailSend") -> list[tuple[datetime, datetime]]:
    """The windows that were requested, in their order."""
    asked = [one.params for one in sandbox.requests if one.params.get("dataTypeName") == data_type]
    return [(moment(one["startDateTime"]), moment(one["endDateTime"])) for one in asked]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" +", "+").replace("Z", "+00:00")).replace(tzinfo=UTC)


def saved(table: str, state: dict[str, Any]) -> list[dict[str, Any]]:
    """A saved state, as the platform hands it to a sync."""
    return [{"type": "STREAM", "stream": {"stream_descriptor": {"name": table}, "stream_state": state}}]


def failure_of(output: Output, table: str) -> dict[str, Any]:
    """The one error of a stream that did not come to its end."""
    assert output.statuses(table)[-1] == "INCOMPLETE"
    (error,) = [error for error in output.errors if error["stream_descriptor"]["name"] == table]
    return error


@pytest.fixture
def thief() -> Iterator[Sandbox]:
    """Another host."""
    with Sandbox(start=START, now=NOW) as running:
        yield running


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
            **FOR_EVER,
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
    assert 0 < hours.now() < 3 * 3600
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
    sandbox.faults.add(Fault(kind="status", status=429, endpoint=EXPORT, data_type="emailSend", **FOR_EVER))

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
        Fault(kind="status", status=429, endpoint=EXPORT, data_type="emailSend", retry_after=3600, **FOR_EVER)
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


# Windows that are too much


@pytest.fixture
def hourly(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A project with an event every hour from 1 January to 10 March, and nothing else."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000, size=Size(events=0), blank_lines=False) as running:
        for name, value in environment(running).items():
            monkeypatch.setenv(name, value)
        for hour in range(69 * 24 + 12):
            at = running.start_date + timedelta(hours=hour)
            row = {"email": f"{hour:05d}@example.com", "createdAt": f"{at:%Y-%m-%d %H:%M:%S} +00:00"}
            running.add_event("emailSend", row)
        yield running


BYTES_AN_HOUR = 72


@pytest.mark.parametrize("hours", [24 * 29, 24 * 10, 24 * 3, 30, 5, 2])
def test_given_a_server_that_cuts_large_bodies_when_synced_then_exact_with_few_requests(
    hourly: Sandbox, waits: list[float], hours: int
) -> None:
    hourly.faults.add(
        Fault(kind="cut", cut_at="plain", endpoint=EXPORT, data_type="emailSend",
              after_bytes=hours * BYTES_AN_HOUR, **FOR_EVER)
    )  # fmt: skip

    output = sync(hourly, "email_send")

    asked = windows(hourly)
    assert_exact(output.records("email_send"), truth(hourly, "email_send"))
    assert output.statuses("email_send")[-1] == "COMPLETE"
    steps = max(0.0, log2(30 * 24 / hours))
    least = 69.5 * 24 / hours
    assert len(asked) <= 2 + steps + 2.5 * least + 3
    assert all(wait < 30 for wait in waits)


def test_given_a_server_that_cuts_large_bodies_when_synced_then_the_width_is_halved_and_then_kept(
    hourly: Sandbox, waits: list[float]
) -> None:
    hourly.faults.add(
        Fault(kind="cut", cut_at="plain", endpoint=EXPORT, data_type="emailSend",
              after_bytes=24 * 8 * BYTES_AN_HOUR, **FOR_EVER)
    )  # fmt: skip

    sync(hourly, "email_send")

    days = [(start.strftime("%m-%d"), (end - start) / timedelta(days=1)) for start, end in windows(hourly)]
    assert days[:4] == [("01-01", 30.0), ("01-01", 30.0), ("01-01", 15.0), ("01-01", 7.5)]
    assert sorted(days[4:])[:3] == [("01-08", 7.5), ("01-16", 7.5), ("01-23", 7.5)], "several at once, none in vain"


def test_given_bodies_that_cannot_come_from_one_day_when_synced_then_the_other_days_are_not_narrowed_for_ever(
    hourly: Sandbox, waits: list[float]
) -> None:
    """A dense hour: thousands of events, in an otherwise quiet project."""
    for number in range(400):
        at = datetime(2024, 1, 5, 12, tzinfo=UTC) + timedelta(seconds=number * 9)
        row = {"email": f"{number}@example.org", "createdAt": f"{at:%Y-%m-%d %H:%M:%S} +00:00"}
        hourly.add_event("emailSend", row)
    hourly.faults.add(
        Fault(kind="cut", cut_at="plain", endpoint=EXPORT, data_type="emailSend", after_bytes=20_000, **FOR_EVER)
    )

    output = sync(hourly, "email_send")

    assert_exact(output.records("email_send"), truth(hourly, "email_send"))
    assert len(windows(hourly)) < 60


def test_given_little_room_on_disk_when_synced_then_exact(
    sandbox: Sandbox, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITERABLE_SPOOL_MEGABYTES", "0.003")

    output = sync(sandbox, *EVENTS)

    for table in EVENTS:
        assert output.statuses(table)[-1] == "COMPLETE"
        assert_exact(output.records(table), truth(sandbox, table), table)


# Other hosts


@pytest.mark.parametrize("table", ["campaigns", "templates"])
def test_given_a_next_page_on_another_host_when_synced_then_it_is_refused_and_the_key_stays(
    sandbox: Sandbox, thief: Sandbox, table: str
) -> None:
    sandbox.faults.add(
        Fault(kind="next_page", endpoint=table, location=f"{thief.url}/api/{table}?page=2&pageSize=1000", **FOR_EVER)
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
        Fault(kind="redirect", status=status, endpoint=endpoint, location=f"{thief.url}/api/{endpoint}", **FOR_EVER)
    )

    output = sync(sandbox, table)

    assert "redirect" in failure_of(output, table)["message"]
    assert not thief.requests
    assert sandbox.api_key not in output.text


# Late rows


LATE = [
    # happened, exportable
    ("2024-03-10 11:59:30 +00:00", "2024-03-10 12:20:00+00:00"),
    ("2024-03-10 11:10:00 +00:00", "2024-03-10 12:09:00+00:00"),
    ("2024-03-10 11:30:00 +00:00", "2024-03-10 12:00:00+00:00"),
]


@pytest.mark.parametrize("to", ["append", "append_dedup", "overwrite"])
def test_given_events_that_become_exportable_late_when_synced_then_none_is_missed(sandbox: Sandbox, to: str) -> None:
    for number, (happened, exportable) in enumerate(LATE):
        row = {"email": f"late.{number}@example.com", "createdAt": happened}
        sandbox.add_event("emailSend", row, exportable_at=exportable)
    batches: list[list[dict[str, Any]]] = []
    state = None

    for _ in range(6):
        output = sync(sandbox, "email_send", state=state, to=to)
        batches.append(output.records("email_send"))
        state = output.state
        sandbox.advance(minutes=25)

    arrived = [record for batch in batches for record in batch]
    if to == "append":
        assert_exact(arrived, truth(sandbox, "email_send"))
    else:
        assert_exact(merged(batches, ["event_id"]), truth(sandbox, "email_send"))


def test_given_a_state_of_two_timestamps_when_synced_then_it_starts_at_the_settled_one(sandbox: Sandbox) -> None:
    state = saved("email_send", {"createdAt": "2024-03-01T10:00:00Z", "settled": "2024-03-01T08:30:00Z"})

    sync(sandbox, "email_send", state=state)

    assert windows(sandbox)[0][0] == datetime(2024, 3, 1, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "cursor",
    [
        "2024-03-01T10:00:00Z",
        "2024-03-01T10:00:00+00:00",
        "2024-03-01T12:00:00+02:00",
        "2024-03-01T10:00:00.000Z",
        "2024-03-01T10:00:00.123456+00:00",
        "2024-03-01 10:00:00 +00:00",
        "2024-03-01 10:00:00",
        "2024-03-01T10:00:00",
    ],
)
def test_given_a_state_from_elsewhere_when_synced_then_it_starts_a_lookback_before_it(
    sandbox: Sandbox, cursor: str
) -> None:
    state = saved("email_send", {"createdAt": cursor})

    output = sync(sandbox, "email_send", state=state)

    assert windows(sandbox)[0][0] == datetime(2024, 3, 1, 9, tzinfo=UTC)
    assert_exact(output.records("email_send"), truth(sandbox, "email_send", start="2024-03-01T09:00:00Z"))


@pytest.mark.parametrize("table", ["email_send", "users", "campaigns", "templates"])
def test_given_a_state_from_the_future_when_synced_then_no_rows_a_warning_and_the_state_is_kept(
    sandbox: Sandbox, table: str
) -> None:
    cursor = {"email_send": "createdAt", "users": "profileUpdatedAt"}.get(table, "updatedAt")
    state = {cursor: "2099-01-01T00:00:00Z"} | ({"settled": "2098-12-31T23:00:00Z"} if table in EXPORTS else {})

    output = sync(sandbox, table, state=saved(table, state))

    assert not output.records(table)
    assert output.statuses(table)[-1] == "COMPLETE"
    assert output.states(table)[-1] == state
    assert any(line.startswith("WARN") and table in line and "future" in line for line in output.logs)


@pytest.mark.parametrize("table", ["email_send", "users", "campaigns", "templates"])
@pytest.mark.parametrize("value", ["yesterday", "2024-02-30T00:00:00Z", True, {"a": 1}, [], ""])
def test_given_an_unreadable_state_when_synced_then_that_stream_says_what_to_do_and_others_are_read(
    sandbox: Sandbox, table: str, value: Any
) -> None:
    cursor = {"email_send": "createdAt", "users": "profileUpdatedAt"}.get(table, "updatedAt")

    output = sync(sandbox, table, "email_open", "channels", state=saved(table, {cursor: value}))

    error = failure_of(output, table)
    assert error["failure_type"] == "config_error"
    assert f"'{cursor}'" in error["message"]
    assert "Clear this stream's data" in error["message"]
    for other in "email_open", "channels":
        assert_exact(output.records(other), truth(sandbox, other))


@pytest.mark.parametrize("hours", [-5, 5])
def test_given_a_clock_that_is_hours_wrong_when_synced_then_it_is_logged_and_the_earlier_counts(
    monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    real = datetime.now(UTC).replace(microsecond=0)
    theirs = real + timedelta(hours=hours)
    with Sandbox(start=theirs - timedelta(days=20), now=theirs, rate_scale=10_000) as sandbox:
        for name, value in environment(sandbox).items():
            monkeypatch.setenv(name, value)

        output = sync(sandbox, "email_send")

        end = moment(output.states("email_send")[-1]["createdAt"])
        assert abs(end - min(real, theirs)) < timedelta(seconds=30)
        assert any(line.startswith("WARN") and "clock" in line for line in output.logs)
        assert_exact(output.records("email_send"), truth(sandbox, "email_send", end=end))


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
    sandbox.faults.add(Fault(kind="malformed", endpoint=EXPORT, data_type="user", after_rows=4, **FOR_EVER))

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
    sandbox.faults.add(Fault(kind="blank_lines", **FOR_EVER))

    output = sync(sandbox)

    for table in TABLES:
        assert_exact(output.records(table), truth(sandbox, table), table)


# Things that vanish


def test_given_a_metadata_key_that_vanishes_when_synced_then_the_others_come(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(kind="status", status=404, endpoint="metadata/stores/50% off", **FOR_EVER))

    output = sync(sandbox, "metadata")

    left = [record for record in truth(sandbox, "metadata") if record["key"] != "50% off"]
    assert_exact(output.records("metadata"), left)
    assert output.statuses("metadata")[-1] == "COMPLETE"


@pytest.mark.parametrize("at", [3, 9, 20])
def test_given_a_key_that_is_revoked_in_the_middle_when_synced_then_it_ends_promptly_and_states_are_valid(
    sandbox: Sandbox, waits: list[float], at: int
) -> None:
    sandbox.faults.add(Fault(kind="status", status=401, endpoint="*", nth=at, **FOR_EVER))

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
        for name, value in environment(sandbox).items():
            monkeypatch.setenv(name, value)

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
    sandbox.faults.add(Fault(kind="status", status=429, endpoint=EXPORT, **FOR_EVER))

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
    sandbox.faults.add(Fault(endpoint="channels", **FOR_EVER, **fault, **location))

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
    sandbox.faults.add(Fault(kind="status", status=status, endpoint="users/getFields", **FOR_EVER))

    catalog = catalog_here(sandbox)

    (users,) = [stream for stream in catalog["streams"] if stream["name"] == "users"]
    assert "firstName" not in users["json_schema"]["properties"]
    assert "signupDate" in users["json_schema"]["properties"]
    assert any(record.levelname == "WARNING" and "getFields" in record.message for record in caplog.records)


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "reset"}], ids=str)
def test_given_fields_that_cannot_be_had_when_discovered_then_it_fails(
    sandbox: Sandbox, waits: list[float], fault: dict[str, Any]
) -> None:
    sandbox.faults.add(Fault(endpoint="users/getFields", **FOR_EVER, **fault))

    with pytest.raises(Exception, match="profile fields"):
        catalog_here(sandbox)
