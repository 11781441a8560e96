"""The project that a sandbox holds: generated once from a seed, changed by tests, and its truth."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from integration_tests.sandbox.data import (
    campaign_metrics,
    campaigns,
    contents,
    experiment_metrics,
    lists,
    metadata,
    templates,
)
from integration_tests.sandbox.data.events.events import DATA_TYPES, Events
from integration_tests.sandbox.data.metrics import Cells
from integration_tests.sandbox.data.people import drawn
from integration_tests.sandbox.data.profiles import fields, profile
from integration_tests.sandbox.data.rows import DAY, Row
from integration_tests.sandbox.data.series import Span
from integration_tests.sandbox.project.clock import Clock
from integration_tests.sandbox.project.kept import Kept
from integration_tests.sandbox.project.options import Options, Size
from integration_tests.sandbox.project.tables import Bulk, Stored, Table, encode
from integration_tests.sandbox.project.timestamps import FOR_EVER

USER = "user"
REPEATED = "emailOpen"
"""The table in which the last row of the generated project is sent twice, byte for byte."""


class Project:
    """Everything that the endpoints serve; safe to change from another thread."""

    def __init__(self, options: Options, size: Size, start: datetime, clock: Clock) -> None:
        """Generate the project between ``start`` and the clock's present timestamp."""
        self.options = options
        self.size = size
        self.clock = clock
        self.lock = RLock()
        self.version = 0
        self.fields = fields(options.project_type)
        self.people = drawn(options.seed, options.project_type)
        begin, end = int(start.timestamp()), int(clock.seconds)
        if begin >= end:
            message = f"The project starts at {start}, which is not before now, {clock.now}."
            raise ValueError(message)
        self._grown_until = end
        self.campaigns = campaigns.campaigns(self.people, size.campaigns, begin, end, silent=options.silent_campaigns)
        self.channels = campaigns.channels()
        self.message_types = campaigns.message_types(self.people, begin)
        self.lists = lists.lists(self.people, size.lists, begin, end)
        self.members = self._members(prefer_user_id=options.project_type == "userid" and not options.lists_prefer_email)
        self.members_by_user_id = (
            self.members if options.project_type == "email" else self._members(prefer_user_id=True)
        )
        self.templates = templates.templates(self.people, size.templates, begin, end)
        self.metadata = metadata.metadata(self.people, size.metadata_keys, begin)
        self.kept = Kept(self.people, size, options.project_type, begin, end, self.lock)
        self.edits: Counter[int] = Counter()
        """How often the content of a template was edited, by its id."""
        self.numbers: Counter[str] = Counter()
        """The numbers that were given out to what was added."""
        self.after_first_page: dict[str, list[Callable[[], Any]]] = {}
        """What shall happen between the first page of an endpoint and the next ones."""
        self._events = Events(self.people, self.campaigns, size.users)
        self._event_rows = size.events
        self.tables = {name: Table(f"{options.seed}:{name}") for name in (*DATA_TYPES, USER)}
        self._profiles: dict[int, tuple[Stored, int]] = {}
        for name in DATA_TYPES:
            self._make_events(name, range(size.events), begin, end)
        self._make_users(size.users, begin, end)
        self._make_bulk(begin, end)

    def _members(self, *, prefer_user_id: bool) -> dict[int, list[str]]:
        """The lines of each list."""
        users, count = self.size.users, self.size.users_per_list
        return {
            row["id"]: lists.members(self.people, number, users, count, prefer_user_id=prefer_user_id)
            for number, row in enumerate(self.lists)
        }

    def _make_events(self, name: str, numbers: range, start: int, end: int) -> None:
        if not numbers:
            return
        delay = self.options.delay_in_seconds
        repeats = name == REPEATED and numbers.start == 0 and len(numbers) > 1

        def make() -> list[Stored]:
            rows = self._events.rows(name, numbers[:-1] if repeats else numbers, start, end)
            stored = sorted(Stored(at, at + delay, encode(row)) for at, row in rows)
            return [*stored, stored[len(stored) // 2]] if repeats else stored

        self.tables[name].fill(make)

    def _make_users(self, count: int, start: int, end: int) -> None:
        for number in range(count):
            spread = int((number * 0.7548776662466927) % 1 * (end - start))
            at = start if number == 1 else start + spread
            self._profiles[number] = self._profile(number, at, 0), 0
        stored = [kept for kept, _ in self._profiles.values()]
        self.tables[USER].fill(lambda: stored)

    def _profile(self, number: int, at: int, version: int) -> Stored:
        row = profile(self.people, number, at, version)
        every = self.options.keyless_users
        if every and number % every == 0:
            key = "email" if self.options.project_type == "email" else "itblUserId"
            row = {name: value for name, value in row.items() if name != key} | ({key: None} if number % 2 else {})
        return Stored(at, at, encode(row))

    def _make_bulk(self, start: int, end: int) -> None:
        for name, count in self.size.bulk.items():
            if name not in self.tables:
                message = f"There is no table {name!r} to fill; there are {', '.join(self.tables)}."
                raise ValueError(message)
            if name == USER:
                time_field, models = "profileUpdatedAt", [profile(self.people, n, start) for n in range(12)]
            else:
                made = Events(self.people, self.campaigns, self.size.users).rows(name, range(16), start, end)
                time_field, models = "createdAt", [row for _, row in made if row.get("email")]
            self.tables[name].bulk = Bulk(models, time_field, count, start, end)

    # What changes

    def add_event(self, name: str, row: Row | str | bytes, at: int, exportable_at: float | None = None) -> None:
        """Add a row that happened ``at``; a text or bytes are sent as they are."""
        line = encode(row) if isinstance(row, dict) else row.encode() if isinstance(row, str) else row
        with self.lock:
            self.tables[name].add(at, line, at if exportable_at is None else exportable_at)
            self.version += 1

    def grow(self, events: int) -> None:
        """Add so many events to every event table, between the last growth and now."""
        with self.lock:
            now = int(self.clock.seconds)
            start = min(self._grown_until + 1, now)
            numbers = range(self._event_rows, self._event_rows + events)
            for name in DATA_TYPES:
                self._make_events(name, numbers, start, now + 1)
            self._event_rows += events
            self._grown_until = now
            self.version += 1

    def change_user(self, number: int) -> Row:
        """Change a profile now, or add it if there is none of that number; gives what is sent from now on."""
        with self.lock:
            table = self.tables[USER]
            version = 0
            if number in self._profiles:
                stored, version = self._profiles[number]
                table.remove(stored)
            new = self._profile(number, int(self.clock.seconds), version + 1)
            table.add(new.at, new.line, new.exportable_at)
            self._profiles[number] = new, version + 1
            self.version += 1
            row: Row = json.loads(new.line)
            return row

    def serve_first_page(self, endpoint: str) -> None:
        """Do what shall happen between the first page of a list endpoint and the next ones."""
        with self.lock:
            actions = self.after_first_page.pop(endpoint, [])
        for action in actions:
            action()

    # What is true

    def names(self) -> list[str]:
        """Every table that `truth` knows."""
        return [*self.tables, *self._row_makers(), *self.kept.names]

    def truth(
        self, name: str, start: float = 0, end: float = FOR_EVER, exportable_by: float = FOR_EVER
    ) -> Iterator[Row]:
        """The rows of a table as they are sent; the bounds hold for export tables only.

        Templates carry the type and medium that list them, null for those which no combination lists;
        members of lists are ``{"listId": ..., "line": ...}``, where "list_users_by_user_id" is what comes with
        ``preferUserId=true``. The rows of metrics are texts by column, those of "campaign_metrics_daily" with
        the `date`; texts beyond the last column are a list under the empty name.
        """
        if name in self.tables:
            with self.lock:
                rows = self.tables[name].rows(start, end, exportable_by)
            for row in rows:
                yield json.loads(row.line)
            bulk = self.tables[name].bulk
            if bulk:
                now = int(self.clock.seconds) + 1
                for lines in bulk.batches(int(start), now if end == FOR_EVER else int(end)):
                    yield from map(json.loads, lines)
            return
        with self.lock:
            listed = self._listed(name)
        yield from listed

    def _listed(self, name: str) -> list[Row]:
        if name in self.kept.names:
            return self.kept.rows(name)
        tables = self._row_makers()
        if name not in tables:
            message = f"There is no table {name!r}; there are {', '.join(self.names())}."
            raise KeyError(message)
        return [dict(row) for row in tables[name]()]

    def _row_makers(self) -> dict[str, Callable[[], Iterable[Row]]]:
        return {
            "campaigns": lambda: self.campaigns,
            "campaign_metrics": lambda: (cells for _, cells in self.measured_campaigns()),
            "campaign_metrics_daily": self._measured_days,
            "channels": lambda: self.channels,
            "experiment_metrics": self.measured_experiments,
            "list_users": lambda: _lines(self.members),
            "list_users_by_user_id": lambda: _lines(self.members_by_user_id),
            "lists": lambda: self.lists,
            "messageTypes": lambda: self.message_types,
            "metadata": lambda: self.metadata,
            "templates": self._listed_templates,
            "template_contents": self._contents,
            "user_fields": lambda: ({"name": name, "type": kind} for name, kind in self.fields.items()),
        }

    def _listed_templates(self) -> Iterator[Row]:
        for row, kind, medium in self.templates:
            listed = (kind, medium) if medium in templates.TEMPLATE_MEDIA else (None, None)
            yield row | dict(zip(("templateType", "messageMedium"), listed, strict=True))

    def _contents(self) -> Iterator[Row]:
        for row, _, medium in self.templates:
            content = self.content(row["templateId"], medium)
            if content:
                yield content

    def content(self, template_id: int | None, medium: str) -> Row | None:
        """What is in a template, as it is sent; None if there is none of that id and medium."""
        with self.lock:
            for row, _, its_medium in self.templates:
                if (row["templateId"], its_medium) == (template_id, medium) and medium in contents.MEDIA.values():
                    return contents.content(self.people, row, medium, self.edits[row["templateId"]])
        return None

    def measured_campaigns(
        self, ids: Collection[int] | None = None, start: float = 0, end: float = FOR_EVER
    ) -> list[tuple[Row, Cells]]:
        """The campaigns, or those of ``ids``, that report numbers of ``start <= timestamp < end``, and the numbers."""
        options = self.options
        with self.lock:
            span = self._span(start, end)  # a campaign that changes later shows no numbers of an earlier timestamp
            asked = [dict(row) for row in self.campaigns if ids is None or row["id"] in ids]
        return campaign_metrics.reported(options.seed, asked, span, odd=options.odd_metrics, zeros=options.zero_metrics)

    def _measured_days(self) -> Iterator[Row]:
        for campaign in self.campaigns:
            numbers = campaign_metrics.series(self.options.seed, campaign, self.clock.seconds)
            for day in numbers.days(self._span()) if numbers else ():
                for _, cells in self.measured_campaigns([campaign["id"]], day * DAY, (day + 1) * DAY):
                    yield {"date": f"{datetime.fromtimestamp(day * DAY, UTC):%Y-%m-%d}", **cells}

    def measured_experiments(self, start: float = 0, end: float = FOR_EVER) -> list[Cells]:
        """The rows of all experiments for ``start <= timestamp < end``."""
        span = self._span(start, end)
        full = self.kept.rows("experiment_details")
        return [cells for row in full for cells in experiment_metrics.measured(self.people, row, span)]

    def _span(self, start: float = 0, end: float = FOR_EVER) -> Span:
        return Span(start, end, self.clock.seconds, self.options.late_metrics_in_days * DAY)


def _lines(members: dict[int, list[str]]) -> Iterator[Row]:
    return ({"listId": key, "line": line} for key, lines in members.items() for line in lines)
