"""The stream of the project's metadata store: tables of keys, each with a value."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from source_iterable import messages
from source_iterable.api.errors import RequestRejected
from source_iterable.records.json_lines import Row
from source_iterable.streams.base import IterableStream
from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.schema import integer, json_object, text, timestamp

UNREQUESTABLE = {".", ".."}


class Metadata(IterableStream):
    """One value of the project's metadata store, which keeps tables of keys and values."""

    endpoint = "metadata"
    records_key = "results"
    primary_key = ["table", "key"]  # noqa: RUF012 - the CDK's property is replaced
    columns = {
        "table": text("Name of the metadata table."),
        "key": text("Key of the value; two tables may hold the same key."),
        "size": integer("Size of the value, in bytes."),
        "lastModified": timestamp("When the value was last written."),
        "value": json_object("The value that is stored under the key."),
    } | DATA_FIELDS

    def rows(self) -> Iterable[Row]:
        """Every value: the tables, the keys of each, the value of each."""
        for table in self._names("metadata", "name"):
            path = f"metadata/{quote(table, safe='')}"
            for key in self._names(path, "key"):
                try:
                    value = self._get(f"{path}/{quote(key, safe='')}", rejects={404})
                except RequestRejected:
                    self.logger.info("%s: %s", self.name, messages.KEY_VANISHED.format())
                    continue
                if str(value.get("key")) != key:
                    raise self.unexpected("another key than the one that was requested")
                yield {**value, "table": value.get("table") or table}

    def _names(self, path: str, field: str) -> Iterator[str]:
        """The values of ``field`` in the entries of all pages of ``path``, each once."""
        seen: set[str] = set()
        markers: set[Any] = set()
        params: Mapping[str, str] = {}
        while True:
            page = self._get(path, params)
            for name in (str(entry[field]) for entry in self.objects(page, self.records_key, field)):
                if name in UNREQUESTABLE:
                    self.progress.remark(messages.UNREQUESTABLE_NAME)
                elif name not in seen:
                    seen.add(name)
                    yield name
            marker = page.get("nextMarker")
            if not marker:
                return
            if marker in markers:
                raise self.unexpected("a next page that was read before")
            markers.add(marker)
            params = {"nextMarker": str(marker)}

    def _get(self, path: str, params: Mapping[str, str] | None = None, rejects: Collection[int] = ()) -> Row:
        policy = self.retry_policy("a part of the metadata store", rejects=rejects)
        return self.request(path, params or {}, policy)
