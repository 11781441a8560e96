"""Columns that streams of events share."""

from __future__ import annotations

from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.schema import ColumnSet, boolean, generated, integer, object_in_text, text, timestamp

EVENT = {
    "event_id": generated(
        text("Id of the event, added by the connector: the same event has the same id in every sync.")
    ),
    "email": text("Email address of the person; may be missing in projects that identify people by user id."),
    "userId": text("User id that your own systems gave the person, when the profile has one."),
    "itblUserId": text("Iterable's own id of the person's profile."),
    "eventName": text("Name of the event, where Iterable sends one."),
    "createdAt": timestamp("When the event happened."),
    "campaignId": integer("Id of the campaign that the event belongs to; points to `id` in `campaigns`."),
    "templateId": integer("Id of the template that the message was made from; points to `templateId` in `templates`."),
    "itblInternal.documentCreatedAt": timestamp(
        "When Iterable first stored the event, which may be later than it happened."
    ),
    "itblInternal.documentUpdatedAt": timestamp("When Iterable last changed the stored event."),
} | DATA_FIELDS

MESSAGE = ColumnSet({"messageId": text("Id of one message to one person; the events of that message share it.")})

BOT = ColumnSet({"isBot": boolean("Whether Iterable takes the request for that of a bot and not of a person.")})

CATALOG_COUNTS = ColumnSet(
    {
        "catalogLookupCount": integer("How many catalog look-ups filling the message took."),
        "catalogCollectionCount": integer("How many catalog collections filling the message used."),
        "productRecommendationCount": integer("How many product recommendations filling the message used."),
    }
)

CHANNEL = ColumnSet(
    {
        "channelId": integer("Id of the channel that the message belongs to; points to `id` in `channels`."),
        "messageTypeId": integer("Id of the message type; points to `id` in `message_types`."),
    }
)

CLICKED_URL = ColumnSet({"clickedUrl": text("Address that the click led to, or name of the action in the app.")})

CONTENT = ColumnSet({"contentId": integer("Id of the version of the template's content that was used.")})

DEVICE = ColumnSet(
    {
        "deviceInfo.deviceId": text("Id of the person's device."),
        "deviceInfo.platform": text("Platform of the person's device, such as iOS or Android."),
        "deviceInfo.appPackageName": text("Package name of the app, or web site, that told of the event."),
    }
)

ESP = ColumnSet({"espName": text("Name of the provider that carries the message for Iterable.")})

MESSAGE_BUS = ColumnSet({"messageBusId": text("Id that the provider gave the message.")})

SENT_AT = ColumnSet({"sentAt": timestamp("When the message that the event is about was sent.")})

SKIP = ColumnSet({"reason": text("Why Iterable did not send the message.")})

TRANSACTIONAL_DATA = ColumnSet(
    {
        "transactionalData": object_in_text(
            "Data that triggered the message and filled its placeholders, decoded from the JSON text that "
            "Iterable sends."
        )
    }
)

USER_AGENT = ColumnSet(
    {
        "userAgent": text("User agent text that the program sent, such as a browser's."),
        "userAgentDevice": text(
            "Device or mail program that Iterable derived from the user agent, such as Gmail or Windows."
        ),
    }
)
