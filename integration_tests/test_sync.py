"""A sync brings exactly what the project holds: nothing missing, nothing twice, every value."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.command import discover, run, run_here
from integration_tests.support.expected import (
    CURSORS,
    EVENTS,
    EXPORTS,
    KEYS,
    TABLES,
    TRUTH_OF,
    assert_exact,
    expected,
    merged,
)
from integration_tests.support.rules import for_each
from integration_tests.support.sync import (
    NOW,
    START,
    Output,
    catalog_here,
    configured,
    read_here,
    settings,
    sync,
)

Catalog = dict[str, Any]


def schema_of(catalog: Catalog, table: str) -> dict[str, Any]:
    streams = [entry.get("stream", entry) for entry in catalog["streams"]]
    return next(stream["json_schema"] for stream in streams if stream["name"] == table)


def truth(sandbox: Sandbox, catalog: Catalog, table: str, **bounds: Any) -> list[dict[str, Any]]:
    """The records of a stream that the sandbox's rows, within bounds, must become."""
    return expected(table, sandbox.truth(TRUTH_OF[table], **bounds), schema_of(catalog, table))


# One full sync of all streams, through the process


@pytest.fixture(scope="module")
def project() -> Iterator[Sandbox]:
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        yield running


@pytest.fixture(scope="module")
def catalog(project: Sandbox) -> Catalog:
    return discover(project)


@pytest.fixture(scope="module")
def first(project: Sandbox, catalog: Catalog) -> Output:
    return run(project, "read", config=settings(project), catalog=configured(catalog))


def test_given_a_project_when_discovered_then_each_stream_has_its_key_and_cursor(catalog: Catalog) -> None:
    keys = {stream["name"]: [name for (name,) in stream["source_defined_primary_key"]] for stream in catalog["streams"]}
    cursors = {stream["name"]: stream.get("default_cursor_field", []) for stream in catalog["streams"]}

    assert list(keys) == sorted(keys)
    assert keys.items() >= KEYS.items()
    for table in TRUTH_OF:
        assert cursors[table] == ([CURSORS[table]] if table in CURSORS else []), table


@for_each("table", TABLES)
def test_given_a_project_when_synced_then_exactly_its_rows(
    project: Sandbox, catalog: Catalog, first: Output, table: str
) -> None:
    arrived = first.records(table)

    assert arrived
    assert_exact(arrived, truth(project, catalog, table), table)


def test_given_a_project_when_synced_then_statuses_states_and_exit_code_say_so(first: Output) -> None:
    assert first.exit_code == 0
    assert not first.errors
    assert not first.stderr
    for table in TABLES:
        assert first.statuses(table) == ["STARTED", "RUNNING", "COMPLETE"], table


def test_given_a_project_when_synced_then_each_window_moves_the_state(first: Output) -> None:
    states = first.states("email_send")

    end = states[-1]["createdAt"]
    assert states[0] == {"createdAt": "2024-01-31T00:00:00Z", "settled": "2024-01-31T00:00:00Z"}
    assert end >= NOW
    assert states[-1]["settled"] == end.replace("T12:", "T11:"), "the lookback is an hour"


def test_given_a_project_when_synced_then_the_log_tells_windows_and_summaries_but_neither_key_nor_people(
    project: Sandbox, first: Output
) -> None:
    logs = "\n".join(first.logs)

    for table in EXPORTS:
        assert f"INFO {table}: 2024-01-01T00:00:00Z to 2024-01-31T00:00:00Z: " in logs
    for table in TABLES:
        rows = len(project.truth(TRUTH_OF[table]))
        assert re.search(rf"INFO {table}: complete: {rows} records?\b.* in \d+ requests?\b", logs), table
    assert project.api_key not in first.text
    assert "@" not in logs


# The second sync


def test_given_changes_when_synced_again_then_merging_gives_the_truth(sandbox: Sandbox) -> None:
    catalog = discover(sandbox)
    first = run_here(sandbox, "read", config=settings(sandbox), catalog=configured(catalog))
    sandbox.advance(days=3)
    sandbox.grow(25, users=7)
    campaigns, templates = sandbox.truth("campaigns"), sandbox.truth("templates")
    ended = next(row["id"] for row in campaigns if row["campaignState"] == "Running")
    sandbox.finish_campaign(ended)
    sandbox.edit_campaign(campaigns[3]["id"])
    sandbox.edit_template(templates[5]["templateId"])
    sandbox.delete_list(sandbox.truth("lists")[1]["id"])
    sandbox.advance(minutes=2)

    second = run_here(sandbox, "read", config=settings(sandbox), catalog=configured(catalog), state=first.state)

    assert second.exit_code == 0
    for table in TABLES:
        batches = [second.records(table)] if table not in CURSORS else [first.records(table), second.records(table)]
        there = merged([truth(sandbox, catalog, table)], KEYS[table])
        assert_exact(merged(batches, KEYS[table]), there, table)
    assert {record["id"] for record in second.records("campaigns")} == {ended, campaigns[3]["id"]}
    assert [record["templateId"] for record in second.records("templates")] == [templates[5]["templateId"]]
    assert len(second.records("users")) == 7
    assert all(25 <= len(second.records(table)) < 60 for table in EVENTS)


@pytest.mark.parametrize("to", ["append_dedup", "overwrite"])
def test_given_a_state_when_nothing_happened_then_only_the_lookback_is_read_again(sandbox: Sandbox, to: str) -> None:
    catalog = catalog_here(sandbox)
    first = sync(sandbox, to=to)
    sandbox.advance(hours=5)

    second = sync(sandbox, state=first.state, to=to)

    for table in EXPORTS:
        reread = truth(sandbox, catalog, table, start=first.states(table)[-1]["settled"])
        assert_exact(second.records(table), reread, table)
    assert not second.records("campaigns")
    assert not second.records("templates")


def test_given_plain_append_when_synced_again_and_again_then_no_event_is_appended_twice(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox)
    appended: dict[str, list[Any]] = {table: [] for table in EVENTS}
    state = None
    for _ in range(6):
        output = sync(sandbox, *EVENTS, state=state, to="append")
        state = output.state
        for table in EVENTS:
            appended[table] += output.records(table)
        sandbox.advance(minutes=100)
        sandbox.grow(9)
        sandbox.advance(minutes=1)

    last = sync(sandbox, *EVENTS, state=state, to="append")

    for table in EVENTS:
        settled = truth(sandbox, catalog, table, end=last.states(table)[-1]["settled"])
        assert_exact(appended[table] + last.records(table), settled, table)


def test_given_a_chain_of_states_when_read_from_any_of_them_then_merging_gives_the_truth(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox)
    whole = sync(sandbox, "email_click", window_in_days=10)
    before: list[Any] = []

    for message in whole.messages:
        if message["type"] == "RECORD":
            before.append(message["record"]["data"])
        elif message["type"] == "STATE":
            resumed = sync(sandbox, "email_click", state=[{"type": "STREAM", "stream": message["state"]["stream"]}])
            there = merged([truth(sandbox, catalog, "email_click")], ["event_id"])
            assert_exact(merged([before, resumed.records("email_click")], ["event_id"]), there)


# Settings


def test_given_full_refresh_when_synced_with_a_state_then_everything_comes(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox)

    outputs = [sync(sandbox, mode="full_refresh", to="overwrite") for _ in range(2)]

    for output in outputs:
        for table in TABLES:
            assert_exact(output.records(table), truth(sandbox, catalog, table), table)
            assert output.statuses(table)[-1] == "COMPLETE"


def test_given_full_refresh_when_profiles_change_meanwhile_then_none_is_missing(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox)
    sandbox.add_event("user", {"email": "late@example.com", "profileUpdatedAt": "2024-03-10 12:00:01 +00:00"})
    sandbox.set_clock(NOW)

    output = sync(sandbox, "users", mode="full_refresh", to="overwrite")

    last = [request.params for request in sandbox.requests if request.params.get("dataTypeName") == "user"][-1]
    assert last["endDateTime"] > "2024-03-11", "open towards the future"
    there = merged([truth(sandbox, catalog, "users", exportable_by=sandbox.now)], ["email"])
    assert_exact(merged([output.records("users")], ["email"]), there)


@pytest.mark.parametrize("end_date", ["2024-02-05", "2024-02-05T13:14:15Z", "02/05/2024"])
def test_given_an_end_date_when_synced_then_exports_end_before_it(sandbox: Sandbox, end_date: str) -> None:
    catalog = catalog_here(sandbox)
    until = "2024-02-05T13:14:15Z" if "T" in end_date else "2024-02-05T00:00:00Z"

    output = sync(sandbox, end_date=end_date)

    for table in TABLES:
        bounds = {"end": until} if table in EXPORTS else {}
        assert_exact(output.records(table), truth(sandbox, catalog, table, **bounds), table)
    for table in EXPORTS:
        assert output.states(table)[-1] == {CURSORS[table]: until, "settled": until}


@pytest.mark.parametrize("start_date", ["2024-02-05", "2024-02-05T13:14:15Z", "02/05/2024"])
def test_given_a_later_start_date_when_synced_then_exports_begin_there(sandbox: Sandbox, start_date: str) -> None:
    catalog = catalog_here(sandbox)
    since = "2024-02-05T13:14:15Z" if "T" in start_date else "2024-02-05T00:00:00Z"

    output = sync(sandbox, start_date=start_date)

    for table in TABLES:
        bounds = {"start": since} if table in EXPORTS else {}
        assert_exact(output.records(table), truth(sandbox, catalog, table, **bounds), table)


@pytest.mark.parametrize("days", [1, 3, 365])
def test_given_any_window_when_synced_then_the_same_rows(sandbox: Sandbox, days: int) -> None:
    catalog = catalog_here(sandbox)

    output = sync(sandbox, *EXPORTS, window_in_days=days)

    for table in EXPORTS:
        assert_exact(output.records(table), truth(sandbox, catalog, table), table)


def test_given_an_inclusive_end_when_synced_then_rows_on_edges_come_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(start=START, now=NOW, rate_scale=10_000, inclusive_end=True) as sandbox:
        monkeypatch.setenv("ITERABLE_API_URL", sandbox.url)
        monkeypatch.setenv("ITERABLE_RATE_SCALE", "10000")
        catalog = catalog_here(sandbox)

        output = sync(sandbox, *EXPORTS, window_in_days=1)

        for table in EXPORTS:
            assert_exact(output.records(table), truth(sandbox, catalog, table), table)


def test_given_the_email_key_when_discovered_and_read_then_it_is_declared_and_the_id_is_there(sandbox: Sandbox) -> None:
    catalog = catalog_here(sandbox, event_key="email")

    output = sync(sandbox, *EVENTS, event_key="email")

    keys = {stream["name"]: stream["source_defined_primary_key"] for stream in catalog["streams"]}
    assert all(keys[table] == [["email"]] for table in EVENTS)
    for table in EVENTS:
        assert_exact(output.records(table), truth(sandbox, catalog, table), table)


# Columns


@for_each("table", TABLES)
def test_given_deselected_columns_when_synced_then_they_are_nowhere(sandbox: Sandbox, table: str) -> None:
    catalog = configured(catalog_here(sandbox), [table])
    schema = catalog["streams"][0]["stream"]["json_schema"]
    kept = {*KEYS[table], CURSORS.get(table), "dataFields", "campaignId", "name", "firstName"}
    schema["properties"] = {name: column for name, column in schema["properties"].items() if name in kept}

    output = read_here(sandbox, catalog)

    assert_exact(output.records(table), truth(sandbox, catalog, table), table)
    assert all(set(record) <= set(schema["properties"]) for record in output.records(table))


def test_given_data_fields_deselected_when_synced_then_only_columns_leave(sandbox: Sandbox) -> None:
    catalog = configured(catalog_here(sandbox), ["users", "email_click"])
    for entry in catalog["streams"]:
        del entry["stream"]["json_schema"]["properties"]["dataFields"]

    output = read_here(sandbox, catalog)

    for table in "users", "email_click":
        assert_exact(output.records(table), truth(sandbox, catalog, table), table)
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
        assert_exact(output.records(table), truth(sandbox, documented, table), table)


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


# One stream that may not be read


@pytest.mark.parametrize("status", [401, 403])
def test_given_a_denied_data_type_when_synced_then_only_its_stream_fails(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    catalog = catalog_here(sandbox)
    denied = Fault(kind="status", endpoint="export/data.json", data_type="emailClick", status=status, times=None)
    sandbox.faults.add(denied)
    sandbox.forget_requests()

    output = read_here(sandbox, configured(catalog), window_in_days=2)

    assert output.statuses("email_click") == ["STARTED", "INCOMPLETE"]
    assert not output.records("email_click")
    (error,) = output.errors
    assert error["stream_descriptor"]["name"] == "email_click"
    assert error["failure_type"] == "config_error"
    assert f"HTTP {status}" in error["message"]
    assert "Server-side" in error["message"]
    asked = [r.params.get("dataTypeName") for r in sandbox.requests].count("emailClick")
    assert 5 <= asked <= 6, "ahead of its turn, for two minutes, and once more when it has come"
    for table in TABLES:
        if table != "email_click":
            assert output.statuses(table)[-1] == "COMPLETE"
            assert_exact(output.records(table), truth(sandbox, catalog, table), table)


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

    there = truth(sandbox, catalog, "email_send", start=edge - timedelta(days=5))
    assert_exact(output.records("email_send"), there)
