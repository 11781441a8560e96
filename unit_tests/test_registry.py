"""Iterable documents 53 data types of the export: each is a table, under its name, and told of in README.md."""

import json
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from source_iterable import columns
from source_iterable.api import Api
from source_iterable.config import Config
from source_iterable.rows import IN_TWO_SHAPES, destination_name
from source_iterable.streams import STREAMS, events
from source_iterable.streams.export import ExportStream

DOCUMENTED = {
    "emailSend": "email_send",
    "emailOpen": "email_open",
    "emailClick": "email_click",
    "hostedUnsubscribeClick": "hosted_unsubscribe_click",
    "emailComplaint": "email_complaint",
    "emailBounce": "email_bounce",
    "emailSendSkip": "email_send_skip",
    "emailSubscribe": "email_subscribe",
    "emailUnSubscribe": "email_unsubscribe",
    "pushSend": "push_send",
    "pushOpen": "push_open",
    "pushUninstall": "push_uninstall",
    "pushBounce": "push_bounce",
    "pushSendSkip": "push_send_skip",
    "inAppSend": "in_app_send",
    "inAppOpen": "in_app_open",
    "inAppClick": "in_app_click",
    "inAppClose": "in_app_close",
    "inAppDelete": "in_app_delete",
    "inAppDelivery": "in_app_delivery",
    "inAppSendSkip": "in_app_send_skip",
    "inAppRecall": "in_app_recall",
    "inboxSession": "inbox_session",
    "inboxMessageImpression": "inbox_message_impression",
    "smsSend": "sms_send",
    "smsBounce": "sms_bounce",
    "smsClick": "sms_click",
    "smsReceived": "sms_received",
    "smsSendSkip": "sms_send_skip",
    "smsUsageInfo": "sms_usage_info",
    "webPushSend": "web_push_send",
    "webPushClick": "web_push_click",
    "webPushSendSkip": "web_push_send_skip",
    "rcsSend": "rcs_send",
    "rcsSendSkip": "rcs_send_skip",
    "embeddedSend": "embedded_send",
    "embeddedSendSkip": "embedded_send_skip",
    "embeddedClick": "embedded_click",
    "embeddedReceived": "embedded_received",
    "embeddedImpression": "embedded_impression",
    "embeddedSession": "embedded_session",
    "whatsAppSend": "whats_app_send",
    "whatsAppSendSkip": "whats_app_send_skip",
    "whatsAppBounce": "whats_app_bounce",
    "whatsAppClick": "whats_app_click",
    "whatsAppReceived": "whats_app_received",
    "whatsAppSeen": "whats_app_seen",
    "whatsAppUsageInfo": "whats_app_usage_info",
    "purchase": "purchase",
    "customEvent": "custom_event",
    "journeyExit": "journey_exit",
    "unknownSession": "unknown_session",
    "user": "users",
}
"""The data types in the order of Iterable's documentation, each with its table."""

EVENTS = {data_type: table for data_type, table in DOCUMENTED.items() if data_type != "user"}
EVERY_EVENT = {
    "event_id",
    "email",
    "userId",
    "itblUserId",
    "eventName",
    "createdAt",
    "campaignId",
    "templateId",
    "itblInternal.documentCreatedAt",
    "itblInternal.documentUpdatedAt",
    "dataFields",
}
WITHOUT_MESSAGE = {
    "customEvent",
    "emailSubscribe",
    "embeddedSession",
    "inboxSession",
    "journeyExit",
    "purchase",
    "smsReceived",
    "unknownSession",
    "whatsAppReceived",
    "whatsAppSeen",
}
README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


@pytest.fixture
def tables(api: Api, config: Config) -> dict[str, ExportStream]:
    """The export tables by data type."""
    made = [stream(config, api) for stream in STREAMS if issubclass(stream, ExportStream)]
    return {table.data_type: table for table in made if isinstance(table, ExportStream)}


def kinds(table: str) -> dict[str, str]:
    """The type of each column of a table."""
    return {name: column["type"][1] for name, column in columns.properties(table).items()}


def test_every_documented_data_type_has_exactly_one_table() -> None:
    counts = Counter(stream.data_type for stream in STREAMS if issubclass(stream, ExportStream))

    assert len(DOCUMENTED) == 53
    assert counts == dict.fromkeys(DOCUMENTED, 1)


def test_every_table_bears_the_name_of_its_data_type(tables: dict[str, ExportStream]) -> None:
    assert {data_type: table.name for data_type, table in tables.items()} == DOCUMENTED


def test_classes_stand_in_the_documented_order() -> None:
    classes = [one for one in vars(events).values() if isinstance(one, type) and issubclass(one, events.Event)]

    assert [table.data_type for table in classes if table is not events.Event] == list(EVENTS)


@pytest.mark.parametrize("data_type", EVENTS)
def test_an_event_table_is_windowed_by_the_event_and_has_the_events_key(
    tables: dict[str, ExportStream], data_type: str
) -> None:
    stream = tables[data_type].as_airbyte_stream()

    assert stream.default_cursor_field == ["createdAt"]
    assert stream.source_defined_primary_key == [["event_id"]]
    assert stream.json_schema is not None
    assert stream.json_schema["properties"].keys() >= EVERY_EVENT


@pytest.mark.parametrize(("data_type", "table"), DOCUMENTED.items())
def test_readme_tells_of_the_table_once(data_type: str, table: str) -> None:
    lines = [line for line in README.splitlines() if line.startswith(f"| `{table}` |")]

    assert len(lines) == 1
    assert lines[0].endswith(f"| `export/data.json`, `{data_type}` |")


@pytest.mark.parametrize("table", DOCUMENTED.values())
def test_every_column_is_described_in_sentences_and_may_be_null(table: str) -> None:
    for name, column in columns.properties(table).items():
        assert re.fullmatch(r"[A-Z_].{15,}[^.]\.", column["description"]), name
        assert column["type"][0] == "null", name
        assert len(column["type"]) == 2, name


@pytest.mark.parametrize("table", DOCUMENTED.values())
def test_no_two_columns_are_one_at_a_destination(table: str) -> None:
    counts = Counter(map(destination_name, columns.properties(table)))

    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("table", DOCUMENTED.values())
def test_only_what_comes_in_two_shapes_is_declared_both_whole_and_field_by_field(table: str) -> None:
    names = set(columns.properties(table))

    both = {name.rpartition(".")[0] for name in names if name.rpartition(".")[0] in names}

    assert both == {"users": {"devices", "phoneNumberDetails"}, "purchase": {"shoppingCartItems"}}.get(table, set())
    assert both <= IN_TWO_SHAPES


def test_every_shared_set_is_used() -> None:
    schemas = files("source_iterable") / "schemas"
    used = {
        name
        for path in schemas.iterdir()
        if path.name.endswith(".json")
        for name in json.loads(path.read_text("utf-8")).get("include", [])
    }

    assert {path.name.removesuffix(".json") for path in (schemas / "shared").iterdir()} == used


@pytest.mark.parametrize("data_type", EVENTS)
def test_events_about_a_message_tell_its_id(data_type: str) -> None:
    assert ("messageId" in kinds(EVENTS[data_type])) == (data_type not in WITHOUT_MESSAGE)


@pytest.mark.parametrize("data_type", [data_type for data_type in EVENTS if data_type.endswith("Skip")])
def test_every_skip_tells_its_reason(data_type: str) -> None:
    assert kinds(EVENTS[data_type])["reason"] == "string"


OF_A_MESSAGE = {
    "channelId": "integer",
    "contentId": "integer",
    "messageTypeId": "integer",
    "messageBusId": "string",
    "transactionalData": "object",
}
DECLARED: dict[str, dict[str, str]] = {
    "hostedUnsubscribeClick": {"url": "string", "ip": "string", "userAgentDevice": "string"},
    "pushSend": {"notificationsEnabled": "boolean", "transactionalData": "object", "catalogLookupCount": "integer"},
    "pushOpen": {"sentAt": "string", "appAlreadyRunning": "boolean", "actionIdentifier": "string"},
    "inAppSend": {"priorityLevel": "number", "expiresAt": "string", "messageContext.saveToInbox": "boolean"},
    "inAppClick": {"clickedUrl": "string", "sentAt": "string", "deviceInfo.platform": "string"},
    "smsSend": {"fromSMSSenderId": "integer", "espAccountId": "string", "isSMSEstimation": "boolean"},
    "smsReceived": {"smsMessage": "string", "espAccountId": "string", "mmsReceiveCount": "integer"},
    "embeddedSession": {"session.id": "string", "session.start": "string", "impressions": "array"},
    "whatsAppSend": {"espAccountId": "integer", "fromWhatsAppSenderId": "integer"},
    "whatsAppSeen": {"espAccountId": "integer", "seenMessageId": "string", "seenAt": "string"},
    "whatsAppReceived": {"espAccountId": "string", "whatsAppMessage.text": "string", "sanitized.inputText": "string"},
    "whatsAppBounce": {"errorCode": "integer", "messageStatus": "string"},
    "purchase": {"_id": "string", "total": "number", "shoppingCartItems": "array", "shoppingCartItems.price": "array"},
    "inboxSession": {"inboxSessionId": "string", "inboxSessionStart": "string", "endUnreadMessageCount": "integer"},
    "inboxMessageImpression": {"inboxSessionId": "string", "silentInbox": "boolean", "displayDuration": "number"},
    "pushUninstall": {"channelId": "integer", "messageTypeId": "integer"},
    **dict.fromkeys(("smsBounce", "smsClick", "webPushClick", "whatsAppBounce", "whatsAppSend"), OF_A_MESSAGE),
    **dict.fromkeys(("smsSendSkip", "whatsAppSendSkip"), OF_A_MESSAGE | {"reason": "string"}),
    "customEvent": {"_id": "string", "eventName": "string", "eventUpdatedAt": "string"},
}


@pytest.mark.parametrize("data_type", DECLARED)
def test_a_field_has_the_type_in_which_its_data_type_sends_it(data_type: str) -> None:
    assert kinds(DOCUMENTED[data_type]).items() >= DECLARED[data_type].items()


@pytest.mark.parametrize("name", ["sentAt", "expiresAt", "receivedAt", "seenAt", "session.start", "session.end"])
def test_a_moment_is_a_timestamp_wherever_it_is_declared(name: str) -> None:
    declared: list[Any] = [columns.properties(table).get(name) for table in DOCUMENTED.values()]

    assert any(declared)
    assert {column["format"] for column in declared if column} == {"date-time"}
