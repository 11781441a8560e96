import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_iterable.identity import LEFT_OUT, event_id, line_id
from source_iterable.rows import parse

GOLDEN = json.loads((Path(__file__).parent / "golden_event_ids.json").read_text("utf-8"))

NAMES = st.text(min_size=1, max_size=8).filter(lambda name: "." not in name and name != "itblInternal")
# Floats that JSON can spell: `parse` gives NaN and the infinities as text.
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), FLOATS, st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, min_size=1, max_size=3),
    max_leaves=8,
)
ROWS = st.dictionaries(NAMES, VALUES, max_size=6)


@pytest.mark.parametrize("golden", GOLDEN, ids=[golden["why"] for golden in GOLDEN])
def test_ids_are_pinned_for_good(golden: dict[str, Any]) -> None:
    assert event_id(golden["data_type"], parse(golden["line"].encode())) == golden["event_id"]


@given(ROWS, st.randoms())
def test_id_does_not_depend_on_the_order_of_keys(row: dict[str, Any], random: Any) -> None:
    names = list(row)
    random.shuffle(names)

    assert event_id("emailOpen", {name: row[name] for name in names}) == event_id("emailOpen", row)


@given(ROWS, st.sampled_from(sorted(LEFT_OUT)), st.text(), st.text())
def test_id_leaves_out_what_iterable_revises(row: dict[str, Any], name: str, before: str, after: str) -> None:
    assert event_id("emailOpen", row | {name: before}) == event_id("emailOpen", row | {name: after})
    assert event_id("emailOpen", row | {"itblInternal": {"a": before}}) == event_id(
        "emailOpen", row | {"itblInternal.a": after}
    )


@pytest.mark.parametrize("data_type", ["customEvent", "emailSubscribe", "purchase"])
@pytest.mark.parametrize("name", sorted(LEFT_OUT - {"itblInternal"}))
def test_id_covers_what_the_sender_named(data_type: str, name: str) -> None:
    event = {"email": "ann@example.com", "createdAt": "2026-01-05 09:12:44 +00:00"}

    assert event_id(data_type, event | {name: "Paris"}) != event_id(data_type, event | {name: "Rome"})
    assert event_id(data_type, event | {"itblInternal": {"documentCreatedAt": "x"}}) == event_id(data_type, event)


@given(ROWS, NAMES.filter(lambda name: name not in LEFT_OUT), SCALARS, SCALARS)
def test_rows_that_differ_in_a_covered_field_have_different_ids(
    row: dict[str, Any], name: str, one: Any, other: Any
) -> None:
    same = json.dumps(one) == json.dumps(other)

    assert (event_id("emailOpen", row | {name: one}) == event_id("emailOpen", row | {name: other})) is same


@given(ROWS)
def test_nulls_and_absence_are_the_same(row: dict[str, Any]) -> None:
    assert event_id("emailOpen", row | {"absent?": None}) == event_id(
        "emailOpen", {k: v for k, v in row.items() if k != "absent?"}
    )


def test_nested_and_dotted_are_the_same() -> None:
    nested = {"deviceInfo": {"platform": "iOS", "app": {"name": "shop", "beta": None}}}
    dotted = {"deviceInfo.app.name": "shop", "deviceInfo.platform": "iOS"}

    assert event_id("inAppOpen", nested) == event_id("inAppOpen", dotted)


def test_an_empty_object_is_not_its_absence() -> None:
    assert event_id("customEvent", {"x": {}}) != event_id("customEvent", {})


def test_a_name_that_stands_nested_and_flat_hides_neither() -> None:
    rows = [{"a": {"b": 1}, "a.b": 2}, {"a": {"b": 3}, "a.b": 2}, {"a": {"b": 1}, "a.b": 4}, {"a": {"b": 1}}]

    assert len({event_id("customEvent", row) for row in rows}) == len(rows)
    assert event_id("customEvent", {"a.b": 2, "a": {"b": 1}}) == event_id("customEvent", rows[0])


def test_data_type_is_part_of_the_id() -> None:
    assert event_id("emailOpen", {"email": "a@example.com"}) != event_id("emailClick", {"email": "a@example.com"})


def test_lone_surrogates_and_deep_rows_have_ids() -> None:
    deep: Any = "leaf"
    for _ in range(400):
        deep = [deep]

    assert len(event_id("emailOpen", {"subject": "\ud83d"})) == 32
    assert len(event_id("emailOpen", {"deep": deep})) == 32


def test_malformed_lines_are_identified_by_their_bytes() -> None:
    assert line_id("emailOpen", b'{"cut') == line_id("emailOpen", b'{"cut')
    assert line_id("emailOpen", b'{"cut') != line_id("emailOpen", b'{"cu')
