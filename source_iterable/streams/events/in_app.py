"""Streams of in-app messages, and of the inbox of an app: https://api.iterable.com/api/docs#export_exportDataJson."""

from __future__ import annotations

from source_iterable.streams.columns.events import (
    CATALOG_COUNTS,
    CHANNEL,
    CLICKED_URL,
    CONTENT,
    DEVICE,
    EVENT,
    MESSAGE,
    SENT_AT,
    SKIP,
)
from source_iterable.streams.events.base import EventStream
from source_iterable.streams.schema import OBJECT, ColumnSet, array, boolean, integer, number, text, timestamp

EXPIRY = ColumnSet({"expiresAt": timestamp("When the message ceases to be shown.")})


INBOX_SESSION = ColumnSet({"inboxSessionId": text("Id of the visit to the inbox of the app.")})


MESSAGE_CONTEXT = ColumnSet(
    {
        "messageContext.saveToInbox": boolean("Whether the message is kept in the inbox of the app."),
        "messageContext.silentInbox": boolean("Whether the message went into the inbox without being shown first."),
        "messageContext.location": text("Where in the app the message was, such as in-app or inbox."),
    }
)


class InAppSend(EventStream):
    """One in-app message that Iterable made available to an app."""

    data_type = "inAppSend"
    columns = (
        {"priorityLevel": number("Priority of the message: those of a lower number are shown first.")}
        | MESSAGE_CONTEXT
        | EXPIRY
        | CATALOG_COUNTS
        | CHANNEL
        | CONTENT
        | MESSAGE
        | EVENT
    )


class InAppOpen(EventStream):
    """One showing of an in-app message to the person."""

    data_type = "inAppOpen"
    columns = DEVICE | MESSAGE_CONTEXT | EXPIRY | MESSAGE | EVENT


class InAppClick(EventStream):
    """One click on a link or button of an in-app message."""

    data_type = "inAppClick"
    columns = CLICKED_URL | SENT_AT | DEVICE | MESSAGE_CONTEXT | EXPIRY | MESSAGE | EVENT


class InAppClose(EventStream):
    """One closing of an in-app message by the person."""

    data_type = "inAppClose"
    columns = (
        {
            "closeAction": text("How the message was closed, such as by its link or the back button."),
            "inboxSessionId": text("Id of the visit to the inbox in which the message was closed."),
        }
        | CLICKED_URL
        | DEVICE
        | MESSAGE_CONTEXT
        | EXPIRY
        | MESSAGE
        | EVENT
    )


class InAppDelete(EventStream):
    """One in-app message that was taken out of the app or its inbox."""

    data_type = "inAppDelete"
    columns = (
        {"deleteAction": text("How the message was taken out, such as by a button or a swipe in the inbox.")}
        | DEVICE
        | MESSAGE_CONTEXT
        | EXPIRY
        | MESSAGE
        | EVENT
    )


class InAppDelivery(EventStream):
    """One arrival of an in-app message on a device."""

    data_type = "inAppDelivery"
    columns = DEVICE | MESSAGE_CONTEXT | EXPIRY | MESSAGE | EVENT


class InAppSendSkip(EventStream):
    """One in-app message that Iterable decided not to send."""

    data_type = "inAppSendSkip"
    columns = SKIP | CHANNEL | MESSAGE | EVENT


class InAppRecall(EventStream):
    """One in-app message that was called back after it was sent."""

    data_type = "inAppRecall"
    columns = MESSAGE | EVENT


class InboxSession(EventStream):
    """One visit of a person to the inbox of an app."""

    data_type = "inboxSession"
    columns = (
        {
            "inboxSessionStart": timestamp("When the visit began."),
            "inboxSessionEnd": timestamp("When the visit ended."),
            "startTotalMessageCount": integer("How many messages were in the inbox when the visit began."),
            "startUnreadMessageCount": integer("How many of them were unread when the visit began."),
            "endTotalMessageCount": integer("How many messages were in the inbox when the visit ended."),
            "endUnreadMessageCount": integer("How many of them were unread when the visit ended."),
            "impressions": array(
                OBJECT,
                "How often and how long each message was on view: its messageId, silentInbox, displayCount and "
                "displayDuration.",
            ),
        }
        | INBOX_SESSION
        | DEVICE
        | EVENT
    )


class InboxMessageImpression(EventStream):
    """One showing of a message in the list of the inbox of an app."""

    data_type = "inboxMessageImpression"
    columns = (
        {
            "silentInbox": boolean("Whether the message went into the inbox without being shown first."),
            "displayCount": integer("How many times the message was on view during the visit."),
            "displayDuration": number("How many seconds the message was on view during the visit."),
        }
        | INBOX_SESSION
        | MESSAGE
        | EVENT
    )
