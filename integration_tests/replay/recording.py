"""What a project answered: the content of one file, as rows of the connector's streams."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from integration_tests.support.expected import ALL_EXPORTS, TRUTH_OF

Row = dict[str, Any]

DAY = timedelta(days=1)
CLOCK = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)? ?(?:Z|\+00:00)?")
STREAM_OF = {TRUTH_OF[stream]: stream for stream in ALL_EXPORTS}


@dataclass(frozen=True)
class Malformed:
    """A line of an export that is not JSON."""

    text: str


@dataclass(frozen=True)
class Line:
    """A line of an export, byte for byte, and when it happened (Unix time)."""

    at: float
    text: str

    @property
    def row(self) -> Row | Malformed:
        """The row that it holds."""
        return parsed(self.text)


class Recording:
    """The answers of one project, by what they are: see README.md for the keys of a file."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        """Keep ``content``."""
        self.content = content

    @classmethod
    def load(cls, path: Path) -> Self:
        """The recording in a file."""
        return cls(json.loads(path.read_text()))

    # Rows, as they are sent

    @cached_property
    def sent(self) -> dict[str, list[Row | Malformed]]:
        """The rows of each stream that the recording covers."""
        listed = {
            "campaigns": "campaigns",
            "channels": "channels",
            "experiments": "experiments",
            "lists": "lists",
            "message_types": "message_types",
        }
        found: dict[str, Iterable[Row | Malformed]] = {
            stream: self.rows(key) for stream, key in listed.items() if key in self.content
        }
        found |= {STREAM_OF[name]: [line.row for line in lines] for name, lines in self.exported.items()}
        found |= {
            "campaign_labels": self._labels(),
            "campaign_metrics": self._metrics(),
            "campaign_metrics_daily": self._daily(),
            "experiment_metrics": self.experiment_cells(),
            "list_users": [{"email": line, "listId": key} for key, lines in self.members.items() for line in lines],
            "metadata": list(self.content.get("metadata_values", {}).values()),
            "template_content": self._contents(),
            "templates": self.templates,
            "user_fields": [{"name": name, "type": kind} for name, kind in self.content["fields"].items()],
        }
        return {stream: list(rows) for stream, rows in found.items()}

    def rows(self, key: str) -> list[Row]:
        """The rows under a key of the file."""
        rows: list[Row] = self.content.get(key, [])
        return rows

    def _labels(self) -> Iterator[Row]:
        for campaign in self.rows("campaigns"):
            for label in campaign.get("labels", []):
                yield {"campaignId": campaign["id"], "label": label}

    @property
    def templates(self) -> list[Row]:
        """The templates, each with the type and the medium that list it."""
        found = []
        for listing, rows in self.content.get("templates", {}).items():
            kind, _, medium = listing.partition(" ")
            found += [{**row, "templateType": kind, "messageMedium": medium} for row in rows]
        return found

    def content_of(self, template_id: int) -> Row:
        """The content of a template; where the recording has none, what the listing tells of it."""
        listed = next(row for row in self.templates if row["templateId"] == template_id)
        unlisted = {name: value for name, value in listed.items() if name not in {"templateType", "messageMedium"}}
        content: Row = self.content.get("content", {}).get(str(template_id), unlisted)
        return content

    def _contents(self) -> Iterator[Row]:
        """The content of templates; a field that the listing tells too is the listing's."""
        for row in self.templates:
            yield self.content_of(row["templateId"]) | row

    @property
    def members(self) -> dict[int, list[str]]:
        """The lines of each list."""
        found = {int(key): lines for key, lines in self.content.get("members", {}).items()}
        bodies = self.content.get("members_body", {})
        found |= {int(key): body.splitlines() for key, body in bodies.items()}
        return {row["id"]: found.get(row["id"], []) for row in self.rows("lists")}

    # Exports

    @cached_property
    def exported(self) -> dict[str, list[Line]]:
        """The lines of each data type; one that tells no time happened with the first that does."""
        texts: dict[str, list[str]] = {name: list(lines) for name, lines in self.content.get("events_raw", {}).items()}
        for name, rows in {**self.content.get("events", {}), "user": self._users()}.items():
            if rows:
                texts.setdefault(name, []).extend(json.dumps(row, ensure_ascii=False) for row in rows)
        return {name: _lines(name, of_type) for name, of_type in texts.items()}

    def _users(self) -> list[Row]:
        rows: list[Row] = self.content.get("users") or self.content.get("events", {}).get("user", [])
        return rows

    # Metrics

    @cached_property
    def metrics(self) -> dict[int, tuple[list[str], list[str]]]:
        """The titles and the cells of each campaign's row, without those of its id."""
        told: dict[str, dict[str, str]] = self.content.get("metrics", {})
        if told:
            titles = sorted({title for cells in told.values() for title in cells})
            return {int(key): (titles, [cells.get(title, "") for title in titles]) for key, cells in told.items()}
        header, *rows = csv.reader(io.StringIO(self.content.get("metrics_csv", "id\n")))
        return {int(row[0]): (header[1:], row[1:]) for row in rows}

    def _metrics(self) -> Iterator[Row]:
        """Those of campaigns that are listed and were sent: the rows of others, zeros or empty, nobody requests."""
        sent = {row["id"] for row in self.rows("campaigns") if row["campaignState"] not in {"Draft", "Ready"}}
        for key, (titles, cells) in self.metrics.items():
            if key in sent:
                yield {"id": str(key), **dict(zip(titles, cells, strict=True))}

    def _daily(self) -> Iterator[Row]:
        """The same on the only day that each has metrics of; those that are zero have none."""
        for row in self._metrics():
            if any(cell.strip("0.") for title, cell in row.items() if title != "id"):
                yield {"date": f"{datetime.fromtimestamp(self.measured_at(int(row['id'])), UTC):%Y-%m-%d}", **row}

    def measured_at(self, campaign_id: int) -> float:
        """When everything happened that a campaign has metrics of: recordings tell only the sums."""
        (campaign,) = (row for row in self.rows("campaigns") if row["id"] == campaign_id)
        at: int = campaign.get("startAt", campaign["createdAt"])
        return at / 1000

    def experiment_cells(self) -> Iterator[Row]:
        """The rows of the CSV of experiments."""
        yield from csv.DictReader(io.StringIO(self.content.get("experiments_csv", "")))

    # Time

    @property
    def start(self) -> datetime:
        """The beginning of the year of the first thing that was exported."""
        first = min(line.at for lines in self.exported.values() for line in lines)
        return datetime(datetime.fromtimestamp(first, UTC).year, 1, 1, tzinfo=UTC)

    @property
    def now(self) -> datetime:
        """A day after anything that the recording tells."""
        said = [moment(text) for text in CLOCK.findall(json.dumps(self.content))]
        rows = [*self.rows("campaigns"), *self.templates, *self.rows("lists")]
        counted = [row[name] / 1000 for row in rows for name in ("createdAt", "updatedAt", "endedAt") if name in row]
        return datetime.fromtimestamp(max(said + counted), UTC) + DAY


def parsed(text: str) -> Row | Malformed:
    """The row that a line holds."""
    try:
        row: Row = json.loads(text)
    except ValueError:
        return Malformed(text)
    return row


def moment(found: tuple[str, ...]) -> float:
    """The Unix time of what `CLOCK` found."""
    return datetime.fromisoformat(f"{found[0]}T{found[1]}+00:00").timestamp()


def _lines(name: str, texts: Iterable[str]) -> list[Line]:
    field = "profileUpdatedAt" if name == "user" else "createdAt"
    rows = {text: parsed(text) for text in texts}
    told = {
        text: moment(found[0])
        for text, row in rows.items()
        if isinstance(row, dict) and (found := CLOCK.findall(str(row.get(field))))
    }
    first = min(told.values())
    return [Line(told.get(text, first), text) for text in texts]
