import pytest

from source_iterable.records.columns import OFFERED_COLUMNS, OVERFLOW
from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.schema import ColumnSet, array, generated, integer, json_schema, object_in_text, text

ID = ColumnSet({"id": integer("Id of it.")})


def test_sets_are_joined_in_order() -> None:
    joined = {"name": text("Name of it.")} | ID | DATA_FIELDS

    assert list(joined) == ["name", "id", "dataFields"]
    assert joined["id"] == {"type": ["null", "integer"], "description": "Id of it."}


def test_a_column_that_two_sets_declare_is_refused() -> None:
    with pytest.raises(ValueError, match="declared twice: id"):
        {"id": text("Another one.")} | ID


def test_the_schema_shows_no_marks_of_the_connector() -> None:
    columns = {"added": generated(text("Text.")), "decoded": object_in_text("Object.")}

    assert json_schema("One thing.", columns)["properties"] == {
        "added": {"type": ["null", "string"], "description": "Text."},
        "decoded": {"type": ["null", "object"], "additionalProperties": True, "description": "Object."},
    }


def test_data_fields_come_last_and_name_all_columns() -> None:
    properties = json_schema("One thing.", DATA_FIELDS | ID)["properties"]

    assert list(properties) == ["id", OVERFLOW]
    assert properties[OVERFLOW][OFFERED_COLUMNS] == ["id", OVERFLOW]


def test_an_array_has_typed_items() -> None:
    assert array({"type": ["null", "integer"]}, "Ids.")["items"] == {"type": ["null", "integer"]}
