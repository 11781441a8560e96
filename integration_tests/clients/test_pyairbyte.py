"""PyAirbyte reads every table into DuckDB, and some into PostgreSQL, resumes from its state, and holds what is true."""

import json
from collections.abc import Iterable
from typing import Any

import pandas as pd
import pytest
from airbyte.caches import CacheBase

from integration_tests.clients.conftest import Connect
from integration_tests.clients.page import examples
from integration_tests.clients.tables import BEGIN_ANEW, CURSOR_OF, EVERY, assert_holds, columns
from integration_tests.sandbox import Sandbox
from integration_tests.support.expected import ALL_EXPORTS, DOCUMENTED, TRUTH_OF

CUSTOM = {
    "address_zip": "VARCHAR",
    "averageorder": "DECIMAL(38,9)",
    "favorite_color": "VARCHAR",
    "home_geo_location": "JSON",
    "isvip": "BOOLEAN",
    "lastvisit": "TIMESTAMP",
    "loyaltypoints": "BIGINT",
    "offers_intro_apr": "VARCHAR",
    "orders": "JSON",
    "preferences_maxperweek": "BIGINT",
    "tags": "VARCHAR",
}
"""Profile fields of the sandbox's project, with DuckDB's types."""


SOME = (*DOCUMENTED, "campaign_metrics", "campaign_metrics_daily", "custom_event", "purchase", "template_content")
"""What is read into PostgreSQL: values of every kind, in less time."""


@pytest.fixture
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> CacheBase:
    """An empty cache of the kind that the test names; for PostgreSQL with what the page says must come first."""
    if request.param == "postgres":
        monkeypatch.setattr(pd, "read_json", pd.read_json)  # put back after the test
        exec(examples("PostgreSQL")[0], {})  # noqa: S102
    found: CacheBase = request.getfixturevalue(request.param)
    return found


def states(cache: CacheBase) -> dict[str, dict[str, Any]]:
    """What the cache keeps for the next read of each table that has a cursor."""
    kept = cache.run_sql_query("SELECT stream_name, state_json FROM iterable._airbyte_state")
    found = {one["stream_name"]: json.loads(one["state_json"])["stream"]["stream_state"] for one in kept}
    return {table: state for table, state in found.items() if table in CURSOR_OF}


def assert_moved(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], tables: Iterable[str]) -> None:
    """The state of each of these tables is further than it was."""
    stuck = [table for table in tables if after[table][CURSOR_OF[table]] <= before[table][CURSOR_OF[table]]]
    assert not stuck


def windows(sandbox: Sandbox) -> dict[str, str]:
    """From when on each data type was requested, in requests for exports."""
    asked = [request.params for request in sandbox.requests if request.endpoint == "export/data.json"]
    return {params["dataTypeName"]: params["startDateTime"] for params in asked}


def days(sandbox: Sandbox) -> list[str]:
    """The days whose figures were requested."""
    asked = [request.params for request in sandbox.requests if request.endpoint == "campaigns/metrics"]
    return sorted(params["startDateTime"] for params in asked if not params["startDateTime"].startswith("1970"))


def contents(sandbox: Sandbox) -> list[int]:
    """The templates whose contents were requested."""
    asked = [request.params for request in sandbox.requests if request.endpoint.endswith("/get")]
    return sorted(int(params["templateId"]) for params in asked)


def live_on(sandbox: Sandbox) -> list[int]:
    """Let a day pass on which rows come and change in every table; gives the templates that were edited."""
    sandbox.advance(days=1)
    sandbox.grow(events=5, users=3)
    sandbox.edit_campaign(sandbox.truth("campaigns")[0]["id"])
    sandbox.add_campaign(campaignState="Running", labels=["fresh"])
    edited = [sandbox.truth("template_contents")[number]["templateId"] for number in (0, -1)]
    for template in edited:
        sandbox.edit_template(template)
    sandbox.edit_journey(sandbox.truth("journeys")[0]["id"])
    sandbox.add_journey()
    sandbox.edit_snippet(sandbox.truth("snippets")[0]["id"])
    sandbox.edit_catalog_item("Products", "0042")
    sandbox.add_catalog_item("Products")
    sandbox.add_experiment()
    sandbox.forget("email", f"someone-{sandbox.now.timestamp()}@example.com")
    sandbox.project.fields["nickname"] = "string"
    sandbox.advance(minutes=5)
    return sorted(edited)


def clear_out(sandbox: Sandbox) -> None:
    """Delete a row of every kind that can be deleted."""
    sandbox.delete_campaign(sandbox.truth("campaigns")[0]["id"])
    sandbox.delete_template(sandbox.truth("template_contents")[0]["templateId"])
    sandbox.delete_list(sandbox.truth("lists")[0]["id"])
    sandbox.delete_journey(sandbox.truth("journeys")[0]["id"])
    sandbox.delete_catalog_item("Products", "null")
    sandbox.delete_experiment(sandbox.truth("experiments")[0]["id"])


@pytest.mark.parametrize(("cache", "tables"), [("duckdb", EVERY), ("postgres", SOME)], indirect=["cache"])
def test_given_a_project_that_lives_on_then_the_cache_holds_what_iterable_holds(
    sandbox: Sandbox, connect: Connect, cache: CacheBase, tables: tuple[str, ...]
) -> None:
    source = connect(*tables)
    source.check()
    assert sorted(source.get_available_streams()) == sorted(EVERY)

    whole = source.read(cache=cache).processed_records

    assert_holds(cache, source, sandbox, tables)
    first = states(cache)
    assert first.keys() == CURSOR_OF.keys() & set(tables)
    exports = [table for table in ALL_EXPORTS if table in tables]

    edited = live_on(sandbox)
    sandbox.forget_requests()
    later = connect(*tables)

    again = later.read(cache=cache).processed_records

    assert_holds(cache, later, sandbox, tables)
    settled = {TRUTH_OF[table]: first[table]["settled"] for table in exports}
    assert {kind: f"{start[:10]}T{start[11:19]}Z" for kind, start in windows(sandbox).items()} == settled
    assert days(sandbox)[0] == first["campaign_metrics_daily"]["settled"]
    assert contents(sandbox) == edited
    assert again < whole / 2
    second = states(cache)
    assert_moved(first, second, first)

    clear_out(sandbox)
    live_on(sandbox)

    later.read(cache=cache, write_strategy="replace", force_full_refresh=True)

    assert_holds(cache, later, sandbox, tables)
    third = states(cache)
    assert_moved(second, third, exports)

    anew = [table for table in third if CURSOR_OF[table] not in third[table]]
    assert set(anew) == BEGIN_ANEW & set(tables)
    live_on(sandbox)

    later.read(cache=cache, streams=anew)

    assert_holds(cache, later, sandbox, anew)
    assert_moved(second, states(cache), anew)


def test_profile_fields_are_typed_columns(connect: Connect, duckdb: CacheBase) -> None:
    source = connect("users")

    source.read(cache=duckdb)

    described = duckdb.run_sql_query("DESCRIBE iterable.users")
    types = {column["column_name"]: column["column_type"] for column in described}
    own = {"_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta"}
    assert set(types) - own == set(columns(source, "users"))
    assert {name: types.get(name) for name in CUSTOM} == CUSTOM
