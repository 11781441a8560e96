"""Streams of push and web push events: https://api.iterable.com/api/docs#export_exportDataJson."""

from __future__ import annotations

from source_iterable.streams.columns.events import (
    CATALOG_COUNTS,
    CHANNEL,
    CONTENT,
    EVENT,
    MESSAGE,
    MESSAGE_BUS,
    SENT_AT,
    SKIP,
    TRANSACTIONAL_DATA,
)
from source_iterable.streams.events.base import EventStream
from source_iterable.streams.schema import boolean, text


class PushSend(EventStream):
    """One push notification that Iterable handed over for delivery."""

    data_type = "pushSend"
    columns = (
        {
            "platformEndpoint": text("Address of the person's device at the push service."),
            "notificationsEnabled": boolean("Whether the device allowed notifications when the message was sent."),
        }
        | TRANSACTIONAL_DATA
        | CATALOG_COUNTS
        | CHANNEL
        | CONTENT
        | MESSAGE
        | EVENT
    )


class PushOpen(EventStream):
    """One opening of an app through a push notification."""

    data_type = "pushOpen"
    columns = (
        {
            "appAlreadyRunning": boolean("Whether the app was running before the notification was opened."),
            "actionIdentifier": text(
                "Name of the button of the notification that the person chose, or of its default action."
            ),
        }
        | SENT_AT
        | MESSAGE
        | EVENT
    )


class PushUninstall(EventStream):
    """One app that was found uninstalled when a push notification was sent to it."""

    data_type = "pushUninstall"
    columns = CHANNEL | MESSAGE | EVENT


class PushBounce(EventStream):
    """One push notification that could not be delivered."""

    data_type = "pushBounce"
    columns = CHANNEL | MESSAGE | EVENT


class PushSendSkip(EventStream):
    """One push notification that Iterable decided not to send."""

    data_type = "pushSendSkip"
    columns = SKIP | CHANNEL | MESSAGE | EVENT


class WebPushSend(EventStream):
    """One web push notification that Iterable handed over for delivery."""

    data_type = "webPushSend"
    columns = CATALOG_COUNTS | CHANNEL | CONTENT | MESSAGE | EVENT


class WebPushClick(EventStream):
    """One click on a web push notification."""

    data_type = "webPushClick"
    columns = MESSAGE_BUS | TRANSACTIONAL_DATA | CHANNEL | CONTENT | MESSAGE | EVENT


class WebPushSendSkip(EventStream):
    """One web push notification that Iterable decided not to send."""

    data_type = "webPushSendSkip"
    columns = SKIP | CHANNEL | MESSAGE | EVENT
