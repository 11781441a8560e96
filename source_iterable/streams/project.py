"""Streams of what a project consists of, each from one request: channels, lists, message types and profile fields."""

from __future__ import annotations

from collections.abc import Iterable

from source_iterable.records.json_lines import Row
from source_iterable.streams.base import IterableStream
from source_iterable.streams.columns.common import DATA_FIELDS, RECORD_TIMES
from source_iterable.streams.profile_fields import FIELDS_PATH, profile_fields
from source_iterable.streams.schema import ColumnSet, boolean, integer, json_object, text, timestamp


class Channels(IterableStream):
    """One channel of the project: a group of message types of one medium that users subscribe to or leave."""

    endpoint = "channels"
    records_key = "channels"
    primary_key = "id"
    columns = {
        "id": integer("Id of the channel."),
        "name": text("Name of the channel."),
        "channelType": text("Purpose of its messages: Marketing or Transactional."),
        "messageMedium": text("Medium of its messages, such as Email, Push, SMS or WebPush."),
    } | DATA_FIELDS


class Lists(IterableStream):
    """One list of users in the project."""

    endpoint = "lists"
    records_key = "lists"
    primary_key = "id"
    columns = {
        "id": integer("Id of the list."),
        "name": text("Name of the list."),
        "description": text("Description that members of the project gave it."),
        "listType": text("Kind of list, such as Standard, Dynamic, Suppression or Internal."),
        "isGlobalSuppressionEnabled": boolean("Whether a suppression list holds for every campaign of the project."),
        "createdAt": timestamp("When the list was created in Iterable."),
    } | DATA_FIELDS


class MessageTypes(IterableStream):
    """One message type of the project: the finest group of messages that users subscribe to or leave."""

    endpoint = "messageTypes"
    records_key = "messageTypes"
    primary_key = "id"
    columns = (
        {
            "id": integer("Id of the message type."),
            "name": text("Name of the message type."),
            "channelId": integer("Id of its channel; points to `id` in `channels`."),
            "subscriptionPolicy": text(
                "Who receives its messages: OptIn (users who subscribed) or OptOut (all but those who unsubscribed)."
            ),
            "rateLimitPerMinute": integer("How many of its messages Iterable sends in a minute at most."),
            "frequencyCap": json_object("How many of its messages one user may receive in how many days."),
        }
        | RECORD_TIMES
        | DATA_FIELDS
    )


class UserFields(IterableStream):
    """One field of user profiles in this project."""

    endpoint = FIELDS_PATH
    primary_key = "name"
    columns = ColumnSet(
        {
            "name": text("Name of the field, as Iterable spells it; case and spaces count."),
            "type": text("Iterable's type of it, such as string, long, double, boolean, date, object or geo_location."),
        }
    )

    def rows(self) -> Iterable[Row]:
        """A row for each field."""
        for name, kind in profile_fields(self).items():
            yield {"name": name, "type": kind}
