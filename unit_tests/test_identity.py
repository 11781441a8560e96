import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_iterable.records.event_id import DERIVED, event_id, line_id
from source_iterable.records.json_lines import MAX_NESTING, parse

GOLDEN = json.loads((Path(__file__).parent / "golden_event_ids.json").read_text("utf-8"))

NAMES = st.text(min_size=1, max_size=8).filter(lambda name: "." not in name and name != "itblInternal")
# Without NaN and the infinities, which `parse` returns as text.
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), FLOATS, st.text(max_size=8))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
ROWS = st.dictionaries(NAMES, VALUES, max_size=6)
EMPTY = st.recursive(
    st.sampled_from([None, [], {}]), lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=2), max_leaves=4
)
"""Values that do not change the id: nulls, empty lists, and objects that contain nothing else."""


@pytest.mark.parametrize("golden", GOLDEN, ids=[golden["why"] for golden in GOLDEN])
def test_ids_are_pinned(golden: dict[str, Any]) -> None:
    assert event_id(golden["data_type"], parse(golden["line"].encode())) == golden["event_id"]


@given(ROWS, st.randoms())
def test_id_does_not_depend_on_the_order_of_keys(row: dict[str, Any], random: Any) -> None:
    names = list(row)
    random.shuffle(names)

    assert event_id("emailOpen", {name: row[name] for name in names}) == event_id("emailOpen", row)


@given(ROWS, st.sampled_from(sorted(DERIVED)), st.text(), st.text())
def test_id_excludes_fields_that_iterable_revises(row: dict[str, Any], name: str, before: str, after: str) -> None:
    assert event_id("emailOpen", row | {name: before}) == event_id("emailOpen", row | {name: after})
    assert event_id("emailOpen", row | {"itblInternal": {"a": before}}) == event_id(
        "emailOpen", row | {"itblInternal.a": after}
    )


@pytest.mark.parametrize("data_type", ["customEvent", "emailSubscribe", "purchase"])
@pytest.mark.parametrize("name", sorted(DERIVED - {"itblInternal"}))
def test_id_includes_fields_that_the_sender_named(data_type: str, name: str) -> None:
    event = {"email": "ann@example.com", "createdAt": "2026-01-05 09:12:44 +00:00"}

    assert event_id(data_type, event | {name: "Paris"}) != event_id(data_type, event | {name: "Rome"})
    assert event_id(data_type, event | {"itblInternal": {"documentCreatedAt": "x"}}) == event_id(data_type, event)


@given(ROWS, NAMES.filter(lambda name: name not in DERIVED), SCALARS, SCALARS)
def test_rows_that_differ_in_an_included_field_have_different_ids(
    row: dict[str, Any], name: str, value: Any, other: Any
) -> None:
    same = json.dumps(value) == json.dumps(other)

    assert (event_id("emailOpen", row | {name: value}) == event_id("emailOpen", row | {name: other})) is same


@given(ROWS)
def test_a_null_does_not_change_the_id(row: dict[str, Any]) -> None:
    assert event_id("emailOpen", row | {"absent?": None}) == event_id(
        "emailOpen", {k: v for k, v in row.items() if k != "absent?"}
    )


def test_nested_and_dotted_fields_have_the_same_id() -> None:
    nested = {"deviceInfo": {"platform": "iOS", "app": {"name": "shop", "beta": None}}}
    dotted = {"deviceInfo.app.name": "shop", "deviceInfo.platform": "iOS"}

    assert event_id("inAppOpen", nested) == event_id("inAppOpen", dotted)


@given(ROWS, st.data())
def test_empty_values_in_any_object_do_not_change_the_id(row: dict[str, Any], data: st.DataObject) -> None:
    def padded(value: Any) -> Any:
        """``value``, with at most one more name in each of its objects."""
        if isinstance(value, list):
            return [padded(item) for item in value]
        if not isinstance(value, dict):
            return value
        more = data.draw(st.dictionaries(NAMES.filter(lambda name: name not in value), EMPTY, max_size=1))
        return {name: padded(inner) for name, inner in value.items()} | more

    before = copy.deepcopy(row)

    assert event_id("customEvent", padded(row)) == event_id("customEvent", row)
    assert row == before


@pytest.mark.parametrize("value", [[], {}, None, 0, "", False])
@pytest.mark.parametrize("other", [[], {}, None, 0, "", False])
def test_elements_of_a_list_keep_their_positions_and_values(value: Any, other: Any) -> None:
    ids = [event_id("customEvent", {"x": [item, 1]}) for item in (value, other)]

    assert (ids[0] == ids[1]) is (value is other or json.dumps(value) == json.dumps(other))
    assert event_id("customEvent", {"x": [1]}) not in ids
    assert event_id("customEvent", {}) != event_id("customEvent", {"x": [value]})


@pytest.mark.parametrize("value", ["", 0, False])
def test_zero_false_and_empty_text_change_the_id(value: Any) -> None:
    assert event_id("customEvent", {"x": value}) != event_id("customEvent", {})


def test_a_name_that_is_sent_nested_and_dotted_hides_neither_value() -> None:
    rows = [{"a": {"b": 1}, "a.b": 2}, {"a": {"b": 3}, "a.b": 2}, {"a": {"b": 1}, "a.b": 4}, {"a": {"b": 1}}]

    assert len({event_id("customEvent", row) for row in rows}) == len(rows)
    assert event_id("customEvent", {"a.b": 2, "a": {"b": 1}}) == event_id("customEvent", rows[0])


def test_data_type_is_part_of_the_id() -> None:
    assert event_id("emailOpen", {"email": "a@example.com"}) != event_id("emailClick", {"email": "a@example.com"})


def test_rows_with_lone_surrogates_or_deep_nesting_have_ids() -> None:
    deep: Any = "leaf"
    for _ in range(400):
        deep = [deep]

    assert len(event_id("emailOpen", {"subject": "\ud83d"})) == 32
    assert len(event_id("emailOpen", {"deep": deep})) == 32


@pytest.mark.parametrize("nesting", [("[", "]"), ('{"x":', "}"), ('[{"x":', "}]")])
def test_the_most_deeply_nested_row_has_the_same_id_at_any_depth_of_the_stack(nesting: tuple[str, str]) -> None:
    opening, closing = nesting
    times = (MAX_NESTING - 1) // (opening.count("[") + opening.count("{"))
    row = parse(f'{{"deep":{opening * times}1{closing * times}}}'.encode())

    def at_depth(frames: int) -> str:
        return at_depth(frames - 1) if frames else event_id("emailOpen", row)

    assert at_depth(sys.getrecursionlimit() // 2) == event_id("emailOpen", row)


def test_id_does_not_depend_on_the_order_of_keys_if_a_name_is_sent_nested_and_dotted() -> None:
    row = {"a": {"b": 1}, "a.b": {"c": 2}}

    assert event_id("customEvent", row) == event_id("customEvent", dict(reversed(row.items())))


def test_malformed_lines_are_identified_by_their_bytes() -> None:
    assert line_id("emailOpen", b'{"cut') == line_id("emailOpen", b'{"cut')
    assert line_id("emailOpen", b'{"cut') != line_id("emailOpen", b'{"cu')
