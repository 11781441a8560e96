"""Streams of campaigns and their labels."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from source_iterable import timestamps
from source_iterable.api.clock import TOLERANCE
from source_iterable.records.json_lines import Row, as_text
from source_iterable.streams import campaign_states
from source_iterable.streams.changing import ChangingStream
from source_iterable.streams.columns.common import DATA_FIELDS, RECORD_TIMES
from source_iterable.streams.paged import PagedStream, Part
from source_iterable.streams.schema import (
    INTEGER,
    STRING,
    ColumnSet,
    array,
    integer,
    text,
    timestamp,
)

# Whether `campaigns` returns archived ones is not documented: they are requested by themselves too.
CAMPAIGNS: Sequence[Part] = ({}, {"campaignState": "Archived"})
PLANNED = ("startAt", "endedAt")  # may lie in the future


class Campaigns(ChangingStream):
    """One campaign of the project, in its current state.

    Archived ones are among them. The state also keeps the `campaignState` of each campaign that has not ended:
    `{"updatedAt": ..., "campaignStates": {"Running": [ids], ...}}`. It may change without any timestamp of the
    campaign, and that is a change too.
    """

    endpoint = "campaigns"
    records_key = "campaigns"
    primary_key = "id"
    columns = (
        {
            "id": integer("Id of the campaign."),
            "name": text("Name of the campaign."),
            "type": text("Kind of campaign: Blast (sent to lists) or Triggered (sent to single users by an event)."),
            "campaignState": text(
                "Where the campaign stands, such as Draft, Scheduled, Running, Finished or Archived."
            ),
            "messageMedium": text("Medium of its messages, such as Email, Push, InApp or SMS."),
            "templateId": integer("Id of the template that it sends; points to `templateId` in `templates`."),
            "recurringCampaignId": integer("Id of the recurring campaign that created this one."),
            "workflowId": integer("Id of the journey that the campaign is part of."),
            "listIds": array(INTEGER, "Ids of the lists that it is sent to; they point to `id` in `lists`."),
            "suppressionListIds": array(
                INTEGER, "Ids of the lists whose members it is not sent to; they point to `id` in `lists`."
            ),
            "sendSize": integer("How many users it was meant to reach."),
            "labels": array(STRING, "Labels that members of the project gave it."),
            "labelIds": array(INTEGER, "Ids of its labels."),
            "createdByUserId": text("Email address of the project member who created it."),
            "updatedByUserId": text("Email address of the project member who last edited it."),
            "startAt": timestamp("When sending starts or started."),
            "endedAt": timestamp("When sending ended; this does not change `updatedAt`."),
        }
        | RECORD_TIMES
        | DATA_FIELDS
    )
    parts = CAMPAIGNS

    STATES: ClassVar = "campaignStates"

    def begin(self) -> bool:
        """Forget the campaigns of an earlier read as well."""
        self._known: dict[int, str] = {}  # what the destination has of campaigns that this read has not returned yet
        self._states: dict[int, str] = {}
        return super().begin()

    @property
    def state_keys(self) -> Sequence[str]:
        """The cursor, and the states of campaigns."""
        return [*super().state_keys, self.STATES]

    def saved(self) -> datetime | None:
        """The timestamp since which changes are emitted; reads the saved states of campaigns as well."""
        try:
            self._known = campaign_states.parse(self._state.get(self.STATES))
        except ValueError:
            raise self.unreadable_state(f"no lists of campaigns under '{self.STATES}'") from None
        return super().saved()

    def state_after(self) -> MutableMapping[str, Any]:
        """The cursor, and the states of campaigns."""
        # What a read in doubt did not return may exist all the same, and the destination then has it.
        states = self._known | self._states if self.in_doubt else self._states
        return {**super().state_after(), self.STATES: campaign_states.compact(states)}

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """The latest of updatedAt, and of startAt and endedAt that are past: these two update nothing else."""
        planned = (timestamps.parse_or_none(row.get(name)) for name in PLANNED)
        known = [super().changed(row, before), *(time for time in planned if time is not None and time < before)]
        return max((time for time in known if time is not None), default=None)

    def is_wanted(self, row: Row) -> bool:
        """Whether it changed, by its timestamps or else by its `campaignState`; called once for each campaign."""
        known = self._known.pop(row["id"], None)
        state = campaign_states.campaign_state(row)
        kept = None if self._has_ended(row) else state
        if super().is_wanted(row):
            wanted = True
        elif self._changed_since(row):
            wanted, kept = False, known  # The next sync emits it, whatever else changes until then.
        else:
            wanted = known != state if known is not None else kept is not None
        if kept is not None:
            self._states[row["id"]] = kept
        return wanted

    def _has_ended(self, row: Row) -> bool:
        ended = timestamps.parse_or_none(row.get("endedAt"))
        return ended is not None and ended < self._began

    def _changed_since(self, row: Row) -> bool:
        """Whether a timestamp of ``row`` says that it changed since the read began."""
        updated = timestamps.parse_or_none(row.get(self.cursor_field))
        if updated is not None and updated >= self._began:
            return True
        planned = (timestamps.parse_or_none(row.get(name)) for name in PLANNED)
        # Beyond the present, as far as this machine's clock can tell it, a start or an end is still planned.
        return any(self._began <= time <= self.api.clock.now() + TOLERANCE for time in planned if time is not None)


class CampaignLabels(PagedStream):
    """One label of one campaign."""

    endpoint = "campaigns"
    records_key = "campaigns"
    primary_key = ["campaignId", "label"]  # noqa: RUF012 - the CDK's property is replaced
    columns = ColumnSet(
        {
            "campaignId": integer("Id of the campaign; points to `id` in `campaigns`."),
            "label": text("The label."),
        }
    )
    row_key = "id"
    parts = CAMPAIGNS

    def derived(self, row: Row, added: Row) -> Iterator[tuple[Row, Row]]:
        """The labels of a campaign, each once."""
        labels = row.get("labels")
        for label in dict.fromkeys(map(as_text, labels if isinstance(labels, list) else ())):
            yield {"campaignId": row["id"], "label": label}, {}
