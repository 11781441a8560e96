"""What docs/pyairbyte.md says that PyAirbyte does. A test that fails here: PyAirbyte has changed, so must the page."""

import contextlib
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from airbyte.caches import CacheBase
from airbyte.exceptions import AirbyteConnectorFailedError, PyAirbyteNameNormalizationError
from airbyte.shared.sql_processor import SQLRuntimeError

from integration_tests.clients.conftest import Connect
from integration_tests.clients.page import examples
from integration_tests.clients.tables import assert_holds, rows, truth
from integration_tests.sandbox import Fault, Sandbox

WIRE_TIME = "%Y-%m-%d %H:%M:%S +00:00"


def tables(cache: CacheBase) -> set[str]:
    """The tables of the cache, but not PyAirbyte's own."""
    found = cache.run_sql_query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'iterable'")
    return {row["table_name"] for row in found if not row["table_name"].startswith("_airbyte_")}


def newcomer(sandbox: Sandbox, email: str, **fields: Any) -> None:
    """Add a profile, updated now, and let a minute pass."""
    updated = sandbox.now.strftime(WIRE_TIME)
    sandbox.add_event("user", {"email": email, "itblUserId": email, "profileUpdatedAt": updated, **fields})
    sandbox.advance(minutes=1)


def profile(cache: CacheBase, email: str) -> dict[str, Any]:
    """The row of a profile, without what is null."""
    (row,) = cache.run_sql_query(f"SELECT * FROM iterable.users WHERE email = '{email}'")  # noqa: S608 - a constant
    return {name: value for name, value in row.items() if value is not None}


def test_append_keeps_the_lookback_window_twice(sandbox: Sandbox, connect: Connect, duckdb: CacheBase) -> None:
    source = connect("email_open")
    source.read(cache=duckdb, write_strategy="append")
    before = Counter(row["event_id"] for row in rows(duckdb, "email_open"))
    sandbox.grow(events=8)
    sandbox.advance(minutes=5)
    source.read(cache=duckdb, write_strategy="append")
    sandbox.advance(minutes=5)

    source.read(cache=duckdb, write_strategy="append")

    stored = Counter(row["event_id"] for row in rows(duckdb, "email_open"))
    assert set(stored) == {row["event_id"] for row in truth(source, sandbox, "email_open")}
    assert sum(count > 1 for count in before.values()) == 1, "two equal events are two rows"
    assert set(before.values()) == {1, 2}
    assert all(stored[event] > 1 for event in set(stored) - set(before))


def test_what_is_gone_stays_until_replaced_and_nothing_replaces_nothing(
    sandbox: Sandbox, connect: Connect, duckdb: CacheBase
) -> None:
    source = connect("lists")
    source.read(cache=duckdb)
    everything = rows(duckdb, "lists")
    sandbox.delete_list(sandbox.truth("lists")[0]["id"])

    source.read(cache=duckdb)
    assert len(rows(duckdb, "lists")) == len(everything) == len(sandbox.truth("lists")) + 1

    source.read(cache=duckdb, write_strategy="replace", force_full_refresh=True)
    assert_holds(duckdb, source, sandbox, ["lists"])

    for one in sandbox.truth("lists"):
        sandbox.delete_list(one["id"])
    source.read(cache=duckdb, write_strategy="replace", force_full_refresh=True)
    assert len(rows(duckdb, "lists")) == len(everything) - 1


def test_a_stream_that_fails_takes_the_others_with_it(sandbox: Sandbox, connect: Connect, duckdb: CacheBase) -> None:
    sandbox.faults.add(Fault(kind="status", endpoint="export/data.json", data_type="emailOpen", status=400, times=None))
    source = connect("channels", "email_bounce", "email_open")

    with pytest.raises(AirbyteConnectorFailedError):
        source.read(cache=duckdb)

    assert tables(duckdb) == set()

    for table in "email_bounce", "email_open":
        with contextlib.suppress(AirbyteConnectorFailedError):
            source.read(cache=duckdb, streams=[table])

    assert tables(duckdb) == {"email_bounce"}
    assert_holds(duckdb, source, sandbox, ["email_bounce"])


def test_numbers_have_nine_decimals_and_less_than_thirty_digits_before_them(
    sandbox: Sandbox, connect: Connect, duckdb: CacheBase
) -> None:
    sandbox.project.fields["score"] = "double"
    newcomer(sandbox, "fine@example.com", score=0.1234567891234)
    source = connect("users")

    source.read(cache=duckdb)

    assert profile(duckdb, "fine@example.com")["score"] == Decimal("0.123456789")

    newcomer(sandbox, "large@example.com", score=1e29)
    with pytest.raises(SQLRuntimeError):
        source.read(cache=duckdb)


def test_some_profile_fields_must_be_left_out(sandbox: Sandbox, connect: Connect, duckdb: CacheBase) -> None:
    connect("users").read(cache=duckdb)
    sandbox.project.fields["order"] = "string"
    newcomer(sandbox, "new@example.com", order="third", 名前="花", firstName="Hana")
    with pytest.raises(SQLRuntimeError, match=r'near \\?"order\\?"'):
        connect("users").read(cache=duckdb)
    sandbox.project.fields["名前"] = "string"
    source = connect("users")
    with pytest.raises(PyAirbyteNameNormalizationError):
        source.read(cache=duckdb)

    (leave_out,) = examples("Limits")
    exec(leave_out, {"source": source})  # noqa: S102
    exec(leave_out.replace("名前", "order"), {"source": source})  # noqa: S102
    source.read(cache=duckdb)

    stored = profile(duckdb, "new@example.com")
    assert stored["firstname"] == "Hana"
    assert not {"order", "datafields"} & set(stored)


def test_postgresql_takes_text_for_numbers(sandbox: Sandbox, connect: Connect, postgres: CacheBase) -> None:
    newcomer(sandbox, "post@example.com", phoneNumber="+15557666155", **{"address.zip": "00501"})

    connect("users").read(cache=postgres)

    stored = profile(postgres, "post@example.com")
    assert stored["phonenumber"] == "15557666155.0"
    assert stored["address_zip"] == "501.0"
    missing = postgres.run_sql_query("SELECT count(*) AS rows FROM iterable.users WHERE devices::text = 'null'")
    assert missing[0]["rows"] > 0
