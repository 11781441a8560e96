"""A company's project, and what Iterable answers about it in virtual time: bodies of a few lines that count as many."""

from __future__ import annotations

import gzip
import io
import json
import re
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import urllib3

from tools.benchmarks.virtual_time import EPOCH, WORLD

NOW = datetime.fromtimestamp(EPOCH, UTC)
# What a row takes of a compressed body, and how many such bytes come in a second, as reported of large exports.
ROW_BYTES, PROFILE_BYTES, MEMBER_BYTES = 47, 400, 12
BYTES_A_SECOND = 300_000.0  # of one export: 20 million profiles in seven and a half hours
FILE_BYTES, FILE_BYTES_A_SECOND = 1_000_000, 5_000_000.0
FIRST_BYTE = {"export/data.json": 5.0, "lists/getUsers": 5.0}
LATENCY = 0.25
SECONDS_A_MEMBER = 0.0015  # before a list's first byte
PAGE, FILES_PAGE, PIECES = 1000, 100, 100
# Events in a year for each thousand profiles.
EVENTS = {"emailSend": 13_000, "emailOpen": 2_600, "emailClick": 260, "emailBounce": 130, "purchase": 1_000,
          "customEvent": 5_000, "pushSend": 3_000, "smsSend": 500}  # fmt: skip


@dataclass(frozen=True)
class Project:
    """How much there is; the profiles were all touched by one import, from ten to six hours before the sync."""

    lists: int = 5_000
    campaigns: int = 50_000
    templates: int = 50_000
    profiles: int = 20_000_000
    job_seconds: float = 60.0

    def scaled(self, by: float) -> Project:
        """A part of it."""
        lists, campaigns, templates, profiles = (
            max(1, round(by * number)) for number in (self.lists, self.campaigns, self.templates, self.profiles)
        )
        return Project(lists, campaigns, templates, profiles, self.job_seconds)

    def size(self, data_type: str, start: datetime, end: datetime) -> int:
        """The compressed bytes of a window."""
        end = min(end, NOW)
        if data_type == "user":
            first, last = max(start, NOW - timedelta(hours=10)), min(end, NOW - timedelta(hours=6))
            return int(max(0.0, (last - first) / timedelta(hours=4)) * self.profiles * PROFILE_BYTES)
        a_year = EVENTS.get(data_type, 0) * self.profiles / 1000
        return int(a_year * ROW_BYTES * max(0.0, (end - start) / timedelta(days=365)))

    def members(self, list_id: int) -> int:
        """One list in 500 has a tenth of all profiles, one in fifty a hundredth, any other one in 4,000."""
        share = 10 if list_id % 500 == 0 else 100 if list_id % 50 == 0 else 4000
        return self.profiles // share

    def campaign(self, number: int) -> Mapping[str, Any]:
        """Nine of ten are blasts of the last three years that are finished, the others are triggered."""
        at = _ms(NOW - timedelta(days=3 * 365 * (1 - number / self.campaigns)))
        kept = {"id": number, "name": f"Campaign {number}", "createdAt": at, "updatedAt": at, "startAt": at}
        if number % 10:
            return {**kept, "type": "Blast", "campaignState": "Finished", "endedAt": at + 3_600_000}
        return {**kept, "type": "Triggered", "campaignState": "Running"}

    def is_active(self, number: int, first: date, last: date) -> bool:
        """A blast on the 16 days from its start, one triggered campaign in five on each day."""
        began = (NOW - timedelta(days=3 * 365 * (1 - number / self.campaigns))).date()
        if number % 10:
            return first <= began + timedelta(days=15) and began <= last
        return number % 50 == 0 and began <= last


class Wire(urllib3.HTTPResponse):
    """A body that comes in some pieces over ``seconds``, each counting as its part of ``size`` bytes."""

    size, seconds = 0, 0.0

    def stream(self, amt: int | None = None, decode_content: bool | None = None) -> Generator[bytes]:
        """The pieces."""
        body = self.read()
        cut = max(1, -(-len(body) // PIECES)) if self.seconds > 1 else len(body) or 1
        for at in range(0, len(body), cut):
            piece = Weighted(body[at : at + cut])
            if self.seconds:
                WORLD.sleep(self.seconds * len(piece) / len(body))
            piece.weight = max(len(piece), self.size * len(piece) // len(body))
            yield piece


class Weighted(bytes):
    """Bytes that count as more."""

    weight = 0


@dataclass
class Iterable:
    """What answers: the limits are the connector's business, and no request fails."""

    project: Project
    asked: Counter[str] = field(default_factory=Counter)
    jobs: dict[int, tuple[float, int]] = field(default_factory=dict)

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        """Answer, in place of an adapter of requests."""
        url = urlsplit(str(request.url))
        path = url.path.removeprefix("/api/")
        query = parse_qs(url.query)
        self.asked["files" if "storage" in url.netloc else re.sub(r"\d+", "{id}", path)] += 1
        WORLD.sleep(FIRST_BYTE.get(path, LATENCY))
        if "storage" in url.netloc:
            return self._body(request, FILE_BYTES, FILE_BYTES_A_SECOND, EPOCH)
        if path == "export/data.json":
            start, end = (_moment(query[name][0]) for name in ("startDateTime", "endDateTime"))
            size = self.project.size(query["dataTypeName"][0], start, end)
            return self._body(request, size, BYTES_A_SECOND, start.timestamp())
        if path == "lists/getUsers":
            members = self.project.members(int(query["listId"][0]))
            WORLD.sleep(SECONDS_A_MEMBER * members)
            return _response(request, gzip.compress(b"ann@example.com\n"), size=MEMBER_BYTES * members)
        if path == "campaigns/metrics":
            first, last = (date.fromisoformat(query[name][0]) for name in ("startDateTime", "endDateTime"))
            ids = [int(one) for one in query["campaignId"]]
            active = [one for one in ids if self.project.is_active(one, first, last - timedelta(days=1))]
            return _response(
                request, gzip.compress(b"id,Total Email Sends\n%s" % b"".join(b"%d,1\n" % a for a in active))
            )
        return _response(request, gzip.compress(json.dumps(self._json(path, query, request)).encode(), 1))

    def _body(self, request: Any, size: int, rate: float, at: float) -> requests.Response:
        when = datetime.fromtimestamp(at + 1, UTC).strftime("%Y-%m-%d %H:%M:%S +00:00")
        row = {"email": "ann@example.com", "createdAt": when, "profileUpdatedAt": when, "transactionalData": "{}"}
        text = json.dumps(row).encode() if size else b""
        return _response(request, gzip.compress(text), size=size, seconds=size / rate)

    def _json(self, path: str, query: Mapping[str, Sequence[str]], request: Any) -> Any:
        if path == "export/start":
            asked = json.loads(request.body)
            start, end = _moment(asked["startDateTime"]), _moment(asked["endDateTime"])
            size = self.project.size(asked["dataTypeName"], start, end)
            self.jobs[job := len(self.jobs) + 1] = (WORLD.now, size)
            return {"jobId": job}
        if path.startswith("export/"):
            return self._job(path, query)
        if path == "campaigns":
            number = 0 if query.get("campaignState") else self.project.campaigns
            return self._page("campaigns", number, query, self.project.campaign)
        if path == "templates":
            return self._templates(query)
        if path.startswith("templates/"):
            return self._template(int(query["templateId"][0])) | {"subject": "Hello", "html": "<p>Hello</p>"}
        lists = [{"id": one, "name": f"List {one}", "createdAt": 1, "listType": "Standard"}
                 for one in range(1, self.project.lists + 1)]  # fmt: skip
        answers: dict[str, Any] = {
            "lists": {"lists": lists},
            "channels": {"channels": []},
            "users/getFields": {"fields": {"email": "string", "emailListIds": "long"}},
            "users/forgotten": {"hashedEmails": [f"{one:064x}" for one in range(1000)]},
            "users/forgottenUserIds": {"hashedUserIds": []},
        }
        return answers[path]

    def _job(self, path: str, query: Mapping[str, Sequence[str]]) -> Any:
        if path == "export/jobs":
            return {"jobs": [{"id": one, "jobState": "completed", "bytesExported": size}
                             for one, (_, size) in self.jobs.items()]}  # fmt: skip
        number = path.split("/")[1]
        began, size = self.jobs[int(number)]
        age, files = WORLD.now - began - self.project.job_seconds, -(-size // FILE_BYTES)
        shown = max(0, min(files, int(age * BYTES_A_SECOND / FILE_BYTES)))
        after = int(query.get("startAfter", ["-1"])[0])
        names = [f"{one:09}" for one in range(after + 1, min(shown, after + 1 + FILES_PAGE))]
        state = "completed" if shown == files and age >= 0 else "running"
        entries = [{"file": name, "url": f"https://storage.example.com/{name}"} for name in names]
        return {"jobId": int(number), "jobState": state, "exportTruncated": False, "files": entries}

    @staticmethod
    def _page(key: str, number: int, query: Mapping[str, Sequence[str]], row: Any, first: int = 0) -> Any:
        page = int(query.get("page", ["1"])[0])
        last = min(page * PAGE, number)
        body = {key: [row(first + at) for at in range((page - 1) * PAGE + 1, last + 1)]}
        return body | ({"nextPageUrl": f"/api/{key}?page={page + 1}&pageSize={PAGE}"} if last < number else {})

    def _templates(self, query: Mapping[str, Sequence[str]]) -> Any:
        blasts, number = round(0.9 * self.project.templates), self.project.templates
        counts = {("Blast", "Email"): (0, blasts), ("Triggered", "Email"): (blasts, number - blasts)}
        if "templateType" not in query:
            return self._page("templates", number, query, self._template)
        first, number = counts.get((query["templateType"][0], query["messageMedium"][0]), (0, 0))
        return self._page("templates", number, query, self._template, first)

    def _template(self, number: int) -> dict[str, Any]:
        at = _ms(NOW - timedelta(days=3 * 365 * (1 - number / self.project.templates)))
        return {"templateId": number, "name": f"Template {number}", "createdAt": at, "updatedAt": at}


def _response(request: Any, body: bytes, size: int = 0, seconds: float = 0.0) -> requests.Response:
    sent = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(EPOCH + WORLD.now))
    headers = {"Date": sent, "Content-Encoding": "gzip", "Content-Length": str(len(body))}
    wire = Wire(io.BytesIO(body), headers, status=200, preload_content=False, decode_content=False)
    wire.size, wire.seconds = size, seconds
    return requests.adapters.HTTPAdapter().build_response(request, wire)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)


def _ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)
