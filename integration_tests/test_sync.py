"""Every stream arrives exactly, in a first and a second sync, whatever the settings."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.command import discover, run, run_here
from integration_tests.support.expected import (
    CURSORS,
    EVENTS,
    EXPORTS,
    KEYS,
    TABLES,
    TRUTH_OF,
    assert_exact,
    merged,
)
from integration_tests.support.observed import Catalog, truth_with
from integration_tests.support.rules import for_each
from integration_tests.support.sync import (
    NOW,
    START,
    Output,
    catalog_here,
    configured,
    read_here,
    settings,
    sync,
)

# One full sync of all streams, through the process


@pytest.fixture(scope="module")
def project() -> Iterator[Sandbox]:
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        yield running


@pytest.fixture(scope="module")
def catalog(project: Sandbox) -> Catalog:
    return discover(project)


@pytest.fixture(scope="module")
def first(project: Sandbox, catalog: Catalog) -> Output:
    return run(project, "read", config=settings(project), catalog=configured(catalog))


def test_given_a_project_when_discovered_then_each_stream_has_its_key_and_cursor(catalog: Catalog) -> None:
    keys = {stream["name"]: [name for (name,) in stream["source_defined_primary_key"]] for stream in catalog["streams"]}
    cursors = {stream["name"]: stream.get("default_cursor_field", []) for stream in catalog["streams"]}

    assert list(keys) == sorted(keys)
    assert keys.items() >= KEYS.items()
    for table in TRUTH_OF:
        assert cursors[table] == ([CURSORS[table]] if table in CURSORS else []), table


@for_each("table", TABLES)
def test_given_a_project_when_synced_then_exactly_its_rows(
    project: Sandbox, catalog: Catalog, first: Output, table: str
) -> None:
    arrived = first.records(table)

    assert arrived
    assert_exact(arrived, truth_with(project, catalog, table), table)


def test_given_a_project_when_synced_then_statuses_states_and_exit_code_say_so(first: Output) -> None:
    assert first.exit_code == 0
    assert not first.errors
    assert not first.stderr
    for table in TABLES:
        assert first.statuses(table) == ["STARTED", "RUNNING", "COMPLETE"], table


def test_given_a_project_when_synced_then_each_window_moves_the_state(first: Output) -> None:
    states = first.states("email_send")

    end = states[-1]["createdAt"]
    assert states[0] == {"createdAt": "2024-01-31T00:00:00Z", "settled": "2024-01-31T00:00:00Z"}
    assert end >= NOW
    assert states[-1]["settled"] == end.replace("T12:", "T11:"), "the lookback is an hour"


def test_given_a_project_when_synced_then_the_log_tells_windows_and_summaries_but_neither_key_nor_people(
    project: Sandbox, first: Output
) -> None:
    logs = "\n".join(first.logs)

    for table in EXPORTS:
        assert f"INFO {table}: 2024-01-01T00:00:00Z to 2024-01-31T00:00:00Z: " in logs
    for table in TABLES:
        rows = len(project.truth(TRUTH_OF[table]))
        assert re.search(rf"INFO {table}: complete: {rows} records?\b.* in \d+ requests?\b", logs), table
    assert project.api_key not in first.text
    assert "@" not in logs


# The second sync


def test_given_changes_when_synced_again_then_merging_gives_the_truth(sandbox: Sandbox) -> None:
    catalog = discover(sandbox)
    first = run_here(sandbox, "read", config=settings(sandbox), catalog=configured(catalog))
    sandbox.advance(days=3)
    sandbox.grow(25, users=7)
    campaigns, templates = sandbox.truth("campaigns"), sandbox.truth("templates")
    ended = next(row["id"] for row in campaigns if row["campaignState"] == "Running")
    sandbox.finish_campaign(ended)
    sandbox.edit_campaign(campaigns[3]["id"])
    sandbox.edit_template(templates[5]["templateId"])
    sandbox.delete_list(sandbox.truth("lists")[1]["id"])
    sandbox.advance(minutes=2)

    second = run_here(sandbox, "read", config=settings(sandbox), catalog=configured(catalog), state=first.state)

    assert second.exit_code == 0
    for table in TABLES:
        batches = [second.records(table)] if table not in CURSORS else [first.records(table), second.records(table)]
        there = merged([truth_with(sandbox, catalog, table)], KEYS[table])
        assert_exact(merged(batches, KEYS[table]), there, table)
    assert {record["id"] for record in second.records("campaigns")} == {ended, campaigns[3]["id"]}
    assert [record["templateId"] for record in second.records("templates")] == [templates[5]["templateId"]]
    assert len(second.records("users")) == 7
    assert all(25 <= len(second.records(table)) < 60 for table in EVENTS)


@pytest.mark.parametrize("to", ["append_dedup", "overwrite"])
def test_given_a_state_when_nothing_happened_then_only_the_lookback_is_read_again(sandbox: Sandbox, to: str) -> None:
    catalog = catalog_here(sandbox)
    first = sync(sandbox, to=to)
    sandbox.advance(hours=5)

    second = sync(sandbox, state=first.state, to=to)

    for table in EXPORTS:
        reread = truth_with(sandbox, catalog, table, start=first.states(table)[-1]["settled"])
        assert_exact(second.records(table), reread, table)
    assert not second.records("campaigns")
    assert not second.records("templates")


def test_given_plain_append_when_synced_again_and_again_then_no_event_is_appended_twice(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox)
    appended: dict[str, list[Any]] = {table: [] for table in EVENTS}
    state = None
    for _ in range(6):
        output = sync(sandbox, *EVENTS, state=state, to="append")
        state = output.state
        for table in EVENTS:
            appended[table] += output.records(table)
        sandbox.advance(minutes=100)
        sandbox.grow(9)
        sandbox.advance(minutes=1)

    last = sync(sandbox, *EVENTS, state=state, to="append")

    for table in EVENTS:
        settled = truth_with(sandbox, catalog, table, end=last.states(table)[-1]["settled"])
        assert_exact(appended[table] + last.records(table), settled, table)


def test_given_a_chain_of_states_when_read_from_any_of_them_then_merging_gives_the_truth(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox)
    whole = sync(sandbox, "email_click", window_in_days=10)
    before: list[Any] = []

    for message in whole.messages:
        if message["type"] == "RECORD":
            before.append(message["record"]["data"])
        elif message["type"] == "STATE":
            resumed = sync(sandbox, "email_click", state=[{"type": "STREAM", "stream": message["state"]["stream"]}])
            there = merged([truth_with(sandbox, catalog, "email_click")], ["event_id"])
            assert_exact(merged([before, resumed.records("email_click")], ["event_id"]), there)


# Settings


def test_given_full_refresh_when_synced_with_a_state_then_everything_comes(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox)

    outputs = [sync(sandbox, mode="full_refresh", to="overwrite") for _ in range(2)]

    for output in outputs:
        for table in TABLES:
            assert_exact(output.records(table), truth_with(sandbox, catalog, table), table)
            assert output.statuses(table)[-1] == "COMPLETE"


def test_given_full_refresh_when_profiles_change_meanwhile_then_none_is_missing(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox)
    sandbox.add_event("user", {"email": "late@example.com", "profileUpdatedAt": "2024-03-10 12:00:01 +00:00"})
    sandbox.set_clock(NOW)

    output = sync(sandbox, "users", mode="full_refresh", to="overwrite")

    last = [request.params for request in sandbox.requests if request.params.get("dataTypeName") == "user"][-1]
    assert last["endDateTime"] > "2024-03-11", "open towards the future"
    there = merged([truth_with(sandbox, catalog, "users", exportable_by=sandbox.now)], ["email"])
    assert_exact(merged([output.records("users")], ["email"]), there)


@pytest.mark.parametrize("end_date", ["2024-02-05", "2024-02-05T13:14:15Z", "02/05/2024"])
def test_given_an_end_date_when_synced_then_exports_end_before_it(sandbox: Sandbox, end_date: str) -> None:
    catalog = catalog_here(sandbox)
    until = "2024-02-05T13:14:15Z" if "T" in end_date else "2024-02-05T00:00:00Z"

    output = sync(sandbox, end_date=end_date)

    for table in TABLES:
        bounds = {"end": until} if table in EXPORTS else {}
        assert_exact(output.records(table), truth_with(sandbox, catalog, table, **bounds), table)
    for table in EXPORTS:
        assert output.states(table)[-1] == {CURSORS[table]: until, "settled": until}


@pytest.mark.parametrize("start_date", ["2024-02-05", "2024-02-05T13:14:15Z", "02/05/2024"])
def test_given_a_later_start_date_when_synced_then_exports_begin_there(sandbox: Sandbox, start_date: str) -> None:
    catalog = catalog_here(sandbox)
    since = "2024-02-05T13:14:15Z" if "T" in start_date else "2024-02-05T00:00:00Z"

    output = sync(sandbox, start_date=start_date)

    for table in TABLES:
        bounds = {"start": since} if table in EXPORTS else {}
        assert_exact(output.records(table), truth_with(sandbox, catalog, table, **bounds), table)


@pytest.mark.parametrize("days", [1, 3, 365])
def test_given_any_window_when_synced_then_the_same_rows(sandbox: Sandbox, days: int) -> None:
    catalog = catalog_here(sandbox)

    output = sync(sandbox, *EXPORTS, window_in_days=days)

    for table in EXPORTS:
        assert_exact(output.records(table), truth_with(sandbox, catalog, table), table)


def test_given_an_inclusive_end_when_synced_then_rows_on_edges_come_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(start=START, now=NOW, rate_scale=10_000, inclusive_end=True) as sandbox:
        monkeypatch.setenv("ITERABLE_API_URL", sandbox.url)
        monkeypatch.setenv("ITERABLE_RATE_SCALE", "10000")
        catalog = catalog_here(sandbox)

        output = sync(sandbox, *EXPORTS, window_in_days=1)

        for table in EXPORTS:
            assert_exact(output.records(table), truth_with(sandbox, catalog, table), table)


def test_given_the_email_key_when_discovered_and_read_then_it_is_declared_and_the_id_is_there(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox, event_key="email")

    output = sync(sandbox, *EVENTS, event_key="email")

    keys = {stream["name"]: stream["source_defined_primary_key"] for stream in catalog["streams"]}
    assert all(keys[table] == [["email"]] for table in EVENTS)
    for table in EVENTS:
        assert_exact(output.records(table), truth_with(sandbox, catalog, table), table)


# One stream that may not be read


@pytest.mark.parametrize("status", [401, 403])
def test_given_a_denied_data_type_when_synced_then_only_its_stream_fails(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    catalog = catalog_here(sandbox)
    denied = Fault(kind="status", endpoint="export/data.json", data_type="emailClick", status=status, times=None)
    sandbox.faults.add(denied)
    sandbox.forget_requests()

    output = read_here(sandbox, configured(catalog), window_in_days=2)

    assert output.statuses("email_click") == ["STARTED", "INCOMPLETE"]
    assert not output.records("email_click")
    (error,) = output.errors
    assert error["stream_descriptor"]["name"] == "email_click"
    assert error["failure_type"] == "config_error"
    assert f"HTTP {status}" in error["message"]
    assert "Server-side" in error["message"]
    asked = [r.params.get("dataTypeName") for r in sandbox.requests].count("emailClick")
    assert 5 <= asked <= 6, "ahead of its turn, for two minutes, and once more when it has come"
    for table in TABLES:
        if table != "email_click":
            assert output.statuses(table)[-1] == "COMPLETE"
            assert_exact(output.records(table), truth_with(sandbox, catalog, table), table)
