import json
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_iterable.records.coercion import OBJECT_TEXT
from source_iterable.records.columns import GENERATED, JSON_TEXT, OVERFLOW, Columns, destination_name
from source_iterable.records.json_lines import MalformedLineError, check, dump, parse
from source_iterable.streams.schema import TIMESTAMP

TEXT = {"type": ["null", "string"]}
WHOLE = {"type": ["null", "integer"]}
NUMBER = {"type": ["null", "number"]}
FLAG = {"type": ["null", "boolean"]}
DAY = {"type": ["null", "string"], "format": "date"}
OBJECT = {"type": ["null", "object"], "additionalProperties": True}
WHOLES = {"type": ["null", "array"], "items": WHOLE}
REST_COLUMN = {"type": ["null", "object"], GENERATED: True}


def columns(**properties: Any) -> Columns:
    return Columns({**properties, OVERFLOW: REST_COLUMN})


@pytest.mark.parametrize(
    ("column", "sent", "arrives"),
    [
        pytest.param(TEXT, "a", "a", id="text"),
        pytest.param(TEXT, "\u2028\u0085\U0001f600", "\u2028\u0085\U0001f600", id="text beyond ASCII"),
        pytest.param(WHOLE, 2**63 - 1, 2**63 - 1, id="64-bit integer"),
        pytest.param(NUMBER, 1, 1, id="integer as number"),
        pytest.param(NUMBER, 1.5, 1.5, id="number"),
        pytest.param(FLAG, False, False, id="boolean"),
        pytest.param(TIMESTAMP, "2024-01-01 00:00:00 +00:00", "2024-01-01T00:00:00Z", id="moment"),
        pytest.param(TIMESTAMP, 0, "1970-01-01T00:00:00Z", id="epoch milliseconds"),
        pytest.param(DAY, "2024-01-01", "2024-01-01", id="day"),
        pytest.param(WHOLES, [1, None, 2], [1, None, 2], id="array"),
        pytest.param(OBJECT, {"a": 1}, {"a": 1}, id="object"),
        pytest.param({**OBJECT, JSON_TEXT: True}, '{"a": 1}', {"a": 1}, id="object in text"),
        pytest.param({**OBJECT, JSON_TEXT: True}, {"a": 1}, {"a": 1}, id="object where text is usual"),
        pytest.param({}, [1, "a"], [1, "a"], id="a column of any type"),
    ],
)
def test_a_value_that_fits_is_in_its_column(column: Any, sent: Any, arrives: Any) -> None:
    assert columns(field=column).record({"field": sent}) == {"field": arrives}


@pytest.mark.parametrize(
    ("column", "sent"),
    [
        pytest.param(TEXT, 5, id="number for text"),
        pytest.param(WHOLE, "5", id="text for integer"),
        pytest.param(WHOLE, 5.0, id="float for integer"),
        pytest.param(WHOLE, True, id="boolean for integer"),
        pytest.param(WHOLE, "9223372036854775808", id="integer beyond 64 bits, which parse gives as text"),
        pytest.param(NUMBER, "NaN", id="NaN, which parse gives as text"),
        pytest.param(FLAG, 1, id="integer for boolean"),
        pytest.param(TIMESTAMP, "2024-01-01", id="bare day for timestamp"),
        pytest.param(TIMESTAMP, "soon", id="text for timestamp"),
        pytest.param(WHOLES, [1, "a"], id="text among integers"),
        pytest.param(WHOLES, 1, id="integer for array"),
        pytest.param(OBJECT, '{"a": 1}', id="text for object"),
        pytest.param({**OBJECT, JSON_TEXT: True}, "no json", id="text that is not JSON"),
        pytest.param({**OBJECT, JSON_TEXT: True}, "[1]", id="text that is no object"),
    ],
)
def test_a_value_that_does_not_fit_is_kept_beside(column: Any, sent: Any) -> None:
    assert columns(field=column).record({"field": sent}) == {"field": None, OVERFLOW: {"field": sent}}


def test_what_has_no_column_is_kept_unchanged() -> None:
    record = columns(email=TEXT).record({"email": None, "Favorite Color": "red", "nested": {"a": [1]}, "n": None})

    assert record == {"email": None, OVERFLOW: {"Favorite Color": "red", "nested": {"a": [1]}, "n": None}}


def test_a_sent_field_named_like_an_added_column_is_kept_beside() -> None:
    table = Columns({"event_id": {**TEXT, GENERATED: True}, OVERFLOW: REST_COLUMN})

    record = table.record({"event_id": "theirs", OVERFLOW: {"a": 1}}, {"event_id": "ours"})

    assert record == {"event_id": "ours", OVERFLOW: {"event_id": "theirs", OVERFLOW: {"a": 1}}}


def test_nested_objects_take_the_dotted_names_of_their_columns() -> None:
    table = columns(**{"itblInternal.emailDomain": TEXT, "a.b.c": WHOLE})

    record = table.record({"itblInternal": {"emailDomain": "example.com", "new": 1}, "a": {"b": {"c": "x", "d": 2}}})

    assert record == {
        "itblInternal.emailDomain": "example.com",
        "a.b.c": None,
        OVERFLOW: {"itblInternal": {"new": 1}, "a": {"b": {"c": "x", "d": 2}}},
    }


def test_a_field_sent_nested_and_dotted_loses_neither() -> None:
    table = columns(**{"a.b": TEXT})

    assert table.record({"a": {"b": "nested"}, "a.b": "dotted"}) == {"a.b": "dotted", OVERFLOW: {"a": {"b": "nested"}}}


def test_deselected_columns_are_dropped_and_do_not_come_back() -> None:
    table = Columns({"email": TEXT, OVERFLOW: REST_COLUMN}, known=["email", "phone", "a.b", OVERFLOW])

    record = table.record({"email": "a@example.com", "phone": "1", "a": {"b": 1, "c": 2}, "new": 3})

    assert record == {"email": "a@example.com", OVERFLOW: {"a": {"c": 2}, "new": 3}}


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (["a", "\u00fc", None, 1.5, {"b": []}], '["a","\u00fc",null,1.5,{"b":[]}]'),
        ([], "[]"),
        (["\ud83d"], '["\\ud83d"]'),
        ("[1]", "[1]"),
        (None, None),
    ],
)
def test_a_list_in_a_column_of_text_is_json_where_that_is_wanted(sent: Any, arrives: Any) -> None:
    table = Columns({"field": TEXT, OVERFLOW: REST_COLUMN}, lists_as_text=True)

    assert table.record({"field": sent}) == {"field": arrives}


@pytest.mark.parametrize("sent", [{"a": 1}, 5, True])
def test_other_values_in_a_column_of_text_are_kept_beside_all_the_same(sent: Any) -> None:
    table = Columns({"field": TEXT, OVERFLOW: REST_COLUMN}, lists_as_text=True)

    assert table.record({"field": sent}) == {"field": None, OVERFLOW: {"field": sent}}


@pytest.mark.parametrize("sent", [{"a": {"b": [1]}}, [{"a": 1}]])
def test_an_object_in_a_column_that_is_made_for_it_is_json(sent: Any) -> None:
    column = columns(field={**TEXT, OBJECT_TEXT: True})

    assert json.loads(column.record({"field": sent})["field"]) == sent
    assert column.record({"field": "text"}) == {"field": "text"}
    assert column.record({"field": 5}) == {"field": None, OVERFLOW: {"field": 5}}


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [([1, None], [1, None]), (1, [1]), (None, None), ([], []), ("a", ...), ([1, "a"], ...), ([[1]], ...)],
)
def test_a_field_of_what_comes_field_by_field_is_a_list_of_one_if_it_is_alone(sent: Any, arrives: Any) -> None:
    record = columns(**{"devices.size": WHOLES}).record({"devices.size": sent})

    assert record == (
        {"devices.size": None, OVERFLOW: {"devices.size": sent}} if arrives is ... else {"devices.size": arrives}
    )
    assert columns(**{"others.size": WHOLES}).record({"others.size": 1}) == {
        "others.size": None, OVERFLOW: {"others.size": 1},
    }  # fmt: skip


def test_a_value_is_read_as_this_version_does_and_fits_the_type_of_the_catalog() -> None:
    own = {"at": TIMESTAMP, "id": WHOLE, "data": {**OBJECT, JSON_TEXT: True}, "sum": NUMBER, OVERFLOW: REST_COLUMN}
    catalog = {"at": TEXT, "id": TEXT, "data": TEXT, "sum": TIMESTAMP, OVERFLOW: {"type": ["null", "object"]}}
    row = {"at": "2024-01-01 00:00:00 +00:00", "id": 5, "data": '{"a": 1}', "sum": 5}

    assert Columns(catalog, own=own).record(row) == {
        "at": "2024-01-01T00:00:00Z", "id": None, "data": '{"a": 1}', "sum": None, OVERFLOW: {"id": 5, "sum": 5},
    }  # fmt: skip
    assert Columns(catalog, own=own, needed=["id"]).record(row)["id"] == "5"
    assert Columns({"id": FLAG, OVERFLOW: {}}, own=own, needed=["id"]).record({"id": 5}) == {"id": 5}


def test_where_nothing_takes_the_rest_every_value_stays_in_its_column() -> None:
    assert Columns({"id": FLAG}, own={"id": WHOLE}).record({"id": 5}) == {"id": 5}


def test_without_data_fields_only_columns_leave() -> None:
    assert Columns({"email": TEXT}).record({"email": 5, "new": 1}) == {"email": None}


@given(
    st.dictionaries(
        st.sampled_from(["text", "whole", "a.b", "a", "other", OVERFLOW]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("bcd"), inner, max_size=2),
            max_leaves=5,
        ),
    )
)
def test_every_value_leaves_somewhere(row: dict[str, Any]) -> None:
    record = columns(text=TEXT, whole=WHOLE, **{"a.b": TEXT}).record(row)

    kept = record.get(OVERFLOW, {})
    for name, value in row.items():
        if name == "a" and isinstance(value, dict):
            for key, inner in value.items():
                in_column = key == "b" and "a.b" not in row and record.get("a.b", ...) == inner
                assert in_column or kept["a"][key] == inner
        else:
            assert kept.get(name, ...) == value or record[name] == value


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b'{"a": 9223372036854775807}', {"a": 2**63 - 1}),
        (b'{"a": 9223372036854775808}', {"a": "9223372036854775808"}),
        (b'{"a": [{"b": -123456789012345678901234567890}]}', {"a": [{"b": "-123456789012345678901234567890"}]}),
        (b'{"a": NaN, "b": -Infinity, "c": 1e999}', {"a": "NaN", "b": "-Infinity", "c": "1e999"}),
        (b'{"a": "1234567890123456789012"}', {"a": "1234567890123456789012"}),
        (b'{"a": "\\ud83d"}', {"a": "\ud83d"}),
        (b'{"a": "\xe2\x80\xa8\xc2\x85"}', {"a": "\u2028\u0085"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": ' + b"9" * 5000 + b"}", {"a": "9" * 5000}),
    ],
)
def test_odd_lines_are_read_exactly(line: bytes, row: dict[str, Any]) -> None:
    assert parse(line) == row


@pytest.mark.parametrize(
    "line", [b"{", b'{"a": 1', b"[1]", b'"text"', b"5", b"null", b"{'a': 1}", b'{"a": "\xff"}', b'{"a":' * 3000]
)
def test_lines_that_are_no_object_are_malformed(line: bytes) -> None:
    with pytest.raises(MalformedLineError):
        parse(line)


@given(st.binary(max_size=60) | st.from_regex(rb"\A\{\"a\": ?[-\[{\"0-9a-zA-Z.,:}\]]{0,30}\}\Z"))
def test_any_bytes_give_a_row_or_are_malformed_and_the_check_knows(line: bytes) -> None:
    try:
        row = parse(line)
    except MalformedLineError:
        with pytest.raises(MalformedLineError):
            check(line)
        return
    check(line)
    assert parse(dump(row)) == row


@given(st.integers())
def test_integers_are_integers_as_long_as_64_bits_hold_them(number: int) -> None:
    value = parse(b'{"a": [%d]}' % number)["a"][0]

    assert value == (number if -(2**63) <= number < 2**63 else str(number))


def test_nesting_beyond_all_use_is_malformed_alike_everywhere() -> None:
    for levels, bad in ((498, False), (600, True), (1015, True), (5000, True)):
        line = b'{"a":' + b"[" * levels + b"]" * levels + b"}"
        with pytest.raises(MalformedLineError) if bad else nullcontext():
            check(line)
        with pytest.raises(MalformedLineError) if bad else nullcontext():
            parse(line)


def test_names_are_compared_as_destinations_do() -> None:
    assert destination_name("Favorite Color") == destination_name("favorite.color") == "favorite_color"
