"""Iterable's endpoints: what each answers, and how its errors read."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import web

from integration_tests.sandbox import listings
from integration_tests.sandbox.limits import REQUESTS_PER_MINUTE
from integration_tests.sandbox.people import Row
from integration_tests.sandbox.project import Project

MAX_PAGE_SIZE = 1000
DEFAULT_PAGE_SIZE = 20
PROJECT_ID = 2158

NOT_FOUND = """\
<!DOCTYPE html>
<html><head><title>Action not found</title></head><body><h1>Action not found</h1></body></html>
"""
BAD_GATEWAY = "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n"


class ApiError(Exception):
    """An answer other than 200, with Iterable's error body."""

    def __init__(self, status: int, message: str, code: str, params: Row | None = None) -> None:
        """Answer ``status`` with these three."""
        super().__init__(message)
        self.status = status
        self.body = {"msg": message, "code": code, "params": params}


@dataclass
class Answer:
    """What an endpoint answers with status 200: one JSON value, or lines."""

    value: Any = None
    lines: Iterable[list[bytes]] | None = None
    newline_at_end: bool = False
    blank_lines: bool = False
    cache_key: tuple[Any, ...] | None = None


def rate_limit_error(endpoint: str) -> ApiError:
    """The answer to a call beyond the limit."""
    limit = float(REQUESTS_PER_MINUTE.get(endpoint, 100))
    text = f"Exceeded rate limit of {limit} per minute for endpoint: /api/{endpoint}, project: {PROJECT_ID} "
    return ApiError(429, text, "RateLimitExceeded", {})


def key_error(endpoint: str) -> ApiError:
    """The answer to a key that is missing, unknown, or of a type that may not call the endpoint."""
    return ApiError(401, "Invalid API key", "BadApiKey", {"ip": "127.0.0.1", "endpoint": f"/api/{endpoint}"})


def status_error(status: int, endpoint: str) -> ApiError | str:
    """What Iterable answers with a status: an error with a JSON body, or a page."""
    generic = "An error occurred. Please try again later. If problem persists, please contact your CSM"
    errors = {
        400: ApiError(400, "Invalid parameters", "BadParams", None),
        401: key_error(endpoint),
        403: ApiError(403, "The API key may not do this", "Forbidden", {"endpoint": f"/api/{endpoint}"}),
        404: ApiError(404, "Not found", "NotFound", None),
        429: rate_limit_error(endpoint),
        500: ApiError(500, generic, "GenericError", None),
    }
    names = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}
    return errors.get(status) or BAD_GATEWAY.format(names.get(status, str(status)))


Handler = Callable[[web.Request, list[str]], Answer]


class Endpoints:
    """Answers calls from a project; limits, keys and faults are the server's business."""

    def __init__(self, project: Project) -> None:
        """Serve ``project``."""
        self.project = project
        self._routes: list[tuple[str, Handler]] = [
            ("campaigns", self._campaigns),
            ("channels", lambda *_: Answer({"channels": project.channels})),
            ("export/data.json", self._export),
            ("lists", lambda *_: Answer({"lists": project.lists})),
            ("lists/getUsers", self._list_members),
            ("messageTypes", lambda *_: Answer({"messageTypes": project.message_types})),
            ("metadata", self._metadata_tables),
            ("metadata/{}", self._metadata_keys),
            ("metadata/{}/{}", self._metadata_value),
            ("templates", self._templates),
            ("users/getFields", lambda *_: Answer({"fields": project.fields})),
        ]

    def find(self, path: str) -> tuple[Handler, list[str]] | None:
        """What answers ``path`` (below ``/api/``, still escaped) and the values in it; None if nothing."""
        parts = path.split("/")
        for pattern, handler in self._routes:
            wanted = pattern.split("/")
            if len(wanted) == len(parts) and all(w in ("{}", p) for w, p in zip(wanted, parts, strict=True)):
                return handler, [unquote(p) for w, p in zip(wanted, parts, strict=True) if w == "{}"]
        return None

    def _campaigns(self, request: web.Request, _: list[str]) -> Answer:
        states = request.query.getall("campaignState", [])
        with self.project.lock:
            rows = [dict(row) for row in self.project.campaigns if not states or row["campaignState"] in states]
        names = ("id", "name", "createdAt", "updatedAt", "startAt")
        return Answer(_page_of(request, rows, "campaigns", ids="id", sortable=names))

    def _templates(self, request: web.Request, _: list[str]) -> Answer:
        kind = _one_of(request, "templateType", listings.TEMPLATE_TYPES)
        medium = _one_of(request, "messageMedium", listings.TEMPLATE_MEDIA)
        start, end = _bound(request, "startDateTime"), _bound(request, "endDateTime")
        with self.project.lock:
            rows = [
                dict(row)
                for row, its_kind, its_medium in self.project.templates
                if kind in (None, its_kind)
                and medium in (None, its_medium)
                and (start is None or row["createdAt"] >= start * 1000)
                and (end is None or row["createdAt"] < end * 1000)
            ]
        names = ("id", "name", "createdAt", "updatedAt")
        return Answer(_page_of(request, rows, "templates", ids="templateId", sortable=names))

    def _list_members(self, request: web.Request, _: list[str]) -> Answer:
        text = request.query.get("listId", "")
        with self.project.lock:
            members = self.project.members.get(int(text)) if re.fullmatch(r"\d{1,18}", text) else None
        if members is None:
            params = {"projectId": str(PROJECT_ID), "listId": text}
            raise ApiError(400, "Invalid email list id", "BadParams", params)
        batches = ([line.encode() for line in members[at : at + 1000]] for at in range(0, len(members), 1000))
        return Answer(lines=batches, newline_at_end=int(text) % 2 == 0)

    def _metadata_tables(self, *_: object) -> Answer:
        with self.project.lock:
            names = dict.fromkeys(row["table"] for row in self.project.metadata)
        return Answer({"results": [{"name": name} for name in names]})

    def _metadata_keys(self, request: web.Request, arguments: list[str]) -> Answer:
        table = arguments[0].lower()
        with self.project.lock:
            rows = [row for row in self.project.metadata if row["table"] == table]
        marker, size = request.query.get("nextMarker", "0"), self.project.options.metadata_page
        if not marker.isdecimal():
            raise ApiError(400, "Invalid nextMarker", "BadParams", None)
        begin = int(marker)
        page = [{k: v for k, v in row.items() if k != "value"} for row in rows[begin : begin + size]]
        more = {"nextMarker": str(begin + size)} if begin + size < len(rows) else {}
        return Answer({"results": page, **more})

    def _metadata_value(self, _: web.Request, arguments: list[str]) -> Answer:
        table, key = arguments[0].lower(), arguments[1]
        with self.project.lock:
            for row in self.project.metadata:
                if (row["table"], row["key"]) == (table, key):
                    return Answer(dict(row))
        raise ApiError(404, "Metadata value not found", "NotFound", {"table": table, "key": key})

    def _export(self, request: web.Request, _: list[str]) -> Answer:
        asked = request.query.get("dataTypeName", "")
        names = {name.lower(): name for name in self.project.tables}
        if asked.lower() not in names:
            raise ApiError(400, f"Invalid dataTypeName: {asked}", "BadParams", None)
        table = self.project.tables[names[asked.lower()]]
        start, end = self._span(request)
        if self.project.options.inclusive_end:
            end += 1
        now = self.project.clock.seconds
        end = min(end, int(now) + 1)
        with self.project.lock:
            key = (names[asked.lower()], start, end, self.project.version, len(table.rows(start, end, now)))
            lines = table.batches(start, end, now)
            first = next(lines, [])  # the generator holds what is exportable now
        return Answer(
            lines=_chain(first, lines),
            blank_lines=self.project.options.blank_lines,
            cache_key=key if table.bulk else None,
        )

    def _span(self, request: web.Request) -> tuple[int, int]:
        start, end = _bound(request, "startDateTime"), _bound(request, "endDateTime")
        if start is not None and end is not None:
            return start, end
        today = self.project.clock.now.replace(hour=0, minute=0, second=0, microsecond=0)
        midnight, day, tomorrow = int(today.timestamp()), 86400, int((today + timedelta(days=1)).timestamp())
        ranges = {
            "Today": (midnight, tomorrow),
            "Yesterday": (midnight - day, midnight),
            "BeforeToday": (0, midnight),
            "All": (0, tomorrow),
        }
        name = request.query.get("range", "")
        if name not in ranges:
            raise ApiError(400, "Either range or startDateTime and endDateTime are required", "BadParams", None)
        return ranges[name]


def _chain(first: list[bytes], rest: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    yield first
    yield from rest


def _bound(request: web.Request, name: str) -> int | None:
    """A parameter ``yyyy-MM-dd[ HH:mm:ss[ +HH:mm]]`` as Unix time; None if it is not given."""
    text = request.query.get(name)
    if text is None:
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d( ?([+-]\d\d:?\d\d|Z))?)?", text):
        try:
            parsed = datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", ""))
        except ValueError:
            pass
        else:
            return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    raise ApiError(400, f"Invalid {name}: {text}", "BadParams", None)


def _one_of(request: web.Request, name: str, values: tuple[str, ...]) -> str | None:
    text = request.query.get(name)
    if text is not None and text not in values:
        raise ApiError(400, f"Invalid {name}: {text}", "BadParams", None)
    return text


def _page_of(request: web.Request, rows: list[Row], name: str, *, ids: str, sortable: tuple[str, ...]) -> Row:
    """One page of rows, 20 unless asked otherwise, with the neighbours' URLs if pages were asked for."""
    query = request.query
    sort = query.get("sort", "id")
    column = sort.lstrip("-+ ")
    if column not in sortable:
        raise ApiError(400, f"Invalid sort: {sort}", "BadParams", None)
    column = ids if column == "id" else column
    rows = sorted(rows, key=lambda row: (row.get(column) is not None, row.get(column)), reverse=sort.startswith("-"))
    page, size = _number(query.get("page", "1")), _number(query.get("pageSize", str(DEFAULT_PAGE_SIZE)))
    if page is None or size is None or size > MAX_PAGE_SIZE:
        raise ApiError(400, "Invalid page or pageSize", "BadParams", None)
    begin = (page - 1) * size
    answer: Row = {name: rows[begin : begin + size]}
    if "page" not in query and "pageSize" not in query:
        return answer

    def url(number: int) -> str:
        others = [(key, value) for key, value in query.items() if key not in {"page", "pageSize"}]
        parameters = urlencode([*others, ("page", number), ("pageSize", size)])
        return f"http://{request.host}{request.path}?{parameters}"

    answer[f"total{name.title()}Count"] = len(rows)
    if begin + size < len(rows):
        answer["nextPageUrl"] = url(page + 1)
    if page > 1:
        answer["previousPageUrl"] = url(page - 1)
    return answer


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[1-9]\d{0,8}", text) else None
