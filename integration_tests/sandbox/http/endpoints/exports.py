"""The endpoint of direct exports, and what it has in common with that of export jobs."""

from collections.abc import Iterator
from datetime import timedelta

from aiohttp import web

from integration_tests.sandbox.http.answers import Answer, Handler, bad_params
from integration_tests.sandbox.http.endpoints.parameters import bound_of
from integration_tests.sandbox.project.project import Project


class Exports:
    """Answers these calls from a project."""

    def __init__(self, project: Project) -> None:
        """Export from ``project``."""
        self.project = project
        self.routes: list[tuple[str, Handler]] = [("export/data.json", self._export)]

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
        start, end = bound_of(request, "startDateTime"), bound_of(request, "endDateTime")
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
