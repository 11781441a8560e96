"""Streams of email events: https://api.iterable.com/api/docs#export_exportDataJson."""

from __future__ import annotations

from source_iterable.streams.columns.events import (
    BOT,
    CATALOG_COUNTS,
    CHANNEL,
    CONTENT,
    ESP,
    EVENT,
    MESSAGE,
    MESSAGE_BUS,
    SKIP,
    TRANSACTIONAL_DATA,
    USER_AGENT,
)
from source_iterable.streams.events.base import EventStream
from source_iterable.streams.schema import INTEGER, ColumnSet, array, integer, text, timestamp

URL = ColumnSet({"url": text("Address that the link leads to.")})


BOUNCE = ColumnSet(
    {
        "recipientState": text("What the receiving side says of the address, such as HardBounce."),
        "status": text("Status code of the receiving mail server, such as 5.1.1."),
    }
)


PLACE = ColumnSet(
    {
        "ip": text("IP address, version 4 or 6, that the request came from."),
        "city": text("City that Iterable derived from the IP address."),
        "region": text("Region that Iterable derived from the IP address, as a name or a code."),
        "country": text("Country that Iterable derived from the IP address."),
    }
)


SUBSCRIPTION = ColumnSet(
    {
        "emailListIds": array(INTEGER, "Ids of the lists concerned; they point to `id` in `lists`."),
        "emailListId": integer(
            "Id of the one list concerned, when Iterable names a single one; points to `id` in `lists`."
        ),
        "channelIds": array(INTEGER, "Ids of the channels concerned; they point to `id` in `channels`."),
        "messageTypeIds": array(INTEGER, "Ids of the message types concerned; they point to `id` in `message_types`."),
        "workflowId": integer("Id of the journey that made the change."),
    }
)


PROXY = ColumnSet(
    {
        "proxySource": text(
            "Name of the proxy that made the request in the person's place, when Iterable recognised one."
        )
    }
)


class EmailSend(EventStream):
    """One email that Iterable handed over for delivery."""

    data_type = "emailSend"
    columns = MESSAGE_BUS | ESP | TRANSACTIONAL_DATA | CATALOG_COUNTS | CHANNEL | CONTENT | MESSAGE | EVENT


class EmailOpen(EventStream):
    """One opening of an email."""

    data_type = "emailOpen"
    columns = PLACE | USER_AGENT | PROXY | BOT | CONTENT | MESSAGE | EVENT


class EmailClick(EventStream):
    """One click on a link in an email."""

    data_type = "emailClick"
    columns = (
        {"hrefIndex": integer("Position of the link among the links of the email.")}
        | URL
        | PLACE
        | USER_AGENT
        | PROXY
        | BOT
        | CONTENT
        | MESSAGE
        | EVENT
    )


class HostedUnsubscribeClick(EventStream):
    """One click on the link of an email that leads to the unsubscribe page that Iterable hosts."""

    data_type = "hostedUnsubscribeClick"
    columns = URL | PLACE | USER_AGENT | MESSAGE | EVENT


class EmailComplaint(EventStream):
    """One complaint of a person who marked an email as spam."""

    data_type = "emailComplaint"
    columns = (
        {"recipientState": text("What the receiving side says of the address, such as Complaint.")} | MESSAGE | EVENT
    )


class EmailBounce(EventStream):
    """One email that could not be delivered."""

    data_type = "emailBounce"
    columns = BOUNCE | MESSAGE | EVENT


class EmailSendSkip(EventStream):
    """One email that Iterable decided not to send."""

    data_type = "emailSendSkip"
    columns = SKIP | TRANSACTIONAL_DATA | CHANNEL | CONTENT | MESSAGE | EVENT


class EmailSubscribe(EventStream):
    """One subscription of a person to lists, channels or message types."""

    data_type = "emailSubscribe"
    columns = (
        {
            "signupSource": text("How the subscription came about, such as ListAPI, Import or API."),
            "profileUpdatedAt": timestamp("When the person's profile last changed."),
        }
        | SUBSCRIPTION
        | EVENT
    )


class EmailUnsubscribe(EventStream):
    """One leaving of lists, channels or message types by a person."""

    data_type = "emailUnSubscribe"
    columns = (
        {
            "unsubSource": text("How the leaving came about, such as Import or HardBounce."),
            "channelId": integer(
                "Id of the one channel concerned, when Iterable names a single one; points to `id` in `channels`."
            ),
            "bounceMessage": text("What the receiving mail server answered, when a bounce is the cause."),
        }
        | SUBSCRIPTION
        | BOUNCE
        | MESSAGE
        | EVENT
    )
