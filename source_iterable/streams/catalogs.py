"""Streams of catalogs and their items."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

import requests

from source_iterable.errors import Rejected
from source_iterable.rows import Row
from source_iterable.streams.base import Slice, Turn
from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.paged import PAGE_SIZE, PagedListing
from source_iterable.streams.schema import (
    integer,
    json_object,
    text,
    timestamp,
)
from source_iterable.streams.totals import Listed, Tally


class CatalogListing(PagedListing, ABC):
    """What the catalog endpoints list."""

    endpoint = "catalogs"

    def read_object(self, response: requests.Response) -> Row:
        """What an answer holds, or, where it is wrapped as the answers to changes are, what that holds."""
        body = super().read_object(response)
        inner = body.get("params")
        return inner if isinstance(inner, dict) else body


class Catalogs(CatalogListing):
    """One catalog: a collection of items that templates may look up."""

    records_key = "catalogNames"
    primary_key = "name"
    columns = {"name": text("Name of the catalog; `catalogName` in `catalog_items` points here.")} | DATA_FIELDS
    first_page: ClassVar = {"page": 1, "pageSize": 100}


class CatalogItems(CatalogListing):
    """One item of a catalog, with its present value."""

    records_key = "catalogItemsWithProperties"
    primary_key = ["catalogName", "itemId"]  # noqa: RUF012 - the CDK's property is replaced
    columns = {
        "catalogName": text("Name of the catalog; points to `name` in `catalogs`."),
        "itemId": text("Id of the item, unique in its catalog."),
        "size": integer("Size of the item, in bytes."),
        "lastModified": timestamp("When the item was last written."),
        "value": json_object("The fields of the item."),
    } | DATA_FIELDS
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
