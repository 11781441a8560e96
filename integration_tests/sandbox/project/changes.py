"""What the members of a project do to what it lists: add, edit, end, archive, delete."""

from collections.abc import Callable
from typing import Any

from integration_tests.sandbox.data import campaigns, catalogs, experiments, journeys, templates
from integration_tests.sandbox.data.ids import CAMPAIGN_STEP, FIRST_CAMPAIGN, FIRST_TEMPLATE
from integration_tests.sandbox.data.rows import DAY, Row, iso
from integration_tests.sandbox.project.kept import forgotten
from integration_tests.sandbox.project.project import Project


class Changes:
    """Changes the rows of a project, now, or between two pages of a list endpoint; safe to use from another thread."""

    def __init__(self, project: Project) -> None:
        """Change ``project``."""
        self.project = project

    def between_pages(self, endpoint: str, action: Callable[[], Any]) -> None:
        """Run ``action`` once, as soon as the first of several pages of ``endpoint`` was read from the project."""
        self.project.after_first_page.setdefault(endpoint, []).append(action)

    # Campaigns

    def add_campaign(self, **fields: Any) -> Row:
        """Add a campaign, created now; ``fields`` replace its own, and None takes one away."""
        with self.project.lock:
            number = self._next(self.project.campaigns, "id", FIRST_CAMPAIGN, CAMPAIGN_STEP)
            row = campaigns.campaign(self.project.people, number, *self._today())
            made = {"campaignState": "Draft", "createdAt": self._now, "updatedAt": self._now}
            return _added(self.project.campaigns, row | {"startAt": None, "endedAt": None} | made, fields)

    def edit_campaign(self, campaign_id: int) -> Row:
        """Rename a campaign now."""
        return self._edit(self.project.campaigns, "id", campaign_id)

    def finish_campaign(self, campaign_id: int) -> Row:
        """End a campaign now, which leaves its ``updatedAt`` as it is; a silent one tells no end either."""
        with self.project.lock:
            row = _find(self.project.campaigns, "id", campaign_id)
            row["campaignState"] = "Finished"
            if not (self.project.options.silent_campaigns and row["type"] == "Triggered"):
                row["endedAt"] = self._now
                row.setdefault("startAt", row["updatedAt"])
            return dict(row)

    def advance_campaign(self, campaign_id: int) -> Row:
        """Let a campaign go from Ready to Running to Finished, or begin again; none of its times tells of it."""
        with self.project.lock:
            row = _find(self.project.campaigns, "id", campaign_id)
            row["campaignState"] = {"Ready": "Running", "Running": "Finished"}.get(row["campaignState"], "Ready")
            return dict(row)

    def delete_campaign(self, campaign_id: int) -> None:
        """Delete a campaign."""
        self._delete(self.project.campaigns, "id", campaign_id)

    # Templates

    def add_template(self, kind: str = "Blast", medium: str = "Email") -> Row:
        """Add a template of a type and a medium, created now."""
        with self.project.lock:
            rows = [row for row, _, _ in self.project.templates]
            number = self._next(rows, "templateId", FIRST_TEMPLATE, 1)
            row = templates.template(self.project.people, number, *self._today())
            row.update({"createdAt": self._now, "updatedAt": self._now})
            self.project.templates.append((row, kind, medium))
            return dict(row)

    def edit_template(self, template_id: int) -> Row:
        """Rename a template now, and write another content."""
        with self.project.lock:
            self.project.edits[template_id] += 1
            return self._edit([row for row, _, _ in self.project.templates], "templateId", template_id)

    def delete_template(self, template_id: int) -> None:
        """Delete a template."""
        with self.project.lock:
            _find([row for row, _, _ in self.project.templates], "templateId", template_id)
            self.project.templates = [one for one in self.project.templates if one[0]["templateId"] != template_id]

    # Lists

    def delete_list(self, list_id: int) -> None:
        """Delete a list with its members."""
        with self.project.lock:
            self._delete(self.project.lists, "id", list_id)
            self.project.members.pop(list_id)
            self.project.members_by_user_id.pop(list_id, None)

    # Journeys, snippets, catalogs, experiments

    def add_journey(self, **fields: Any) -> Row:
        """Add a journey, created now; ``fields`` replace its own, and None takes one away."""
        rows = self.project.kept.journeys
        with self.project.lock:
            number = self._next(rows, "id", journeys.FIRST_JOURNEY, journeys.STEP)
            row = journeys.journey(self.project.people, number, *self._today())
            made = {"isArchived": False, "createdAt": self._now, "updatedAt": self._now}
            return _added(rows, row | made, fields)

    def edit_journey(self, journey_id: int) -> Row:
        """Rename a journey now."""
        return self._edit(self.project.kept.journeys, "id", journey_id)

    def archive_journey(self, journey_id: int, *, updates: bool = True) -> Row:
        """Archive a journey now; ``updates`` tells whether its ``updatedAt`` says so."""
        with self.project.lock:
            row = _find(self.project.kept.journeys, "id", journey_id)
            row.update({"isArchived": True, "enabled": False})
            if updates:
                row["updatedAt"] = self._now
            return dict(row)

    def delete_journey(self, journey_id: int) -> None:
        """Delete a journey."""
        self._delete(self.project.kept.journeys, "id", journey_id)

    def edit_snippet(self, snippet_id: int) -> Row:
        """Write another content of a snippet now."""
        with self.project.lock:
            row = _find(self.project.kept.snippets, "id", snippet_id)
            row.update({"content": f"{row['content']} (edited)", "updatedAt": iso(self._now / 1000)})
            return dict(row)

    def add_catalog_item(self, catalog: str) -> Row:
        """Add an item to a catalog now."""
        rows = self.project.kept.items[catalog]
        with self.project.lock:
            number = self.project.numbers[catalog] = max(self.project.numbers[catalog], len(rows)) + 1
            row = catalogs.item(self.project.people, catalog, number, *self._today())
            return _added(rows, row | {"lastModified": self._now}, {})

    def edit_catalog_item(self, catalog: str, item_id: str) -> Row:
        """Change the value of an item now."""
        with self.project.lock:
            row = _find(self.project.kept.items[catalog], "itemId", item_id)
            row["value"] = row["value"] | {"name": f"{row['value']['name']} (edited)"}
            row.update({"size": catalogs.size_of(row["value"]), "lastModified": self._now})
            return dict(row)

    def delete_catalog_item(self, catalog: str, item_id: str) -> None:
        """Delete an item of a catalog."""
        self._delete(self.project.kept.items[catalog], "itemId", item_id)

    def add_experiment(self) -> Row:
        """Add an experiment, created now."""
        rows = self.project.kept.experiments
        with self.project.lock:
            number = self._next(rows, "id", experiments.FIRST_EXPERIMENT, experiments.STEP)
            row = experiments.experiment(self.project.people, number, *self._today())
            gone = {"status": "draft", "startDate": None, "finishDate": None}
            return _added(rows, row | gone | {"creationDate": self._now}, {})

    def delete_experiment(self, experiment_id: int) -> None:
        """Delete an experiment."""
        self._delete(self.project.kept.experiments, "id", experiment_id)

    def forget(self, identifier: str, value: str) -> Row:
        """Forget a person, by "email" or "userId"."""
        with self.project.lock:
            return _added(self.project.kept.forgotten, forgotten(identifier, value), {})

    # Common

    @property
    def _now(self) -> int:
        return int(self.project.clock.seconds * 1000)

    def _today(self) -> tuple[int, int]:
        now = int(self.project.clock.seconds)
        return now - DAY, now

    def _next(self, rows: list[Row], key: str, first: int, step: int) -> int:
        """The number of the next row; none that was deleted comes again."""
        name = f"{key} from {first}"
        there = max((row[key] - first) // step for row in rows) if rows else -1
        number = self.project.numbers[name] = max(self.project.numbers[name] - 1, there) + 2
        return number - 1

    def _edit(self, rows: list[Row], key: str, value: object) -> Row:
        with self.project.lock:
            row = _find(rows, key, value)
            row.update({"name": f"{row['name']} (edited)", "updatedAt": self._now})
            return dict(row)

    def _delete(self, rows: list[Row], key: str, value: object) -> None:
        with self.project.lock:
            rows.remove(_find(rows, key, value))


def _find(rows: list[Row], key: str, value: object) -> Row:
    """The row of that key.

    Raises:
        LookupError: If there is none.
    """
    for row in rows:
        if row[key] == value:
            return row
    message = f"There is no row whose {key} is {value!r}."
    raise LookupError(message)


def _added(rows: list[Row], row: Row, fields: Row) -> Row:
    rows.append({name: value for name, value in (row | fields).items() if value is not None})
    return dict(rows[-1])
