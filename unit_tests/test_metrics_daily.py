"""Campaign metrics by day, read through the front door from an API that reports what happened on each day."""

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput, ExpectedOutcome

from source_iterable import SourceIterable
from source_iterable.api import clock
from source_iterable.api.client import Api
from source_iterable.config import Config
from source_iterable.prefetch.plans import Slice
from source_iterable.prefetch.prefetcher import Prefetcher
from source_iterable.streams.metrics_daily import CampaignMetricsDaily
from source_iterable.sync import Sync
from unit_tests.conftest import SETTINGS

HOST = "https://api.iterable.com/api"
NOON = datetime(2024, 3, 10, 12, tzinfo=timezone.utc)
STREAM = "campaign_metrics_daily"
Row = dict[str, Any]


def ms(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp() * 1000)


def days(first: str, last: str) -> Iterator[str]:
    day = date.fromisoformat(first)
    while day <= date.fromisoformat(last):
        yield day.isoformat()
        day += timedelta(days=1)


class Project:
    """Campaigns, and on which days something happened to each; its API is a mock."""

    def __init__(self, requests_mock: Any) -> None:
        self.campaigns: list[Row] = []
        self.happened: dict[int, set[str]] = {}
        self.zeros = False
        self.asked: list[tuple[str, str, list[int]]] = []
        requests_mock.get(f"{HOST}/channels", json={"channels": []})
        requests_mock.get(f"{HOST}/campaigns", json=lambda request, context: {"campaigns": self.campaigns})
        requests_mock.get(f"{HOST}/campaigns/metrics", text=self._metrics)

    def add(self, campaign: Row, *happened: str) -> None:
        number = 7 + len(self.campaigns)
        self.campaigns.append({"id": number, "name": "a campaign", **campaign})
        self.happened[number] = set(happened)

    def _metrics(self, request: Any, context: Any) -> str:
        first, end = request.qs["startdatetime"][0], request.qs["enddatetime"][0]
        ids = [int(one) for one in request.qs["campaignid"]]
        self.asked.append((first, end, ids))
        lines = ["id,Average Order Value,Total Email Sends,Total Email Opens"]
        for one in ids:
            count = sum(first <= day < end for day in self.happened[one])
            if count or self.zeros:
                lines.append(f"{one},{'N/A' if self.zeros else ''},{10 * count},{count}.0")
        return "\n".join(lines) + "\n"


@pytest.fixture
def project(requests_mock: Any, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("ITERABLE_RATE_SCALE", "10000")
    monkeypatch.setattr(clock.Clock, "now", lambda self: NOON)
    return Project(requests_mock)


def sync(state: Mapping[str, str] | None = None, to: str = "append_dedup", **settings: Any) -> EntrypointOutput:
    config = SETTINGS | {"export_method": "direct"} | settings
    configured = {
        "stream": {
            "name": STREAM,
            "json_schema": CampaignMetricsDaily.declared_schema(),
            "supported_sync_modes": ["full_refresh", "incremental"],
        },
        "sync_mode": "incremental",
        "destination_sync_mode": to,
        "cursor_field": ["date"],
    }
    saved = {"type": "STREAM", "stream": {"stream_descriptor": {"name": STREAM}, "stream_state": dict(state or {})}}
    return entrypoint_wrapper.read(
        SourceIterable(),
        config,
        ConfiguredAirbyteCatalogSerializer.load({"streams": [configured]}),
        [AirbyteStateMessageSerializer.load(saved)] if state else None,
        expected_outcome=ExpectedOutcome.ALLOW_ANY,
    )


def records(output: EntrypointOutput) -> list[tuple[int, str, int]]:
    """The campaign, the day and the emails sent of each record."""
    data = [message.record.data for message in output.records if message.record]
    return [(row["id"], row["date"], row["total_email_sends"]) for row in data]


def states(output: EntrypointOutput) -> list[dict[str, Any]]:
    found = [message.state.stream.stream_state for message in output.state_messages if message.state]
    return [json.loads(json.dumps(vars(one))) for one in found]


STATES = ["Draft", "Ready", "Scheduled", "Starting", "Running", "Recurring", "Finished", "Aborted", "Archived", "New"]


@pytest.mark.parametrize("state", STATES)
def test_no_day_with_metrics_is_missed_whatever_the_campaign_tells_of_itself(project: Project, state: str) -> None:
    """A triggered campaign that is over tells no end, and its last update is its creation."""
    created = {"campaignState": state, "createdAt": ms("2024-01-05"), "updatedAt": ms("2024-01-05")}
    project.add({**created, "type": "Triggered"}, "2024-01-05", "2024-01-24", "2024-02-29", "2024-03-10")
    project.add({**created, "startAt": ms("2024-01-06"), "endedAt": ms("2024-01-07")}, "2024-01-05", "2024-03-01")

    output = sync()

    assert not output.errors
    assert records(output) == [
        (7, "2024-01-05", 10),
        (8, "2024-01-05", 10),
        (7, "2024-01-24", 10),
        (7, "2024-02-29", 10),
        (8, "2024-03-01", 10),
        (7, "2024-03-10", 10),
    ]


def test_metrics_on_the_day_before_the_first_timestamp_are_not_missed(project: Project) -> None:
    """In whatever time zone Iterable counts its days."""
    project.add({"campaignState": "Running", "createdAt": ms("2024-02-05")}, "2024-02-04")

    assert records(sync()) == [(7, "2024-02-04", 10)]


def test_a_campaign_without_a_timestamp_is_asked_for_from_the_start_date_on(project: Project) -> None:
    project.add({"campaignState": "Running"}, "2024-01-01", "2023-12-31")

    assert records(sync()) == [(7, "2024-01-01", 10)]


@pytest.mark.parametrize("zeros", [False, True], ids=["left out", "zeros"])
def test_days_without_metrics_cost_one_request_and_have_no_record(project: Project, zeros: bool) -> None:
    project.zeros = zeros
    for _ in range(60):
        project.add({"campaignState": "Running", "createdAt": ms("2023-01-05")})

    output = sync()

    assert records(output) == []
    assert sorted((first, end, len(ids)) for first, end, ids in project.asked) == [
        ("2024-01-01", "2024-03-11", 10),
        ("2024-01-01", "2024-03-11", 50),
    ]
    assert states(output)[-1] == {"date": "2024-03-10", "settled": "2024-02-25"}


@pytest.mark.parametrize("zeros", [False, True], ids=["left out", "zeros"])
def test_a_day_on_which_another_campaign_has_metrics_has_no_record_of_zeros(project: Project, zeros: bool) -> None:
    project.zeros = zeros
    created = {"campaignState": "Running", "createdAt": ms("2024-01-01")}
    project.add(created, "2024-01-10", "2024-01-12")
    project.add(created, "2024-01-11")

    assert records(sync()) == [(7, "2024-01-10", 10), (8, "2024-01-11", 10), (7, "2024-01-12", 10)]


def test_zeros_in_cells_without_a_title_are_no_metrics(project: Project, requests_mock: Any) -> None:
    """Rows may have more cells than the header has titles: such a row of zeros must not make every day count."""
    project.add({"createdAt": ms("2024-02-01")})
    requests_mock.get(f"{HOST}/campaigns/metrics", text="id,Total Email Sends\n7,0,0,0.0\n")

    output = sync()

    assert records(output) == []
    assert sum("campaigns/metrics" in request.url for request in requests_mock.request_history) == 1


def test_a_few_days_with_metrics_cost_few_requests(project: Project) -> None:
    for _ in range(50):
        project.add({"campaignState": "Running", "createdAt": ms("2019-01-01")}, "2021-05-05", "2021-05-06")

    output = sync(start_date="2019-01-01")

    assert len(records(output)) == 100
    assert len(project.asked) < 50
    assert states(output)[-1]["date"] == "2024-03-10"


def test_the_state_moves_with_each_day_and_each_span_without_metrics(project: Project) -> None:
    project.add({"campaignState": "Finished", "createdAt": ms("2024-01-01")}, *days("2024-01-03", "2024-01-05"))

    told = [state["date"] for state in states(sync())]

    assert told == sorted(set(told))
    assert {"2024-01-03", "2024-01-04", "2024-01-05"} <= set(told)
    assert told[-1] == "2024-03-10"


def test_a_sign_of_life_between_two_days_leaves_records_and_state_as_they_are(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A span of days may be requested during more than half an hour before the first one is here."""
    project.add({"createdAt": ms("2024-02-20"), "campaignState": "Running"}, *days("2024-02-20", "2024-02-24"))
    undisturbed = sync(start_date="2024-02-01")
    slices = Prefetcher.slices

    def silent(prefetcher: Prefetcher, stream: str) -> Iterator[Slice[Any] | None]:
        for slice_ in slices(prefetcher, stream):
            yield None
            yield slice_

    monkeypatch.setattr(Prefetcher, "slices", silent)
    output = sync(start_date="2024-02-01")

    assert records(output) == records(undisturbed)
    assert len(records(output)) == 5
    assert states(output)[-1] == states(undisturbed)[-1]


def test_a_later_sync_reads_the_days_that_may_still_change(project: Project) -> None:
    project.add({"campaignState": "Running", "createdAt": ms("2024-01-05")}, *days("2024-01-05", "2024-03-10"))

    output = sync({"date": "2024-03-10", "settled": "2024-02-25"})

    assert [day for _, day, _ in records(output)] == list(days("2024-02-25", "2024-03-10"))
    assert states(output)[-1] == {"date": "2024-03-10", "settled": "2024-02-25"}


def test_a_backfill_resumes_after_the_last_whole_day(project: Project) -> None:
    project.add({"campaignState": "Running", "createdAt": ms("2024-01-05")}, *days("2024-01-05", "2024-03-10"))

    output = sync({"date": "2024-01-20", "settled": "2024-01-21"})

    assert [day for _, day, _ in records(output)] == list(days("2024-01-21", "2024-03-10"))


def test_plain_append_reads_only_days_that_change_no_more(project: Project) -> None:
    project.add({"campaignState": "Running", "createdAt": ms("2024-01-05")}, *days("2024-01-05", "2024-03-10"))

    first = sync(to="append")
    second = sync(states(first)[-1], to="append")

    assert [day for _, day, _ in records(first)] == list(days("2024-01-05", "2024-02-24"))
    assert records(second) == []


def test_a_state_later_than_today_reads_nothing(project: Project) -> None:
    project.add({"campaignState": "Running", "createdAt": ms("2024-01-05")}, *days("2024-01-05", "2024-03-10"))

    output = sync({"date": "2024-04-30", "settled": "2024-04-15"})

    assert records(output) == []
    assert any("is in the future" in message.log.message for message in output.logs if message.log)


@pytest.mark.parametrize("state", [{"settled": "soon"}, {"date": "5"}, {"date": "0001-01-02"}])
def test_an_unreadable_state_is_an_error_of_the_settings(project: Project, state: dict[str, str]) -> None:
    output = sync(state)

    errors = [message.trace.error for message in output.errors if message.trace]
    assert any(error and "Clear this stream's data" in (error.message or "") for error in errors)
    assert any(error and error.failure_type and error.failure_type.value == "config_error" for error in errors)


@pytest.mark.parametrize("text", ["", "<html></html>", '{"msg":"An error occurred","code":"GenericError"}'])
def test_an_answer_without_a_header_fails_the_stream(project: Project, requests_mock: Any, text: str) -> None:
    """Taken for "no metrics", it would let the state pass days that were never read."""
    project.add({"campaignState": "Running", "createdAt": ms("2024-01-05")})
    requests_mock.get(f"{HOST}/campaigns/metrics", text=text)

    output = sync()

    errors = [message.trace.error for message in output.errors if message.trace]
    assert any(error and "no header with id" in (error.message or "") for error in errors)
    assert states(output) == []


def test_a_full_refresh_that_is_tried_again_begins_again(config: Config, api: Api) -> None:
    assert not CampaignMetricsDaily(Sync(config, api)).is_resumable
