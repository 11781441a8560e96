"""Streams of catalogs and their items."""

from __future__ import annotations

import hashlib
from abc import ABC
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import ClassVar
from urllib.parse import quote

from source_iterable import messages
from source_iterable.api.errors import RequestRejected
from source_iterable.api.retry import RetryPolicy
from source_iterable.records.json_lines import Row
from source_iterable.streams.chunks import ChunkedStream, Derived, Position
from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.paged import PAGE_SIZE, PagedStream, Part
from source_iterable.streams.paging import Params
from source_iterable.streams.schema import (
    integer,
    json_object,
    text,
    timestamp,
)
from source_iterable.streams.totals import ListTotals, Tally


class CatalogStream(PagedStream, ABC):
    """A stream of a catalog endpoint."""

    endpoint = "catalogs"

    def request(self, path: str, params: Params, policy: RetryPolicy) -> Row:
        """What an answer holds, or, where it is wrapped as the answers to changes are, what that holds."""
        answer = super().request(path, params, policy)
        inner = answer.get("params")
        return inner if isinstance(inner, dict) else answer


class Catalogs(CatalogStream):
    """One catalog: a collection of items that templates may look up."""

    records_key = "catalogNames"
    primary_key = "name"
    columns = {"name": text("Name of the catalog; `catalogName` in `catalog_items` points here.")} | DATA_FIELDS
    first_page: ClassVar = {"page": 1, "pageSize": 100}


class CatalogItems(ChunkedStream, CatalogStream):
    """One item of a catalog, with its present value.

    Iterable documents no order of items that could be relied on, so each catalog is read whole and ordered here, by a
    hash of the items' ids: the CDK logs states, and ids may be personal data.
    """

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
    chunk_rows = 5000
    position_types = (str, str)
    _catalog = ""

    def path_to(self, part: Part) -> str:
        """The items of the catalog that is read."""
        return f"catalogs/{quote(part['catalog'], safe='')}/items"

    def filters(self, part: Part) -> Params:
        """None: the path names the catalog."""
        return {}

    def rows_in_order(self) -> Generator[tuple[Position, Callable[[], Derived]]]:
        """The items that are left, catalog by catalog, each catalog when its last page is here."""
        totals: dict[str, ListTotals] = {}
        for catalog in sorted(str(row["name"]) for row, _ in Catalogs(self.sync, parent=self).distinct_rows()):
            if self.run is not None and self.run.done is not None and catalog < self.run.done[0]:
                totals[catalog] = ListTotals(rows=1, doubts=())  # An earlier attempt has delivered and compared it.
                continue
            self._catalog = catalog
            # What came before leaves even if this catalog cannot be read.
            yield [catalog, ""], list
            yield from self.rows_left(partial(self._items, catalog, totals))
        self.compare_totals(*totals.values())

    def key_position(self, row: Row) -> Position:
        """The catalog that is read, and a hash of the item's id."""
        return [self._catalog, hashlib.sha256(str(row[self.row_key]).encode("utf-8", "surrogatepass")).hexdigest()[:16]]

    def _items(self, catalog: str, totals: dict[str, ListTotals]) -> Iterator[tuple[Row, Row]]:
        """The items of ``catalog``; their totals are put into ``totals``."""
        tally = Tally()
        try:
            for row in self.distinct_rows_of(tally, {"catalog": catalog}):
                yield {**row, "catalogName": row.get("catalogName") or catalog}, {}
        except RequestRejected:
            self.logger.info("%s: %s", self.name, messages.CATALOG_VANISHED.format())
        totals[catalog] = tally.result()
