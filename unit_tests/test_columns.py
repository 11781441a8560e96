import json
from collections import Counter
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft7Validator

from source_iterable import columns
from source_iterable.config import Config
from source_iterable.rows import KNOWN, REST, destination_name
from source_iterable.streams import STREAMS, IterableStream

TABLES = [table.__name__ for table in STREAMS]


@pytest.fixture(params=STREAMS, ids=TABLES)
def table(request: pytest.FixtureRequest, api: Any, config: Config) -> IterableStream:
    return request.param(config, api)  # type: ignore[no-any-return]


def test_every_schema_belongs_to_a_table() -> None:
    named = {path.name for path in (files("source_iterable") / "schemas").iterdir() if path.name.endswith(".json")}

    assert named == {f"{columns_name(name)}.json" for name in TABLES}


def columns_name(class_name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in class_name).lstrip("_")


def test_tables_are_listed_once_and_in_order() -> None:
    names = [columns_name(name) for name in TABLES]

    assert names == sorted(set(names))


def test_schema_is_valid_and_as_destinations_want_it(table: IterableStream) -> None:
    schema = columns.schema(table.name)

    Draft7Validator.check_schema(schema)
    assert schema["additionalProperties"] is True
    for name, column in schema["properties"].items():
        assert column["type"][0] == "null", name
        assert column["description"].endswith("."), name
        assert not [key for key in column if key.startswith("x-") and key != KNOWN], name
        if "array" in column["type"]:
            assert column["items"]["type"][0] == "null", name
        if column.get("format") == "date-time":
            assert column["airbyte_type"] == "timestamp_with_timezone", name
    assert not {"$ref", "allOf", "oneOf", "not"} & set(json.dumps(schema).split('"'))


def test_columns_do_not_collide_at_the_destination(table: IterableStream) -> None:
    counts = Counter(destination_name(name) for name in columns.properties(table.name))

    assert not [name for name, count in counts.items() if count > 1]


def test_included_sets_define_no_column_twice(table: IterableStream) -> None:
    file = json.loads((files("source_iterable") / "schemas" / f"{table.name}.json").read_text())
    shared = files("source_iterable") / "schemas" / "shared"
    names = [*file["properties"]]
    for part in file.get("include", []):
        names += json.loads((shared / f"{part}.json").read_text())["properties"]

    assert len(names) == len(set(names))


def test_key_and_cursor_are_columns(table: IterableStream) -> None:
    stream = table.as_airbyte_stream()

    wanted = [
        *(stream.default_cursor_field or []),
        *(name for path in stream.source_defined_primary_key for name in path),
    ]
    assert wanted
    assert set(wanted) <= set(stream.json_schema["properties"])


def test_every_table_says_what_a_row_is(table: IterableStream) -> None:
    assert type(table).__doc__
    assert columns.schema(table.name)["description"]


def test_known_columns_are_all_columns() -> None:
    properties = columns.schema("users", {"Favorite Color": "string"})["properties"]

    assert properties[REST][KNOWN] == list(properties)


def test_profile_fields_are_typed_columns() -> None:
    fields = {"s": "string", "l": "long", "d": "double", "b": "boolean", "t": "date", "o": "object"}
    fields |= {"g": "geo_location", "n": "nested", "a": "array"}

    made = columns.profile_columns(fields, fixed=[])

    assert {name: column["type"][1] for name, column in made.items()} == {
        "s": "string", "l": "integer", "d": "number", "b": "boolean", "t": "string", "o": "object", "g": "object",
        "n": "array", "a": "array",
    }  # fmt: skip
    assert made["t"]["format"] == "date-time"


def test_profile_fields_that_clash_get_no_column() -> None:
    fields = {"Industry": "string", "industry": "string", "E-Mail": "string", "phone Number": "long", "email": "string"}

    assert set(columns.profile_columns(fields, fixed=["email", "phone_number"])) == {"E-Mail"}


def test_objects_told_field_by_field_are_declared_by_their_fields() -> None:
    fields = {
        "address": "object",
        "address.city": "string",
        "pets": "nested",
        "pets.name": "string",
        "home": "geo_location",
        "home.lat": "double",
        "devices.token": "string",
        "trip": "object",
        "trip.start.city": "string",
        "later": "a type of next year",
    }

    assert set(columns.profile_columns(fields, fixed=["devices"])) == {
        "address.city", "pets", "home", "trip.start.city", "devices.token",
    }  # fmt: skip


def test_what_comes_in_two_shapes_has_columns_for_both() -> None:
    fields = {
        "devices": "object",
        "devices.token": "string",
        "devices.endpointEnabled": "boolean",
        "devices.nested.at": "date",
        "phoneNumberDetails": "object",
        "phoneNumberDetails.updatedAt": "date",
        "shoppingCartItems.price": "double",
        "shoppingCartItems.extras": "object",
        "shoppingCartItems.tags": "array",
        "itblDS.predictiveGoals.purchase": "double",
    }
    fixed = ["devices", "devices.token", "phoneNumberDetails", "itblDS.predictiveGoals"]

    made = {name: (one["type"], one.get("items")) for name, one in columns.profile_columns(fields, fixed).items()}

    array = ["null", "array"]
    assert made == {
        "devices.endpointEnabled": (array, {"type": ["null", "boolean"]}),
        "devices.nested.at": (array, columns.MOMENT),
        "phoneNumberDetails.updatedAt": (array, columns.MOMENT),
        "shoppingCartItems": (array, columns.OBJECTS["items"]),
        "shoppingCartItems.price": (array, {"type": ["null", "number"]}),
        "shoppingCartItems.extras": (array, columns.OBJECTS["items"]),
        "shoppingCartItems.tags": (array, {}),
        "itblDS.predictiveGoals.purchase": (["null", "number"], None),
    }
