"""Windows that are too much, rows that come late, states and clocks that are odd: every event comes exactly once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import log2
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import EVENTS, EXPORTS, assert_exact, merged
from integration_tests.support.observed import EVER, EXPORT, failure_of, timestamp, truth, windows
from integration_tests.support.sync import (
    NOW,
    START,
    connect,
    sync,
)


def saved(table: str, state: dict[str, Any]) -> list[dict[str, Any]]:
    """A saved state, as the platform hands it to a sync."""
    return [{"type": "STREAM", "stream": {"stream_descriptor": {"name": table}, "stream_state": state}}]


# Windows that are too much


@pytest.fixture
def hourly(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A project with an event every hour from 1 January to 10 March, and nothing else."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000, size=Size(events=0), blank_lines=False) as running:
        connect(running, monkeypatch)
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
              after_bytes=hours * BYTES_AN_HOUR, **EVER)
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
              after_bytes=24 * 8 * BYTES_AN_HOUR, **EVER)
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
        Fault(kind="cut", cut_at="plain", endpoint=EXPORT, data_type="emailSend", after_bytes=20_000, **EVER)
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
        connect(sandbox, monkeypatch)

        output = sync(sandbox, "email_send")

        end = timestamp(output.states("email_send")[-1]["createdAt"])
        assert abs(end - min(real, theirs)) < timedelta(seconds=30)
        assert any(line.startswith("WARN") and "clock" in line for line in output.logs)
        assert_exact(output.records("email_send"), truth(sandbox, "email_send", end=end))
