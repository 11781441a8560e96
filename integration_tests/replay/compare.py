"""What became of rows: each field of a row must stand in its record, and nothing else may.

A field stands in the column of its name: equal, as the same timestamp, or as the JSON that its text is; or, unchanged
and under its name, in `dataFields`. No code of the connector is used.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from integration_tests.replay.recording import Malformed, Row

OVERFLOW = "dataFields"
TITLED = ("_metrics", "_metrics_daily")
"""How the names of streams of CSV end."""
DAILY = "campaign_metrics_daily"
GENERATED = {"event_id"}
ADDED_TO = {"list_users": {"userId"}}
"""Columns that hold what was not sent: the event's key, and a line of a list that is not an address once more."""
MATCHED_BY = {
    "campaign_labels": ("campaignId", "label"),
    DAILY: ("id", "date"),
    "experiment_metrics": ("template_id",),
    "list_users": ("email", "listId"),
    "metadata": ("table", "key"),
    "template_content": ("templateId",),
    "templates": ("templateId",),
    "user_fields": ("name",),
    "users": ("email",),
}
"""What tells which record a row has become, where it is not `id`; of events, only that they say the same."""

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[ T](?P<clock>\d\d:\d\d:\d\d)(?P<fraction>\.\d{1,6})?\d*)?"
    r" ?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE]-?\d+)?")


@dataclass
class Outcome:
    """What became of the rows of one stream."""

    stream: str
    rows: int = 0
    records: int = 0
    lost: list[str] = field(default_factory=list)
    """Rows that no record says, each with its best candidate's faults; no row's content but names of fields."""
    invented: list[str] = field(default_factory=list)
    """Records that no row was sent for."""
    without_column: Counter[str] = field(default_factory=Counter)
    """Names in `dataFields` that have no column, and in how many records."""
    unfit: Counter[str] = field(default_factory=Counter)
    """Names in `dataFields` that have a column, which is null."""
    keyless: int = 0
    """Records that lack a part of their key."""
    repeated: int = 0
    """Records with the key of another one that came of another row."""
    equal: int = 0
    """Records with the key of another one that came of the same row, sent twice."""
    not_rfc3339: list[str] = field(default_factory=list)
    """Columns with a timestamp that is not in that form."""
    malformed: int = 0
    """Lines that are not JSON, kept as they are."""

    @property
    def faults(self) -> list[str]:
        """Why the stream is not right; what stands in `dataFields` may have its reasons."""
        counts = {"keyless": self.keyless, "repeated": self.repeated}
        told = [f"{self.stream}: {count} {name}" for name, count in counts.items() if count]
        lists = {"lost": self.lost, "invented": self.invented, "not RFC 3339": self.not_rfc3339}
        return told + [f"{self.stream}: {name}: {one}" for name, found in lists.items() for one in found]


def compare(stream: Mapping[str, Any], rows: Sequence[Row | Malformed], records: Sequence[Row]) -> Outcome:
    """Match the rows of a stream, as discovered, with its records."""
    name: str = stream["name"]
    outcome = Outcome(name, len(rows), len(records), malformed=sum(isinstance(row, Malformed) for row in rows))
    titled = name.endswith(TITLED)
    left = [record for record in records if name != DAILY or _is_active(record)]
    outcome.records = len(left)
    rows_of_key: dict[str, list[Any]] = {}
    key = [path[0] for path in stream["source_defined_primary_key"]]
    for sent in rows:
        row = _cells(sent) if titled and isinstance(sent, dict) else sent
        tried = [(_Match(name, stream["json_schema"]["properties"], row, record), record) for record in left]
        tried.sort(key=lambda one: len(one[0].faults))
        if not tried or tried[0][0].faults:
            outcome.lost.append("; ".join(tried[0][0].faults[:5]) if tried else "no record is left")
            continue
        match, record = tried[0]
        left.remove(record)
        outcome.without_column.update(match.without_column)
        outcome.unfit.update(match.unfit)
        outcome.not_rfc3339 += match.not_rfc3339
        outcome.keyless += any(record.get(part) is None for part in key)
        rows_of_key.setdefault(json.dumps([record.get(part) for part in key]), []).append(sent)
    outcome.invented = [f"a record with {sorted(record)}" for record in left]
    for of_key in rows_of_key.values():
        same = sum(sent == of_key[0] for sent in of_key[1:])
        outcome.equal += same
        outcome.repeated += len(of_key) - 1 - same
    return outcome


def _is_active(record: Row) -> bool:
    """Whether a day's record holds a number other than zero; whether others are emitted is not told by any row."""
    return any(value for name, value in record.items() if name != "id" and isinstance(value, int | float))


def _cells(sent: Row) -> Row:
    """A row of CSV under the names of its columns: `Purchases / M (Email)` is `purchases_per_m_email`."""
    spoken = {title: title.lower().replace(" / ", " per ") for title in sent}
    named = {title: "_".join(re.findall("[a-z0-9]+", text)) for title, text in spoken.items()}
    return {named[title]: cell.strip() or None for title, cell in sent.items()}


class _Match:
    """A row beside a record."""

    def __init__(self, stream: str, columns: Mapping[str, Any], row: Row | Malformed, record: Row) -> None:
        self.faults: list[str] = []
        self.without_column: set[str] = set()
        self.unfit: set[str] = set()
        self.not_rfc3339: list[str] = []
        self._columns = columns
        self._record = {name: value for name, value in record.items() if value is not None and name != OVERFLOW}
        self._titled = stream.endswith(TITLED)
        rest = record.get(OVERFLOW) or {}
        self._unclaimed = {name for name in self._record if name not in GENERATED | ADDED_TO.get(stream, set())}
        if isinstance(row, Malformed):
            if rest != {"unparsed": row.text}:
                self.faults.append("a malformed line is not kept as it was")
        else:
            row = dict(row)
            for part in MATCHED_BY.get(stream, ("id",)) if "event_id" not in columns else ():
                if part in row and not self._same(row[part], self._record.get(part), columns.get(part, {})):
                    self.faults += [f"{part} differs"] * (len(row) + 1)
            for name, value in row.items():
                self._place(name, name, value, rest)
            self.faults += [f"{name} in {OVERFLOW} was not sent" for name in _unsent(rest, row)]
        self.faults += [f"{name} was not sent" for name in sorted(self._unclaimed)]

    def _place(self, name: str, key: str, value: Any, rest: Mapping[str, Any]) -> None:
        """Find the field ``name``, which the object around it calls ``key``; ``rest`` is what remains of that."""
        if name in self._record:
            self._unclaimed.discard(name)
            column = self._columns.get(name, {})
            if not self._same(value, self._record[name], column):
                self.faults.append(f"{name} is changed")
            if column.get("format") == "date-time" and not RFC3339.fullmatch(str(self._record[name])):
                self.not_rfc3339.append(name)
        elif value is None:
            if rest.get(key) is not None:
                self.faults.append(f"{name} in {OVERFLOW} was sent as null")
        elif key in rest and self._same(value, rest[key], {}):
            (self.unfit if name in self._columns else self.without_column).add(name)
        elif isinstance(value, dict) and value:
            below = rest.get(key)
            for inner, its_value in value.items():
                self._place(f"{name}.{inner}", inner, its_value, below if isinstance(below, dict) else {})
        else:
            self.faults.append(f"{name} is lost")

    def _same(self, sent: Any, got: Any, column: Mapping[str, Any]) -> bool:
        """Whether what was sent arrived, in a column or (``column`` is empty) in `dataFields`; cells as numbers."""
        kinds = column.get("type", [])
        if _identical(sent, got):
            same = True
        elif self._titled and isinstance(sent, str) and type(got) in {int, float}:
            same = NUMBER.fullmatch(sent) is not None and float(sent) == float(got)
        elif column.get("format") in {"date", "date-time"}:
            same = moment(sent) is not None and moment(sent) == moment(got)
        elif "array" in kinds and isinstance(sent, list) and isinstance(got, list) and len(sent) == len(got):
            same = all(self._same(a, b, column.get("items", {})) for a, b in zip(sent, got, strict=True))
        else:
            same = (
                ("number" in kinds and {type(sent), type(got)} <= {int, float} and sent == got)
                or ("object" in kinds and isinstance(sent, str) and _identical(_decoded(sent), got))
                or ("string" in kinds and isinstance(sent, list | dict) and _identical(_decoded(got), sent))
            )
        return same


def _identical(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, down to the types of numbers."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _decoded(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def _unsent(rest: Mapping[str, Any], row: Mapping[str, Any], above: str = "") -> Iterable[str]:
    """The names in ``rest`` that the row does not have."""
    for name, value in rest.items():
        if name not in row:
            yield above + name
        elif isinstance(value, dict) and isinstance(row[name], dict):
            yield from _unsent(value, row[name], f"{above}{name}.")


def moment(value: Any) -> datetime | None:
    """The timestamp that a value tells, in any of Iterable's notations; without an offset it is UTC."""
    if isinstance(value, int) and not isinstance(value, bool):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
    found = MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    clock, zone = found["clock"] or "00:00:00", found["zone"] or "Z"
    fraction = (found["fraction"] or "").ljust(7, "0") if found["fraction"] else ""
    told = datetime.fromisoformat(f"{found['day']}T{clock}{fraction}{zone.replace('Z', '+00:00')}")
    return told.astimezone(UTC)
