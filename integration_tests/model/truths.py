"""What a project holds, as the records that every stream must have: both oracles, behind one door."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json import dumps
from typing import Any

from integration_tests.sandbox import Sandbox
from integration_tests.support import expected, expected_listings
from integration_tests.support.all_tables import CURSORS, KEYS
from integration_tests.support.expected import ALL_EXPORTS, TRUTH_OF, canonical
from integration_tests.support.expected_listings import PARTS, joined, parts

Record = Mapping[str, Any]
NEVER = datetime.max.replace(tzinfo=UTC)
LISTED = tuple(expected_listings.KEYS)
LIVES: Mapping[str, Callable[[Sandbox, float], list[dict[str, Any]]]] = {
    "campaign_metrics": lambda sandbox, end: [row for _, row in sandbox.project.measured_campaigns(end=end)],
    "experiment_metrics": lambda sandbox, end: sandbox.project.measured_experiments(
        end=end + 1
    ),  # that end is inclusive
}
"""Metrics over whole lives, up to a Unix time."""


@lru_cache(maxsize=100_000)
def moment(text: str) -> datetime:
    """The timestamp that a record or a state tells; a day is its midnight, UTC."""
    told = datetime.fromisoformat(text)
    return told if told.tzinfo else told.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """A record that arrived or must: its text, equal for equal records, its key, its cursor, when it changed.

    The last two are `NEVER` where it does not tell.
    """

    text: str
    key: tuple[Any, ...]
    at: datetime = NEVER
    changed: datetime = NEVER
    is_nothing: bool = False
    """Whether it holds metrics, all of them zero."""

    @classmethod
    def of(cls, stream: str, record: Record, keys: Mapping[str, Iterable[str]] = KEYS) -> "Row":
        """The row of a record."""
        if stream in LISTED:
            rest = {name: value for name, value in (record.get("dataFields") or {}).items() if value is not None}
            record = {**record, "dataFields": rest or None}
        at = record.get(CURSORS.get(stream, ""))
        return cls(
            text=canonical(record),
            key=tuple(record.get(name) for name in keys[stream]),
            at=moment(str(at)) if at else NEVER,
            changed=_changed(stream, record),
            is_nothing=stream == "campaign_metrics"
            and not any(_counts(value) for name, value in record.items() if name != "id"),
        )


def _changed(stream: str, record: Record) -> datetime:
    """When a row of a listing last became another."""
    told = [record.get(name) for name in ("updatedAt", "endedAt")]
    draft = record.get("draft")
    if stream == "journeys" and isinstance(draft, Mapping):
        told.append(draft.get("updatedAt"))
    return max((_any_moment(one) for one in told if one), default=NEVER)


def _any_moment(value: Any) -> datetime:
    if isinstance(value, int):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
    return moment(str(value))


def _counts(value: Any) -> bool:
    return isinstance(value, int | float) and value != 0


@dataclass
class Truth:
    """What is true at one time."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    """The rows of each stream."""
    parts: dict[str, tuple[dict[Any, Record], dict[Any, Record]]] = field(default_factory=dict)
    """Of streams that are put together from two endpoints: what each of these shows, by key."""


class Known:
    """The rows that ever were, and how many of each there were at a time."""

    def __init__(self, streams: Iterable[str]) -> None:
        """Know none."""
        self._rows: dict[str, dict[str, int]] = {stream: {} for stream in streams}
        self._shown: set[str] = set()

    def of(self, stream: str) -> dict[str, int]:
        """Those of a stream, by their text."""
        return self._rows[stream]

    def add_all(self, stream: str, rows: Iterable[Row]) -> None:
        """Know some rows more."""
        for row in rows:
            self._rows[stream].setdefault(row.text, 1)

    def note(self, truth: Truth) -> None:
        """Take note of what is true at one time."""
        for stream, rows in truth.rows.items():
            known = self._rows[stream]
            if stream == "campaigns":  # one whose state becomes what it was before is told again
                texts = {row.text for row in rows}
                known.update({one: known.get(one, 0) + 1 for one in texts - self._shown})
                self._shown = texts
                continue
            for text, number in Counter(row.text for row in rows).items():
                known[text] = max(known.get(text, 0), number)


class Truths:
    """What a sandbox holds, for some streams of some schemas."""

    def __init__(self, sandbox: Sandbox, schemas: Mapping[str, Mapping[str, Any]], streams: Iterable[str]) -> None:
        """Look at ``streams``."""
        self._sandbox = sandbox
        self._schemas = schemas
        self._streams = tuple(streams)
        self._until = NEVER
        self._made: dict[tuple[str, str], Row] = {}
        self.keys: dict[str, list[str]] = dict(KEYS)
        self._by_user_id = sandbox.options.project_type != "email"
        if self._by_user_id:
            self.keys["users"] = ["itblUserId"]

    def end_with(self, day: datetime) -> None:
        """Let metrics over whole lives end with a day: a sync requests those up to its own, also if another begins."""
        self._until = day.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)

    def now(self) -> Truth:
        """What the sandbox holds and shows now."""
        truth = Truth()
        for stream in self._streams:
            if stream in PARTS:
                truth.parts[stream] = parts(self._sandbox, stream)
            truth.rows[stream] = list(self._rows(stream))
        return truth

    def _rows(self, stream: str) -> Iterator[Row]:
        return (self._row(stream, sent) for sent in self._sent(stream))

    def _sent(self, stream: str) -> Iterable[Record]:
        """The rows as Iterable tells them."""
        if stream in LIVES:
            return LIVES[stream](self._sandbox, self._until.timestamp())
        if stream in LISTED:
            return expected_listings.rows(self._sandbox, stream)
        name = TRUTH_OF[stream]
        if stream == "list_users" and self._by_user_id:
            name = "list_users_by_user_id"
        bounds = {"exportable_by": self._sandbox.now} if stream in ALL_EXPORTS else {}
        return self._sandbox.rows(name, **bounds)

    def _row(self, stream: str, sent: Record) -> Row:
        """The row that ``sent`` becomes; most were looked at before."""
        known = stream, dumps(sent)
        if known not in self._made:
            fitted = expected_listings.fitted if stream in LISTED else expected.record
            self._made[known] = Row.of(stream, fitted(stream, sent, self._schemas[stream]), self.keys)
        return self._made[known]

    def between(self, before: Truth, after: Truth) -> Iterator[tuple[str, Row]]:
        """The rows that a sync between both may see although neither has them: one part older than the other."""
        for stream, (listed, _) in before.parts.items():
            _, shown = after.parts[stream]
            for key, row in listed.items():
                mixed = [] if stream == "template_content" else [row]
                if key in shown:
                    mixed.append(joined(stream, row, shown[key]))
                for one in mixed:
                    yield stream, Row.of(stream, expected.record("", one, self._schemas[stream]), self.keys)
