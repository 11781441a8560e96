"""What Iterable lists and reports besides events and profiles arrives exactly, in two syncs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.expected import Record, assert_exact, merged
from integration_tests.support.expected_listings import CURSORS, FULL, KEYS, TABLES, expected
from integration_tests.support.listings import FIRST, sync, without_nulls
from integration_tests.support.observed import EVER, schema_of
from integration_tests.support.rules import for_each
from integration_tests.support.sync import NOW, catalog_here, configured, read_here, running_with


class Synced:
    """Two syncs of all these streams, what the project held at each, and what changed between them."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Read, change, and read again from the state."""
        self.catalog = catalog_here(sandbox)
        configuration = configured(self.catalog, TABLES)
        self.first = read_here(sandbox, configuration)
        self.then = self._truth(sandbox)
        sandbox.forget_requests()
        sandbox.advance(days=2)
        self.changed = self._change(sandbox)
        sandbox.advance(seconds=5)
        self.second = read_here(sandbox, configuration, self.first.state)
        self.now = self._truth(sandbox)
        self.asked = [(one.endpoint, one.params) for one in sandbox.requests]

    def _truth(self, sandbox: Sandbox) -> dict[str, list[Record]]:
        return {table: expected(sandbox, table, schema_of(self.catalog, table)) for table in TABLES}

    def _change(self, sandbox: Sandbox) -> dict[str, set[Any]]:
        journeys = [row["id"] for row in sandbox.truth("journeys") if not row["isArchived"]]
        snippet = sandbox.truth("snippets")[1]["id"]
        templates = sandbox.truth("templates")
        email = templates[4]["templateId"]
        push = next(row["templateId"] for row in templates if row["messageMedium"] == "Push")
        sandbox.edit_journey(journeys[0])
        sandbox.archive_journey(journeys[1])
        new = sandbox.add_journey()["id"]
        sandbox.edit_snippet(snippet)
        sandbox.edit_template(email)
        sandbox.edit_template(push)
        added = sandbox.add_template("Workflow", "SMS")["templateId"]
        sandbox.finish_campaign(FIRST + 7)
        sandbox.add_campaign(campaignState="Running", labels=["fresh", "newsletter"])
        sandbox.edit_catalog_item("Products", "0042")
        sandbox.add_catalog_item("Products")
        sandbox.delete_catalog_item("Products", "null")
        sandbox.add_experiment()
        sandbox.forget("email", "someone@example.com")
        return {"journeys": {*journeys[:2], new}, "snippets": {snippet}, "template_content": {email, push, added}}


@pytest.fixture(scope="module")
def synced() -> Iterator[Synced]:
    with running_with() as sandbox:
        yield Synced(sandbox)


def test_given_a_project_when_discovered_then_keys_and_cursors(synced: Synced) -> None:
    streams = {stream["name"]: stream for stream in synced.catalog["streams"] if stream["name"] in TABLES}

    assert {table: [name for (name,) in one["source_defined_primary_key"]] for table, one in streams.items()} == KEYS
    assert {table: one.get("default_cursor_field") or [] for table, one in streams.items()} == {
        table: [CURSORS[table]] if table in CURSORS else [] for table in TABLES
    }


def test_given_a_project_when_synced_then_all_are_complete(synced: Synced) -> None:
    assert not synced.first.errors + synced.second.errors
    for table in TABLES:
        assert synced.first.statuses(table) == ["STARTED", "RUNNING", "COMPLETE"], table
        assert synced.second.statuses(table)[-1] == "COMPLETE", table


@for_each("table", TABLES)
def test_given_a_project_when_synced_then_exactly_its_rows(synced: Synced, table: str) -> None:
    arrived = synced.first.records(table)

    assert arrived
    assert_exact(without_nulls(arrived), synced.then[table], table)


def test_given_an_experiment_of_500_levels_when_synced_then_it_is_whole(sandbox: Sandbox) -> None:
    """That it is kept on disk meanwhile, and what has no column in `dataFields`, adds levels that do not count."""
    first = sandbox.truth("experiment_details")[0]["id"]
    deep = "[" * 499 + "]" * 499
    body = f'{{"id":{first},"deep":{deep}}}'
    sandbox.faults.add(Fault(kind="status", status=200, endpoint=f"experiments/{first}", body=body, **EVER))

    records = {record["id"]: record for record in sync(sandbox, "experiments").records("experiments")}

    assert json.dumps(records[first]["dataFields"]["deep"]) == deep


def test_given_experiments_when_synced_then_each_tells_its_campaign_at_the_top(sandbox: Sandbox) -> None:
    details = sandbox.truth("experiment_details")
    shown = {row["id"]: row.get("campaignId") or row["meta"]["campaignId"] for row in details}

    records = sync(sandbox, "experiments").records("experiments")

    assert {record["id"]: record.get("campaignId") for record in records} == shown
    assert any(row["meta"]["campaignId"] is None and "campaignId" in row for row in details)
    assert any(row["meta"]["campaignId"] and "campaignId" not in row for row in details)
    assert None in shown.values()
    assert not any("campaignId" in (record.get("dataFields") or {}) for record in records)


@pytest.mark.parametrize("table", ["campaign_metrics", "campaign_metrics_daily", "experiment_metrics"])
def test_given_campaigns_of_several_media_when_synced_then_a_record_tells_nothing_of_other_media(
    synced: Synced, table: str
) -> None:
    """Which campaigns are requested together must not change a record."""
    nulls = {
        name
        for row in synced.first.records(table)
        for name, value in (row.get("dataFields") or {}).items()
        if value is None
    }

    assert not nulls


@for_each("table", TABLES)
def test_given_a_project_when_synced_then_keys_are_unique_and_not_null(synced: Synced, table: str) -> None:
    for output in synced.first, synced.second:
        keys = [tuple(record[name] for name in KEYS[table]) for record in output.records(table)]

        assert all(part is not None for key in keys for part in key)
        assert len(set(keys)) == len(keys)


@for_each("table", FULL)
def test_given_changes_when_synced_again_then_a_stream_without_a_cursor_comes_whole(synced: Synced, table: str) -> None:
    assert_exact(without_nulls(synced.second.records(table)), synced.now[table], table)


@pytest.mark.parametrize("table", ["journeys", "snippets", "template_content"])
def test_given_changes_when_synced_again_then_only_these_come(synced: Synced, table: str) -> None:
    (key,) = KEYS[table]
    changed = [row for row in synced.now[table] if row[key] in synced.changed[table]]

    assert len(changed) == len(synced.changed[table])
    assert_exact(synced.second.records(table), changed, table)
    assert_exact(merged([synced.then[table], synced.second.records(table)], [key]), synced.now[table], table)


@pytest.mark.parametrize("table", ["journeys", "snippets", "template_content"])
def test_given_a_listing_when_synced_then_the_state_is_when_it_began(synced: Synced, table: str) -> None:
    first, second = synced.first.states(table)[-1], synced.second.states(table)[-1]

    assert first.keys() == {"updatedAt"}
    assert NOW.replace("Z", "") <= first["updatedAt"] < "2024-03-10T12:02"
    assert "2024-03-12T12:00:05" <= second["updatedAt"] < "2024-03-12T12:02"


def test_given_changes_when_synced_again_then_only_the_contents_of_changed_templates_are_asked_for(
    synced: Synced,
) -> None:
    contents = [int(params["templateId"]) for endpoint, params in synced.asked if endpoint.endswith("/get")]

    assert sorted(contents) == sorted(synced.changed["template_content"])


def test_given_two_days_more_when_synced_again_then_the_days_that_may_have_changed_come_and_all_are_right(
    synced: Synced,
) -> None:
    table = "campaign_metrics_daily"
    second = synced.second.records(table)

    since = min(row["date"] for row in second)
    assert since == "2024-02-25", "fifteen days before the last one that was read"
    assert_exact(without_nulls(second), [row for row in synced.now[table] if row["date"] >= since], table)
    held = merged([synced.first.records(table), second], KEYS[table])
    assert_exact(without_nulls(held), synced.now[table], table)
    assert {row["date"] for row in second} >= {"2024-03-11", "2024-03-12"}


def test_given_days_when_synced_then_the_state_moves_with_each(synced: Synced) -> None:
    states = synced.first.states("campaign_metrics_daily")

    assert states[0] == {"date": "2024-01-01", "settled": "2024-01-02"}
    assert states[-1] == {"date": "2024-03-10", "settled": "2024-02-25"}
    assert len(states) == 70


def test_given_days_when_synced_then_they_add_up_to_the_lives(synced: Synced) -> None:
    columns = [
        name
        for name in schema_of(synced.catalog, "campaign_metrics")["properties"]
        if name.startswith(("total_", "unique_", "revenue", "sum_")) and "_per_" not in name
    ]
    lives = synced.first.records("campaign_metrics")
    days = synced.first.records("campaign_metrics_daily")

    for life in lives:
        own = [day for day in days if day["id"] == life["id"]]
        for name in columns:
            assert sum(day.get(name) or 0 for day in own) == pytest.approx(life.get(name) or 0), (life["id"], name)
    assert sum(life.get("total_email_sends") or 0 for life in lives) > 10_000
