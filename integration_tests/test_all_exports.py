"""Every data type of the export is a stream that holds exactly what the project holds."""

from collections.abc import Iterator

import pytest

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.expected import (
    ALL_EXPORTS,
    CURSORS,
    EVENT_TABLES,
    KEYS,
    TRUTH_OF,
    assert_exact,
    event_id,
    merged,
)
from integration_tests.support.observed import truth_with
from integration_tests.support.rules import for_each
from integration_tests.support.sync import NOW, START, Output, catalog_here, configured, connect, read_here

MORE = 16  # rows of every shape


class Synced:
    """Two syncs of all export streams, and what the project held at each."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Read, let every stream grow, and read again from the state."""
        self.catalog = configured(catalog_here(sandbox), ALL_EXPORTS)
        self.first = read_here(sandbox, self.catalog)
        self.then = {table: truth_with(sandbox, self.catalog, table) for table in ALL_EXPORTS}
        self.asked = [one.params["dataTypeName"] for one in sandbox.requests if one.endpoint == "export/data.json"]
        sandbox.advance(hours=3)
        sandbox.grow(MORE, users=2)
        sandbox.advance(seconds=1)  # a sync reads up to the second that it begins in
        self.second = read_here(sandbox, self.catalog, self.first.state)
        self.now = {table: truth_with(sandbox, self.catalog, table) for table in ALL_EXPORTS}


@pytest.fixture(scope="module")
def synced() -> Iterator[Synced]:
    with (
        Sandbox(start=START, now=NOW, size=Size.smallest(), rate_scale=10_000) as sandbox,
        pytest.MonkeyPatch.context() as patch,
    ):
        connect(sandbox, patch)
        yield Synced(sandbox)


def ends(output: Output) -> set[str]:
    """The last statuses of the streams."""
    return {output.statuses(table)[-1] for table in ALL_EXPORTS}


def test_given_all_export_streams_when_synced_then_all_are_complete(synced: Synced) -> None:
    assert not synced.first.errors + synced.second.errors
    assert ends(synced.first) | ends(synced.second) == {"COMPLETE"}


def test_given_all_export_streams_when_synced_then_each_data_type_is_asked_for(synced: Synced) -> None:
    assert len(ALL_EXPORTS) == 53
    assert set(synced.asked) == {TRUTH_OF[table] for table in ALL_EXPORTS}


@for_each("table", ALL_EXPORTS)
def test_given_an_export_stream_when_synced_then_exactly_its_rows(synced: Synced, table: str) -> None:
    assert len(synced.then[table]) == 4
    assert_exact(synced.first.records(table), synced.then[table], table)


@for_each("table", ALL_EXPORTS)
def test_given_rows_that_are_new_when_synced_again_then_these_are_read_and_the_stream_is_whole(
    synced: Synced, table: str
) -> None:
    key = KEYS[table]
    first, second = synced.first.records(table), synced.second.records(table)

    held = merged([first, second], key)

    assert len(second) < len(synced.now[table]), "not all is read again"
    assert_exact(held, merged([synced.now[table]], key), table)
    if table in EVENT_TABLES:
        assert len(synced.now[table]) == 4 + MORE
        assert {row["event_id"] for row in second} >= {row["event_id"] for row in held if row[CURSORS[table]] > NOW}


# Events that carry an id


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    """A sandbox with one purchase and one custom event of the same id, sent again with another content."""
    for data_type in ("purchase", "customEvent"):
        for total in (1, 2):
            row = {
                "_id": "order-a",
                "email": "a@example.com",
                "total": total,
                "createdAt": "2024-02-01 00:00:00 +00:00",
            }
            sandbox.add_event(data_type, row)
    return sandbox


def test_given_events_with_an_id_when_synced_then_it_is_their_identity_in_their_stream(sandbox: Sandbox) -> None:
    catalog = configured(catalog_here(sandbox), ["purchase", "custom_event"])

    output = read_here(sandbox, catalog)

    ids = {}
    for table in "purchase", "custom_event":
        records = output.records(table)
        assert_exact(records, truth_with(sandbox, catalog, table), table)
        ids[table] = {row["event_id"] for row in records if row.get("_id") == "order-a"}
        assert ids[table] == {event_id(TRUTH_OF[table], {"_id": "order-a"})}
        assert len({row["event_id"] for row in records}) == len(records) - 1
    assert ids["purchase"].isdisjoint(ids["custom_event"])


def test_given_events_with_a_number_or_no_id_when_synced_then_each_has_an_identity_of_its_own(
    sandbox: Sandbox,
) -> None:
    sent = sandbox.truth("customEvent")
    catalog = configured(catalog_here(sandbox), ["custom_event"])

    records = read_here(sandbox, catalog).records("custom_event")

    assert {type(row["_id"]) for row in sent if "_id" in row} == {str, int, type(None)}
    assert any(row.get("_id") == "" for row in sent)
    assert any("_id" not in row for row in sent)
    numbers = {row["_id"] for row in sent if isinstance(row.get("_id"), int)}
    by_number = {row["dataFields"]["_id"]: row for row in records if "_id" in row.get("dataFields", {})}
    assert by_number.keys() == numbers
    assert all(row["event_id"] == event_id("customEvent", {"_id": str(one)}) for one, row in by_number.items())


def test_given_custom_events_whose_fields_differ_in_type_when_synced_then_each_comes_as_sent(sandbox: Sandbox) -> None:
    sent = sandbox.truth("customEvent")
    catalog = configured(catalog_here(sandbox), ["custom_event"])

    records = read_here(sandbox, catalog).records("custom_event")

    assert {type(row["step"]) for row in sent if "step" in row} == {int, str, list, type(None)}
    assert_exact(records, truth_with(sandbox, catalog, "custom_event"), "custom_event")
