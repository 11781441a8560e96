"""A configured catalog that another version of the connector discovered loses nothing and breaks nothing."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.support.command import run_here
from integration_tests.support.expected import CURSORS, DOCUMENTED, KEYS, UnfitError, typed
from integration_tests.support.sync import catalog_here, configured, read_here, settings

Catalog = dict[str, Any]
Properties = dict[str, Any]

TEXT: Properties = {"type": ["null", "string"]}
WHOLE: Properties = {"type": ["null", "integer"]}
NUMBER: Properties = {"type": ["null", "number"]}
FLAG: Properties = {"type": ["null", "boolean"]}
MOMENT: Properties = {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
OBJECT: Properties = {"type": ["null", "object"], "additionalProperties": True}
LIST: Properties = {"type": ["null", "array"], "items": {}}


def catalog_of(sandbox: Sandbox, table: str, change: Callable[[Properties], object]) -> Catalog:
    """The configured catalog of one stream whose columns were changed, as another version would have told them."""
    catalog = configured(catalog_here(sandbox), [table])
    change(catalog["streams"][0]["stream"]["json_schema"]["properties"])
    return catalog


def read(sandbox: Sandbox, table: str, change: Callable[[Properties], object]) -> list[dict[str, Any]]:
    output = read_here(sandbox, catalog_of(sandbox, table, change))
    assert not output.errors, output.errors
    assert output.statuses(table)[-1] == "COMPLETE"
    return output.records(table)


def forget(properties: Properties, *names: str) -> None:
    """Take out columns that the other version did not have."""
    for name in names:
        del properties[name]
        if "x-columns" in properties.get("dataFields", {}):
            properties["dataFields"]["x-columns"].remove(name)


def event(sandbox: Sandbox, data_type: str, **fields: Any) -> None:
    sandbox.add_event(data_type, {"email": "new@example.com", "createdAt": "2024-02-01 10:00:00 +00:00", **fields})


def new(records: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The record of the event or profile that a test added."""
    (record,) = [record for record in records if record.get("email") == "new@example.com"]
    return record


def test_given_columns_that_the_catalog_does_not_know_when_synced_then_their_values_are_in_data_fields(
    sandbox: Sandbox,
) -> None:
    event(sandbox, "smsSendSkip", reason="NoPhoneNumber", messageBusId="SM1", transactionalData='{"a": 1}')

    record = new(
        read(sandbox, "sms_send_skip", lambda known: forget(known, "reason", "messageBusId", "transactionalData"))
    )

    assert record["dataFields"] == {"reason": "NoPhoneNumber", "messageBusId": "SM1", "transactionalData": '{"a": 1}'}
    assert not {"reason", "messageBusId", "transactionalData"} & set(record)


def test_given_fields_that_come_field_by_field_when_the_catalog_has_no_columns_for_them_then_they_are_in_data_fields(
    sandbox: Sandbox,
) -> None:
    event(sandbox, "purchase", **{"shoppingCartItems.price": [1.5, 2], "shoppingCartItems.sku": ["a", "b"]})

    def older(known: Properties) -> None:
        forget(known, *[name for name in known if name.startswith("shoppingCartItems.")])

    record = new(read(sandbox, "purchase", older))

    assert record["dataFields"] == {"shoppingCartItems.price": [1.5, 2], "shoppingCartItems.sku": ["a", "b"]}


def test_given_a_new_column_that_was_deselected_when_synced_then_it_is_nowhere(sandbox: Sandbox) -> None:
    event(sandbox, "smsSendSkip", reason="NoPhoneNumber", channelId=7)

    def deselected(known: Properties) -> None:
        forget(known, "channelId")
        del known["reason"]  # x-columns tells that it was on offer

    record = new(read(sandbox, "sms_send_skip", deselected))

    assert "reason" not in record
    assert record["dataFields"] == {"channelId": 7}


def test_given_columns_that_are_no_more_when_synced_then_a_value_of_theirs_fits_or_is_in_data_fields(
    sandbox: Sandbox,
) -> None:
    event(sandbox, "emailOpen", device="iPhone", appVersion=3, score=[1])

    def older(known: Properties) -> None:
        known |= {"device": TEXT, "appVersion": TEXT, "score": LIST, "gone": OBJECT}

    record = new(read(sandbox, "email_open", older))

    assert {name: record.get(name) for name in ("device", "appVersion", "score", "gone")} == {
        "device": "iPhone", "appVersion": None, "score": [1], "gone": None,
    }  # fmt: skip
    assert record["dataFields"] == {"appVersion": 3}


OTHER_TYPES = {
    "a number that was a whole one": ("purchase", "total", WHOLE, {"total": 12.5}, None, 12.5),
    "a whole number in such a column": ("purchase", "total", WHOLE, {"total": 12}, 12, None),
    "a whole number that was any": ("emailOpen", "campaignId", NUMBER, {"campaignId": 7}, 7, None),
    "a whole number that was text": ("emailOpen", "campaignId", TEXT, {"campaignId": 7}, None, 7),
    "text where that column was text": ("emailOpen", "campaignId", TEXT, {"campaignId": "7"}, "7", None),
    "a whole number that was a timestamp": ("emailOpen", "campaignId", MOMENT, {"campaignId": 7}, None, 7),
    "a flag that was text": ("emailOpen", "isBot", TEXT, {"isBot": True}, None, True),
    "text that was a flag": ("emailOpen", "ip", FLAG, {"ip": "::1"}, None, "::1"),
    "text that was an object": ("emailOpen", "ip", OBJECT, {"ip": {"v": 6}}, {"v": 6}, None),
    "data that was text": (
        "emailSend", "transactionalData", TEXT, {"transactionalData": '{"a": 1}'}, '{"a": 1}', None,
    ),
    "data that was a list": (
        "emailSend", "transactionalData", LIST, {"transactionalData": '{"a": 1}'}, None, '{"a": 1}',
    ),
    "a timestamp that was text": (
        "inAppSend", "expiresAt", TEXT, {"expiresAt": "2024-02-02 10:00:00 +00:00"}, "2024-02-02T10:00:00Z", None,
    ),
    "text that was a timestamp": ("emailOpen", "city", MOMENT, {"city": "Paris"}, None, "Paris"),
    "items that were an object": (
        "purchase", "shoppingCartItems", OBJECT, {"shoppingCartItems": [{"id": "1"}]}, None, [{"id": "1"}],
    ),
    "ids that were texts": (
        "emailSubscribe", "channelIds", {"type": ["null", "array"], "items": TEXT}, {"channelIds": [1]}, None, [1],
    ),
    "a type that is several": (
        "emailOpen", "campaignId", {"type": ["null", "string", "integer"]}, {"campaignId": 7}, 7, None,
    ),
    "a type that is not told": ("emailOpen", "campaignId", {"description": "Old."}, {"campaignId": 7}, 7, None),
    "a type that is one word": ("emailOpen", "campaignId", {"type": "string"}, {"campaignId": 7}, None, 7),
}  # fmt: skip


@pytest.mark.parametrize(("data_type", "name", "column", "sent", "cell", "rest"), OTHER_TYPES.values(), ids=OTHER_TYPES)
def test_given_a_column_of_another_type_when_synced_then_what_fits_that_type_is_there_and_the_rest_in_data_fields(
    sandbox: Sandbox, data_type: str, name: str, column: Properties, sent: dict[str, Any], cell: Any, rest: Any
) -> None:
    table = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in data_type)
    event(sandbox, data_type, **sent)

    record = new(read(sandbox, table, lambda known: known.update({name: column})))

    assert record.get(name) == cell
    assert record.get("dataFields", {}).get(name) == rest


@pytest.mark.parametrize("column", [TEXT, WHOLE, LIST, MOMENT], ids=["text", "whole", "list", "moment"])
def test_given_streams_all_of_whose_columns_had_another_type_when_synced_then_every_value_is_somewhere(
    sandbox: Sandbox, column: Properties
) -> None:
    """Keys and cursors keep their values, whatever type is declared: a key that is null would lose the record."""
    catalog = configured(catalog_here(sandbox), DOCUMENTED)
    before = read_here(sandbox, catalog)
    for entry in catalog["streams"]:
        known = entry["stream"]["json_schema"]["properties"]
        known |= dict.fromkeys([name for name in known if name != "dataFields"], column)

    after = read_here(sandbox, catalog)

    assert not after.errors
    for table in DOCUMENTED:
        kept = {*KEYS[table], CURSORS.get(table), *(["userId"] if table == "list_users" else [])}
        for record, discovered in zip(after.records(table), before.records(table), strict=True):
            rest = record.get("dataFields") or {}
            there = {name for name, value in discovered.items() if value is not None} - {"dataFields"}
            assert {name for name in there & kept if record.get(name) is None} == set()
            lost = {name for name in there if record.get(name) is None and not is_below(name, rest)}
            assert lost == set(), table
            wrong = {name for name in there - kept if record.get(name) is not None and not fits(record[name], column)}
            assert wrong == set(), table


def is_below(name: str, rest: Mapping[str, Any]) -> bool:
    """Whether ``rest`` holds a field, flat or nested."""
    parent, dot, key = name.partition(".")
    return name in rest or bool(dot and isinstance(rest.get(parent), dict) and is_below(key, rest[parent]))


def fits(value: Any, column: Properties) -> bool:
    """Whether a value that arrived has the type of a column."""
    try:
        return bool(typed(value, column) == value)
    except UnfitError:
        return False


def test_given_a_key_that_was_text_when_synced_then_the_number_is_its_text(sandbox: Sandbox) -> None:
    records = read(sandbox, "campaigns", lambda known: known.update({"id": TEXT, "updatedAt": TEXT}))

    assert {record["id"] for record in records} == {str(row["id"]) for row in sandbox.truth("campaigns")}
    assert all(record["updatedAt"].endswith("Z") for record in records)
    assert all("id" not in record.get("dataFields", {}) for record in records)


def test_given_added_columns_of_another_type_when_synced_then_their_values_are_in_data_fields(sandbox: Sandbox) -> None:
    records = read(sandbox, "templates", lambda known: known.update({"templateType": WHOLE}))

    types = {row["templateId"]: row.get("templateType") for row in sandbox.truth("templates")}
    assert {record.get("templateType") for record in records} == {None}
    assert {record["templateId"]: record.get("dataFields", {}).get("templateType") for record in records} == types


def test_given_members_of_lists_when_the_catalog_has_other_columns_then_each_has_those_that_it_has(
    sandbox: Sandbox,
) -> None:
    def older(known: Properties) -> None:
        del known["userId"]
        known["updatedAt"] = MOMENT

    records = read(sandbox, "list_users", older)

    assert records
    assert {frozenset(record) for record in records} == {frozenset({"email", "listId"})}


def test_given_data_fields_that_were_text_when_synced_then_they_are_json(sandbox: Sandbox) -> None:
    event(sandbox, "emailOpen", more={"a": [1]})

    record = new(read(sandbox, "email_open", lambda known: known.update({"dataFields": TEXT})))

    assert json.loads(record["dataFields"]) == {"more": {"a": [1]}}


@pytest.mark.parametrize("told", [None, "email", 5, [None, {}], {}])
def test_given_no_word_on_what_was_on_offer_when_synced_then_what_has_no_column_is_in_data_fields(
    sandbox: Sandbox, told: Any
) -> None:
    """A platform or tool may drop keywords that it does not know: nothing then tells what was deselected."""
    event(sandbox, "emailClick", url="https://example.com", hrefIndex=3)

    def older(known: Properties) -> None:
        del known["url"]
        known["dataFields"] = OBJECT if told is None else {**OBJECT, "x-columns": told}

    record = new(read(sandbox, "email_click", older))

    assert record["hrefIndex"] == 3
    assert record["dataFields"] == {"url": "https://example.com"}


def test_given_profile_columns_of_an_older_catalog_when_read_by_the_command_then_lists_are_where_they_fit(
    sandbox: Sandbox,
) -> None:
    """Older versions took the type `array` from a sandbox of their own; catalogs have no marks."""
    profile = {"email": "new@example.com", "profileUpdatedAt": "2024-03-01 10:00:00 +00:00"}
    profile |= {"tags": ["a"], "firstName": ["Ann", "Bea"], "loyaltyPoints": [1], "profile": {"a": 1}}
    profile |= {"shoppingCartItems.price": [1.5], "phoneNumberDetails.carrier": "X"}
    sandbox.add_event("user", profile)

    def older(known: Properties) -> None:
        forget(known, *[name for name in known if name.startswith(("devices.", "phoneNumberDetails."))])
        known |= {"tags": LIST, "shoppingCartItems.price": NUMBER, "profile": TEXT}

    catalog = catalog_of(sandbox, "users", older)

    record = new(run_here(sandbox, "read", config=settings(sandbox), catalog=catalog).records("users"))

    assert record["tags"] == ["a"]
    assert record["firstName"] == '["Ann","Bea"]'
    assert record["profile"] == '{"a":1}'
    assert record["loyaltyPoints"] is None
    assert record["shoppingCartItems.price"] is None
    assert record["dataFields"] == {
        "loyaltyPoints": [1],
        "shoppingCartItems.price": [1.5],
        "phoneNumberDetails.carrier": "X",
    }
