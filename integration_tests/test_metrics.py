"""Metrics arrive exactly, of each campaign's life and day by day, whatever their CSV looks like."""

from datetime import date, timedelta

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import assert_exact, canonical, merged
from integration_tests.support.expected_listings import KEYS
from integration_tests.support.listings import failure, sync, truth, without_nulls
from integration_tests.support.observed import EVER, requests_to
from integration_tests.support.sync import NOW, running_with
from integration_tests.support.sync import sync as sync_tables
from source_iterable.api import client

METRICS = "campaigns/metrics"
REVISED = timedelta(days=15)
"""How long the numbers of a day may change."""


# Numbers day by day


def test_given_half_of_the_numbers_late_when_synced_again_then_the_stream_becomes_right() -> None:
    table = "campaign_metrics_daily"
    with running_with(late_metrics_in_days=14) as sandbox:
        first = sync(sandbox, table)
        then = truth(sandbox, table)
        sandbox.advance(days=15)
        second = sync(sandbox, table, state=first.state)
        now = truth(sandbox, table)

    assert_exact(without_nulls(first.records(table)), then, table)
    assert {canonical(row) for row in then} - {canonical(row) for row in now}, "numbers were revised"
    assert_exact(without_nulls(merged([first.records(table), second.records(table)], KEYS[table])), now, table)


def test_given_plain_append_when_synced_twice_then_only_settled_days_come_and_none_twice(sandbox: Sandbox) -> None:
    table = "campaign_metrics_daily"
    first = sync(sandbox, table, to="append")
    sandbox.advance(days=3)
    second = sync(sandbox, table, to="append", state=first.state)

    last = date(2024, 3, 13) - REVISED
    wanted = [row for row in truth(sandbox, table) if row["date"] <= last.isoformat()]
    assert_exact(without_nulls(first.records(table) + second.records(table)), wanted, table)
    assert {row["date"] for row in second.records(table)} == {"2024-02-25", "2024-02-26", "2024-02-27"}


def test_given_dates_when_synced_then_the_days_between_them_come(sandbox: Sandbox) -> None:
    table = "campaign_metrics_daily"

    output = sync(sandbox, table, start_date="2024-02-01", end_date="2024-02-04")

    wanted = [row for row in truth(sandbox, table) if "2024-02-01" <= row["date"] < "2024-02-04"]
    assert wanted
    assert_exact(without_nulls(output.records(table)), wanted, table)
    spans = [(one["startDateTime"], one["endDateTime"]) for one in requests_to(sandbox, METRICS)]
    assert spans[0] == ("2024-02-01", "2024-02-04"), "all of them at once, to see where anything happened"
    assert sorted(spans[1:]) == [
        ("2024-02-01", "2024-02-02"),
        ("2024-02-02", "2024-02-03"),
        ("2024-02-03", "2024-02-04"),
    ]


@pytest.mark.parametrize(
    ("state", "since"),
    [
        ({"date": "2024-03-08"}, "2024-02-22"),
        ({"date": "2024-03-08", "settled": "2024-03-01"}, "2024-03-01"),
        ({"date": "2024-01-20", "settled": "2024-01-21"}, "2024-01-21"),
    ],
    ids=["of another make", "settled", "old"],
)
def test_given_a_state_when_synced_then_days_from_it_on_come(
    sandbox: Sandbox, state: dict[str, str], since: str
) -> None:
    table = "campaign_metrics_daily"
    saved = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": table}, "stream_state": state}}]

    output = sync(sandbox, table, state=saved)

    assert_exact(
        without_nulls(output.records(table)), [row for row in truth(sandbox, table) if row["date"] >= since], table
    )


def test_given_a_state_without_a_day_when_synced_then_it_is_refused(sandbox: Sandbox) -> None:
    table = "campaign_metrics_daily"
    state = {"date": "the other day"}
    saved = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": table}, "stream_state": state}}]

    output = sync_tables(sandbox, table, state=saved)

    error = failure(output, table)
    assert error["failure_type"] == "config_error"
    assert "Clear this stream's data" in error["message"]


# Numbers in CSV


def test_given_many_campaigns_when_synced_then_no_address_is_too_long() -> None:
    with running_with(size=Size(campaigns=600)) as sandbox:
        output = sync(sandbox, "campaign_metrics")
        requests = [one for one in sandbox.requests if one.endpoint == METRICS]
        ids = [part for one in requests for part in one.query.split("&") if part.startswith("campaignId=")]
        wanted = truth(sandbox, "campaign_metrics")

    assert len(requests) > 7
    assert all(one.status == 200 for one in requests)
    assert max(one.query.count("campaignId=") for one in requests) == 50
    assert len(ids) == len(set(ids))
    assert_exact(without_nulls(output.records("campaign_metrics")), wanted)


@pytest.mark.real_time
def test_given_ten_requests_a_minute_when_synced_then_there_are_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is shortened to a second for both sides; nothing else is."""
    with Sandbox(start="2024-02-15", now=NOW, rate_scale=60, rate_window=1.0) as sandbox:
        monkeypatch.setattr(client, "MINUTE", timedelta(seconds=1.5))  # arrivals jitter on a busy machine
        monkeypatch.setenv("ITERABLE_API_URL", sandbox.url)
        monkeypatch.setenv("ITERABLE_RATE_SCALE", "1")

        output = sync(sandbox, "campaign_metrics", "campaign_metrics_daily")

        assert len(requests_to(sandbox, METRICS)) == 31
        assert all(request.status == 200 for request in sandbox.requests)
        assert sandbox.requests[-1].started - sandbox.requests[0].started < 60, "the minute was not shortened"
        assert sandbox.worst_rate(METRICS) == 10
        for table in "campaign_metrics", "campaign_metrics_daily":
            assert_exact(without_nulls(output.records(table)), truth(sandbox, table), table)


@pytest.mark.parametrize("table", ["campaign_metrics", "campaign_metrics_daily"])
def test_given_columns_that_come_twice_and_rows_that_are_too_long_when_synced_then_nothing_is_lost(table: str) -> None:
    with running_with(odd_metrics=True) as sandbox:
        output = sync(sandbox, table)
        wanted = truth(sandbox, table)

    assert any("beyond_the_header" in row.get("dataFields", {}) for row in wanted)
    assert_exact(without_nulls(output.records(table)), wanted, table)


def test_given_rows_of_zeros_when_synced_then_they_come_beside_the_others() -> None:
    with running_with(zero_metrics=True) as sandbox:
        output = sync(sandbox, "campaign_metrics")
        wanted = {row["id"]: row for row in truth(sandbox, "campaign_metrics")}
        silent = {row["id"] for row in sandbox.truth("campaigns") if row["campaignState"] in {"Draft", "Ready"}}

    arrived = list(without_nulls(output.records("campaign_metrics")))
    assert_exact(arrived, [wanted[row["id"]] for row in arrived])
    assert not {row["id"] for row in arrived} & silent, "what was never sent is not requested"
    assert {one for one, row in wanted.items() if row["total_purchases"]} <= {row["id"] for row in arrived}


@pytest.mark.parametrize("table", ["campaign_metrics", "campaign_metrics_daily", "experiment_metrics"])
def test_given_nothing_to_report_when_synced_then_no_rows_and_complete(table: str) -> None:
    with running_with(size=Size(campaigns=0, experiments=0)) as sandbox:
        output = sync(sandbox, table)

    assert not output.records(table)
    assert output.statuses(table)[-1] == "COMPLETE"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="cut", endpoint="*/metrics", after_bytes=900),
        Fault(kind="cut", endpoint="*/metrics", cut_at="last_line"),
        Fault(kind="reset", endpoint="*/metrics", after_bytes=500),
        Fault(kind="status", status=500, endpoint="*/metrics"),
        Fault(kind="status", status=429, endpoint="*/metrics", retry_after=2),
    ],
    ids=["cut", "cut before the last line", "reset", "500", "429"],
)
@pytest.mark.parametrize("table", ["campaign_metrics", "experiment_metrics"])
def test_given_a_fault_when_synced_then_exactly_the_rows(
    sandbox: Sandbox, waits: list[float], table: str, fault: Fault
) -> None:
    sandbox.faults.add(fault)

    output = sync(sandbox, table)

    assert sandbox.faults.struck(fault)
    assert waits
    assert_exact(without_nulls(output.records(table)), truth(sandbox, table), table)


@pytest.mark.parametrize("table", ["campaign_metrics", "experiment_metrics"])
def test_given_blank_lines_when_synced_then_they_are_no_records(sandbox: Sandbox, table: str) -> None:
    sandbox.faults.add(Fault(kind="blank_lines", endpoint="*/metrics", **EVER))

    output = sync(sandbox, table)

    assert_exact(without_nulls(output.records(table)), truth(sandbox, table), table)


@pytest.mark.parametrize("table", ["campaign_metrics", "campaign_metrics_daily", "experiment_metrics"])
def test_given_a_key_without_the_right_when_synced_then_this_stream_fails_alone(
    sandbox: Sandbox, waits: list[float], table: str
) -> None:
    sandbox.faults.add(Fault(kind="status", status=403, endpoint="*/metrics", **EVER))

    output = sync_tables(sandbox, table, "journeys")

    assert failure(output, table)["failure_type"] == "config_error"
    assert sum(waits) <= 5 * 120.1, "two minutes on each of the threads that met it"
    assert_exact(output.records("journeys"), truth(sandbox, "journeys"))


def test_given_a_day_that_fails_when_synced_then_the_state_is_that_of_the_day_before(
    sandbox: Sandbox, waits: list[float]
) -> None:
    table = "campaign_metrics_daily"
    fault = Fault(kind="status", status=500, endpoint=METRICS, params={"startDateTime": "2024-02-10"}, **EVER)
    sandbox.faults.add(fault)

    broken = sync_tables(sandbox, table)
    sandbox.faults.clear()
    whole = sync(sandbox, table, state=broken.state)

    assert failure(broken, table)["failure_type"] == "transient_error"
    assert waits
    assert broken.states(table)[-1] == {"date": "2024-02-09", "settled": "2024-02-10"}
    assert_exact(without_nulls(broken.records(table) + whole.records(table)), truth(sandbox, table), table)
