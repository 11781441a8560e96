"""What Iterable lists and reports besides events and profiles arrives exactly: page by page, and as CSV."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import Record, Row, assert_exact, canonical, merged
from integration_tests.support.expected_listings import CURSORS, FULL, KEYS, TABLES, expected
from integration_tests.support.rules import for_each
from integration_tests.support.sync import NOW, START, Output, catalog_here, configured, environment, read_here
from integration_tests.support.sync import sync as sync_tables
from source_iterable.api import client

FIRST = 2220229
"""The id of the first campaign; the next ones are 7 apart."""
EVER: dict[str, Any] = {"times": None}
METRICS = "campaigns/metrics"
REVISED = timedelta(days=15)
"""How long the numbers of a day may change."""

Catalog = dict[str, Any]


@contextmanager
def running_with(**options: Any) -> Iterator[Sandbox]:
    """A sandbox that the connector asks also when it runs in this process."""
    with (
        Sandbox(start=START, now=NOW, **({"rate_scale": 10_000} | options)) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in environment(running).items():
            patch.setenv(name, value)
        yield running


def sync(sandbox: Sandbox, *tables: str, **others: Any) -> Output:
    """Read some streams, by default without their states."""
    output = sync_tables(sandbox, *tables, **others)
    assert not output.errors, output.errors
    return output


def schema_of(catalog: Catalog, table: str) -> dict[str, Any]:
    streams = [entry.get("stream", entry) for entry in catalog["streams"]]
    return next(stream["json_schema"] for stream in streams if stream["name"] == table)


def truth(sandbox: Sandbox, table: str) -> list[Record]:
    """The records of a stream with all its columns, as the project is now."""
    return expected(sandbox, table, schema_of(catalog_here(sandbox), table))


def without_nulls(rows: Iterable[Row]) -> Iterator[Row]:
    """Records whose `dataFields` hold no null."""
    for row in rows:
        rest = {name: value for name, value in (row.get("dataFields") or {}).items() if value is not None}
        yield {**row, "dataFields": rest or None}


def failure(output: Output, table: str) -> dict[str, Any]:
    """The error of a stream, which has no other."""
    (error,) = output.errors
    assert error["stream_descriptor"]["name"] == table
    assert output.statuses(table)[-1] == "INCOMPLETE"
    return error


def remarks(output: Output, table: str) -> list[str]:
    return [line for line in output.logs if line.startswith(f"WARN {table}: ")]


def asked(sandbox: Sandbox, endpoint: str) -> list[dict[str, str]]:
    return [one.params for one in sandbox.requests if one.endpoint == endpoint]


# Two syncs of all


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


# Numbers day by day


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
    spans = [(one["startDateTime"], one["endDateTime"]) for one in asked(sandbox, METRICS)]
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

        assert len(asked(sandbox, METRICS)) == 31
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


# Pages

PAGED: dict[str, tuple[Size, str, list[dict[str, str]]]] = {
    "campaign_labels": (
        Size(campaigns=1005),
        "campaigns",
        [{"page": str(number), "pageSize": "1000", "sort": "id"} for number in (1, 2)]
        + [{"page": "1", "pageSize": "1000", "sort": "id", "campaignState": "Archived"}],
    ),
    "catalogs": (
        Size(catalogs=205),
        "catalogs",
        [{"page": str(number), "pageSize": "100"} for number in (1, 2, 3)],
    ),
    "catalog_items": (
        Size(catalogs=1, catalog_items=2001),
        "catalogs/Products/items",
        [{"page": str(number), "pageSize": "1000"} for number in (1, 2, 3)],
    ),
    "experiments": (
        Size(experiments=201),
        "experiments",
        [{"limit": "100", "offset": str(offset)} for offset in (0, 100, 200)],
    ),
    "journeys": (
        Size(journeys=204),
        "journeys",
        [{"page": str(number), "pageSize": "50", "sort": "id"} for number in (1, 2, 3, 4)]
        + [{"page": str(number), "pageSize": "50", "sort": "id", "state": "Archived"} for number in (1, 2)],
    ),
}


@pytest.mark.parametrize("table", PAGED)
def test_given_several_pages_when_synced_then_each_page_is_asked_for_and_exactly_the_rows(table: str) -> None:
    size, endpoint, pages = PAGED[table]
    with running_with(size=size) as sandbox:
        output = sync(sandbox, table)
        requests = asked(sandbox, endpoint)
        wanted = truth(sandbox, table)

    assert set(map(_text, pages)) == set(map(_text, requests))
    assert_exact(output.records(table), wanted, table)


def _text(params: dict[str, str]) -> str:
    return json.dumps(params, sort_keys=True)


SHIFTS: dict[str, tuple[Size, str, Callable[[Sandbox], Any], Callable[[Sandbox], Any]]] = {
    "campaign_labels": (
        Size(campaigns=1005),
        "campaigns",
        lambda sandbox: sandbox.delete_campaign(FIRST),
        lambda sandbox: sandbox.add_campaign(labels=["new"]),
    ),
    "campaigns": (
        Size(campaigns=1005),
        "campaigns",
        lambda sandbox: sandbox.delete_campaign(FIRST),
        lambda sandbox: sandbox.add_campaign(labels=["new"]),
    ),
    "catalog_items": (
        Size(catalogs=1, catalog_items=1005),
        "catalogs/Products/items",
        lambda sandbox: sandbox.delete_catalog_item("Products", "0042"),
        lambda sandbox: sandbox.add_catalog_item("Products"),
    ),
    "experiments": (
        Size(experiments=105),
        "experiments",
        lambda sandbox: sandbox.delete_experiment(51200),
        lambda sandbox: sandbox.add_experiment(),
    ),
    "journeys": (
        Size(journeys=75),
        "journeys",
        lambda sandbox: sandbox.delete_journey(90210),
        lambda sandbox: sandbox.add_journey(),
    ),
}


@pytest.mark.parametrize("change", ["one deleted", "one added", "one deleted and one added"])
@pytest.mark.parametrize("table", SHIFTS)
@pytest.mark.usefixtures("waits")  # before a detail that is gone is believed to be gone
def test_given_a_listing_that_changes_between_pages_when_synced_then_no_row_is_lost_and_none_comes_twice(
    table: str, change: str
) -> None:
    size, endpoint, delete, add = SHIFTS[table]
    with running_with(size=size) as sandbox:

        def shift() -> None:
            if "deleted" in change:
                delete(sandbox)
            if "added" in change:
                add(sandbox)

        before = truth(sandbox, table)
        sandbox.between_pages(endpoint, shift)
        output = sync(sandbox, table)
        after = truth(sandbox, table)

    arrived = output.records(table)
    keys = [_key(table, row) for row in arrived]
    lost = set(map(canonical, before)) & set(map(canonical, after)) - set(map(canonical, arrived))
    assert len(before) != len(after) or change == "one deleted and one added"
    assert not lost, f"{len(lost)} of {len(after)} rows"
    assert len(set(keys)) == len(keys)
    assert set(keys) <= {_key(table, row) for row in before + after}


def _key(table: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS.get(table, ["id"]))


@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "plain"])
@pytest.mark.parametrize("table", ["catalogs", "catalog_items"])
def test_given_either_form_of_answers_when_synced_then_the_catalogs(table: str, *, wrapped: bool) -> None:
    with running_with(wrapped_catalogs=wrapped) as sandbox:
        output = sync(sandbox, table)

        assert_exact(output.records(table), truth(sandbox, table), table)


@pytest.mark.parametrize(
    ("table", "endpoint"),
    [
        ("campaign_labels", "campaigns"),
        ("catalogs", "catalogs"),
        ("catalog_items", "catalogs/Products/items"),
        ("journeys", "journeys"),
        ("template_content", "templates"),
    ],
)
def test_given_a_next_page_on_another_host_when_synced_then_it_is_refused_and_the_key_stays(
    sandbox: Sandbox, table: str, endpoint: str
) -> None:
    with Sandbox(start=START, now=NOW, size=Size.smallest(), api_key=sandbox.api_key) as thief:
        location = f"{thief.url}/api/{endpoint}?page=2&pageSize=50"
        sandbox.faults.add(Fault(kind="next_page", endpoint=endpoint, location=location, **EVER))

        output = sync_tables(sandbox, table)

        assert failure(output, table)["failure_type"] == "system_error"
        assert not thief.requests


# What is told one by one


@pytest.mark.parametrize("status", [400, 404])
def test_given_a_template_that_vanished_when_synced_then_it_is_left_out_and_said(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    gone = sandbox.truth("templates")[2]["templateId"]
    fault = Fault(kind="status", status=status, endpoint="templates/*/get", params={"templateId": str(gone)}, **EVER)
    sandbox.faults.add(fault)

    output = sync(sandbox, "template_content")

    wanted = [row for row in truth(sandbox, "template_content") if row["templateId"] != gone]
    assert_exact(output.records("template_content"), wanted)
    assert any(str(gone) in line for line in remarks(output, "template_content"))
    assert len(waits) <= 5


def test_given_templates_of_media_without_content_when_synced_then_they_are_left_out(
    sandbox: Sandbox, waits: list[float]
) -> None:
    web_push = {row["templateId"] for row in sandbox.truth("templates")} - {
        row["templateId"] for row in sandbox.truth("template_contents")
    }

    output = sync(sandbox, "template_content")

    assert len(web_push) == 2
    assert not web_push & {row["templateId"] for row in output.records("template_content")}
    assert not remarks(output, "template_content")
    assert sum(waits) <= 2 * len(web_push)


def test_given_a_content_that_cannot_be_had_when_synced_again_then_it_comes(
    sandbox: Sandbox, waits: list[float]
) -> None:
    one = sandbox.truth("templates")[20]["templateId"]
    fault = Fault(kind="status", status=500, endpoint="templates/*/get", params={"templateId": str(one)}, **EVER)
    sandbox.faults.add(fault)

    broken = sync_tables(sandbox, "template_content")
    sandbox.faults.clear()
    whole = sync(sandbox, "template_content", state=broken.state)

    failure(broken, "template_content")
    assert waits
    held = merged([broken.records("template_content"), whole.records("template_content")], ["templateId"])
    assert_exact(held, truth(sandbox, "template_content"))


def test_given_a_list_of_experiments_that_tells_their_number_alone_when_synced_then_all_arrive() -> None:
    with running_with(experiments_total_count=True, size=Size(experiments=250)) as sandbox:
        output = sync(sandbox, "experiments")

        assert_exact(output.records("experiments"), truth(sandbox, "experiments"))
        pages = [int(one["offset"]) for one in asked(sandbox, "experiments")]
        assert sorted(set(pages)) == [0, 100, 200]


@pytest.mark.parametrize("status", [400, 404])
def test_given_an_experiment_that_vanished_when_synced_then_what_the_listing_tells(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    gone = sandbox.truth("experiments")[3]
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=f"experiments/{gone['id']}", **EVER))

    output = sync(sandbox, "experiments")

    arrived = {row["id"]: row for row in output.records("experiments")}
    wanted = [row for row in truth(sandbox, "experiments") if row["id"] != gone["id"]]
    assert_exact([row for one, row in arrived.items() if one != gone["id"]], wanted)
    assert {name for name, value in arrived[gone["id"]].items() if value is not None} == gone.keys()
    assert any(str(gone["id"]) in line for line in remarks(output, "experiments"))
    assert len(waits) <= 2


def test_given_a_catalog_that_vanished_when_synced_then_the_items_of_the_others(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="status", status=404, endpoint="catalogs/store-locations/items", **EVER))

    output = sync(sandbox, "catalog_items")

    wanted = [row for row in truth(sandbox, "catalog_items") if row["catalogName"] == "Products"]
    assert_exact(output.records("catalog_items"), wanted)
    assert len(waits) <= 2


# The forgotten


@pytest.mark.parametrize("project_type", ["email", "userid", "hybrid"])
def test_given_a_project_of_any_type_when_synced_then_its_forgotten(project_type: str, waits: list[float]) -> None:
    with running_with(project_type=project_type) as sandbox:
        output = sync(sandbox, "forgotten_users")

        assert_exact(output.records("forgotten_users"), truth(sandbox, "forgotten_users"))
        assert len(output.records("forgotten_users")) == (6 if project_type == "hybrid" else 3)
    assert len(waits) <= 1


@pytest.mark.parametrize("status", [403, 404, 409])
def test_given_the_other_kind_refused_when_synced_then_this_kind_comes(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    """Which status a project answers for an identifier that it does not use is not documented."""
    sandbox.faults.add(Fault(kind="status", status=status, endpoint="users/forgottenUserIds", **EVER))

    output = sync(sandbox, "forgotten_users")

    assert {record["identifier"] for record in output.records("forgotten_users")} == {"email"}
    assert waits == pytest.approx([5, 15, 40, 60] if status == 403 else [], abs=0.01), "a 403 may pass"


def test_given_a_key_that_may_see_none_when_synced_then_the_key_is_blamed(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.add(Fault(kind="status", status=403, endpoint="users/forgotten*", **EVER))

    output = sync_tables(sandbox, "forgotten_users")

    assert failure(output, "forgotten_users")["failure_type"] == "config_error"


def test_given_both_kinds_refused_when_synced_then_it_fails(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.add(Fault(kind="status", status=400, endpoint="users/forgotten*", **EVER))

    output = sync_tables(sandbox, "forgotten_users")

    failure(output, "forgotten_users")
    assert len(waits) <= 2


def test_given_one_kind_that_fails_when_synced_then_it_fails(sandbox: Sandbox, waits: list[float]) -> None:
    """What is only half read must not pass for the whole."""
    sandbox.faults.add(Fault(kind="status", status=500, endpoint="users/forgotten", **EVER))

    output = sync_tables(sandbox, "forgotten_users")

    assert failure(output, "forgotten_users")["failure_type"] == "transient_error"
    assert waits


# A gateway's page in the place of an answer


@pytest.mark.parametrize(
    ("table", "endpoint"),
    [
        ("catalog_items", "catalogs/*/items"),
        ("list_users", "lists/getUsers"),
        ("metadata", "metadata/*/*"),
        ("template_content", "templates/email/get"),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_given_web_pages_in_the_place_of_answers_when_synced_then_no_row_is_missing(
    sandbox: Sandbox, waits: list[float], table: str, endpoint: str, status: int
) -> None:
    """Iterable's own refusals are about one thing, which is skipped; a page of somebody else's is about nothing."""
    undisturbed = sync_tables(sandbox, table).records(table)
    page = sandbox.faults.add(
        Fault(kind="status", status=status, endpoint=endpoint, body="<html>Not here</html>", times=3)
    )

    output = sync_tables(sandbox, table)

    assert sandbox.faults.struck(page) == 3
    assert_exact(output.records(table), undisturbed, table)
    assert output.statuses(table)[-1] == "COMPLETE"


# What is not documented: right under either reading


@pytest.mark.parametrize("table", ["campaigns", "campaign_labels", "campaign_metrics"])
def test_given_archived_campaigns_that_only_their_own_listing_shows_when_synced_then_they_come(table: str) -> None:
    with running_with(archived_campaigns=False) as sandbox:
        output = sync(sandbox, table)
        wanted = truth(sandbox, table) if table != "campaigns" else None
        archived = {row["id"] for row in sandbox.project.campaigns if row["campaignState"] == "Archived"}
        everything = {row["id"] for row in sandbox.project.campaigns}

    assert archived
    if wanted is None:
        assert {record["id"] for record in output.records(table)} == everything
    else:
        assert_exact(output.records(table), wanted, table)


@pytest.mark.parametrize("table", ["journeys", "templates"])
def test_given_addresses_of_next_pages_without_filters_when_synced_then_the_same(table: str) -> None:
    records = []
    for bare in (False, True):
        with running_with(bare_next_pages=bare, size=Size(journeys=250, templates=4500)) as sandbox:
            records.append(sync(sandbox, table).records(table))
            assert "2" in {one.get("page") for one in asked(sandbox, table)}

    assert_exact(*records, table)


def test_given_a_next_page_of_another_scheme_when_synced_then_it_is_followed_on_this_one(sandbox: Sandbox) -> None:
    """A server behind a proxy may not know by which scheme it was asked."""
    host = sandbox.url.partition("://")[2]
    sandbox.faults.add(
        Fault(kind="next_page", endpoint="campaigns", location=f"https://{host}/api/campaigns?page=2", times=1)
    )

    output = sync(sandbox, "campaigns")

    assert len(output.records("campaigns")) == Size().campaigns
    assert [one.get("page") for one in asked(sandbox, "campaigns")].count("2") >= 1


def test_given_pages_without_rows_that_name_a_next_one_when_synced_then_it_ends(sandbox: Sandbox) -> None:
    empty = '{"campaigns":[],"nextPageUrl":"/api/campaigns?page=%d"}'
    sandbox.faults.add(Fault(kind="status", status=200, endpoint="campaigns", body=empty % 9, **EVER))

    output = sync(sandbox, "campaigns")

    assert output.records("campaigns") == []
    assert len(asked(sandbox, "campaigns")) <= 4


# No record leaves before all that it is made of is here


def test_given_a_day_of_several_requests_when_one_fails_then_none_of_that_day_left_before(waits: list[float]) -> None:
    with running_with(size=Size(campaigns=900)) as sandbox:
        sandbox.faults.add(Fault(kind="status", status=403, endpoint="campaigns/metrics", nth=120, **EVER))
        output = sync_tables(sandbox, "campaign_metrics_daily", to="append", start_date="2024-02-01")

    failure(output, "campaign_metrics_daily")
    days = {record["date"] for record in output.records("campaign_metrics_daily")}
    states = output.states("campaign_metrics_daily")
    assert len(days) > 1
    assert max(days) == states[-1]["date"]
    moving = [state["date"] for state in states]
    assert moving == sorted(set(moving))


# Changes that a listing tells in other places, or while it is made


def test_given_a_campaign_that_is_edited_while_it_is_listed_when_synced_then_it_waits_for_the_next_sync(
    sandbox: Sandbox,
) -> None:
    """It has a start and an end before the listing began, and waits for the next sync all the same."""
    (first, *_) = [row["id"] for row in sandbox.project.campaigns if row.get("endedAt")]
    state = [
        {
            "type": "STREAM",
            "stream": {
                "stream_descriptor": {"name": "campaigns"},
                "stream_state": {"updatedAt": sandbox.start_date.isoformat()},
            },
        }
    ]
    with sandbox.project.lock:
        row = next(row for row in sandbox.project.campaigns if row["id"] == first)
        row["updatedAt"] = int(sandbox.now.timestamp() * 1000) + 3_600_000

    output = sync_tables(sandbox, "campaigns", state=state, to="append")

    assert first not in {record["id"] for record in output.records("campaigns")}
