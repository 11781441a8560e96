"""Answers in the shape of recorded ones, through the real command: nothing is lost, and everything has its column."""

import json
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from integration_tests.replay import Outcome, Recording, compare
from integration_tests.replay.outcomes import outcomes
from tools.invent import invent, remains, shape_of, text_of

HERE = Path(__file__).parent / "replay"
PROJECTS = ("project_2017", "project_2023")
METHODS = ("direct", "jobs")

WITHOUT_COLUMN = {
    "*._type": "the events of one person carry the name of their data type; the stream says it already",
    "campaign_metrics*.*_per_m": "titles of 2017; today's name the medium",
    "custom_event.*": "the fields of custom events are the sender's",
    "email_click.device": "its name in 2017; it is userAgentDevice today",
    "email_open.device": "its name in 2017; it is userAgentDevice today",
    "hosted_unsubscribe_click.device": "its name in 2017; it is userAgentDevice today",
    "email_subscribe.firstName": "a profile field of the project",
    "email_subscribe.isFoobar": "a profile field of the project",
    "email_subscribe.lastName": "a profile field of the project",
    "email_subscribe.someDate": "a profile field of the project",
}
"""What has no column, and why not."""
MISMATCH = {
    "custom_event.userId": "a number of the sender's; Iterable's own are texts",
    "experiment_metrics.confidence": "N/A and NaN are not numbers",
    "experiment_metrics.improvement": "N/A is not a number",
    "users.someDate": "a day without a time is not a timestamp",
}
"""What does not fit its column, and why not."""


@cache
def _outcomes(project: str) -> dict[str, list[Outcome]]:
    return outcomes(Recording.load(HERE / f"{project}.json"), *METHODS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("project", PROJECTS)
def test_given_answers_as_recorded_when_synced_then_nothing_is_lost_and_nothing_invented(
    project: str, method: str
) -> None:
    found = _outcomes(project)[method]

    assert [fault for outcome in found for fault in outcome.faults] == []
    assert [outcome.stream for outcome in found if outcome.rows != outcome.records] == []
    assert sum(outcome.malformed for outcome in found) == (6 if project == "project_2017" else 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("kind", "exceptions"), [("without_column", WITHOUT_COLUMN), ("unfit", MISMATCH)])
def test_given_answers_as_recorded_when_synced_then_data_fields_holds_only_what_has_a_reason(
    kind: str, exceptions: dict[str, str], method: str
) -> None:
    told = [outcome for project in PROJECTS for outcome in _outcomes(project)[method]]
    names = {f"{outcome.stream}.{name}" for outcome in told for name in getattr(outcome, kind)}

    assert {name for name in names if not any(fnmatchcase(name, one) for one in exceptions)} == set()
    assert {one for one in exceptions if not any(fnmatchcase(name, one) for name in names)} == set()


# The comparison itself

STREAM = {
    "name": "email_open",
    "source_defined_primary_key": [["event_id"]],
    "json_schema": {
        "properties": {
            "createdAt": {"type": ["null", "string"], "format": "date-time"},
            "event_id": {"type": ["null", "string"]},
            "campaignId": {"type": ["null", "integer"]},
            "itblInternal.documentCreatedAt": {"type": ["null", "string"], "format": "date-time"},
            "transactionalData": {"type": ["null", "object"]},
            "dataFields": {"type": ["null", "object"]},
        }
    },
}
ROW = {
    "createdAt": "2021-04-14 16:41:09 +00:00",
    "campaignId": 7,
    "city": None,
    "itblInternal": {"documentCreatedAt": "2021-04-14 16:41:10 +00:00", "more": 1},
    "transactionalData": '{"a": [1, 2.0]}',
}
RECORD = {
    "event_id": "one",
    "createdAt": "2021-04-14T16:41:09Z",
    "campaignId": 7,
    "itblInternal.documentCreatedAt": "2021-04-14T16:41:10Z",
    "transactionalData": {"a": [1, 2.0]},
    "dataFields": {"itblInternal": {"more": 1}},
}


def test_given_a_record_that_says_all_of_its_row_when_compared_then_there_is_no_fault() -> None:
    outcome = compare(STREAM, [ROW], [RECORD])

    assert outcome.faults == []
    assert dict(outcome.without_column) == {"itblInternal.more": 1}
    assert not outcome.unfit


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"createdAt": "2021-04-14T16:41:10Z"}, "lost: createdAt is changed"),
        ({"createdAt": "2021-04-14 16:41:09 +00:00"}, "not RFC 3339: createdAt"),
        ({"createdAt": "2021-04-14T16:41:09+00:00"}, "not RFC 3339: createdAt"),
        ({"campaignId": "7"}, "lost: campaignId is changed"),
        ({"campaignId": None}, "lost: campaignId is lost"),
        ({"transactionalData": {"a": [1]}}, "lost: transactionalData is changed"),
        ({"transactionalData": {"a": [1, 2]}}, "lost: transactionalData is changed"),
        ({"dataFields": None}, "lost: itblInternal.more is lost"),
        ({"dataFields": {"itblInternal": {"more": 2}}}, "lost: itblInternal.more is lost"),
        ({"dataFields": {"itblInternal": {"more": 1}, "new": 1}}, "lost: new in dataFields was not sent"),
        ({"city": "Rome"}, "lost: city is changed"),
        ({"region": "RM"}, "lost: region was not sent"),
        ({"event_id": None}, "1 keyless"),
    ],
)
def test_given_a_record_that_says_something_else_when_compared_then_that_is_told(
    change: dict[str, Any], fault: str
) -> None:
    outcome = compare(STREAM, [ROW], [RECORD | change])

    assert outcome.faults[0] == f"email_open: {fault}"


def test_given_a_record_too_few_or_too_many_when_compared_then_that_is_told() -> None:
    another = ROW | {"campaignId": 8}

    assert compare(STREAM, [ROW, another], [RECORD]).lost == ["no record is left"]
    assert len(compare(STREAM, [ROW], [RECORD, RECORD]).invented) == 1
    assert compare(STREAM, [ROW, ROW], [RECORD, RECORD]).faults == []
    assert compare(STREAM, [ROW, another], [RECORD, RECORD | {"campaignId": 8}]).repeated == 1


# The tool that invents


@pytest.mark.parametrize("project", PROJECTS)
def test_given_a_recording_when_its_values_are_invented_then_its_shape_stays_and_no_value_does(project: str) -> None:
    recorded = json.loads((HERE / f"{project}.json").read_text())

    invented = json.loads(text_of(invent(recorded)))

    assert remains(recorded, invented) == set()
    assert invented.keys() == recorded.keys()
    for name in ("campaigns", "channels", "lists", "message_types", "metrics_csv"):
        assert shape_of(invented.get(name)) == shape_of(recorded.get(name))
    before, after = Recording(recorded), Recording(invented)
    assert {name: len(rows) for name, rows in after.sent.items()} == {
        name: len(rows) for name, rows in before.sent.items()
    }
    assert {row["id"] for row in after.rows("lists")} == after.members.keys()


def test_given_values_that_are_the_same_when_invented_then_they_are_the_same_again() -> None:
    recorded = {
        "lists": [{"id": 4711, "name": "Winter 4711"}, {"id": 4712, "name": "winter"}],
        "members": {"4711": ["ann@shop.example"], "4712": []},
        "events_raw": {"emailOpen": ['{"email": "ann@shop.example", "createdAt":"2020-02-29 23:59:59 +00:00"}']},
    }

    invented = invent(recorded)

    first, second = invented["lists"]
    assert list(invented["members"]) == [str(first["id"]), str(second["id"])]
    word, number = first["name"].split()
    assert number == str(first["id"])
    assert word == second["name"].title()
    (line,) = invented["events_raw"]["emailOpen"]
    (address,) = invented["members"][number]
    assert line == f'{{"email": "{address}", "createdAt":"2020-04-17 05:13:28 +00:00"}}'
