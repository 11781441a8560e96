"""What streams of events share: the cursor, and the key that the connector makes for each event."""

from __future__ import annotations

from abc import ABC

from source_iterable.records.columns import OVERFLOW
from source_iterable.records.event_id import event_id, line_id
from source_iterable.records.json_lines import Row
from source_iterable.streams.export import ExportStream

EVENT_ID = "event_id"


class EventStream(ExportStream, ABC):
    """Events: rows that carry no id of their own, and get one."""

    cursor_field = "createdAt"

    @property
    def primary_key(self) -> str:
        """`event_id`, or the documented `email` where the settings say so."""
        return self.config.event_key

    def added(self, row: Row) -> Row:
        """The event's identity."""
        return {EVENT_ID: event_id(self.data_type, row)}

    def unparsed(self, line: bytes) -> Row:
        """The columns of a line that cannot be read: it is delivered as it is, without a timestamp."""
        return {
            EVENT_ID: line_id(self.data_type, line),
            self.cursor_field: None,
            OVERFLOW: {"unparsed": line.decode("utf-8", "replace")},
        }
