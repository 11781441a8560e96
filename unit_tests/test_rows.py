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
INTEGER = {"type": ["null", "integer"]}
NUMBER = {"type": ["null", "number"]}
BOOLEAN = {"type": ["null", "boolean"]}
DATE = {"type": ["null", "string"], "format": "date"}
OBJECT = {"type": ["null", "object"], "additionalProperties": True}
INTEGERS = {"type": ["null", "array"], "items": INTEGER}
OVERFLOW_COLUMN = {"type": ["null", "object"], GENERATED: True}


def columns(**properties: Any) -> Columns:
    return Columns({**properties, OVERFLOW: OVERFLOW_COLUMN})


@pytest.mark.parametrize(
    ("column", "sent", "delivered"),
    [
        pytest.param(TEXT, "a", "a", id="text"),
        pytest.param(TEXT, "\u2028\u0085\U0001f600", "\u2028\u0085\U0001f600", id="text beyond ASCII"),
        pytest.param(INTEGER, 2**63 - 1, 2**63 - 1, id="64-bit integer"),
        pytest.param(NUMBER, 1, 1, id="integer as number"),
        pytest.param(NUMBER, 1.5, 1.5, id="number"),
        pytest.param(BOOLEAN, False, False, id="boolean"),
        pytest.param(TIMESTAMP, "2024-01-01 00:00:00 +00:00", "2024-01-01T00:00:00Z", id="timestamp"),
        pytest.param(TIMESTAMP, 0, "1970-01-01T00:00:00Z", id="epoch milliseconds"),
        pytest.param(DATE, "2024-01-01", "2024-01-01", id="date"),
        pytest.param(INTEGERS, [1, None, 2], [1, None, 2], id="array"),
        pytest.param(OBJECT, {"a": 1}, {"a": 1}, id="object"),
        pytest.param({**OBJECT, JSON_TEXT: True}, '{"a": 1}', {"a": 1}, id="object as JSON text"),
        pytest.param({**OBJECT, JSON_TEXT: True}, {"a": 1}, {"a": 1}, id="object in a column for JSON text"),
        pytest.param({}, [1, "a"], [1, "a"], id="column of any type"),
    ],
)
def test_a_value_that_fits_is_in_its_column(column: Any, sent: Any, delivered: Any) -> None:
    assert columns(field=column).record({"field": sent}) == {"field": delivered}


@pytest.mark.parametrize(
    ("column", "sent"),
    [
        pytest.param(TEXT, 5, id="number in a text column"),
        pytest.param(INTEGER, "5", id="text in an integer column"),
        pytest.param(INTEGER, 5.0, id="float in an integer column"),
        pytest.param(INTEGER, True, id="boolean in an integer column"),
        pytest.param(INTEGER, "9223372036854775808", id="integer beyond 64 bits, which parse returns as text"),
        pytest.param(NUMBER, "NaN", id="NaN, which parse returns as text"),
        pytest.param(BOOLEAN, 1, id="integer in a boolean column"),
        pytest.param(TIMESTAMP, "2024-01-01", id="date in a timestamp column"),
        pytest.param(TIMESTAMP, "soon", id="text in a timestamp column"),
        pytest.param(INTEGERS, [1, "a"], id="text among integers"),
        pytest.param(INTEGERS, 1, id="integer in an array column"),
        pytest.param(OBJECT, '{"a": 1}', id="text in an object column"),
        pytest.param({**OBJECT, JSON_TEXT: True}, "no json", id="text that is not JSON"),
        pytest.param({**OBJECT, JSON_TEXT: True}, "[1]", id="JSON text of a list"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_in_data_fields(column: Any, sent: Any) -> None:
    assert columns(field=column).record({"field": sent}) == {"field": None, OVERFLOW: {"field": sent}}


def test_a_field_without_a_column_is_in_data_fields_unchanged() -> None:
    record = columns(email=TEXT).record({"email": None, "Favorite Color": "red", "nested": {"a": [1]}, "n": None})

    assert record == {"email": None, OVERFLOW: {"Favorite Color": "red", "nested": {"a": [1]}, "n": None}}


def test_a_sent_field_with_the_name_of_a_generated_column_is_in_data_fields() -> None:
    stream_columns = Columns({"event_id": {**TEXT, GENERATED: True}, OVERFLOW: OVERFLOW_COLUMN})

    record = stream_columns.record({"event_id": "theirs", OVERFLOW: {"a": 1}}, {"event_id": "ours"})

    assert record == {"event_id": "ours", OVERFLOW: {"event_id": "theirs", OVERFLOW: {"a": 1}}}


def test_fields_of_nested_objects_are_in_the_columns_with_their_dotted_names() -> None:
    stream_columns = columns(**{"itblInternal.emailDomain": TEXT, "a.b.c": INTEGER})

    record = stream_columns.record(
        {"itblInternal": {"emailDomain": "example.com", "new": 1}, "a": {"b": {"c": "x", "d": 2}}}
    )

    assert record == {
        "itblInternal.emailDomain": "example.com",
        "a.b.c": None,
        OVERFLOW: {"itblInternal": {"new": 1}, "a": {"b": {"c": "x", "d": 2}}},
    }


def test_of_a_field_sent_nested_and_dotted_both_values_are_kept() -> None:
    stream_columns = columns(**{"a.b": TEXT})

    assert stream_columns.record({"a": {"b": "nested"}, "a.b": "dotted"}) == {
        "a.b": "dotted",
        OVERFLOW: {"a": {"b": "nested"}},
    }


def test_values_of_deselected_columns_are_dropped() -> None:
    stream_columns = Columns({"email": TEXT, OVERFLOW: OVERFLOW_COLUMN}, offered=["email", "phone", "a.b", OVERFLOW])

    record = stream_columns.record({"email": "a@example.com", "phone": "1", "a": {"b": 1, "c": 2}, "new": 3})

    assert record == {"email": "a@example.com", OVERFLOW: {"a": {"c": 2}, "new": 3}}


@pytest.mark.parametrize(
    ("sent", "delivered"),
    [
        (["a", "\u00fc", None, 1.5, {"b": []}], '["a","\u00fc",null,1.5,{"b":[]}]'),
        ([], "[]"),
        (["\ud83d"], '["\\ud83d"]'),
        ("[1]", "[1]"),
        (None, None),
    ],
)
def test_a_list_in_a_text_column_is_json_text_with_lists_as_text(sent: Any, delivered: Any) -> None:
    stream_columns = Columns({"field": TEXT, OVERFLOW: OVERFLOW_COLUMN}, lists_as_text=True)

    assert stream_columns.record({"field": sent}) == {"field": delivered}


@pytest.mark.parametrize("sent", [{"a": 1}, 5, True])
def test_other_values_in_a_text_column_are_in_data_fields_with_lists_as_text(sent: Any) -> None:
    stream_columns = Columns({"field": TEXT, OVERFLOW: OVERFLOW_COLUMN}, lists_as_text=True)

    assert stream_columns.record({"field": sent}) == {"field": None, OVERFLOW: {"field": sent}}


@pytest.mark.parametrize("sent", [{"a": {"b": [1]}}, [{"a": 1}]])
def test_an_object_in_a_column_for_object_text_is_json_text(sent: Any) -> None:
    column = columns(field={**TEXT, OBJECT_TEXT: True})

    assert json.loads(column.record({"field": sent})["field"]) == sent
    assert column.record({"field": "text"}) == {"field": "text"}
    assert column.record({"field": 5}) == {"field": None, OVERFLOW: {"field": 5}}


@pytest.mark.parametrize(
    ("sent", "delivered"),
    [([1, None], [1, None]), (1, [1]), (None, None), ([], []), ("a", ...), ([1, "a"], ...), ([[1]], ...)],
)
def test_a_single_value_of_a_field_that_is_sent_in_two_shapes_is_a_list_of_one(sent: Any, delivered: Any) -> None:
    record = columns(**{"devices.size": INTEGERS}).record({"devices.size": sent})

    assert record == (
        {"devices.size": None, OVERFLOW: {"devices.size": sent}} if delivered is ... else {"devices.size": delivered}
    )
    assert columns(**{"others.size": INTEGERS}).record({"others.size": 1}) == {
        "others.size": None, OVERFLOW: {"others.size": 1},
    }  # fmt: skip


def test_a_value_is_coerced_to_the_type_of_this_version_and_must_fit_that_of_the_catalog() -> None:
    declared = {
        "at": TIMESTAMP,
        "id": INTEGER,
        "data": {**OBJECT, JSON_TEXT: True},
        "sum": NUMBER,
        OVERFLOW: OVERFLOW_COLUMN,
    }
    catalog = {"at": TEXT, "id": TEXT, "data": TEXT, "sum": TIMESTAMP, OVERFLOW: {"type": ["null", "object"]}}
    row = {"at": "2024-01-01 00:00:00 +00:00", "id": 5, "data": '{"a": 1}', "sum": 5}

    assert Columns(catalog, declared=declared).record(row) == {
        "at": "2024-01-01T00:00:00Z", "id": None, "data": '{"a": 1}', "sum": None, OVERFLOW: {"id": 5, "sum": 5},
    }  # fmt: skip
    assert Columns(catalog, declared=declared, required=["id"]).record(row)["id"] == "5"
    assert Columns({"id": BOOLEAN, OVERFLOW: {}}, declared=declared, required=["id"]).record({"id": 5}) == {"id": 5}


def test_without_an_overflow_column_every_value_stays_in_its_column() -> None:
    assert Columns({"id": BOOLEAN}, declared={"id": INTEGER}).record({"id": 5}) == {"id": 5}


def test_without_data_fields_a_record_consists_of_columns_only() -> None:
    assert Columns({"email": TEXT}).record({"email": 5, "new": 1}) == {"email": None}


@given(
    st.dictionaries(
        st.sampled_from(["text", "integer", "a.b", "a", "other", OVERFLOW]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=3),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("bcd"), inner, max_size=2),
            max_leaves=5,
        ),
    )
)
def test_every_value_is_somewhere_in_the_record(row: dict[str, Any]) -> None:
    record = columns(text=TEXT, integer=INTEGER, **{"a.b": TEXT}).record(row)

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
def test_unusual_lines_are_parsed_exactly(line: bytes, row: dict[str, Any]) -> None:
    assert parse(line) == row


@pytest.mark.parametrize(
    "line", [b"{", b'{"a": 1', b"[1]", b'"text"', b"5", b"null", b"{'a': 1}", b'{"a": "\xff"}', b'{"a":' * 3000]
)
def test_lines_that_are_not_an_object_are_malformed(line: bytes) -> None:
    with pytest.raises(MalformedLineError):
        parse(line)


@given(st.binary(max_size=60) | st.from_regex(rb"\A\{\"a\": ?[-\[{\"0-9a-zA-Z.,:}\]]{0,30}\}\Z"))
def test_any_bytes_are_a_row_or_malformed_and_the_check_agrees(line: bytes) -> None:
    try:
        row = parse(line)
    except MalformedLineError:
        with pytest.raises(MalformedLineError):
            check(line)
        return
    check(line)
    assert parse(dump(row)) == row


@given(st.integers())
def test_integers_within_64_bits_are_integers(number: int) -> None:
    value = parse(b'{"a": [%d]}' % number)["a"][0]

    assert value == (number if -(2**63) <= number < 2**63 else str(number))


def test_lines_nested_too_deeply_are_malformed_for_parse_and_check() -> None:
    for levels, is_malformed in ((498, False), (600, True), (1015, True), (5000, True)):
        line = b'{"a":' + b"[" * levels + b"]" * levels + b"}"
        with pytest.raises(MalformedLineError) if is_malformed else nullcontext():
            check(line)
        with pytest.raises(MalformedLineError) if is_malformed else nullcontext():
            parse(line)


def test_names_are_compared_as_destinations_compare_them() -> None:
    assert destination_name("Favorite Color") == destination_name("favorite.color") == "favorite_color"
