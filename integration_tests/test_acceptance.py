"""What Airbyte's acceptance tests ask of a source, of every one of its streams.

The CDK's own suite (unit_tests/test_standard.py) reads once and in full; these add what it leaves out: states,
a second sync, an abnormal state, the schemas' manners, the platform's view of a failure.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker
from jsonschema.validators import extend

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.all_tables import CURSORS, DAILY, INCREMENTAL, KEYS, LOOKBACKS, TABLES, WHOLE
from integration_tests.support.command import run, run_here
from integration_tests.support.expected import ALL_EXPORTS, TRUTH_OF, assert_exact, rfc3339
from integration_tests.support.rules import for_each
from integration_tests.support.sync import NOW, ROOT, START, Output, configured, environment, settings
from tools.acceptance_files import documents

HERE = Path(__file__).parent
DAYS = 10
EMPTY = Size(**{one.name: 0 for one in fields(Size) if one.name != "bulk"})
SENT_AS = {**TRUTH_OF, "template_content": "templates"}
"""What the sandbox calls the rows that tell a stream's cursor, where it has another name for them."""

Catalog = dict[str, Any]


def document(name: str) -> Any:
    """One of the files that acceptance-test-config.yml names."""
    return json.loads((HERE / name).read_text("utf-8"))


# Syncs, each made once


@pytest.fixture(scope="module")
def project() -> Iterator[Sandbox]:
    """A project in which nothing changes: with rows that tell no time, and exported ones about the lookback's begin."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        for table in ALL_EXPORTS:
            cursor = CURSORS[table]
            running.add_event(TRUTH_OF[table], {"email": "a@example.org", cursor: None}, at="2024-02-02T00:00:00Z")
            running.add_event(TRUTH_OF[table], {"email": "b@example.org", cursor: "2024-03-10 10:50:00 +00:00"})
            running.add_event(TRUTH_OF[table], {"email": "c@example.org", cursor: "2024-03-10 11:50:00 +00:00"})
        running.add_event("emailClick", {"email": "d@example.org"}, at="2024-02-03T00:00:00Z")
        running.add_campaign(campaignState="Running", updatedAt=None)
        running.add_journey(updatedAt=None)
        yield running


@pytest.fixture(scope="module")
def catalog(project: Sandbox) -> Catalog:
    return run(project, "discover", config=settings(project)).of("CATALOG")[0]


@dataclass(frozen=True)
class First:
    """A sync from the beginning, and its export requests: endpoint, data type, start and end of the window."""

    output: Output
    asked: list[tuple[str, str, str, str]]


Sync = Callable[[str, str], First]


@pytest.fixture(scope="module")
def sync(project: Sandbox, catalog: Catalog) -> Sync:
    """Makes a sync from the beginning, in a mode and by an export method."""

    @cache
    def made(mode: str, method: str) -> First:
        project.forget_requests()
        selected = configured(catalog, TABLES, mode, "append_dedup" if mode == "incremental" else "overwrite")
        config = settings(project, window_in_days=DAYS, export_method=method)
        output = run_here(project, "read", config=config, catalog=selected)
        asked = [
            (one.endpoint, *(one.params[name] for name in ("dataTypeName", "startDateTime", "endDateTime")))
            for one in project.requests
            if one.endpoint in {"export/data.json", "export/start"}
        ]
        return First(output, [(endpoint, kind, rfc3339(start), rfc3339(end)) for endpoint, kind, start, end in asked])

    return made


@pytest.fixture(scope="module", params=["automatic", "direct", "jobs"])
def first(request: pytest.FixtureRequest, sync: Sync) -> First:
    """A first sync of all streams, those with a cursor incrementally."""
    return sync("incremental", request.param)


@pytest.fixture(
    scope="module",
    params=[
        ("incremental", "automatic"),
        ("incremental", "direct"),
        ("incremental", "jobs"),
        ("full_refresh", "automatic"),
        ("full_refresh", "direct"),
    ],
    ids=", ".join,
)
def synced(request: pytest.FixtureRequest, sync: Sync) -> Output:
    """A sync of all streams from the beginning, in either mode."""
    return sync(*request.param).output


@pytest.fixture(scope="module")
def again(project: Sandbox, catalog: Catalog, sync: Sync) -> tuple[Output, Output]:
    """A first sync, and a second one from its last state."""
    before = sync("incremental", "automatic").output
    config = settings(project, export_method="automatic")
    return before, run_here(project, "read", config=config, catalog=configured(catalog, TABLES), state=before.state)


def schemas(catalog: Catalog) -> dict[str, Any]:
    """The schema of each stream."""
    return {stream["name"]: stream["json_schema"] for stream in catalog["streams"]}


def of_table(output: Output, table: str) -> list[tuple[str, Any]]:
    """The records, states and statuses of a stream, in the order in which they came."""
    found: list[tuple[str, Any]] = []
    for message in output.messages:
        kind = message["type"]
        if kind == "RECORD" and message["record"]["stream"] == table:
            found.append((kind, message["record"]["data"]))
        elif kind == "STATE" and message["state"]["stream"]["stream_descriptor"]["name"] == table:
            found.append((kind, message["state"]))
        elif kind == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
            status = message["trace"]["stream_status"]
            if status["stream_descriptor"]["name"] == table:
                found.append((status["status"], None))
    return found


# Connection


def test_given_the_settings_of_the_tests_when_checked_then_one_status_each_as_declared(project: Sandbox) -> None:
    succeeds = run(project, "check", config=document("config.json"))
    fails = run(project, "check", config=document("invalid_config.json"))
    raises = run(project, "check", config="no JSON")

    assert [one["status"] for one in succeeds.of("CONNECTION_STATUS")] == ["SUCCEEDED"]
    (failed,) = fails.of("CONNECTION_STATUS")
    assert failed["status"] == "FAILED"
    assert "HTTP 401" in failed["message"]
    assert (succeeds.exit_code, fails.exit_code, raises.exit_code) == (0, 0, 1)
    assert not succeeds.stderr + fails.stderr + raises.stderr
    assert [trace["type"] for trace in raises.of("TRACE")] == ["ERROR"]


# Discovery


def test_given_a_project_when_discovered_then_all_streams_in_order(catalog: Catalog) -> None:
    assert [stream["name"] for stream in catalog["streams"]] == list(TABLES)


def test_given_a_project_when_discovered_then_the_documents_of_the_tests_hold_all_its_streams(catalog: Catalog) -> None:
    written = {path: path.read_text("utf-8") for path in documents(catalog)}

    assert written == documents(catalog), "write them with: make docs"
    assert [one["stream"]["name"] for one in document("configured_catalog.json")["streams"]] == list(TABLES)
    assert tuple(abnormal_states()) == INCREMENTAL


def abnormal_states() -> dict[str, dict[str, str]]:
    """The states of abnormal_state.json, by stream."""
    streams = [one["stream"] for one in document("abnormal_state.json")]
    return {stream["stream_descriptor"]["name"]: stream["stream_state"] for stream in streams}


def test_given_a_project_when_discovered_then_every_stream_has_its_key_cursor_and_sync_modes(catalog: Catalog) -> None:
    assert {stream["name"]: synced_by(stream) for stream in catalog["streams"]} == {
        name: {
            "key": [[column] for column in KEYS[name]],
            "modes": ["full_refresh", *(["incremental"] if name in CURSORS else [])],
            "cursor": [CURSORS[name]] if name in CURSORS else [],
            "is_source_defined": name in CURSORS,
            "formats": [] if name not in CURSORS else ["date" if name in DAILY else "date-time"],
        }
        for name in TABLES
    }
    properties = {name: set(schema["properties"]) for name, schema in schemas(catalog).items()}
    assert [name for name in TABLES if not set(KEYS[name]) <= properties[name]] == []


def synced_by(stream: Mapping[str, Any]) -> dict[str, Any]:
    """What the catalog says about how a stream is synced."""
    cursor = stream.get("default_cursor_field", [])
    return {
        "key": stream["source_defined_primary_key"],
        "modes": stream["supported_sync_modes"],
        "cursor": cursor,
        "is_source_defined": bool(stream.get("source_defined_cursor")),
        "formats": [stream["json_schema"]["properties"][name]["format"] for name in cursor],
    }


def test_given_a_project_when_discovered_then_every_schema_has_airbytes_manners(catalog: Catalog) -> None:
    found = schemas(catalog)

    for schema in found.values():
        Draft7Validator.check_schema(schema)
    assert [name for name, one in found.items() if not is_open_and_described(one)] == []
    assert [f"{name}.{path} {bad}" for name, one in found.items() for path, bad in misfits(one)] == []


def is_open_and_described(schema: Mapping[str, Any]) -> bool:
    return schema["type"] == "object" and schema["additionalProperties"] is True and bool(schema["description"])


def misfits(schema: Any) -> Iterator[tuple[str, str]]:
    """The columns of a schema that are not as Airbyte wants them, and what is wrong with each."""
    for path, column in columns(schema):
        null, *kinds = column["type"]
        name = path.rpartition(".")[2]
        rules = {
            "cannot be null": null == "null",
            "has not one type": len(kinds) == 1,
            "has a schema that Airbyte does not know": not {"$ref", "anyOf", "allOf", "oneOf", "not"} & set(column),
            "is a closed object": kinds != ["object"] or column.get("additionalProperties", True) is True,
            "does not say what it holds": kinds != ["array"] or bool(column["items"]),
            "has no time zone": column.get("format") != "date-time"
            or column.get("airbyte_type") == "timestamp_with_timezone",
            "is an id and no integer": name in TEXT_IDS
            or not re.search(r"(^id|Id|_id|Ids\[\])$", path)
            or kinds == ["integer"],
            "is a time without a format": not re.search(r"(At|Date|Time)$", name)
            or kinds != ["string"]
            or column.get("format") in {"date-time", "date"},
        }
        yield from ((path, bad) for bad, holds in rules.items() if not holds)


TEXT_IDS = {"messageId", "userId", "itblUserId", "messageBusId", "clientTemplateId", "event_id"} | {
    "_id",  # of a project's own choice, as is that of an item
    "itemId",
    "createdByUserId",  # an address
    "creatorUserId",
    "updatedByUserId",
    "deviceId",
    "espAccountId",  # a number in some streams
    "inboxSessionId",
    "replyToMessageId",
    "seenMessageId",
}


def columns(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every column of a schema, the inner ones too."""
    for name, column in schema.get("properties", {}).items():
        here = f"{path}{name}"
        yield here, column
        yield from columns(column, f"{here}.")
        if isinstance(column.get("items"), dict) and column["items"]:
            yield f"{here}[]", column["items"]
            yield from columns(column["items"], f"{here}[].")


def test_given_the_metadata_when_compared_then_it_names_these_streams_and_hosts(catalog: Catalog) -> None:
    data = yaml.safe_load((ROOT / "metadata.yaml").read_text("utf-8"))["data"]

    assert set(data["suggestedStreams"]["streams"]) <= set(schemas(catalog))
    assert data["allowedHosts"]["hosts"] == ["api.iterable.com", "api.eu.iterable.com", "*.amazonaws.com"]


# Records

FORMATS = FormatChecker(formats=())
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@FORMATS.checks("date-time", raises=ValueError)
def is_moment(value: object) -> bool:
    """Whether a text is a timestamp as RFC 3339 spells it."""
    return not isinstance(value, str) or bool(RFC3339.fullmatch(value) and datetime.fromisoformat(value))


@FORMATS.checks("date", raises=ValueError)
def is_day(value: object) -> bool:
    """Whether a text is a day."""
    return not isinstance(value, str) or bool(date.fromisoformat(value))


Strict = extend(
    Draft7Validator,
    type_checker=Draft7Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
"""As Draft 7, but 1.0 is no integer."""


@pytest.mark.parametrize("value", ["2024-02-30T00:00:00Z", "2024-02-01 00:00:00 +00:00", "2024-02-01T00:00:00", ""])
def test_given_what_is_no_timestamp_when_validated_then_it_is_told(value: str) -> None:
    schema = {"type": ["null", "string"], "format": "date-time"}

    assert not Strict(schema, format_checker=FORMATS).is_valid(value)


@for_each("table", TABLES)
def test_given_a_stream_when_read_then_its_rows_match_the_schema_with_no_other_columns(
    synced: Output, catalog: Catalog, table: str
) -> None:
    schema = schemas(catalog)[table]
    validator = Strict(schema, format_checker=FORMATS)

    records = synced.records(table)

    assert records, "the stream is empty"
    wrong = [(error.json_path, error.message) for record in records for error in validator.iter_errors(record)]
    assert not wrong
    assert {name for record in records for name in record} <= set(schema["properties"])
    json.dumps(records, allow_nan=False)


@for_each("table", TABLES)
def test_given_a_stream_when_read_then_every_declared_column_can_be_filled(
    synced: Output, catalog: Catalog, table: str
) -> None:
    filled = {name for record in synced.records(table) for name, value in record.items() if value is not None}

    assert filled == set(schemas(catalog)[table]["properties"])


@for_each("table", TABLES)
def test_given_a_stream_when_read_then_keys_are_filled_and_unique(synced: Output, table: str) -> None:
    keys = Counter(tuple(record[name] for name in KEYS[table]) for record in synced.records(table))

    assert all(part is not None for key in keys for part in key)
    twice = [key for key, times in keys.items() if times > 1]
    assert len(twice) == (1 if table == "email_open" else 0), "the sandbox holds one pair of identical events"


@for_each("table", INCREMENTAL)
def test_given_a_stream_when_read_then_the_cursor_is_null_only_where_none_was_sent(
    project: Sandbox, synced: Output, table: str
) -> None:
    none_sent = sum(row.get(CURSORS[table]) is None for row in project.truth(SENT_AS.get(table, table)))

    null = [record for record in synced.records(table) if record.get(CURSORS[table]) is None]

    assert len(null) == none_sent
    assert none_sent or table in ALWAYS_TOLD


ALWAYS_TOLD = {"campaign_metrics_daily", "snippets", "template_content", "templates"}
"""Streams whose cursor comes with every row of the sandbox."""


# The protocol


@for_each("table", TABLES)
def test_given_a_stream_when_read_then_statuses_states_and_records_come_in_order(synced: Output, table: str) -> None:
    told = of_table(synced, table)

    kinds = [kind for kind, _ in told]
    assert synced.exit_code == 0
    assert not synced.errors
    assert [kind for kind in kinds if kind not in {"RECORD", "STATE"}] == ["STARTED", "RUNNING", "COMPLETE"]
    assert kinds[:3] == ["STARTED", "RUNNING", "RECORD"]
    assert kinds[-2:] == ["STATE", "COMPLETE"], "the last state comes last"


@for_each("table", TABLES)
def test_given_a_stream_when_read_then_each_state_counts_the_records_before_it_and_moves(
    synced: Output, table: str
) -> None:
    records, before = 0, None
    for kind, what in of_table(synced, table):
        if kind == "RECORD":
            records += 1
        elif kind == "STATE":
            assert what["sourceStats"]["recordCount"] == records
            assert what["type"] == "STREAM"
            state = what["stream"]["stream_state"]
            assert state != before or not records, "the same state twice, with records between"
            records, before = 0, state
    assert records == 0, "records that no state covers"
    assert before


@for_each("table", ALL_EXPORTS)
def test_given_a_stream_of_windows_when_read_then_a_state_comes_after_every_one(first: First, table: str) -> None:
    windows = sorted((start, end) for _, data_type, start, end in first.asked if data_type == TRUTH_OF[table])

    states = first.output.states(table)

    assert len(windows) > 2
    assert windows[0][0] == rfc3339(START)
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    assert [state[CURSORS[table]] for state in states] == [end for _, end in windows]
    now = datetime.fromisoformat(windows[-1][1])
    assert timedelta() <= now - datetime.fromisoformat(NOW) < timedelta(minutes=5), "the sandbox's clock continues"
    settled = f"{now - LOOKBACKS[table]:%Y-%m-%dT%H:%M:%SZ}"
    assert [state["settled"] for state in states] == [min(end, settled) for _, end in windows]


def test_given_an_export_method_when_read_then_it_is_used(sync: Sync) -> None:
    used = {
        method: {endpoint for endpoint, *_ in sync("incremental", method).asked}
        for method in ("automatic", "direct", "jobs")
    }

    assert used == {
        "automatic": {"export/data.json", "export/start"},
        "direct": {"export/data.json"},
        "jobs": {"export/start"},
    }


@for_each("table", INCREMENTAL)
def test_given_a_stream_with_a_cursor_when_read_then_its_records_lie_between_the_states_around_them(
    first: First, table: str
) -> None:
    """A state that runs ahead loses rows when a sync breaks off, and one that lags sends them again."""
    cursor = CURSORS[table]
    day = timedelta(days=1) if table in DAILY else timedelta()
    since, moments = datetime.min.replace(tzinfo=UTC), list[datetime]()
    for kind, what in of_table(first.output, table):
        if kind == "RECORD" and what.get(cursor) is not None:
            moments.append(moment(what[cursor]))
        elif kind == "STATE":
            until = moment(what["stream"]["stream_state"][cursor]) + day
            assert all(since <= one < until for one in moments)
            since, moments = until, []
    assert not moments


def moment(text: str) -> datetime:
    """A timestamp, or the beginning of a day, in UTC."""
    told = datetime.fromisoformat(text)
    return told if told.tzinfo else told.replace(tzinfo=UTC)


# Nothing to read


@pytest.mark.parametrize("mode", ["incremental", "full_refresh"])
def test_given_an_empty_project_when_read_then_each_stream_has_a_state_and_is_complete(
    catalog: Catalog, mode: str
) -> None:
    with Sandbox(start=START, now=NOW, rate_scale=10_000, size=EMPTY) as project:
        output = run_here(project, "read", config=settings(project), catalog=configured(catalog, TABLES, mode))

    assert output.exit_code == 0
    assert {record["stream"] for record in output.of("RECORD")} == BUILT_IN
    for table in TABLES:
        kinds = [kind for kind, _ in of_table(output, table)]
        assert kinds[-2:] == ["STATE", "COMPLETE"], table
        assert table in BUILT_IN or set(kinds) == {"STARTED", "STATE", "COMPLETE"}, table


BUILT_IN = {"channels", "message_types", "user_fields"}
"""Streams that Iterable fills itself."""


# A second sync


@for_each("table", INCREMENTAL)
def test_given_the_last_state_when_read_again_then_only_the_rows_since_the_cursor_less_the_lookback(
    again: tuple[Output, Output], table: str
) -> None:
    """A listed row that tells no timestamp may have changed: it comes with every sync."""
    first, second = again
    cursor, is_listed = CURSORS[table], table not in LOOKBACKS
    saved = moment(first.states(table)[-1][cursor])
    since = saved - LOOKBACKS.get(table, timedelta())

    records = second.records(table)

    recent = [
        record
        for record in first.records(table)
        if (is_listed if record.get(cursor) is None else moment(record[cursor]) >= since)
    ]
    assert_exact(records, recent, table)
    assert len(records) < len(first.records(table))
    assert is_listed != any(record.get(cursor) for record in records), "no listed row changed meanwhile"
    assert second.statuses(table)[-1] == "COMPLETE"
    assert moment(second.states(table)[-1][cursor]) >= saved


@for_each("table", WHOLE)
def test_given_a_state_when_a_stream_without_cursor_is_read_again_then_it_comes_whole(
    again: tuple[Output, Output], table: str
) -> None:
    first, second = again

    assert first.records(table)
    assert_exact(second.records(table), first.records(table), table)


@for_each("table", TABLES)
def test_given_a_full_refresh_when_made_again_then_it_holds_the_first(sync: Sync, table: str) -> None:
    first, second = (sync("full_refresh", method).output for method in ("automatic", "direct"))

    assert first.records(table)
    assert_exact(second.records(table), first.records(table), table)


def test_given_the_abnormal_states_when_looked_at_then_they_have_the_form_of_those_that_a_sync_leaves(
    sync: Sync,
) -> None:
    left = sync("incremental", "automatic").output

    assert {table: set(state) for table, state in abnormal_states().items()} == {
        table: set(left.states(table)[-1]) for table in INCREMENTAL
    }


def test_given_abnormally_large_states_when_read_then_no_rows_and_the_states_are_kept(project: Sandbox) -> None:
    names = {"config": "config.json", "catalog": "configured_catalog.json", "state": "abnormal_state.json"}

    output = run_here(project, "read", **{option: document(name) for option, name in names.items()})

    assert output.exit_code == 0
    for table, state in abnormal_states().items():
        assert not output.records(table), table
        assert output.states(table), table
        assert all(one == state for one in output.states(table)), table
        assert output.statuses(table) == ["STARTED", "COMPLETE"], table
        assert any(line.startswith(f"WARN {table}: the saved state") for line in output.logs), table
    assert all(output.records(table) for table in WHOLE), "streams without a cursor have no state"


# Failure


def test_given_a_key_that_opens_nothing_when_read_then_each_stream_is_incomplete_with_a_trace(
    project: Sandbox, catalog: Catalog
) -> None:
    config = document("invalid_config.json")

    output = run_here(project, "read", config=config, catalog=configured(catalog, TABLES))

    assert output.exit_code == 1
    assert not output.of("RECORD")
    assert sorted(error["stream_descriptor"]["name"] for error in output.errors) == sorted(TABLES)
    assert {error["failure_type"] for error in output.errors} == {"config_error"}
    assert all(output.statuses(table) == ["STARTED", "INCOMPLETE"] for table in TABLES)
    assert config["api_key"] not in output.text


def test_given_the_environment_of_the_tests_when_looked_at_then_it_names_the_sandbox(project: Sandbox) -> None:
    """Or else the tests would ask Iterable."""
    assert environment(project)["ITERABLE_API_URL"].startswith("http://127.0.0.1:")
