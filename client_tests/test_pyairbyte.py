"""PyAirbyte reads every table into DuckDB and PostgreSQL, goes on from its state, and holds what Iterable holds."""

import json
from typing import Any

import pandas as pd
import pytest
from airbyte.caches import CacheBase

from client_tests.conftest import Connect
from client_tests.page import examples
from client_tests.tables import assert_holds, columns
from integration_tests.expected import CURSORS, EXPORTS, TABLES, TRUTH_OF
from integration_tests.sandbox import Sandbox

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
    "tags": "JSON",
}
"""Profile fields of the sandbox's project, with DuckDB's types."""


@pytest.fixture(params=["duckdb", "postgres"])
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> CacheBase:
    """An empty cache; for PostgreSQL with what the page says must come first."""
    if request.param == "postgres":
        monkeypatch.setattr(pd, "read_json", pd.read_json)  # put back after the test
        exec(examples("PostgreSQL")[0], {})  # noqa: S102
    found: CacheBase = request.getfixturevalue(request.param)
    return found


def states(cache: CacheBase) -> dict[str, dict[str, Any]]:
    """What the cache keeps for the next read of each table that has a cursor."""
    kept = cache.run_sql_query("SELECT stream_name, state_json FROM iterable._airbyte_state")
    found = {one["stream_name"]: json.loads(one["state_json"])["stream"]["stream_state"] for one in kept}
    return {table: found[table] for table in CURSORS}


def windows(sandbox: Sandbox) -> dict[str, str]:
    """From when on each data type was asked for, in requests for exports."""
    asked = [request.params for request in sandbox.requests if request.endpoint == "export/data.json"]
    return {params["dataTypeName"]: params["startDateTime"] for params in asked}


def test_given_a_project_that_lives_on_then_the_cache_holds_what_iterable_holds(
    sandbox: Sandbox, connect: Connect, cache: CacheBase
) -> None:
    source = connect()
    source.check()

    source.read(cache=cache)

    assert set(source.get_selected_streams()) == set(TABLES)
    assert_holds(cache, source, sandbox, TABLES)
    first = states(cache)

    sandbox.grow(events=5, users=3)
    sandbox.edit_campaign(sandbox.truth("campaigns")[0]["id"])
    sandbox.advance(hours=3)
    sandbox.forget_requests()
    later = connect()

    result = later.read(cache=cache)

    assert_holds(cache, later, sandbox, TABLES)
    settled = {TRUTH_OF[table]: first[table]["settled"] for table in EXPORTS}
    assert {kind: f"{start[:10]}T{start[11:19]}Z" for kind, start in windows(sandbox).items()} == settled
    assert result.processed_records < len(TABLES) * 20
    second = states(cache)
    assert all(second[table][CURSORS[table]] > first[table][CURSORS[table]] for table in CURSORS)

    removed = sandbox.truth("lists")[0]
    sandbox.delete_list(removed["id"])
    sandbox.grow(events=5, users=3)
    sandbox.advance(hours=3)

    later.read(cache=cache, write_strategy="replace", force_full_refresh=True)

    assert_holds(cache, later, sandbox, TABLES)
    third = states(cache)
    assert all(third[table][CURSORS[table]] > second[table][CURSORS[table]] for table in CURSORS)


def test_profile_fields_are_typed_columns(connect: Connect, duckdb: CacheBase) -> None:
    source = connect("users")

    source.read(cache=duckdb)

    described = duckdb.run_sql_query("DESCRIBE iterable.users")
    types = {column["column_name"]: column["column_type"] for column in described}
    own = {"_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta"}
    assert set(types) - own == set(columns(source, "users"))
    assert {name: types.get(name) for name in CUSTOM} == CUSTOM
