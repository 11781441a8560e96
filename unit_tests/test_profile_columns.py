from source_iterable.streams.columns.profile import profile_columns
from source_iterable.streams.schema import OBJECT, TIMESTAMP


def test_profile_fields_are_typed_columns() -> None:
    fields = {"s": "string", "l": "long", "d": "double", "b": "boolean", "t": "date", "o": "object"}
    fields |= {"g": "geo_location", "n": "nested", "a": "array"}

    made = profile_columns(fields, fixed=[])

    assert {name: column["type"][1] for name, column in made.items()} == {
        "s": "string", "l": "integer", "d": "number", "b": "boolean", "t": "string", "o": "object", "g": "object",
        "n": "array", "a": "array",
    }  # fmt: skip
    assert made["t"]["format"] == "date-time"


def test_profile_fields_that_clash_get_no_column() -> None:
    fields = {"Industry": "string", "industry": "string", "E-Mail": "string", "phone Number": "long", "email": "string"}

    assert set(profile_columns(fields, fixed=["email", "phone_number"])) == {"E-Mail"}


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

    assert set(profile_columns(fields, fixed=["devices"])) == {
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

    made = {name: (one["type"], one.get("items")) for name, one in profile_columns(fields, fixed).items()}

    array = ["null", "array"]
    assert made == {
        "devices.endpointEnabled": (array, {"type": ["null", "boolean"]}),
        "devices.nested.at": (array, TIMESTAMP),
        "phoneNumberDetails.updatedAt": (array, TIMESTAMP),
        "shoppingCartItems": (array, OBJECT),
        "shoppingCartItems.price": (array, {"type": ["null", "number"]}),
        "shoppingCartItems.extras": (array, OBJECT),
        "shoppingCartItems.tags": (array, {}),
        "itblDS.predictiveGoals.purchase": (["null", "number"], None),
    }
