"""Syncs that take hours: what is saved meanwhile, what the platform hears, and which stream comes when."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.expected import EXPORTS, TABLES, TRUTH_OF, assert_exact, expected
from integration_tests.support.observed import EXPORT
from integration_tests.support.sync import (
    NOW,
    START,
    Output,
    catalog_here,
    configured,
    connect,
    read_here,
    sync,
)
from source_iterable.prefetch import prefetcher
from source_iterable.streams import transports


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        connect(running, monkeypatch)
        yield running


def windows(sandbox: Sandbox) -> list[tuple[datetime, datetime]]:
    """The windows of all export requests, in the order of the requests."""
    asked = [one.params for one in sandbox.requests if one.endpoint == EXPORT]
    return [
        (datetime.fromisoformat(one["startDateTime"][:19]), datetime.fromisoformat(one["endDateTime"][:19]))
        for one in asked
    ]


def truth(sandbox: Sandbox, table: str) -> list[dict[str, object]]:
    (schema,) = [one["json_schema"] for one in catalog_here(sandbox)["streams"] if one["name"] == table]
    return expected(table, sandbox.rows(TRUTH_OF[table]), schema)


def started(output: Output) -> list[str]:
    """The streams in the order in which they were begun."""
    told = [trace["stream_status"] for trace in output.of("TRACE") if trace["type"] == "STREAM_STATUS"]
    return [one["stream_descriptor"]["name"] for one in told if one["status"] == "STARTED"]


# The width that works


def test_given_windows_that_are_too_much_when_a_sync_resumes_then_it_begins_with_the_width_that_worked(
    sandbox: Sandbox, waits: list[float]
) -> None:
    """An attempt that is cut short must not have to learn it again."""
    too_much = Fault(kind="cut", endpoint=EXPORT, cut_at="plain", after_bytes=3000, times=None)
    sandbox.faults.add(too_much)
    first = sync(sandbox, "email_send", end_date="2024-02-15")
    sandbox.faults.clear()
    (state,) = [one["stream"]["stream_state"] for one in first.state]
    sandbox.forget_requests()

    second = sync(sandbox, "email_send", state=first.state)

    narrowed = timedelta(seconds=state["width"])
    assert timedelta() < narrowed < timedelta(days=30)
    start, end = windows(sandbox)[0]
    assert end - start == narrowed
    together = first.records("email_send") + second.records("email_send")
    unique = {record["event_id"]: record for record in together}
    assert_exact(list(unique.values()), truth(sandbox, "email_send"))


def test_given_windows_that_are_delivered_when_synced_then_the_state_names_no_width(sandbox: Sandbox) -> None:
    output = sync(sandbox, "email_send", "users")

    assert all("width" not in state for table in ("email_send", "users") for state in output.states(table))


@pytest.mark.parametrize("width", ["wide", -5, 0, True, None, 10**12, 1.5])
def test_given_a_width_that_is_none_when_synced_then_windows_are_as_the_settings_say(
    sandbox: Sandbox, width: object
) -> None:
    saved = {"createdAt": "2024-01-02T00:00:00Z", "settled": "2024-01-02T00:00:00Z", "width": width}
    state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "email_send"}, "stream_state": saved}}]

    output = sync(sandbox, "email_send", state=state, window_in_days=10)

    assert not output.errors
    start, end = windows(sandbox)[0]
    assert end - start == timedelta(days=10)


# Silence


def test_given_a_download_that_takes_too_long_when_synced_then_it_is_split(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transports, "DOWNLOAD_SECONDS", 0.2)
    slow = Fault(kind="hang", endpoint=EXPORT, data_type="emailSend", after_bytes=60, seconds=0.5)
    sandbox.faults.add(slow)

    output = sync(sandbox, "email_send")

    assert sandbox.faults.struck(slow) == 1
    widths = [end - start for start, end in windows(sandbox)]
    assert widths[0] == timedelta(days=30)
    assert widths[1] == timedelta(days=15)
    assert_exact(output.records("email_send"), truth(sandbox, "email_send"))


@pytest.mark.parametrize("table", ["email_send", "users"])
def test_given_a_wait_of_half_an_hour_when_synced_then_the_last_state_is_emitted_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """Only records and states count for the platform as signs of life."""
    monkeypatch.setattr(prefetcher, "HEARTBEAT_SECONDS", 0.05)
    saved = {"createdAt": "2024-01-05T00:00:00Z", "settled": "2024-01-05T00:00:00Z"}
    if table == "users":
        saved["profileUpdatedAt"] = saved.pop("createdAt")
    state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": table}, "stream_state": saved}}]
    sandbox.faults.add(Fault(kind="hang", endpoint=EXPORT, seconds=0.6))

    output = sync(sandbox, table, state=state)

    assert not output.errors
    states = output.states(table)
    assert states[:3] == [saved] * 3
    assert states[-1] != saved
    assert output.statuses(table)[-1] == "COMPLETE"


# Which stream comes when


def test_given_a_catalog_in_any_order_when_synced_then_what_is_soon_done_or_resumes_comes_first(
    sandbox: Sandbox,
) -> None:
    first = sync(sandbox, "email_open")
    catalog = configured(catalog_here(sandbox), (*TABLES, "campaign_metrics", "campaign_metrics_daily"))
    for streams in catalog["streams"], catalog["streams"][::-1]:
        output = read_here(sandbox, {"streams": streams}, first.state)

        order = started(output)
        assert set(order) == {entry["stream"]["name"] for entry in streams}
        lists = [name for name in order if name not in {*EXPORTS, "list_users"} and "metrics" not in name]
        groups = [lists, ["email_open"], [name for name in EXPORTS if name != "email_open"],
                  ["campaign_metrics_daily"], ["campaign_metrics"], ["list_users"]]  # fmt: skip
        places = [[order.index(name) for name in group] for group in groups]
        assert all(max(before) < min(after) for before, after in pairwise(places)), order
        assert not output.errors
