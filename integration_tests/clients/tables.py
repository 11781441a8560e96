"""The tables of a PyAirbyte cache, compared with what they must hold."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import airbyte as ab
from airbyte.caches import CacheBase

from integration_tests.sandbox import Sandbox
from integration_tests.support import expected_listings
from integration_tests.support.expected import ALL_EXPORTS, CURSORS, TRUTH_OF, assert_exact, expected

NINE_DECIMALS = Decimal("1e-9")
"""PyAirbyte declares numbers as DECIMAL(38, 9)."""

EVERY = (*TRUTH_OF, *expected_listings.TABLES)
"""Every table of the connector."""
CURSOR_OF = {**CURSORS, **expected_listings.CURSORS}
"""The cursors of the tables that are read incrementally."""
BEGIN_ANEW = {*CURSOR_OF} - {*ALL_EXPORTS}
"""The tables of which a full refresh keeps no state, so that the next read is whole."""

LONGEST_NAME = 63
"""PostgreSQL cuts what is longer."""

Row = Mapping[str, Any]


def columns(source: ab.Source, table: str) -> dict[str, Any]:
    """The columns of a table as `discover` showed them, by the names that they have in a database."""
    properties = source.get_stream_json_schema(table)["properties"]
    named = {in_database(name): column for name, column in properties.items()}
    assert len({name[:LONGEST_NAME] for name in named}) == len(properties), f"{table}: two columns have one name"
    return named


def in_database(name: str) -> str:
    """A column's name: lower-cased, whatever is no letter or digit as `_`."""
    return re.sub("[^a-z0-9]", "_", name.lower())


def rows(cache: CacheBase, table: str) -> list[dict[str, Any]]:
    """The rows of a table without PyAirbyte's own columns, in the form that is compared."""
    stored = cache.run_sql_query(f"SELECT * FROM iterable.{table}")  # noqa: S608 - a table's name
    return [{name: _stored(value) for name, value in row.items() if not name.startswith("_airbyte_")} for row in stored]


def truth(source: ab.Source, sandbox: Sandbox, table: str) -> list[dict[str, Any]]:
    """The rows that a table must hold, in the form that is compared."""
    types = columns(source, table)
    schema = source.get_stream_json_schema(table)
    if table in TRUTH_OF:
        records = expected(table, sandbox.rows(TRUTH_OF[table]), schema)
    else:
        records = expected_listings.expected(sandbox, table, schema)
    return [
        {in_database(name): _wanted(value, types[in_database(name)]) for name, value in one.items()} for one in records
    ]


def assert_holds(cache: CacheBase, source: ab.Source, sandbox: Sandbox, tables: Iterable[str]) -> None:
    """Each table has the columns that were shown, and the rows that Iterable has, every value as it was sent."""
    for table in tables:
        stored = rows(cache, table)
        assert stored, table
        assert all(row.keys() == columns(source, table).keys() for row in stored), table
        assert_exact(stored, truth(source, sandbox, table), table)


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        assert value.tzinfo is None
        return {"moment": value.isoformat(timespec="microseconds")}
    if isinstance(value, date):
        return {"day": value.isoformat()}
    if isinstance(value, Decimal):
        return {"number": str(value)}
    if isinstance(value, dict | list):
        return {"json": value}
    return value


def _wanted(value: Any, column: Mapping[str, Any]) -> Any:
    if value is None:
        return None
    (kind,) = [kind for kind in column["type"] if kind != "null"]
    if column.get("format") == "date-time":
        moment = datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
        return {"moment": moment.isoformat(timespec="microseconds")}
    if column.get("format") == "date":
        return {"day": value}
    if kind == "number":
        return {"number": str(Decimal(str(value)).quantize(NINE_DECIMALS))}
    if kind in {"object", "array"}:
        return {"json": json.loads(json.dumps(value))}
    return value
