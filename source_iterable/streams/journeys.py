"""The stream of journeys."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from source_iterable import timestamps
from source_iterable.records.json_lines import Row
from source_iterable.streams.changing import ChangingStream
from source_iterable.streams.columns.common import DATA_FIELDS, RECORD_TIMES
from source_iterable.streams.schema import STRING, array, boolean, integer, json_object, text


class Journeys(ChangingStream):
    """One journey (workflow) of the project, in its current state.

    Archived ones are among them; Iterable returns these only on request.
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
            "enabled": boolean("Whether users can enter it now."),
            "isArchived": boolean("Whether it was archived."),
            "lifetimeLimit": integer("How often one user may enter it in all."),
            "simultaneousLimit": integer("How often one user may be in it at the same time."),
            "startTileId": integer("Id of the tile that it begins with."),
            "triggerEventNames": array(STRING, "Names of the events that let users enter."),
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
        return max((time for time in known if time is not None), default=None)
