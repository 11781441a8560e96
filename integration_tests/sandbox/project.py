"""The project that a sandbox holds: generated once from a seed, changed by tests, and its truth."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import RLock
from typing import Any

from integration_tests.sandbox import listings
from integration_tests.sandbox.clock import Clock
from integration_tests.sandbox.events import DATA_TYPES, Events
from integration_tests.sandbox.options import Options, Size
from integration_tests.sandbox.people import FIELDS, People, Row, profile
from integration_tests.sandbox.tables import Bulk, Stored, Table, encode

USER = "user"
FOR_EVER = float("inf")
REPEATED = "emailOpen"
"""The table in which the last row of the generated project is sent twice, byte for byte."""


class Project:
    """Everything that the endpoints serve; safe to change from another thread."""

    def __init__(self, options: Options, size: Size, start: datetime, clock: Clock) -> None:
        """Generate the project between ``start`` and the clock's present moment."""
        self.options = options
        self.size = size
        self.clock = clock
        self.lock = RLock()
        self.version = 0
        self.fields = dict(FIELDS)
        self.people = People(options.seed)
        begin, end = int(start.timestamp()), int(clock.seconds)
        if begin >= end:
            message = f"The project starts at {start}, which is not before now, {clock.now}."
            raise ValueError(message)
        self._grown_until = end
        self.campaigns = listings.campaigns(self.people, size.campaigns, begin, end)
        self.channels = listings.channels()
        self.message_types = listings.message_types(self.people, begin)
        self.lists = listings.lists(self.people, size.lists, begin, end)
        self.members = {
            row["id"]: listings.members(self.people, number, size.users, size.users_per_list)
            for number, row in enumerate(self.lists)
        }
        self.templates = listings.templates(self.people, size.templates, begin, end)
        self.metadata = listings.metadata(self.people, size.metadata_keys, begin)
        self._events = Events(self.people, self.campaigns, size.users)
        self._event_rows = size.events
        self.tables = {name: Table(f"{options.seed}:{name}") for name in (*DATA_TYPES, USER)}
        self._profiles: dict[int, tuple[Stored, int]] = {}
        for name in DATA_TYPES:
            self._make_events(name, range(size.events), begin, end)
        self._repeat_last(REPEATED)
        self._make_users(size.users, begin, end)
        self._make_bulk(begin, end)

    def _make_events(self, name: str, numbers: range, start: int, end: int) -> None:
        if not numbers:
            return
        wanted = numbers[:-1] if name == REPEATED and numbers.start == 0 and len(numbers) > 1 else numbers
        rows = self._events.rows(name, wanted, start, end)
        delay = self.options.delay_in_seconds
        self.tables[name].fill([Stored(at, at + delay, encode(row)) for at, row in rows])

    def _repeat_last(self, name: str) -> None:
        rows = self.tables[name].rows(0, FOR_EVER, FOR_EVER)
        if self.size.events > 1:
            self.tables[name].fill([rows[len(rows) // 2]])

    def _make_users(self, count: int, start: int, end: int) -> None:
        for number in range(count):
            spread = int((number * 0.7548776662466927) % 1 * (end - start))
            at = start if number == 1 else start + spread
            self._profiles[number] = self._profile(number, at, 0), 0
        self.tables[USER].fill([stored for stored, _ in self._profiles.values()])

    def _profile(self, number: int, at: int, version: int) -> Stored:
        return Stored(at, at, encode(profile(self.people, number, at, version)))

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

    def finish_campaign(self, campaign_id: int) -> Row:
        """End a campaign now, which leaves its ``updatedAt`` as it is."""
        with self.lock:
            row = next(row for row in self.campaigns if row["id"] == campaign_id)
            row.update({"campaignState": "Finished", "endedAt": int(self.clock.seconds * 1000)})
            row.setdefault("startAt", row["updatedAt"])
            return dict(row)

    def edit_campaign(self, campaign_id: int) -> Row:
        """Rename a campaign now."""
        with self.lock:
            row = next(row for row in self.campaigns if row["id"] == campaign_id)
            row.update({"name": f"{row['name']} (edited)", "updatedAt": int(self.clock.seconds * 1000)})
            return dict(row)

    def edit_template(self, template_id: int) -> Row:
        """Rename a template now."""
        with self.lock:
            row = next(row for row, _, _ in self.templates if row["templateId"] == template_id)
            row.update({"name": f"{row['name']} (edited)", "updatedAt": int(self.clock.seconds * 1000)})
            return dict(row)

    def delete_list(self, list_id: int) -> None:
        """Delete a list with its members."""
        with self.lock:
            self.lists = [row for row in self.lists if row["id"] != list_id]
            self.members.pop(list_id)

    # What is true

    def names(self) -> list[str]:
        """Every table that `truth` knows."""
        return [
            *self.tables,
            "campaigns",
            "channels",
            "list_users",
            "lists",
            "messageTypes",
            "metadata",
            "templates",
        ]

    def truth(
        self, name: str, start: float = 0, end: float = FOR_EVER, exportable_by: float = FOR_EVER
    ) -> Iterator[Row]:
        """The rows of a table as they are sent; the bounds hold for export tables only.

        Templates carry the type and medium that list them, null for those which no combination lists;
        members of lists are ``{"listId": ..., "line": ...}``.
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
        if name == "templates":
            return [
                row | {"templateType": kind, "messageMedium": medium}
                if medium in listings.TEMPLATE_MEDIA
                else row | {"templateType": None, "messageMedium": None}
                for row, kind, medium in self.templates
            ]
        if name == "list_users":
            return [{"listId": key, "line": line} for key, lines in self.members.items() for line in lines]
        listed: dict[str, list[dict[str, Any]]] = {
            "campaigns": self.campaigns,
            "channels": self.channels,
            "lists": self.lists,
            "messageTypes": self.message_types,
            "metadata": self.metadata,
        }
        if name not in listed:
            message = f"There is no table {name!r}; there are {', '.join(self.names())}."
            raise KeyError(message)
        return [dict(row) for row in listed[name]]


def default_start(now: datetime, days: int) -> datetime:
    """The midnight so many days before ``now``."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
