"""What Airbyte's acceptance tests ask of a source, of all its tables at once.

The CDK's own suite (unit_tests/test_standard.py) reads once and in full; these add what it leaves out: states,
a second sync, an abnormal state, the schemas' manners, the platform's view of a failure.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, FormatChecker
from jsonschema.validators import extend

from integration_tests.expected import CURSORS, EVENTS, EXPORTS, KEYS, TABLES, TRUTH_OF, canonical, rfc3339
from integration_tests.sandbox import Sandbox
from integration_tests.sync import NOW, ROOT, START, Output, configured, environment, run, settings

HERE = Path(__file__).parent
INCREMENTAL = tuple(table for table in TABLES if table in CURSORS)
WHOLE = tuple(table for table in TABLES if table not in CURSORS)
LOOKBACK = timedelta(minutes=60)
DAYS = 10

Catalog = dict[str, Any]


def document(name: str) -> Any:
    """One of the files that acceptance-test-config.yml names."""
    return json.loads((HERE / name).read_text("utf-8"))


# Syncs, each made once


@pytest.fixture(scope="module")
def project() -> Iterator[Sandbox]:
    """A project with events that tell no time; nothing changes in it."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        for number in range(3):
            row = {"email": f"{number}@example.org", **({"createdAt": None} if number else {})}
            running.add_event("emailClick", row, at=f"2024-02-0{number + 1}T00:00:00Z")
        yield running


@pytest.fixture(scope="module")
def catalog(project: Sandbox) -> Catalog:
    return run(project, "discover", config=settings(project)).of("CATALOG")[0]


@pytest.fixture(scope="module")
def asked() -> list[tuple[str, str, str]]:
    """Filled by the first sync: data type, start and end of every window that was asked for."""
    return []


@pytest.fixture(scope="module")
def first(project: Sandbox, catalog: Catalog, asked: list[tuple[str, str, str]]) -> Output:
    project.forget_requests()
    output = run(project, "read", config=settings(project, window_in_days=DAYS), catalog=configured(catalog))
    exports = [one.params for one in project.requests if one.endpoint == "export/data.json"]
    asked += [(one["dataTypeName"], rfc3339(one["startDateTime"]), rfc3339(one["endDateTime"])) for one in exports]
    return output


@pytest.fixture(scope="module")
def again(project: Sandbox, catalog: Catalog, first: Output) -> Output:
    """A second sync from the last state of the first."""
    return run(project, "read", config=settings(project), catalog=configured(catalog), state=first.state)


@pytest.fixture(scope="module")
def refreshes(project: Sandbox, catalog: Catalog) -> list[Output]:
    """Two full refreshes."""
    selected = configured(catalog, mode="full_refresh", to="overwrite")
    return [run(project, "read", config=settings(project, window_in_days=DAYS), catalog=selected) for _ in range(2)]


@pytest.fixture(params=["incremental", "full refresh"])
def synced(request: pytest.FixtureRequest) -> Output:
    """A first sync, in either mode."""
    if request.param == "incremental":
        return request.getfixturevalue("first")
    return request.getfixturevalue("refreshes")[0]


def schemas(catalog: Catalog) -> dict[str, Any]:
    """The schema of each table."""
    return {stream["name"]: stream["json_schema"] for stream in catalog["streams"]}


def of_table(output: Output, table: str) -> list[tuple[str, Any]]:
    """The records, states and statuses of a table, in the order in which they came."""
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
    assert raises.exit_code != 0
    assert [trace["type"] for trace in raises.of("TRACE")] == ["ERROR"]


# Discovery


def test_given_a_project_when_discovered_then_the_configured_catalog_of_the_tests_is_the_discovered_one(
    catalog: Catalog,
) -> None:
    discovered = {stream["name"]: stream for stream in catalog["streams"]}

    declared = document("configured_catalog.json")["streams"]

    assert [entry["stream"]["name"] for entry in declared] == sorted(TABLES)
    assert list(discovered) == sorted(discovered)
    for entry in declared:
        stream = discovered[entry["stream"]["name"]]
        told = {name: stream.get(name) for name in entry["stream"] if name != "json_schema"}
        assert {name: value for name, value in entry["stream"].items() if name != "json_schema"} == told
        assert entry["sync_mode"] in stream["supported_sync_modes"]
        assert entry["primary_key"] == stream["source_defined_primary_key"]


@pytest.mark.parametrize("table", TRUTH_OF)
def test_given_a_table_when_discovered_then_key_and_cursor_are_columns_and_it_can_be_synced(
    catalog: Catalog, table: str
) -> None:
    (stream,) = [one for one in catalog["streams"] if one["name"] == table]

    properties = stream["json_schema"]["properties"]

    assert stream["source_defined_primary_key"] == [[name] for name in KEYS[table]]
    assert set(KEYS[table]) <= set(properties)
    assert "full_refresh" in stream["supported_sync_modes"]
    assert ("incremental" in stream["supported_sync_modes"]) == (table in CURSORS)
    assert stream.get("default_cursor_field", []) == ([CURSORS[table]] if table in CURSORS else [])
    assert bool(stream.get("source_defined_cursor")) == (table in CURSORS)
    if table in CURSORS:
        assert properties[CURSORS[table]]["format"] == "date-time"


@pytest.mark.parametrize("table", TRUTH_OF)
def test_given_a_table_when_discovered_then_its_schema_has_airbytes_manners(catalog: Catalog, table: str) -> None:
    schema = schemas(catalog)[table]

    assert schema["type"] == "object"
    assert schema["additionalProperties"] is True
    assert schema["description"]
    Draft7Validator.check_schema(schema)
    for path, column in columns(schema):
        assert column["type"][0] == "null", f"{path} can not be null"
        assert len(column["type"]) == 2, f"{path} has no one type"
        assert not {"$ref", "anyOf", "allOf", "oneOf", "not"} & set(column), path
        if column["type"][1] == "object":
            assert column.get("additionalProperties", True) is True, path
        if column["type"][1] == "array":
            assert "items" in column, f"{path} does not say what it holds"
        if column.get("format") == "date-time":
            assert column["airbyte_type"] == "timestamp_with_timezone", path
        name = path.rpartition(".")[2]
        if name.endswith("Id") and name not in TEXT_IDS:
            assert column["type"][1] == "integer", f"{path} is an id"
        if re.search(r"(At|Date|Time)$", name) and column["type"][1] == "string":
            assert column.get("format") in {"date-time", "date"}, f"{path} is a moment"


TEXT_IDS = {"messageId", "userId", "itblUserId", "messageBusId", "clientTemplateId", "anonymousUserId"} | {
    "createdByUserId",  # an address
    "creatorUserId",
    "updatedByUserId",
    "deviceId",
    "espAccountId",  # a number in some tables
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


def test_given_the_metadata_when_compared_then_it_names_these_tables_and_hosts(catalog: Catalog) -> None:
    data = yaml.safe_load((ROOT / "metadata.yaml").read_text("utf-8"))["data"]

    assert set(data["suggestedStreams"]["streams"]) <= set(schemas(catalog))
    assert data["allowedHosts"]["hosts"] == ["api.iterable.com", "api.eu.iterable.com", "*.amazonaws.com"]


# Records

FORMATS = FormatChecker(formats=())
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@FORMATS.checks("date-time", raises=ValueError)
def is_moment(value: object) -> bool:
    """Whether a text is a moment as RFC 3339 spells it."""
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
def test_given_what_is_no_moment_when_validated_then_it_is_told(value: str) -> None:
    schema = {"type": ["null", "string"], "format": "date-time"}

    assert not Strict(schema, format_checker=FORMATS).is_valid(value)


@pytest.mark.parametrize("table", TABLES)
def test_given_a_table_when_read_then_its_rows_match_the_schema_with_no_other_columns(
    synced: Output, catalog: Catalog, table: str
) -> None:
    schema = schemas(catalog)[table]
    validator = Strict(schema, format_checker=FORMATS)

    records = synced.records(table)

    assert records, "the table is empty"
    wrong = [(error.json_path, error.message) for record in records for error in validator.iter_errors(record)]
    assert not wrong
    assert {name for record in records for name in record} <= set(schema["properties"])
    json.dumps(records, allow_nan=False)


@pytest.mark.parametrize("table", TABLES)
def test_given_a_table_when_read_then_keys_are_filled_and_unique(synced: Output, table: str) -> None:
    keys = Counter(tuple(record[name] for name in KEYS[table]) for record in synced.records(table))

    assert all(part is not None for key in keys for part in key)
    twice = [key for key, times in keys.items() if times > 1]
    assert len(twice) == (1 if table == "email_open" else 0), "the sandbox holds one pair of identical events"


@pytest.mark.parametrize("table", INCREMENTAL)
def test_given_a_table_when_read_then_the_cursor_is_null_only_where_none_was_sent(
    project: Sandbox, synced: Output, table: str
) -> None:
    none_sent = sum(row.get(CURSORS[table]) is None for row in project.truth(TRUTH_OF[table]))

    null = [record for record in synced.records(table) if record.get(CURSORS[table]) is None]

    assert len(null) == none_sent
    assert table != "email_click" or none_sent


# The protocol


@pytest.mark.parametrize("table", TABLES)
def test_given_a_table_when_read_then_statuses_states_and_records_come_in_order(synced: Output, table: str) -> None:
    told = of_table(synced, table)

    kinds = [kind for kind, _ in told]
    assert synced.exit_code == 0
    assert not synced.errors
    assert [kind for kind in kinds if kind not in {"RECORD", "STATE"}] == ["STARTED", "RUNNING", "COMPLETE"]
    assert kinds[:3] == ["STARTED", "RUNNING", "RECORD"]
    assert kinds[-2:] == ["STATE", "COMPLETE"], "the last state comes last"


@pytest.mark.parametrize("table", TABLES)
def test_given_a_table_when_read_then_each_state_counts_the_records_before_it_and_moves(
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


@pytest.mark.parametrize("table", EXPORTS)
def test_given_a_table_of_windows_when_read_then_a_state_comes_after_every_one(
    first: Output, asked: list[tuple[str, str, str]], table: str
) -> None:
    windows = sorted((start, end) for data_type, start, end in asked if data_type == TRUTH_OF[table])

    states = first.states(table)

    assert len(windows) > 2
    assert windows[0][0] == rfc3339(START)
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    assert [state[CURSORS[table]] for state in states] == [end for _, end in windows]
    now = datetime.fromisoformat(windows[-1][1])
    assert timedelta() <= now - datetime.fromisoformat(NOW) < timedelta(minutes=5), "the sandbox's clock goes on"
    settled = f"{now - LOOKBACK:%Y-%m-%dT%H:%M:%SZ}"
    assert [state["settled"] for state in states] == [min(end, settled) for _, end in windows]


@pytest.mark.parametrize("table", EVENTS)
def test_given_a_table_of_windows_when_read_then_no_state_runs_ahead_of_its_records(first: Output, table: str) -> None:
    reached = None
    for kind, what in of_table(first, table):
        if kind == "STATE":
            reached = what["stream"]["stream_state"]["createdAt"]
        elif kind == "RECORD" and reached is not None and what.get("createdAt"):
            assert what["createdAt"] >= reached


# A second sync


@pytest.mark.parametrize("table", INCREMENTAL)
def test_given_the_last_state_when_read_again_then_only_rows_since_the_cursor_less_the_lookback(
    first: Output, again: Output, table: str
) -> None:
    saved = datetime.fromisoformat(first.states(table)[-1][CURSORS[table]])

    records = again.records(table)

    assert all(datetime.fromisoformat(record[CURSORS[table]]) >= saved - LOOKBACK for record in records)
    assert len(records) < len(first.records(table))
    assert again.statuses(table)[-1] == "COMPLETE"
    assert datetime.fromisoformat(again.states(table)[-1][CURSORS[table]]) >= saved


@pytest.mark.parametrize("table", WHOLE)
def test_given_a_state_when_a_table_without_cursor_is_read_again_then_it_comes_whole(
    first: Output, again: Output, table: str
) -> None:
    before, after = (Counter(map(canonical, output.records(table))) for output in (first, again))

    assert before == after


@pytest.mark.parametrize("table", TABLES)
def test_given_a_full_refresh_when_made_again_then_it_holds_the_first(refreshes: list[Output], table: str) -> None:
    before, after = (Counter(map(canonical, output.records(table))) for output in refreshes)

    assert before
    assert before <= after


def test_given_an_abnormally_large_state_when_read_then_no_rows_and_the_state_is_kept(
    project: Sandbox, catalog: Catalog
) -> None:
    abnormal = document("abnormal_state.json")
    given = {one["stream"]["stream_descriptor"]["name"]: one["stream"]["stream_state"] for one in abnormal}

    output = run(project, "read", config=document("config.json"), catalog=configured(catalog), state=abnormal)

    assert given.keys() == set(INCREMENTAL)
    assert output.exit_code == 0
    for table in INCREMENTAL:
        assert not output.records(table)
        assert output.states(table)
        assert all(state == given[table] for state in output.states(table))
        assert output.statuses(table) == ["STARTED", "COMPLETE"]
        assert any(line.startswith(f"WARN {table}: the saved state") for line in output.logs)


# Failure


def test_given_a_key_that_opens_nothing_when_read_then_each_table_is_incomplete_with_a_trace(
    project: Sandbox, catalog: Catalog
) -> None:
    config = document("invalid_config.json")

    output = run(project, "read", config=config, catalog=configured(catalog))

    assert output.exit_code == 1
    assert not output.of("RECORD")
    assert [error["stream_descriptor"]["name"] for error in output.errors] == sorted(TABLES)
    assert {error["failure_type"] for error in output.errors} == {"config_error"}
    assert all(output.statuses(table) == ["STARTED", "INCOMPLETE"] for table in TABLES)
    assert config["api_key"] not in output.text


def test_given_the_environment_of_the_tests_when_looked_at_then_it_names_the_sandbox(project: Sandbox) -> None:
    """Or else the tests would ask Iterable."""
    assert environment(project)["ITERABLE_API_URL"].startswith("http://127.0.0.1:")
