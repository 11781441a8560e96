"""Tables of the plain JSON endpoints: https://api.iterable.com/api/docs (campaigns, channels, lists, templates)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import closing
from datetime import datetime
from itertools import product
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests
from airbyte_cdk.models import ConfiguredAirbyteStream, FailureType, SyncMode
from airbyte_cdk.sources.streams.core import StreamData

from source_iterable import timestamps
from source_iterable.api import Api, origin
from source_iterable.config import Config
from source_iterable.errors import disk_error, failure
from source_iterable.rows import Row, dump, parse
from source_iterable.spool import Spool
from source_iterable.streams.base import IterableStream, Slice

PAGE_SIZE = 1000
LISTINGS = 3  # how often a listing that changes while it is paged is made


class Channels(IterableStream):
    """Channels that messages belong to."""

    endpoint = "channels"
    records_key = "channels"
    primary_key = "id"


class Lists(IterableStream):
    """Lists of users."""

    endpoint = "lists"
    records_key = "lists"
    primary_key = "id"


class MessageTypes(IterableStream):
    """Message types that people subscribe to."""

    endpoint = "messageTypes"
    records_key = "messageTypes"
    primary_key = "id"


class PagedListing(IterableStream):
    """A table that is listed whole, page by page, and of which an incremental sync emits what changed.

    A listing is kept on disk until all its pages are here. Pages are numbered, so what is added or
    deleted between two pages shifts the rest: a listing whose count moves is made again, and what any
    of them showed is emitted once.

    Attributes:
        total_key: The key of the answer that tells how many rows there are.
    """

    cursor_field = "updatedAt"
    is_resumable = True
    total_key: ClassVar[str]

    def __init__(self, config: Config, api: Api, configured: ConfiguredAirbyteStream | None = None) -> None:
        super().__init__(config, api, configured)
        self._pages: set[str] = set()

    @property
    def state(self) -> MutableMapping[str, Any]:
        """`{"updatedAt": when the last listing began}`."""
        return self._state

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        self._state = value

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Slice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """The first page; without `page` Iterable would send 20 rows and call them all."""
        if next_page_token:
            return dict(next_page_token)
        self._pages.clear()
        return {"page": 1, "pageSize": PAGE_SIZE, "sort": "id", **(stream_slice or {})}

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        """The parameters of the page that the answer names; where it says to ask for it, it must be Iterable."""
        url = self.body(response).get("nextPageUrl")
        if not url:
            return None
        following = urljoin(self.api.url, str(url))
        if origin(following)[1:] != origin(self.api.url)[1:]:
            raise failure(
                self.name,
                "Iterable's answer names a next page on another host, which is refused: the API key would leave "
                "Iterable. Check the region, and any proxy on the way.",
                "nextPageUrl on another host",
                FailureType.system_error,
            )
        query = urlsplit(following).query
        if query in self._pages:
            raise self.unexpected("a next page that was read before")
        self._pages.add(query)
        return dict(parse_qsl(query))

    def parse_response(
        self,
        response: requests.Response,
        *,
        stream_state: Mapping[str, Any],
        stream_slice: Slice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Iterable[Row]:
        """The rows of a page, as they were sent, each with its key."""
        return self.objects(self.body(response), self.records_key, str(self.primary_key))

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Slice | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """Everything, or in an incremental sync what changed from the saved state to the listing's begin."""
        began = self.api.clock.now()
        since = self._since(began) if sync_mode is SyncMode.incremental else None
        if since is not None and since > began:
            self.progress.remark(
                f"the saved state ({timestamps.formatted(since)}) lies in the future: nothing is read. "
                "Reset the table if its state was set by hand."
            )
            return
        try:
            with closing(Spool.keep(dump({"row": row, "added": added}) for row, added in self.listed())) as listing:
                yield from self.emitted(self._records(listing, sync_mode, since, began))
        except OSError as error:
            raise disk_error(self.name, error) from error
        self._state = {self.cursor_field: timestamps.formatted(began)}

    def _records(self, listing: Spool, sync_mode: SyncMode, since: datetime | None, began: datetime) -> Iterator[Row]:
        for line in listing.lines():
            kept = parse(line)
            row = kept["row"]
            if sync_mode is SyncMode.full_refresh or _falls(self.changed(row, began), since, began):
                self.progress.rows += 1
                yield self.columns.record(row, kept["added"])

    def listed(self) -> Iterator[tuple[Row, Row]]:
        """Every row once, and the columns that the connector adds to it."""
        for row in self.list_all(set()):
            yield row, {}

    def list_all(self, seen: set[object], filters: Mapping[str, str] | None = None) -> Iterator[Row]:
        """The rows of the listing with ``filters`` whose keys are not in ``seen``, which it completes."""
        before: set[object] | None = None
        for _ in range(LISTINGS):
            listed: set[object] = set()
            totals: set[object] = set()
            for row in self.rows(SyncMode.full_refresh, dict(filters or {})):
                totals.add(self._page[1].get(self.total_key) if self._page else None)
                key = row.get(str(self.primary_key))
                listed.add(key)
                if key not in seen:
                    seen.add(key)
                    yield row
            if totals <= {len(listed), None} or listed == before:
                return
            before = listed
        self.progress.remark("it changed each time it was listed; what changed meanwhile comes with the next sync")

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """When ``row`` last changed; None if it does not say."""
        return _moment(row.get("updatedAt"))

    def _since(self, now: datetime) -> datetime | None:
        saved = self._state.get(self.cursor_field)
        if saved is None:
            return None
        try:
            return timestamps.moment(saved)
        except ValueError:
            raise failure(
                self.name,
                f"the saved state holds no moment under '{self.cursor_field}'. Reset this table's state.",
                "unreadable state",
                FailureType.config_error,
            ) from None


class Campaigns(PagedListing):
    """Campaigns, the archived ones too."""

    endpoint = "campaigns"
    records_key = "campaigns"
    total_key = "totalCampaignsCount"
    primary_key = "id"

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """The latest of updatedAt, startAt and endedAt that is past: starting and ending update nothing else."""
        moments = (_moment(row.get(name)) for name in ("updatedAt", "startAt", "endedAt"))
        past = [moment for moment in moments if moment is not None and moment < before]
        return max(past, default=_moment(row.get("updatedAt")))


class Templates(PagedListing):
    """Templates of all types and media.

    An item does not tell its type and medium, so each combination is listed by itself; media that no
    combination offers (web push, embedded, WhatsApp) come with a last listing of everything.
    """

    endpoint = "templates"
    records_key = "templates"
    total_key = "totalTemplatesCount"
    primary_key = "templateId"

    TYPES: ClassVar = ("Base", "Blast", "Triggered", "Workflow")
    MEDIA: ClassVar = ("Email", "Push", "InApp", "SMS")

    def listed(self) -> Iterator[tuple[Row, Row]]:
        """Every template once, with its type and medium; null where no combination shows it."""
        seen: set[object] = set()
        for template_type, medium in product(self.TYPES, self.MEDIA):
            filters = {"templateType": template_type, "messageMedium": medium}
            for row in self.list_all(seen, filters):
                yield row, dict(filters)
        for row in self.list_all(seen):
            yield row, {"templateType": None, "messageMedium": None}


def _falls(changed: datetime | None, since: datetime | None, until: datetime) -> bool:
    """Whether ``changed`` lies in the half-open span; a row that tells no moment always does."""
    return changed is None or (changed < until and (since is None or since <= changed))


def _moment(value: object) -> datetime | None:
    try:
        return timestamps.moment(value)
    except ValueError:
        return None
