"""Tables of the plain JSON endpoints (https://api.iterable.com/api/docs), each a few declared facts."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from functools import partial
from itertools import product
from typing import Any, ClassVar
from urllib.parse import quote

import requests
from airbyte_cdk.models import ConfiguredAirbyteStream, SyncMode

from source_iterable.api import Api
from source_iterable.clock import TOLERANCE
from source_iterable.config import Config
from source_iterable.errors import MissingEndpointError, Rejected
from source_iterable.rows import Row, as_text
from source_iterable.streams import campaign_states
from source_iterable.streams.base import IterableStream, Slice, Turn
from source_iterable.streams.details import DetailedListing
from source_iterable.streams.paged import PAGE_SIZE, ChangingListing, PagedListing, Part, moment
from source_iterable.streams.profile_fields import FIELDS_PATH, profile_fields
from source_iterable.streams.totals import Listed, Tally


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


class UserFields(IterableStream):
    """The project's profile fields and their types."""

    endpoint = FIELDS_PATH
    primary_key = "name"

    def rows(self, sync_mode: SyncMode, stream_slice: Slice | None = None) -> Iterable[Row]:
        """A row for each field."""
        for name, kind in profile_fields(self).items():
            yield {"name": name, "type": kind}


# Whether the listing of campaigns holds the archived ones is not documented: they are asked for by themselves too.
CAMPAIGNS: Sequence[Part] = ({}, {"campaignState": "Archived"})
PLANNED = ("startAt", "endedAt")  # may lie in the future


class Campaigns(ChangingListing):
    """Campaigns, the archived ones too.

    The state also keeps the `campaignState` of each campaign that has not ended: `{"updatedAt": ..., "campaignStates":
    {"Running": [ids], ...}}`. It may change without any timestamp of the campaign, and that is a change too.
    """

    endpoint = "campaigns"
    records_key = "campaigns"
    primary_key = "id"
    parts = CAMPAIGNS

    STATES: ClassVar = "campaignStates"

    def __init__(
        self,
        config: Config,
        api: Api,
        configured: ConfiguredAirbyteStream | None = None,
        behalf: IterableStream | None = None,
    ) -> None:
        super().__init__(config, api, configured, behalf)
        self._known: dict[int, str] = {}  # what the destination has of campaigns that this listing did not show yet
        self._states: dict[int, str] = {}

    @property
    def state_keys(self) -> Sequence[str]:
        """The cursor, and the states of campaigns."""
        return [*super().state_keys, self.STATES]

    def saved(self) -> datetime | None:
        """Since when what changed is wanted; takes the saved states of campaigns as well."""
        try:
            self._known = campaign_states.parse(self._state.get(self.STATES))
        except ValueError:
            raise self.unreadable_state(f"no lists of campaigns under '{self.STATES}'") from None
        return super().saved()

    def state_after(self) -> MutableMapping[str, Any]:
        """The cursor, and the states of campaigns."""
        # What a listing in doubt did not show may be there all the same, and is then known to the destination.
        states = self._known | self._states if self.in_doubt else self._states
        return {**super().state_after(), self.STATES: campaign_states.compact(states)}

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """The latest of updatedAt, and of startAt and endedAt that are past: these two update nothing else."""
        planned = (moment(row.get(name)) for name in PLANNED)
        known = [super().changed(row, before), *(one for one in planned if one is not None and one < before)]
        return max((one for one in known if one is not None), default=None)

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
        ended = moment(row.get("endedAt"))
        return ended is not None and ended < self._began

    def _changed_since(self, row: Row) -> bool:
        """Whether a timestamp of ``row`` says that it changed since the listing began."""
        updated = moment(row.get(self.cursor_field))
        if updated is not None and updated >= self._began:
            return True
        planned = (moment(row.get(name)) for name in PLANNED)
        # Beyond the present, as far as this machine's clock can tell it, a start or an end is still planned.
        return any(self._began <= one <= self.api.clock.now() + TOLERANCE for one in planned if one is not None)


class CampaignLabels(PagedListing):
    """The labels of campaigns, one row for each campaign and label."""

    endpoint = "campaigns"
    records_key = "campaigns"
    primary_key = ["campaignId", "label"]  # noqa: RUF012 - the CDK's property is replaced
    row_key = "id"
    parts = CAMPAIGNS

    def derived(self, row: Row, added: Row) -> Iterator[tuple[Row, Row]]:
        """The labels of a campaign, each once."""
        labels = row.get("labels")
        for label in dict.fromkeys(map(as_text, labels if isinstance(labels, list) else ())):
            yield {"campaignId": row["id"], "label": label}, {}


class Templates(ChangingListing):
    """Templates of all types and media.

    An item does not tell its type and medium, so each combination is listed by itself; media that no
    combination offers (web push, embedded, WhatsApp) come with a last listing of everything.
    """

    endpoint = "templates"
    records_key = "templates"
    primary_key = "templateId"

    TYPES: ClassVar = ("Base", "Blast", "Triggered", "Workflow")
    MEDIA: ClassVar = ("Email", "Push", "InApp", "SMS")

    def listed(self) -> Iterator[tuple[Row, Row]]:
        """Every template once, with its type and medium; null where no combination shows it.

        One that was created since may belong to a combination that was listed before: it is left to the next sync.
        """
        began = self.api.clock.now()
        tally = Tally()
        for template_type, medium in product(self.TYPES, self.MEDIA):
            filters = {"templateType": template_type, "messageMedium": medium}
            for row in self.list_all(tally, filters):
                yield row, dict(filters)
        left = 0
        for row in self.list_all(tally):
            created = moment(row.get("createdAt"))
            if created is not None and created >= began:
                left += 1
            else:
                yield row, {"templateType": None, "messageMedium": None}
        if left:
            self.progress.remark(f"{left:,} created while templates were listed: left to the next sync")
        self.compare_totals(tally.result())

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """The later of updatedAt and createdAt: what was left to the next sync is emitted by it in any case."""
        updated, created = super().changed(row, before), moment(row.get("createdAt"))
        return updated if updated is None or created is None else max(updated, created)


class TemplateContent(Templates, DetailedListing):
    """What the templates say: subject, HTML, text and so on, asked for one by one where a template changed."""

    # Where the content of a medium is; what no medium lists may be embedded.
    PATHS: ClassVar[Mapping[str | None, str]] = {
        "Email": "templates/email/get",
        "Push": "templates/push/get",
        "InApp": "templates/inapp/get",
        "SMS": "templates/sms/get",
        None: "templates/embedded/get",
    }

    _has_embedded = True

    def derived(self, row: Row, added: Row) -> Iterator[tuple[Row, Row]]:
        """The content of a template in its default language; what the listing tells of it comes first."""
        medium = added["messageMedium"]
        if medium is None and not self._has_embedded:
            return
        path = self.PATHS[medium]
        # What no medium lists is asked for as an embedded one, on the chance: any refusal means that it is none.
        rejects = (400, 404) if medium is not None else {400: 1, 403: 1, 404: 1}
        attempts = self.attempts("the content of a template", rejects=rejects)
        try:
            content = self.get(path, {"templateId": row["templateId"]}, attempts)
        except MissingEndpointError:
            if medium is not None:
                raise
            self._has_embedded = False
            self.progress.remark(
                f"templates that are of no listed medium are left out: Iterable's {self.api.data_center} does not have "
                f"the endpoint {path}",
                once=True,
            )
            return
        except Rejected as rejected:
            if medium is not None:
                self.progress.remark(f"template {row['templateId']} skipped: Iterable answers {rejected.answer}")
            return
        yield content | row, added


class Journeys(ChangingListing):
    """Journeys, the archived ones too, which Iterable lists only when asked for them."""

    endpoint = "journeys"
    records_key = "journeys"
    primary_key = "id"
    first_page: ClassVar = {"page": 1, "pageSize": 50, "sort": "id"}
    parts = ({}, {"state": "Archived"})

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """The later of its own updatedAt and that of its draft, which is a column."""
        draft = row.get("draft")
        known = (super().changed(row, before), moment(draft.get("updatedAt")) if isinstance(draft, dict) else None)
        return max((one for one in known if one is not None), default=None)


class Snippets(ChangingListing):
    """Snippets, pieces of content that templates share."""

    endpoint = "snippets"
    records_key = "snippets"
    primary_key = "id"
    first_page: ClassVar = {}


class CatalogListing(PagedListing, ABC):
    """What the catalog endpoints list."""

    endpoint = "catalogs"

    def read_object(self, response: requests.Response) -> Row:
        """What an answer holds, or, where it is wrapped as the answers to changes are, what that holds."""
        body = super().read_object(response)
        inner = body.get("params")
        return inner if isinstance(inner, dict) else body


class Catalogs(CatalogListing):
    """Catalogs: collections of items that templates may look up."""

    records_key = "catalogNames"
    primary_key = "name"
    first_page: ClassVar = {"page": 1, "pageSize": 100}


class CatalogItems(CatalogListing):
    """The items of all catalogs."""

    records_key = "catalogItemsWithProperties"
    primary_key = ["catalogName", "itemId"]  # noqa: RUF012 - the CDK's property is replaced
    row_key = "itemId"
    first_page: ClassVar = {"page": 1, "pageSize": PAGE_SIZE}
    rejects = (404,)

    def path(
        self,
        *,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: Slice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        """The items of the catalog that is read."""
        return f"catalogs/{quote(str((stream_slice or {})['catalog']), safe='')}/items"

    def filters(self, part: Slice) -> Mapping[str, str]:
        """The path chooses already."""
        return {}

    def turn(self, *, is_first_sync: bool) -> Turn:
        """Late: there may be millions of items, and an attempt that is cut short begins anew."""
        return Turn.NOT_RESUMABLE

    def kept(self) -> Iterator[Row]:
        """The items, catalog by catalog, each when its last page is here."""
        catalogs = [str(row["name"]) for row, _ in Catalogs(self.config, self.api, behalf=self).listed()]
        listings: dict[str, Listed] = {}
        for catalog in catalogs:
            yield from self.records_of(partial(self._listed, catalog, listings))
        self.compare_totals(*listings.values())

    def _listed(self, catalog: str, listings: dict[str, Listed]) -> Iterator[tuple[Row, Row]]:
        """The items of ``catalog``; what became of its listing is put into ``listings``."""
        tally = Tally()
        try:
            for row in self.list_all(tally, {"catalog": catalog}):
                yield {**row, "catalogName": row.get("catalogName") or catalog}, {}
        except Rejected:
            self.logger.info("%s: a catalog vanished while the table was read", self.name)
        listings[catalog] = tally.result()
