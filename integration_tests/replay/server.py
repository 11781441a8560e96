"""A sandbox that serves a recording in place of a project that it makes."""

import csv
import io
import re
from collections.abc import Iterable

from aiohttp import web

from integration_tests.replay.recording import Recording, Row
from integration_tests.sandbox import Answer, Sandbox, Size
from integration_tests.sandbox.data.contents import MEDIA
from integration_tests.sandbox.http.answers import bad_params
from integration_tests.sandbox.http.endpoints.parameters import numbers, timestamp
from integration_tests.sandbox.project.timestamps import FOR_EVER

NOTHING = Size(
    events=0,
    users=0,
    lists=0,
    users_per_list=0,
    campaigns=0,
    templates=0,
    metadata_keys=0,
    journeys=0,
    snippets=0,
    catalogs=0,
    catalog_items=0,
    experiments=0,
    forgotten=0,
)
PAGE = 5
"""Rows on a page, however many are requested: recordings are too small for pages otherwise."""


class Replay(Sandbox):
    """Answers as the recorded project did; what a recording does not cover, the project does not have.

    An export holds a row if its `createdAt` or `profileUpdatedAt` lies in the window; a line that tells
    neither comes with the first row. Pages name the next one without a host.
    """

    def __init__(self, recording: Recording) -> None:
        """Serve ``recording``."""
        super().__init__(size=NOTHING, start=recording.start, now=recording.now, rate_scale=10_000, blank_lines=False)
        self.recording = recording
        self._medium_of = {row["templateId"]: row["messageMedium"] for row in recording.templates}
        project = self.project
        project.channels = recording.rows("channels")
        project.message_types = recording.rows("message_types")
        project.lists = recording.rows("lists")
        project.fields = recording.content["fields"]
        project.members = project.members_by_user_id = recording.members
        for name, lines in recording.exported.items():
            for line in lines:
                project.add_event(name, line.text, int(line.at))
        self.serve("campaigns", self._campaigns)
        self.serve("campaigns/metrics", self._campaign_metrics)
        self.serve("experiments/{}", self._experiment)
        self.serve("experiments/metrics", lambda *_: _csv(recording.content.get("experiments_csv", "")))
        self.serve("experiments", self._experiments)
        self.serve("metadata", lambda *_: Answer({"results": recording.rows("metadata_tables")}))
        self.serve("metadata/{}", lambda _, names: Answer({"results": self._keys(names[0])}))
        self.serve("metadata/{}/{}", lambda _, names: Answer(recording.content["metadata_values"][" ".join(names)]))
        self.serve("templates", self._templates)
        for name in MEDIA:
            self.serve(f"templates/{name}/get", self._content)

    def _campaigns(self, request: web.Request, _: list[str]) -> Answer:
        states = request.query.getall("campaignState", [])
        rows = [row for row in self.recording.rows("campaigns") if not states or row["campaignState"] in states]
        return _page(request, "campaigns", "totalCampaignsCount", rows)

    def _templates(self, request: web.Request, _: list[str]) -> Answer:
        listing = request.query.get("templateType"), request.query.get("messageMedium")
        listed = self.recording.content.get("templates", {})
        if listing == (None, None):
            rows = [row for of_listing in listed.values() for row in of_listing]
        else:
            rows = listed.get(" ".join(map(str, listing)), [])
        return _page(request, "templates", "totalTemplatesCount", rows)

    def _content(self, request: web.Request, _: list[str]) -> Answer:
        number, medium = request.query.get("templateId", ""), MEDIA[request.path.split("/")[-2]]
        if self._medium_of.get(int(number)) != medium:
            raise bad_params(f"Template ID: {number} does not exist for this project")
        return Answer(self.recording.content_of(int(number)))

    def _experiments(self, request: web.Request, _: list[str]) -> Answer:
        rows = self.recording.rows("experiments")[int(request.query.get("offset", "0")) :]
        return Answer({"experiments": rows, "totalCount": len(self.recording.rows("experiments"))})

    def _experiment(self, _: web.Request, arguments: list[str]) -> Answer:
        """No recording tells more of an experiment than the listing does."""
        return Answer(next(row for row in self.recording.rows("experiments") if str(row["id"]) == arguments[0]))

    def _keys(self, table: str) -> list[Row]:
        rows: list[Row] = self.recording.content.get("metadata_keys", {}).get(table, [])
        return rows

    def _campaign_metrics(self, request: web.Request, _: list[str]) -> Answer:
        """The rows of the campaigns that are requested.

        Outside the span in which they were sent they have rows of zeros, or none if none were recorded either.
        """
        start, end = timestamp(request, "startDateTime", 0), timestamp(request, "endDateTime", FOR_EVER)
        silent = "empty_metrics" in self.recording.content
        rows = []
        for key in numbers(request, "campaignId"):
            titles, cells = self.recording.metrics.get(key, ([], []))
            if titles and start <= self.recording.measured_at(key) < end:
                rows.append([str(key), *cells])
            elif titles and not silent:
                rows.append([str(key), *(re.sub("[1-9]", "0", cell) for cell in cells)])
        if not rows:
            return _csv(self.recording.content.get("empty_metrics", "id,\n"))
        return _csv(_text([["id", *next(iter(self.recording.metrics.values()))[0]], *rows]))


def _page(request: web.Request, name: str, total: str, rows: list[Row]) -> Answer:
    number = int(request.query.get("page", "1"))
    answer: Row = {name: rows[(number - 1) * PAGE : number * PAGE], total: len(rows)}
    if number * PAGE < len(rows):
        answer["nextPageUrl"] = f"{request.path}?page={number + 1}&pageSize={PAGE}"
    return Answer(answer)


def _csv(text: str) -> Answer:
    return Answer(lines=[text.removesuffix("\n").encode().split(b"\n")], newline_at_end=text.endswith("\n"))


def _text(rows: Iterable[Iterable[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()
