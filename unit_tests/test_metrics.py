from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteStream, DestinationSyncMode, SyncMode
from airbyte_cdk.utils import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st

from source_iterable.api import Api
from source_iterable.config import Config
from source_iterable.streams.metrics import LONGEST_ADDRESS, MOST_IDS, Batch, CampaignMetricsDaily, _Answer, batches

DAY = timedelta(days=1)
TODAY = date(2024, 3, 10)
NOON = datetime(2024, 3, 10, 12, tzinfo=timezone.utc)


def ms(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp() * 1000)


@given(st.lists(st.integers(1, 10**18), unique=True, max_size=300), st.integers(50, 1900))
def test_batches_hold_all_ids_once_and_fit_into_an_address(ids: list[int], length: int) -> None:
    cut = list(batches(ids, length))

    assert [one for batch in cut for one in batch] == ids
    for batch in cut:
        assert 1 <= len(batch) <= MOST_IDS
        assert len(batch) == 1 or length + sum(len(f"&campaignId={one}") for one in batch) <= LONGEST_ADDRESS


@pytest.fixture
def daily(config: Config, api: Api, monkeypatch: pytest.MonkeyPatch) -> CampaignMetricsDaily:
    monkeypatch.setattr(api.clock, "fixed", lambda: NOON)
    configured = ConfiguredAirbyteStream(
        stream=CampaignMetricsDaily(config, api).as_airbyte_stream(),
        sync_mode=SyncMode.incremental,
        destination_sync_mode=DestinationSyncMode.append_dedup,
    )
    return CampaignMetricsDaily(config, api, configured)


def days_of(daily: CampaignMetricsDaily, requests_mock: Any, *campaigns: dict[str, Any]) -> dict[int, list[date]]:
    """Which days of each campaign are asked for."""
    requests_mock.get(f"{daily.config.url}/api/campaigns", json={"campaigns": list(campaigns)})
    daily.backlog(daily.state)
    days: dict[int, list[date]] = {}
    for batch in daily.listing():
        for one in batch.ids:
            days.setdefault(one, []).append(batch.day or date.min)
    return days


@pytest.mark.parametrize(
    ("campaign", "first", "last"),
    [
        ({"campaignState": "Running", "startAt": ms("2024-02-01")}, "2024-02-01", "2024-03-10"),
        ({"campaignState": "Running", "createdAt": ms("2024-02-03")}, "2024-02-03", "2024-03-10"),
        ({"campaignState": "Running", "createdAt": ms("2022-02-03")}, "2024-01-01", "2024-03-10"),
        (
            {"campaignState": "Finished", "startAt": ms("2024-02-01"), "endedAt": ms("2024-02-02")},
            "2024-02-01",
            "2024-02-17",
        ),
        (
            {"campaignState": "Archived", "startAt": ms("2024-02-01"), "updatedAt": ms("2024-02-05")},
            "2024-02-01",
            "2024-02-20",
        ),
        (
            {"campaignState": "Finished", "startAt": ms("2024-03-01"), "endedAt": ms("2024-03-09")},
            "2024-03-01",
            "2024-03-10",
        ),
    ],
    ids=["runs", "never said when it began", "began before the start date", "ended", "archived", "ended lately"],
)
def test_a_campaign_has_days_from_its_start_to_fifteen_after_its_end(
    daily: CampaignMetricsDaily, requests_mock: Any, campaign: dict[str, Any], first: str, last: str
) -> None:
    (days,) = days_of(daily, requests_mock, {"id": 7, **campaign}).values()

    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    assert days == [begin + n * DAY for n in range((end - begin).days + 1)]


@pytest.mark.parametrize("state", ["Draft", "Ready", "Scheduled"])
def test_what_was_never_sent_is_not_asked_for(daily: CampaignMetricsDaily, requests_mock: Any, state: str) -> None:
    campaign = {"id": 7, "campaignState": state, "createdAt": ms("2024-02-01")}

    assert days_of(daily, requests_mock, campaign) == {}


def test_a_later_sync_reads_the_days_that_may_still_change(daily: CampaignMetricsDaily, requests_mock: Any) -> None:
    daily.state = daily._state_after(TODAY)
    campaign = {"id": 7, "campaignState": "Running", "startAt": ms("2024-01-05")}

    (days,) = days_of(daily, requests_mock, campaign).values()

    assert daily.state == {"date": "2024-03-10", "settled": "2024-02-25"}
    assert days == [date(2024, 2, 25) + n * DAY for n in range(15)]


def test_a_backfill_goes_on_after_the_last_whole_day(daily: CampaignMetricsDaily) -> None:
    assert daily._state_after(date(2024, 1, 20)) == {"date": "2024-01-20", "settled": "2024-01-21"}


def test_the_state_never_goes_back(daily: CampaignMetricsDaily) -> None:
    daily.state = {"date": "2024-03-10", "settled": "2024-02-25"}

    assert daily._state_after(date(2024, 2, 1))["settled"] == "2024-02-25"


@pytest.mark.parametrize("state", [{"settled": "soon"}, {"date": 5}, {"date": "0001-01-02"}])
def test_an_unreadable_state_is_an_error_of_the_settings(daily: CampaignMetricsDaily, state: dict[str, Any]) -> None:
    with pytest.raises(AirbyteTracedException, match="Clear this table's data") as raised:
        daily.backlog(state)

    assert raised.value.failure_type.value == "config_error"


def test_bounds_are_one_day_or_all_of_them(daily: CampaignMetricsDaily) -> None:
    assert daily.bounds(Batch([7], date(2024, 2, 28))) == {"startDateTime": "2024-02-28", "endDateTime": "2024-02-29"}
    assert daily.bounds(Batch([7])) == {"startDateTime": "1970-01-01", "endDateTime": "2024-03-11"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", False),
        ("<html></html>", False),
        ('{"msg":"An error occurred","code":"GenericError"}', False),
        ("id,\n", True),
    ],
)
def test_an_answer_without_a_header_is_no_answer(daily: CampaignMetricsDaily, text: str, told: bool) -> None:
    """Taken for "no figures", it would let the state pass days that were never read."""
    answer = _Answer(Batch([7], TODAY), text, size=0, seconds=0.0)
    if told:
        assert list(daily._rows(answer)) == []
    else:
        with pytest.raises(AirbyteTracedException, match="no header with id"):
            list(daily._rows(answer))


def test_a_campaign_that_runs_again_has_days_again(daily: CampaignMetricsDaily, requests_mock: Any) -> None:
    campaign = {"campaignState": "Running", "startAt": ms("2024-03-01"), "endedAt": ms("2024-01-09")}

    (days,) = days_of(daily, requests_mock, {"id": 7, **campaign}).values()

    assert days[-1] == TODAY


def test_a_full_refresh_that_is_tried_again_begins_anew(config: Config, api: Api, requests_mock: Any) -> None:
    stream = CampaignMetricsDaily(config, api)

    stream.backlog({"date": "2024-03-10", "settled": "2024-02-25"})

    assert not stream.is_resumable
    assert stream._from is None
