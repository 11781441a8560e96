"""Iterable's endpoints: what each answers, and how its errors read."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from aiohttp import web

from integration_tests.sandbox.data import templates
from integration_tests.sandbox.data.ids import PROJECT_ID
from integration_tests.sandbox.http.answers import Answer, ApiError, bad_params
from integration_tests.sandbox.http.library import Library
from integration_tests.sandbox.http.paging import Paging
from integration_tests.sandbox.http.reports import Reports
from integration_tests.sandbox.project.project import Project

CAMPAIGNS = Paging(
    name="campaigns",
    total="totalCampaignsCount",
    sortable=("id", "name", "createdAt", "updatedAt", "startAt"),
    unpaged=True,
)
TEMPLATES = Paging(name="templates", total="totalTemplatesCount", ids="templateId", unpaged=True)

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
            *Reports(project).routes,  # before what takes any name in their place
            *Library(project).routes,
        ]

    def serve(self, pattern: str, handler: Handler) -> None:
        """Have ``handler`` answer the paths of ``pattern``, whatever did so far; ``{}`` is any one part of a path."""
        self._routes.insert(0, (pattern, handler))

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
            hidden = set() if states or self.project.options.archived_campaigns else {"Archived"}
            everything = len(self.project.campaigns)
            rows = [
                dict(row)
                for row in self.project.campaigns
                if row.get("campaignState") not in hidden and (not states or row.get("campaignState") in states)
            ]
        return Answer(CAMPAIGNS.page(request, rows, self.project, everything))

    def _templates(self, request: web.Request, _: list[str]) -> Answer:
        kind = _one_of(request, "templateType", templates.TEMPLATE_TYPES)
        medium = _one_of(request, "messageMedium", templates.TEMPLATE_MEDIA)
        start, end = _bound(request, "startDateTime"), _bound(request, "endDateTime")
        with self.project.lock:
            everything = len(self.project.templates)
            rows = [
                dict(row)
                for row, its_kind, its_medium in self.project.templates
                if kind in (None, its_kind)
                and medium in (None, its_medium)
                and (start is None or row["createdAt"] >= start * 1000)
                and (end is None or row["createdAt"] < end * 1000)
            ]
        return Answer(TEMPLATES.page(request, rows, self.project, everything))

    def _list_members(self, request: web.Request, _: list[str]) -> Answer:
        text = request.query.get("listId", "")
        with self.project.lock:
            prefers = request.query.get("preferUserId", "").lower() == "true"
            known = self.project.members_by_user_id if prefers else self.project.members
            members = known.get(int(text)) if re.fullmatch(r"\d{1,18}", text) else None
        if members is None:
            params = {"projectId": str(PROJECT_ID), "listId": text}
            raise bad_params("Invalid email list id", params)
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
            raise bad_params("Invalid nextMarker")
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
        name = data_type_named(self.project, request.query.get("dataTypeName", ""))
        table = self.project.tables[name]
        start, end = sent_span(self.project, *self._span(request))
        now = self.project.clock.seconds
        with self.project.lock:
            key = (name, start, end, self.project.version, len(table.rows(start, end, now)))
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
            raise bad_params("Either range or startDateTime and endDateTime are required")
        return ranges[name]


def _chain(first: list[bytes], rest: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    yield first
    yield from rest


def data_type_named(project: Project, asked: str) -> str:
    """The name of the export table that ``asked`` means, whatever its case."""
    names = {name.lower(): name for name in project.tables}
    if asked.lower() not in names:
        raise bad_params(f"Invalid dataTypeName: {asked}")
    return names[asked.lower()]


def sent_span(project: Project, start: int, end: int) -> tuple[int, int]:
    """The half-open span whose rows an export sends: its end as the options read it, nothing of the future."""
    if project.options.inclusive_end:
        end += 1
    return start, min(end, int(project.clock.seconds) + 1)


def _bound(request: web.Request, name: str) -> int | None:
    return bound(request.query.get(name), name)


def bound(text: str | None, name: str) -> int | None:
    """A parameter ``yyyy-MM-dd[ HH:mm:ss[ +HH:mm]]`` as Unix time; None if it is not given."""
    if text is None:
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d( ?([+-]\d\d:?\d\d|Z))?)?", text):
        try:
            parsed = datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", ""))
        except ValueError:
            pass
        else:
            return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    raise bad_params(f"Invalid {name}: {text}")


def _one_of(request: web.Request, name: str, values: tuple[str, ...]) -> str | None:
    text = request.query.get(name)
    if text is not None and text not in values:
        raise bad_params(f"Invalid {name}: {text}")
    return text
