"""Rules that every stream obeys; each names all offenders. Every data type that Iterable documents is a stream."""

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from source_iterable import streams
from source_iterable.api.client import Api
from source_iterable.config import Config
from source_iterable.records.columns import IN_TWO_SHAPES, OFFERED_COLUMNS, destination_name
from source_iterable.streams import STREAMS, IterableStream
from source_iterable.streams.events.base import EventStream
from source_iterable.streams.export import ExportStream
from source_iterable.sync import Sync

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
"""The data types in the order of Iterable's documentation, each with its stream."""

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
EVENTS: Mapping[str, type[EventStream]] = {
    stream.data_type: stream for stream in STREAMS.values() if issubclass(stream, EventStream)
}


def columns() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every column of every stream as `discover` shows it, named `stream.column`."""
    for name, stream in STREAMS.items():
        for column, schema in stream.declared_schema()["properties"].items():
            yield f"{name}.{column}", schema


def kinds(stream: type[IterableStream]) -> dict[str, str]:
    """The type of each column of a stream."""
    return {name: column["type"][1] for name, column in stream.columns.items()}


def subclasses(of: type[IterableStream]) -> Iterator[type[IterableStream]]:
    for one in of.__subclasses__():
        yield one
        yield from subclasses(one)


# The registry


def test_every_class_that_declares_columns_is_a_stream_of_the_catalog() -> None:
    for module in pkgutil.walk_packages(streams.__path__, f"{streams.__name__}."):
        importlib.import_module(module.name)

    declaring = {
        one
        for one in subclasses(IterableStream)
        if "columns" in vars(one) and one.__module__.startswith("source_iterable.")
    }

    assert {one.__name__ for one in declaring - set(STREAMS.values())} == set(), "list its module in MODULES"


def test_every_stream_is_called_by_its_name(api: Api, config: Config) -> None:
    assert [stream(Sync(config, api)).name for stream in STREAMS.values()] == list(STREAMS)


def test_every_documented_data_type_is_the_stream_of_its_name() -> None:
    exported = {name: stream for name, stream in STREAMS.items() if issubclass(stream, ExportStream)}

    assert {stream.data_type: name for name, stream in exported.items()} == DOCUMENTED
    assert len(exported) == len(DOCUMENTED)


# Schemas


def test_every_stream_says_what_one_record_is() -> None:
    told = {name: stream.description() for name, stream in STREAMS.items()}

    assert {name for name, text in told.items() if not re.fullmatch(r"[A-Z].{15,}[^.]\.", text)} == set()
    assert {name for name, text in told.items() if " one " not in f" {text.lower()}"} == set()


def test_every_column_is_nullable_and_described_by_a_sentence() -> None:
    described = r"[A-Z_].{5,}[^.]\."

    assert [name for name, column in columns() if not re.fullmatch(described, column["description"])] == []
    assert [name for name, column in columns() if column["type"][0] != "null" or len(column["type"]) != 2] == []


def test_no_mark_of_the_connector_is_published_but_the_columns_on_offer() -> None:
    assert [
        name for name, column in columns() if {key for key in column if key.startswith("x-")} - {OFFERED_COLUMNS}
    ] == []


def test_no_two_columns_are_one_at_a_destination() -> None:
    counts = Counter((name, destination_name(column)) for name, one in STREAMS.items() for column in one.columns)

    assert [which for which, count in counts.items() if count > 1] == []


def test_only_what_comes_in_two_shapes_is_declared_both_whole_and_field_by_field() -> None:
    both = {
        (name, parent)
        for name, stream in STREAMS.items()
        if issubclass(stream, ExportStream)
        for parent in {column.rpartition(".")[0] for column in stream.columns} & set(stream.columns)
    }

    assert both == {("users", "devices"), ("users", "phoneNumberDetails"), ("purchase", "shoppingCartItems")}
    assert {parent for _, parent in both} <= IN_TWO_SHAPES


def test_every_key_and_cursor_is_a_column(api: Api, config: Config) -> None:
    offenders = []
    for name, stream in STREAMS.items():
        offered = stream(Sync(config, api)).as_airbyte_stream()
        keys = [column for path in offered.source_defined_primary_key or [] for column in path]
        if not keys or not {*keys, *(offered.default_cursor_field or [])} <= stream.columns.keys():
            offenders.append(name)

    assert offenders == []


# Events


def test_every_event_is_windowed_by_its_time_and_has_the_key_and_the_columns_of_events(
    api: Api, config: Config
) -> None:
    offered = {data_type: stream(Sync(config, api)).as_airbyte_stream() for data_type, stream in EVENTS.items()}

    assert [name for name, one in offered.items() if one.default_cursor_field != ["createdAt"]] == []
    assert [name for name, one in offered.items() if one.source_defined_primary_key != [["event_id"]]] == []
    assert [name for name, one in EVENTS.items() if not one.columns.keys() >= EVERY_EVENT] == []


def test_every_event_about_a_message_has_its_id_and_every_skip_its_reason() -> None:
    assert {name for name, one in EVENTS.items() if "messageId" not in one.columns} == WITHOUT_MESSAGE
    assert [name for name, one in EVENTS.items() if name.endswith("Skip") and "reason" not in one.columns] == []


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


def test_a_field_has_the_type_in_which_its_data_type_sends_it() -> None:
    types = {data_type: kinds(STREAMS[DOCUMENTED[data_type]]) for data_type in DECLARED}

    assert [name for name, declared in DECLARED.items() if not types[name].items() >= declared.items()] == []


@pytest.mark.parametrize("name", ["sentAt", "expiresAt", "receivedAt", "seenAt", "session.start", "session.end"])
def test_a_time_is_a_timestamp_wherever_it_is_declared(name: str) -> None:
    declared = [stream.columns[name] for stream in EVENTS.values() if name in stream.columns]

    assert declared
    assert {column.get("format") for column in declared} == {"date-time"}
