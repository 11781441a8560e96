"""Tables of events; what one row of each is: https://api.iterable.com/api/docs#export_exportDataJson."""

from __future__ import annotations

from abc import ABC

from airbyte_cdk.models import ConfiguredAirbyteStream

from source_iterable.api import Api
from source_iterable.config import Config
from source_iterable.identity import event_id, line_id
from source_iterable.rows import REST, Row
from source_iterable.streams.export import ExportStream

EVENT_ID = "event_id"


class Event(ExportStream, ABC):
    """Events: rows that carry no id of their own, and get one."""

    cursor_field = "createdAt"

    def __init__(self, config: Config, api: Api, configured: ConfiguredAirbyteStream | None = None) -> None:
        self._key = config.event_key
        super().__init__(config, api, configured)

    @property
    def primary_key(self) -> str:
        """`event_id`, or the documented `email` where the settings say so."""
        return self._key

    def added(self, row: Row) -> Row:
        """The event's identity."""
        return {EVENT_ID: event_id(self.data_type, row)}

    def unparsed(self, line: bytes) -> Row:
        """The columns of a line that cannot be read: it is delivered as it is, without a moment."""
        return {
            EVENT_ID: line_id(self.data_type, line),
            self.cursor_field: None,
            REST: {"unparsed": line.decode("utf-8", "replace")},
        }


class EmailBounce(Event):
    """E-mails that were not accepted by the receiving side."""

    data_type = "emailBounce"


class EmailClick(Event):
    """Clicks on links in e-mails."""

    data_type = "emailClick"


class EmailComplaint(Event):
    """E-mails that their readers reported as spam."""

    data_type = "emailComplaint"


class EmailOpen(Event):
    """E-mails opened."""

    data_type = "emailOpen"


class EmailSend(Event):
    """E-mails handed over for delivery."""

    data_type = "emailSend"


class EmailSendSkip(Event):
    """E-mails that Iterable decided not to send."""

    data_type = "emailSendSkip"


class EmailSubscribe(Event):
    """Subscriptions to lists, channels and message types."""

    data_type = "emailSubscribe"


class EmailUnsubscribe(Event):
    """Unsubscriptions from lists, channels and message types."""

    data_type = "emailUnSubscribe"
