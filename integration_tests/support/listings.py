"""What tests of list endpoints share."""

from collections.abc import Iterable, Iterator
from typing import Any

from integration_tests.sandbox import Sandbox
from integration_tests.support.expected import Record, Row
from integration_tests.support.expected_listings import expected
from integration_tests.support.observed import schema_of
from integration_tests.support.sync import Output, catalog_here
from integration_tests.support.sync import sync as sync_tables

FIRST = 2220229
"""The id of the first campaign; the next ones are 7 apart."""


def sync(sandbox: Sandbox, *tables: str, **others: Any) -> Output:
    """Read some streams, by default without their states."""
    output = sync_tables(sandbox, *tables, **others)
    assert not output.errors, output.errors
    return output


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
