"""One pass over a list endpoint, page by page: which page comes next, and where the pass ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from source_iterable import messages
from source_iterable.api.client import origin
from source_iterable.records.json_lines import Row
from source_iterable.streams.base import IterableStream
from source_iterable.streams.totals import total_of

POSITIONS = {"page", "offset"}  # the parameters that say where a page begins
MAX_EMPTY_PAGES = 300  # in a row, after which the pass is taken for one without an end

Params = Mapping[str, Any]


class Paging:
    """One pass over a list endpoint whose pages name the next one (`nextPageUrl`).

    Args:
        stream: The stream that reads the pages, for messages.
        first_page: The parameters of the first page.
        filters: The parameters that choose what the endpoint returns, on every page.

    Attributes:
        pages: How many pages were read.
        total: The total that the last page with a total returned; None if none did.
        is_doubtful: Whether rows may be missing, because a page without rows named one that was read before.
    """

    def __init__(self, stream: IterableStream, first_page: Params, filters: Params) -> None:
        self._stream = stream
        self._first_page = first_page
        self._filters = filters
        self._seen: set[str] = set()
        self._empty = 0
        self.pages = 0
        self.total: int | None = None
        self.is_doubtful = False

    def first(self) -> Params:
        """The parameters of the first page."""
        return {**self._first_page, **self._filters}

    def following(self, answer: Row, rows: Sequence[Row]) -> Params | None:
        """The parameters of the page after the one that ``answer`` is, with these ``rows``; None after the last.

        Raises:
            AirbyteTracedException: If the answer names a page that cannot be the next one.
        """
        self.pages += 1
        self._empty = 0 if rows else self._empty + 1
        total = total_of(answer)
        self.total = self.total if total is None else total
        position = self.position(answer, rows)
        if position is None:
            return None
        if self._empty >= MAX_EMPTY_PAGES:
            raise messages.EMPTY_PAGES.error(self._stream.name, pages=MAX_EMPTY_PAGES)
        # Whether the address of a next page repeats the other parameters is not documented.
        kept = {name: value for name, value in self._first_page.items() if name not in POSITIONS}
        return {**kept, **self._filters, **position}

    def position(self, answer: Row, rows: Sequence[Row]) -> Params | None:
        """Where the next page begins: what ``answer`` names, on Iterable's host, also after a page without rows."""
        url = answer.get("nextPageUrl")
        if not url or not isinstance(url, str):
            return None
        query = self._query_of(url)
        if not rows and query in self._seen:
            self.is_doubtful = True
            self._stream.progress.remark(messages.PAGE_TAKEN_FOR_END)
            return None
        self.require_new_page(query)
        return dict(parse_qsl(query))

    def require_new_page(self, page: str) -> None:
        """Raise if ``page`` was read before: a pass must end."""
        if page in self._seen:
            raise self._stream.unexpected("a next page that was read before")
        self._seen.add(page)

    def _query_of(self, url: str) -> str:
        """The parameters in the address of a next page, which may be relative: all else is known."""
        api_url = self._stream.api.url
        try:
            following = urljoin(api_url, url)
            is_of_iterable = _is_same_host(following, api_url)
        except ValueError as error:
            raise self._stream.unexpected("a next page whose address cannot be read") from error
        if not is_of_iterable:
            raise messages.FOREIGN_PAGE.error(self._stream.name)
        query = urlsplit(following).query
        if not parse_qsl(query):
            raise self._stream.unexpected("a next page without parameters")
        return query


class OffsetPaging(Paging):
    """One pass over a list endpoint whose pages are counted by rows (`limit`, `offset`)."""

    _offset = 0

    def position(self, answer: Row, rows: Sequence[Row]) -> Params | None:
        """The next page begins behind a full one always, behind another one while the total says that there is more."""
        if rows:
            self.require_new_page(str([[row[name] for name in self._stream.key_names] for row in rows]))
        limit = self._first_page["limit"]
        self._offset += len(rows) or limit
        total = total_of(answer)
        if (not rows and total is None) or (len(rows) < limit and total is not None and self._offset >= total):
            return None
        return {"offset": self._offset}


def _is_same_host(url: str, api_url: str) -> bool:
    """Whether ``url`` has the API's host, and port if any; behind a proxy a server may not know its scheme."""
    named, own = urlsplit(url), urlsplit(api_url)
    return named.hostname == own.hostname and (named.port is None or named.port == origin(api_url)[2])
