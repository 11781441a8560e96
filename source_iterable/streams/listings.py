"""Streams of plain JSON endpoints (https://api.iterable.com/api/docs), each a few declared facts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from source_iterable import timestamps
from source_iterable.records.json_lines import Row
from source_iterable.streams.base import IterableStream
from source_iterable.streams.changing import ChangingStream
from source_iterable.streams.columns.common import DATA_FIELDS, RECORD_TIMES
from source_iterable.streams.profile_fields import FIELDS_PATH, profile_fields
from source_iterable.streams.schema import (
    STRING,
    ColumnSet,
    array,
    boolean,
    integer,
    json_object,
    text,
    timestamp,
)


class Channels(IterableStream):
    """One channel of the project: a group of message types of one medium that people subscribe to or leave."""

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
    """One list of people in the project."""

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
    """One message type of the project: the finest group of messages that people subscribe to or leave."""

    endpoint = "messageTypes"
    records_key = "messageTypes"
    primary_key = "id"
    columns = (
        {
            "id": integer("Id of the message type."),
            "name": text("Name of the message type."),
            "channelId": integer("Id of its channel; points to `id` in `channels`."),
            "subscriptionPolicy": text(
                "Who receives its messages: OptIn (only people who asked) or OptOut (all but those who declined)."
            ),
            "rateLimitPerMinute": integer("How many of its messages Iterable sends in a minute at most."),
            "frequencyCap": json_object("How many of its messages one person may receive in how many days."),
        }
        | RECORD_TIMES
        | DATA_FIELDS
    )


class UserFields(IterableStream):
    """One field of people's profiles in this project."""

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


class Journeys(ChangingStream):
    """One journey (workflow) of the project, in its current state.

    Archived ones are among them; Iterable lists these only when asked.
    """

    endpoint = "journeys"
    records_key = "journeys"
    primary_key = "id"
    columns = (
        {
            "id": integer("Id of the journey; `workflowId` in other streams points here."),
            "name": text("Name of the journey."),
            "description": text("Description that members of the project gave it."),
            "journeyType": text("Kind of journey, as Iterable names it."),
            "enabled": boolean("Whether people can enter it now."),
            "isArchived": boolean("Whether it was archived."),
            "lifetimeLimit": integer("How often one person may enter it in all."),
            "simultaneousLimit": integer("How often one person may be in it at the same time."),
            "startTileId": integer("Id of the tile that it begins with."),
            "triggerEventNames": array(STRING, "Names of the events that let people enter."),
            "draft": json_object("The version that is being edited, with its id, name, times and author."),
            "creatorUserId": text("Email address of the project member who created it."),
        }
        | RECORD_TIMES
        | DATA_FIELDS
    )
    first_page: ClassVar = {"page": 1, "pageSize": 50, "sort": "id"}
    parts = ({}, {"state": "Archived"})

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """The later of its own updatedAt and that of its draft, which is a column."""
        draft = row.get("draft")
        drafted = timestamps.parse_or_none(draft.get("updatedAt")) if isinstance(draft, dict) else None
        known = (super().changed(row, before), drafted)
        return max((one for one in known if one is not None), default=None)


class Snippets(ChangingStream):
    """One snippet: a piece of content that templates share."""

    endpoint = "snippets"
    records_key = "snippets"
    primary_key = "id"
    columns = (
        {
            "id": integer("Id of the snippet."),
            "name": text("Name of the snippet."),
            "description": text("Description that members of the project gave it."),
            "content": text("The content, as templates take it in."),
            "variables": array(STRING, "Names of the variables that the content uses."),
            "projectId": integer("Id of the project."),
            "createdBy": text("Member of the project who created it."),
            "updatedBy": text("Member of the project who last edited it."),
        }
        | RECORD_TIMES
        | DATA_FIELDS
    )
    first_page: ClassVar = {}
