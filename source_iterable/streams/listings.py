"""Tables of the plain JSON endpoints (https://api.iterable.com/api/docs), each a few declared facts."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any, ClassVar
from urllib.parse import quote

import requests
from airbyte_cdk.models import SyncMode

from source_iterable.errors import MissingEndpointError, Rejected, permission_error
from source_iterable.rows import Row, as_text
from source_iterable.streams.base import IterableStream, Slice
from source_iterable.streams.paged import PAGE_SIZE, ChangingListing, PagedListing, Part, moment
from source_iterable.streams.profile_fields import FIELDS_PATH, profile_fields

REFUSALS: Mapping[int, int] = {400: 1, 403: 1, 404: 1, 409: 1}


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


class ForgottenUsers(IterableStream):
    """People whose data Iterable was told to forget, as hashes: the API's only sign of a deletion."""

    endpoint = "users/forgotten"
    primary_key = ["identifier", "hash"]  # noqa: RUF012 - the CDK's property is replaced

    # Where, under which key, and what was hashed. A project that does not identify people by the one or the
    # other refuses that one; with which status is not documented.
    SOURCES: ClassVar = (
        ("users/forgotten", "hashedEmails", "email"),
        ("users/forgottenUserIds", "hashedUserIds", "userId"),
    )

    def rows(self, sync_mode: SyncMode, stream_slice: Slice | None = None) -> Iterable[Row]:
        """The hashes of addresses, then those of user ids."""
        refused: list[Rejected] = []
        for path, key, identifier in self.SOURCES:
            attempts = self.attempts(f"the listing of forgotten users by {identifier}", rejects=REFUSALS)
            try:
                hashes = self.read_object(self.api.get(path, {}, attempts, self.name)).get(key)
            except Rejected as rejected:
                refused.append(rejected)
                continue
            if not isinstance(hashes, list):
                raise self.unexpected(f"no list under '{key}'")
            for one in dict.fromkeys(map(as_text, hashes)):
                yield {"identifier": identifier, "hash": one}
        if len(refused) == len(self.SOURCES):
            if refused[0].answer.status == requests.codes.forbidden:
                raise permission_error(self.name, refused[0].answer)
            raise self.unexpected(f"{refused[0].answer} for forgotten addresses and user ids alike")


# Whether the listing of campaigns holds the archived ones is not documented: they are asked for by themselves too.
CAMPAIGNS: Sequence[Part] = ({}, {"campaignState": "Archived"})


class Campaigns(ChangingListing):
    """Campaigns, the archived ones too."""

    endpoint = "campaigns"
    records_key = "campaigns"
    primary_key = "id"
    parts = CAMPAIGNS

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """The latest of updatedAt, and of startAt and endedAt that are past: these two update nothing else."""
        planned = (moment(row.get(name)) for name in ("startAt", "endedAt"))
        known = [super().changed(row, before), *(one for one in planned if one is not None and one < before)]
        return max((one for one in known if one is not None), default=None)


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
        """Every template once, with its type and medium; null where no combination shows it."""
        seen: set[object] = set()
        for template_type, medium in product(self.TYPES, self.MEDIA):
            filters = {"templateType": template_type, "messageMedium": medium}
            for row in self.list_all(seen, filters):
                yield row, dict(filters)
        for row in self.list_all(seen):
            yield row, {"templateType": None, "messageMedium": None}


class TemplateContent(Templates):
    """What the templates say: subject, HTML, text and so on, asked for one by one where a template changed."""

    # Where the content of a medium is; what no medium lists may be embedded.
    asks_for_each = True

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
            response = self.api.get(path, {"templateId": row["templateId"]}, attempts, self.name)
        except MissingEndpointError:
            if medium is not None:
                raise
            self._has_embedded = False
            self.progress.remark(
                f"templates that are of no listed medium are left out: Iterable's {self.api.data_center} does not have "
                f"the endpoint {path}"
            )
            return
        except Rejected as rejected:
            if medium is not None:
                self.progress.remark(f"template {row['templateId']} skipped: Iterable answers {rejected.answer}")
            return
        yield self.read_object(response) | row, added


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

    def listed(self) -> Iterator[tuple[Row, Row]]:
        """The items, catalog by catalog."""
        for catalog in Catalogs(self.config, self.api, behalf=self).list_all(set()):
            for row in self._of(str(catalog["name"])):
                yield row, {}

    def _of(self, catalog: str) -> Iterator[Row]:
        try:
            for row in self.list_all(set(), {"catalog": catalog}):
                yield {**row, "catalogName": row.get("catalogName") or catalog}
        except Rejected:
            self.logger.info("%s: a catalog vanished while the table was read", self.name)
