"""Columns that are deselected, of a project's own, or of odd rows: nothing of a row is lost."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.command import discover, run_here
from integration_tests.support.expected import (
    CURSORS,
    KEYS,
    TABLES,
    assert_exact,
)
from integration_tests.support.observed import schema_of, truth_with
from integration_tests.support.rules import for_each
from integration_tests.support.sync import (
    catalog_here,
    configured,
    read_here,
    settings,
    sync,
)

# Columns


@for_each("table", TABLES)
def test_given_deselected_columns_when_synced_then_they_are_nowhere(sandbox: Sandbox, table: str) -> None:
    catalog = configured(catalog_here(sandbox), [table])
    schema = catalog["streams"][0]["stream"]["json_schema"]
    kept = {*KEYS[table], CURSORS.get(table), "dataFields", "campaignId", "name", "firstName"}
    schema["properties"] = {name: column for name, column in schema["properties"].items() if name in kept}

    output = read_here(sandbox, catalog)

    assert_exact(output.records(table), truth_with(sandbox, catalog, table), table)
    assert all(set(record) <= set(schema["properties"]) for record in output.records(table))


def test_given_data_fields_deselected_when_synced_then_only_columns_leave(sandbox: Sandbox) -> None:
    catalog = configured(catalog_here(sandbox), ["users", "email_click"])
    for entry in catalog["streams"]:
        del entry["stream"]["json_schema"]["properties"]["dataFields"]

    output = read_here(sandbox, catalog)

    for table in "users", "email_click":
        assert_exact(output.records(table), truth_with(sandbox, catalog, table), table)
        assert not any("dataFields" in record for record in output.records(table))


def test_given_a_key_that_was_deselected_when_synced_then_it_is_there_all_the_same(sandbox: Sandbox) -> None:
    catalog = configured(catalog_here(sandbox), ["email_send", "metadata"])
    for entry in catalog["streams"]:
        properties = entry["stream"]["json_schema"]["properties"]
        for name in ("event_id", "createdAt", "table", "key"):
            properties.pop(name, None)

    output = read_here(sandbox, catalog)

    assert all({"event_id", "createdAt"} <= set(record) for record in output.records("email_send"))
    assert all({"table", "key"} <= set(record) for record in output.records("metadata"))
    assert all("key" not in record.get("dataFields", {}) for record in output.records("metadata"))


@pytest.mark.parametrize("properties", [None, {}])
def test_given_a_catalog_without_columns_when_synced_then_the_documented_ones_stand(
    sandbox: Sandbox, waits: list[float], properties: dict[str, Any] | None
) -> None:
    discovered = catalog_here(sandbox)
    sandbox.faults.add(Fault(kind="status", endpoint="users/getFields", status=403, times=None))
    documented = catalog_here(sandbox)
    catalog = configured(discovered)
    for entry in catalog["streams"]:
        entry["stream"]["json_schema"] = {} if properties is None else {"properties": properties}

    output = read_here(sandbox, catalog)

    for table in TABLES:
        assert_exact(output.records(table), truth_with(sandbox, documented, table), table)


def test_given_the_projects_own_fields_when_discovered_then_users_has_typed_columns(sandbox: Sandbox) -> None:
    properties = schema_of(catalog_here(sandbox), "users")["properties"]

    kinds = {name: column["type"][-1] for name, column in properties.items()}
    assert {
        "firstName": "string",
        "Favorite Color": "string",
        "loyaltyPoints": "integer",
        "averageOrder": "number",
        "isVip": "boolean",
        "address.city": "string",
        "preferences.maxPerWeek": "integer",
        "orders": "array",
        "tags": "string",
        "favoriteNumbers": "integer",
        "home_geo_location": "object",
        "offers.Intro APR": "string",
        "devices": "array",
        "devices.token": "array",
        "devices.pushSound": "array",
        "phoneNumberDetails.updatedAt": "array",
        "shoppingCartItems": "array",
        "shoppingCartItems.price": "array",
        "itblDS.predictiveGoals": "string",
        "itblDS.predictiveGoals.purchase": "number",
    }.items() <= kinds.items()
    assert properties["lastVisit"]["format"] == "date-time"
    assert {"Industry", "industry"}.isdisjoint(kinds), "a destination takes them for one column"
    assert {"address", "orders.sku", "legacyScore"}.isdisjoint(kinds)


LISTS = {
    "in a text column": ("tags", ["chess", "grün"], '["chess","grün"]'),
    "that is empty": ("tags", [], "[]"),
    "of lists and nulls": ("tags", [["a"], None, {"b": 1.5}], '[["a"],null,{"b":1.5}]'),
    "in a documented text column": ("signupSource", ["API", "Import"], '["API","Import"]'),
    "in a column below an object": ("address.zip", ["1", "2"], '["1","2"]'),
    "in a column that holds objects at times": ("profile", [{"a": 1}], '[{"a":1}]'),
    "in a column of whole numbers": ("favoriteNumbers", [1, 2], None),
    "in a column of timestamps": ("lastVisit", ["2024-01-01 00:00:00 +00:00"], None),
    "in a column of flags": ("isVip", [True], None),
    "in a column of numbers": ("averageOrder", [1.5], None),
}


@pytest.mark.parametrize(("name", "sent", "text"), LISTS.values(), ids=LISTS)
def test_given_a_profile_field_that_holds_a_list_when_synced_then_text_columns_hold_it_as_json(
    sandbox: Sandbox, name: str, sent: list[Any], text: str | None
) -> None:
    row = {"email": "new@example.com", "profileUpdatedAt": "2024-03-01 10:00:00 +00:00", name: sent}
    sandbox.add_event("user", row)

    (record,) = [one for one in sync(sandbox, "users").records("users") if one.get("email") == "new@example.com"]

    assert record.get(name) == text
    assert record.get("dataFields") == (None if text else {name: sent})


def test_given_a_list_in_a_text_column_of_another_stream_when_synced_then_it_is_in_data_fields(
    sandbox: Sandbox,
) -> None:
    sandbox.add_event("emailOpen", {"email": "new@example.com", "ip": ["::1"]}, at="2024-02-01T00:00:00Z")

    records = sync(sandbox, "email_open").records("email_open")

    assert [one["dataFields"] for one in records if one.get("email") == "new@example.com"] == [{"ip": ["::1"]}]


def test_given_a_field_of_the_type_array_when_synced_then_lists_are_its_values(sandbox: Sandbox) -> None:
    """An older help article of Iterable names this type."""
    answer = json.dumps({"fields": {"email": "string", "emailListIds": "long", "tags": "array"}})
    sandbox.faults.add(Fault(kind="status", status=200, endpoint="users/getFields", body=answer, times=None))

    output = sync(sandbox, "users")

    sent = [row["tags"] for row in sandbox.truth("user") if isinstance(row.get("tags"), list)]
    tags = [record["tags"] for record in output.records("users") if record.get("tags") is not None]
    assert sorted(tags) == sorted(sent)
    assert any(isinstance(record.get("dataFields", {}).get("tags"), str) for record in output.records("users"))


def test_given_what_comes_whole_or_field_by_field_when_synced_then_each_shape_fills_columns_of_its_own(
    sandbox: Sandbox,
) -> None:
    device = {"token": "t", "platform": "APNS", "endpointEnabled": True}
    whole = {"devices": [device], "phoneNumberDetails": {"carrier": "X"}, "shoppingCartItems": [{"id": "1", "new": 2}]}
    lists: dict[str, Any] = {"devices.token": ["t", "u"], "devices.endpointEnabled": [True]}
    lists |= {"devices.pushSound": "chime", "shoppingCartItems.price": [1.5, 2]}
    lists |= {"phoneNumberDetails.carrier": "X", "phoneNumberDetails.updatedAt": ["2024-01-01 00:00:00 +00:00", None]}
    lists |= {"itblDS.predictiveGoals.purchase": 0.5}
    for kind, fields in (("whole", whole), ("lists", lists)):
        row = {"email": f"{kind}@example.com", "profileUpdatedAt": "2024-03-01 10:00:00 +00:00", **fields}
        sandbox.add_event("user", row)
        row = {"email": f"{kind}@example.com", "createdAt": "2024-03-01 10:00:00 +00:00"}
        items = {name: value for name, value in fields.items() if name.startswith("shoppingCartItems")}
        sandbox.add_event("purchase", row | items)

    output = sync(sandbox, "users", "purchase")

    users = {record.get("email"): record for record in output.records("users")}
    purchases = {record.get("email"): record for record in output.records("purchase")}
    typed = {"devices.pushSound": ["chime"], "phoneNumberDetails.carrier": ["X"]}
    typed |= {"phoneNumberDetails.updatedAt": ["2024-01-01T00:00:00Z", None]}
    assert {name: users["whole@example.com"].get(name) for name in whole} == whole
    assert {name: users["lists@example.com"].get(name) for name in lists} == lists | typed
    assert purchases["whole@example.com"]["shoppingCartItems"] == whole["shoppingCartItems"]
    assert purchases["lists@example.com"]["shoppingCartItems.price"] == [1.5, 2]
    for record in (*(users[f"{kind}@example.com"] for kind in ("whole", "lists")), purchases["lists@example.com"]):
        assert record.get("dataFields") is None


@pytest.mark.parametrize(
    ("name", "sent"),
    [("devices.token", [1]), ("devices.token", {"a": 1}), ("devices.endpointEnabled", "yes"), ("devices", "none")],
)
def test_given_a_field_of_a_device_of_another_type_when_synced_then_it_is_in_data_fields(
    sandbox: Sandbox, name: str, sent: Any
) -> None:
    row = {"email": "new@example.com", "profileUpdatedAt": "2024-03-01 10:00:00 +00:00", name: sent}
    sandbox.add_event("user", row)

    (record,) = [one for one in sync(sandbox, "users").records("users") if one.get("email") == "new@example.com"]

    assert record.get(name) is None
    assert record["dataFields"] == {name: sent}


def test_given_a_field_that_is_new_since_discovery_when_synced_then_it_is_in_data_fields(sandbox: Sandbox) -> None:
    catalog = configured(catalog_here(sandbox), ["users"])
    row = {"email": "new@example.com", "profileUpdatedAt": "2024-03-01 10:00:00 +00:00", "shoeSize": 43}
    sandbox.add_event("user", row)

    output = read_here(sandbox, catalog)

    (record,) = [record for record in output.records("users") if record["email"] == "new@example.com"]
    assert record["dataFields"] == {"shoeSize": 43}
    assert "shoeSize" not in record


# Odd rows


ODD = {
    "nulls everywhere": (
        '{"email":null,"createdAt":"2024-02-01 00:00:00 +00:00","campaignId":null,"url":null,"dataFields":null}',
        {"createdAt": "2024-02-01T00:00:00Z", "dataFields": {"dataFields": None}},
    ),
    "no cursor": ('{"email":"a@example.com"}', {"email": "a@example.com"}),
    "a cursor that is not a timestamp": (
        '{"email":"a@example.com","createdAt":"yesterday"}',
        {"email": "a@example.com", "dataFields": {"createdAt": "yesterday"}},
    ),
    "separators of lines in text": (
        '{"url":"a\u2028b\u0085c\u2029\U0001f389","createdAt":"2024-02-01 00:00:00 +00:00"}',
        {"url": "a\u2028b\u0085c\u2029\U0001f389", "createdAt": "2024-02-01T00:00:00Z"},
    ),
    "numbers without a place": (
        '{"campaignId":92233720368547758080,"hrefIndex":NaN,"x":-Infinity,"y":1e999}',
        {
            "dataFields": {"campaignId": "92233720368547758080", "hrefIndex": "NaN", "x": "-Infinity", "y": "1e999"},
        },
    ),
    "the largest integers": (
        '{"campaignId":9223372036854775807,"templateId":-9223372036854775808}',
        {"campaignId": 9223372036854775807, "templateId": -9223372036854775808},
    ),
    "other types": (
        '{"campaignId":"12","isBot":1,"url":5,"ip":["1.2.3.4"],"hrefIndex":1.0,"email":{"a":1}}',
        {
            "dataFields": {
                "campaignId": "12",
                "isBot": 1,
                "url": 5,
                "ip": ["1.2.3.4"],
                "hrefIndex": 1.0,
                "email": {"a": 1},
            },
        },
    ),
    "names like columns that are added": (
        '{"event_id":"mine","dataFields":{"a":1},"url":"b"}',
        {"url": "b", "dataFields": {"event_id": "mine", "dataFields": {"a": 1}}},
    ),
    "dots, spaces and cases": (
        '{"a.b":{"c.d":[{"e":null}]},"Some Field":1,"some field":2,"URL":"x","":0}',
        {"dataFields": {"a.b": {"c.d": [{"e": None}]}, "Some Field": 1, "some field": 2, "URL": "x", "": 0}},
    ),
    "nested and dotted at once": (
        '{"itblInternal":{"documentCreatedAt":"2024-02-01 00:00:09 +00:00","z":1},'  # noqa: ISC004 - one line of JSON
        '"itblInternal.documentUpdatedAt":"2024-02-01 00:00:19 +00:00"}',
        {
            "itblInternal.documentCreatedAt": "2024-02-01T00:00:09Z",
            "itblInternal.documentUpdatedAt": "2024-02-01T00:00:19Z",
            "dataFields": {"itblInternal": {"z": 1}},
        },
    ),
    "five megabytes": ('{"url":"' + "x" * 5_000_000 + '"}', {"url": "x" * 5_000_000}),
}


@pytest.mark.parametrize(("line", "wanted"), ODD.values(), ids=ODD)
def test_given_an_odd_row_when_synced_then_nothing_of_it_is_lost(
    sandbox: Sandbox, line: str, wanted: dict[str, Any]
) -> None:
    known = {record["event_id"] for record in sync(sandbox, "email_click").records("email_click")}
    sandbox.add_event("emailClick", line.encode("utf-8", "surrogatepass"), at="2024-02-01T00:00:00Z")

    output = sync(sandbox, "email_click")

    assert output.statuses("email_click")[-1] == "COMPLETE"
    (record,) = [record for record in output.records("email_click") if record["event_id"] not in known]
    assert re.fullmatch("[0-9a-f]{32}", record.pop("event_id"))
    assert {name: value for name, value in record.items() if value is not None} == wanted


def test_given_deep_rows_and_lone_surrogates_when_read_by_the_command_then_they_are_written_whole(
    sandbox: Sandbox,
) -> None:
    """The row itself is a level; more than 500 are documented as malformed."""
    deep = {
        f"{levels} {begin}": begin * times + "1" + end * times
        for levels in (300, 472, 490, 500)
        for begin, end in (('{"x":', "}"), ("[", "]"), ('[{"x":', "}]"))
        for times in [(levels - 1) // len(end)]
    }
    too_deep = '{"deep":' + "[" * 500 + "]" * 500 + "}"
    lines = [f'{{"url":{json.dumps(url)},"deep":{value}}}' for url, value in deep.items()]
    for line in (*lines, '{"url":"a\\ud83db","more":"\\udc00"}', too_deep):
        sandbox.add_event("emailClick", line, at="2024-02-01T00:00:00Z")
    catalog = configured(discover(sandbox), ["email_click"])

    output = run_here(sandbox, "read", config=settings(sandbox), catalog=catalog)

    assert output.exit_code == 0
    arrived = output.records("email_click")
    assert len(arrived) == len({record["event_id"] for record in arrived}) == len(sandbox.truth("emailClick"))
    rest = {record.get("url"): record.get("dataFields") for record in arrived}
    assert rest["a\ud83db"] == {"more": "\udc00"}
    assert {url: rest[url] for url in deep} == {url: {"deep": json.loads(value)} for url, value in deep.items()}
    assert rest[None] == {"unparsed": too_deep}


@pytest.mark.parametrize("moment", ["2024-02-29T00:00:00Z", "2024-03-10T07:00:00Z", "2024-01-31T00:00:00Z"])
def test_given_rows_around_an_edge_when_synced_in_windows_that_meet_there_then_each_comes_once(
    sandbox: Sandbox, moment: str
) -> None:
    catalog = catalog_here(sandbox)
    edge = sandbox.start_date.fromisoformat(moment)
    for seconds in range(-2, 3):
        at = edge + timedelta(seconds=seconds)
        wire = f"{at:%Y-%m-%d %H:%M:%S} +00:00"
        sandbox.add_event("emailSend", {"email": f"{seconds}@example.com", "createdAt": wire})

    output = sync(sandbox, "email_send", start_date=f"{edge - timedelta(days=5):%Y-%m-%dT%H:%M:%SZ}", window_in_days=5)

    there = truth_with(sandbox, catalog, "email_send", start=edge - timedelta(days=5))
    assert_exact(output.records("email_send"), there)
