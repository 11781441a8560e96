"""Streams of embedded messages: https://api.iterable.com/api/docs#export_exportDataJson."""

from __future__ import annotations

from source_iterable.streams.columns.events import DEVICE, EVENT, MESSAGE, SKIP
from source_iterable.streams.events.base import EventStream
from source_iterable.streams.schema import OBJECT, ColumnSet, array, text, timestamp

EMBEDDED_SESSION = ColumnSet(
    {
        "session.id": text("Id of the session in which embedded messages were on view."),
        "session.start": timestamp("When the session began."),
        "session.end": timestamp("When the session ended."),
        "impressions": array(
            OBJECT,
            "How often and how long each message was on view: its messageId, placementId, displayCount and "
            "displayDuration.",
        ),
    }
)


class EmbeddedSend(EventStream):
    """One embedded message that Iterable made available to an app or web site."""

    data_type = "embeddedSend"
    columns = MESSAGE | EVENT


class EmbeddedSendSkip(EventStream):
    """One embedded message that Iterable decided not to send."""

    data_type = "embeddedSendSkip"
    columns = SKIP | MESSAGE | EVENT


class EmbeddedClick(EventStream):
    """One click on an embedded message."""

    data_type = "embeddedClick"
    columns = (
        {
            "buttonIdentifier": text("Name of the button that was clicked."),
            "targetUrl": text("Address that the click led to, or name of the action in the app."),
        }
        | DEVICE
        | MESSAGE
        | EVENT
    )


class EmbeddedReceived(EventStream):
    """One arrival of an embedded message on a device."""

    data_type = "embeddedReceived"
    columns = DEVICE | MESSAGE | EVENT


class EmbeddedImpression(EventStream):
    """One showing of embedded messages to a person."""

    data_type = "embeddedImpression"
    columns = EMBEDDED_SESSION | MESSAGE | EVENT


class EmbeddedSession(EventStream):
    """One visit to a screen or page that holds embedded messages."""

    data_type = "embeddedSession"
    columns = EMBEDDED_SESSION | EVENT
