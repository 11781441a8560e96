"""The table of the project's metadata store: tables of keys, each with a value."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from airbyte_cdk.models import SyncMode

from source_iterable.errors import Rejected
from source_iterable.rows import MalformedLineError, Row, parse
from source_iterable.streams.base import IterableStream, Slice


class Metadata(IterableStream):
    """Values of the metadata store, one row for each key of each of its tables."""

    endpoint = "metadata"
    records_key = "results"
    primary_key = ["table", "key"]  # noqa: RUF012 - the CDK's property is replaced

    def rows(self, sync_mode: SyncMode, stream_slice: Slice | None = None) -> Iterable[Row]:
        """Every value: the tables, the keys of each, the value of each."""
        for table in self._results("metadata", "the listing of tables"):
            name = quote(str(table["name"]), safe="")
            for entry in self._results(f"metadata/{name}", "a listing of keys"):
                key = quote(str(entry["key"]), safe="")
                try:
                    yield self._get(f"metadata/{name}/{key}", "the value of a key", rejects={404})
                except Rejected:
                    self.logger.info("%s: a key vanished while the table was read", self.name)

    def _results(self, path: str, subject: str) -> Iterator[Row]:
        marker: Any = None
        while True:
            page = self._get(path, subject, {"nextMarker": marker} if marker else {})
            yield from page.get(self.records_key) or []
            following = page.get("nextMarker")
            if not following or following == marker:
                return
            marker = following

    def _get(
        self, path: str, subject: str, params: Mapping[str, str] | None = None, rejects: Collection[int] = ()
    ) -> Row:
        response = self.api.get(path, params or {}, self.attempts(subject, rejects=rejects), self.name)
        try:
            return parse(response.raw.read())
        except MalformedLineError as error:
            raise self.unexpected("no JSON object") from error
