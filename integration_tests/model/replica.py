"""What a destination holds after any number of syncs, whole ones and broken ones, compared with the truth.

Three things must hold whenever a sync ends, however it ends:

- nothing is lost: what happened before the saved state is there, every value of it;
- nothing is twice but what may be: rows of a window that a kill tore, and of the lookback before the state;
- nothing is made up: what is there was, at some time, in Iterable.
"""

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from os import environ
from typing import Any, ClassVar
from unittest.mock import patch

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
    Type,
)
from airbyte_cdk.utils import AirbyteTracedException

from integration_tests.model.truths import NEVER, Row, Truth, Truths, moment
from integration_tests.sandbox import Sandbox
from integration_tests.support.all_tables import CURSORS, DAILY, TABLES
from integration_tests.support.expected import ALL_EXPORTS, EVENT_TABLES
from integration_tests.support.sync import State, catalog_here, configured, environment, settings
from source_iterable import SourceIterable, api, clock, jobs

MODES = {
    "append + deduped": ("incremental", "append_dedup"),
    "append": ("incremental", "append"),
    "full refresh": ("full_refresh", "overwrite"),
}
REVISED = timedelta(days=15)
"""How long the metrics of a day may change."""
SILENCE_SECONDS = 0.3
"""What counts as a server that hangs."""
JOB_SECONDS = 0.2
"""What counts as a job that hangs."""


@dataclass
class Tally:
    """What a number of syncs came to."""

    syncs: int = 0
    killed: int = 0
    incomplete: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    streams: Counter[str] = field(default_factory=Counter)
    """How often each stream was read to its end."""
    emitted: int = 0
    compared: int = 0
    lost: int = 0
    twice: int = 0
    waited: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        mine, theirs = vars(self), vars(other)
        return Tally(**{name: value + theirs[name] for name, value in mine.items()})


@dataclass(frozen=True)
class Sign:
    """A message as far as a destination or a platform heeds it: a record, a state, or a status of a table."""

    table: str
    record: Mapping[str, Any] | None = None
    state: Mapping[str, Any] | None = None
    status: str = ""

    @classmethod
    def of(cls, messages: Iterable[Mapping[str, Any]]) -> Iterator["Sign"]:
        """The signs among messages of a process."""
        for message in messages:
            if message["type"] == "RECORD":
                yield cls(message["record"]["stream"], record=message["record"]["data"])
            elif message["type"] == "STATE":
                stream = message["state"]["stream"]
                yield cls(stream["stream_descriptor"]["name"], state=stream["stream_state"])
            elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
                status = message["trace"]["stream_status"]
                yield cls(status["stream_descriptor"]["name"], status=status["status"])

    @classmethod
    def here(cls, messages: Iterable[AirbyteMessage]) -> Iterator["Sign | None"]:
        """The signs among messages of this process, None for any other message."""
        for message in messages:
            if message.type is Type.RECORD and message.record:
                yield cls(message.record.stream, record=message.record.data)
            elif message.type is Type.STATE and message.state and message.state.stream:
                stream = message.state.stream
                yield cls(stream.stream_descriptor.name, state=dict(vars(stream.stream_state)))
            elif message.type is Type.TRACE and message.trace and message.trace.stream_status:
                status = message.trace.stream_status
                yield cls(status.stream_descriptor.name, status=status.status.value if status.status else "")
            else:
                yield None


class Replica:
    """A project and what was replicated of it, in one mode, over a chain of syncs."""

    def __init__(
        self, sandbox: Sandbox, tables: Iterable[str], mode: str, tally: Tally, lookback: int = 60, **others: Any
    ) -> None:
        """Replicate ``tables`` of ``sandbox`` with that lookback, in minutes, and ``others`` of the settings."""
        self.sandbox = sandbox
        self.tables = [table for table in TABLES if table in set(tables)]
        self.mode = mode
        self.tally = tally
        self.lookback = timedelta(minutes=lookback)
        self.settings = settings(sandbox, lookback_window_in_minutes=lookback, **others)
        with _Keep([]).listening(logging.getLogger("airbyte")):
            discovered = catalog_here(sandbox)
        self.catalog = configured(discovered, self.tables, *MODES[mode])
        schemas = {stream["name"]: stream["json_schema"] for stream in discovered["streams"]}
        self._truths = Truths(sandbox, schemas, self.tables)
        self._states: dict[str, Mapping[str, Any]] = {}
        self._rows: dict[str, list[Row]] = {table: [] for table in self.tables}
        self._repeatable: dict[str, Counter[str]] = {table: Counter() for table in self.tables}
        self._known: dict[str, dict[str, int]] = {table: {} for table in self.tables}
        self._excused: dict[str, set[str]] = {table: set() for table in self.tables}
        self._shown: set[str] = set()
        self._due: set[str] = set()
        self.skew: timedelta | None = None
        """How far this machine's clock is ahead of the sandbox's; None where it is the true present."""

    def _is_kept(self, table: str) -> bool:
        """Whether what came of it is kept from sync to sync: the others come whole each time."""
        return table in ALL_EXPORTS or (table in CURSORS and self.mode != "full refresh")

    # A sync

    @property
    def state(self) -> State:
        """The saved states, as the platform hands them over."""
        return [
            {"type": "STREAM", "stream": {"stream_descriptor": {"name": table}, "stream_state": dict(state)}}
            for table, state in self._states.items()
        ]

    def sync(
        self,
        kill_after: int | None = None,
        *,
        keep_torn: bool = True,
        meanwhile: tuple[int, Callable[[], object]] | None = None,
    ) -> dict[str, str]:
        """Sync in this process and compare; gives the last status of each table.

        With ``kill_after`` the sync ends for good after so many messages, and what came after the last state
        arrived or, without ``keep_torn``, did not. ``meanwhile`` is done after so many messages.
        """
        signs: list[Sign] = []
        logs: list[str] = []
        killed = False
        began, before = self.begin()
        with self._connector(logs) as messages:
            for number, sign in enumerate(Sign.here(messages), start=1):
                if sign is not None:
                    signs.append(sign)
                if meanwhile is not None and number == meanwhile[0]:
                    meanwhile[1]()
                if number == kill_after:
                    killed = True
                    break
        return self.end(began, before, signs, logs, killed=killed, keep_torn=keep_torn)

    def begin(self) -> tuple[datetime, Truth]:
        """What is true when a sync begins; all that was changed lies at least a second back."""
        self.sandbox.advance(seconds=1)
        self._truths.end_with(self.sandbox.now + min(self.skew or timedelta(), timedelta()))
        return self.sandbox.now, self._truths.now()

    def look(self) -> None:
        """Take note of what is true now, in the middle of a sync, which may see it."""
        self._note(self._truths.now())

    def _note(self, truth: Truth) -> None:
        for table, rows in truth.rows.items():
            if table == "campaigns":  # one whose state becomes what it was before is told again
                texts = {row.text for row in rows}
                self._known[table].update({one: self._known[table].get(one, 0) + 1 for one in texts - self._shown})
                self._shown = texts
                continue
            for text, number in Counter(row.text for row in rows).items():
                self._known[table][text] = max(self._known[table].get(text, 0), number)

    @contextmanager
    def _connector(self, logs: list[str]) -> Iterator[Iterator[AirbyteMessage]]:
        """The messages of a sync in this process, which is ended at the end of the block."""
        logger = logging.getLogger("airbyte")
        with ExitStack() as stack:
            stack.enter_context(_Keep(logs).listening(logger))
            stack.enter_context(patch.dict(environ, environment(self.sandbox)))
            stack.enter_context(patch.dict(api.SILENCE_SECONDS, dict.fromkeys(api.SILENCE_SECONDS, SILENCE_SECONDS)))
            for patience in "PATIENCE", "LONG_PATIENCE":
                stack.enter_context(patch.object(jobs, patience, JOB_SECONDS))
            stack.enter_context(patch.object(clock.Clock.__init__, "__defaults__", (self._system_time,)))
            waits = stack.enter_context(passed_waits())
            entrypoint = AirbyteEntrypoint(SourceIterable())
            messages = entrypoint.read(
                entrypoint.source.spec(logger),
                self.settings,
                ConfiguredAirbyteCatalogSerializer.load(self.catalog),
                [AirbyteStateMessageSerializer.load(one) for one in self.state],
            )
            try:
                yield _until_error(iter(messages))
            finally:
                messages.close()  # type: ignore[attr-defined]
                for thread in threading.enumerate():
                    if thread.name.startswith("download "):
                        thread.join(timeout=30)
                        assert not thread.is_alive(), f"{thread.name} does not end"
                self.tally.waited += sum(waits)

    def _system_time(self) -> datetime:
        return datetime.now(UTC) if self.skew is None else self.sandbox.now + self.skew

    # After a sync

    def end(
        self,
        began: datetime,
        before: Truth,
        signs: list[Sign],
        logs: Iterable[str] = (),
        *,
        killed: bool = False,
        keep_torn: bool = True,
    ) -> dict[str, str]:
        """Take in what came of a sync, and compare with what is true now; gives the last status of each table."""
        after = self._truths.now()
        statuses = {sign.table: sign.status for sign in signs if sign.status}
        skipped = Skipped(logs)
        self.tally.syncs += 1
        self.tally.killed += killed
        self.tally.incomplete += "INCOMPLETE" in statuses.values()
        self.tally.streams.update(sign.table for sign in signs if sign.status == "COMPLETE")
        for truth in before, after:
            self._note(truth)
        for table, row in self._truths.between(before, after):
            self._known[table].setdefault(row.text, 1)
        for table in self.tables:
            signs_of = [sign for sign in signs if sign.table == table]
            was, now = ([row for row in truth.rows[table] if not row.is_nothing] for truth in (before, after))
            self._excused[table] |= {row.text for row in (*was, *now) if skipped.has(table, row)}
            complete = statuses.get(table) == "COMPLETE"
            if self._is_kept(table):
                moved = any(sign.state is not None for sign in signs_of)
                if self._lies_ahead(table, began):
                    read = any(sign.record for sign in signs_of)
                    # A listing looks at the clock when its turn comes, and that may have been put forward meanwhile.
                    may_be_read = table not in ALL_EXPORTS and not self._lies_ahead(table, self.sandbox.now)
                    assert may_be_read or not read, f"{table}: read, though its state lies ahead"
                    moved = moved and read
                settled = self._states.get(table, {}).get("settled")
                self._take(table, signs_of, killed=killed, keep_torn=keep_torn)
                self._compare(table, was, now, began, settled, moved=moved, complete=complete)
            elif complete:
                self._compare_whole(table, [sign.record for sign in signs_of if sign.record is not None], was, now)
                self._excused[table].clear()
        if self.mode == "full refresh" and set(statuses.values()) == {"COMPLETE"} and len(statuses) == len(self.tables):
            self._next_generation()
        return statuses

    def _lies_ahead(self, table: str, began: datetime) -> bool:
        """Whether the saved state lies in the future, by this machine's clock, which is behind.

        Days are read again from long before.
        """
        saved = self._states.get(table, {}).get(CURSORS[table])
        present = began + min(self.skew or timedelta(), timedelta())
        return saved is not None and table not in DAILY and moment(saved) > present

    def _next_generation(self) -> None:
        """The next full refresh starts anew, in a table of its own."""
        self._states.clear()
        for table in self.tables:
            self._rows[table] = []
            self._repeatable[table].clear()

    def _take(self, table: str, signs: list[Sign], *, killed: bool, keep_torn: bool) -> None:
        """Add what came; what came after the last state was torn by the kill, and came or did not."""
        never = self.mode == "append" and table != "users"  # reads only what is settled, so nothing is read again
        settled = self._states.get(table, {}).get("settled")
        reread = NEVER if never or settled is None else moment(settled)
        self._repeatable[table] += Counter(row.text for row in self._rows[table] if reread <= row.at < NEVER)
        since_state: list[Row] = []
        for sign in signs:
            if sign.record is not None:
                if "unparsed" not in sign.record.get("dataFields", {}):
                    since_state.append(Row.of(table, sign.record, self._truths.keys))
            elif sign.state is not None:
                self._states[table] = sign.state
                self._rows[table] += since_state
                self.tally.emitted += len(since_state)
                since_state = []
        if killed and not keep_torn:
            return
        self._rows[table] += since_state
        self.tally.emitted += len(since_state)
        if killed:
            self._repeatable[table] += Counter(row.text for row in since_state)
        elif table in ALL_EXPORTS or table in DAILY:
            assert not since_state, f"{table}: rows of a window that was not finished"

    def _compare(
        self,
        table: str,
        before: list[Row],
        after: list[Row],
        began: datetime,
        settled: str | None,
        *,
        moved: bool,
        complete: bool,
    ) -> None:
        """Compare what was replicated of a table that keeps a state, which was ``settled`` up to there."""
        rows = self._rows[table]
        arrived = Counter(row.text for row in rows)
        self._nothing_else(table, arrived)
        if not moved:
            return
        state = self._states[table]
        reached = moment(state[CURSORS[table]])
        if complete:
            self._assert_far_enough(table, state, began)
        lasting = Counter(row.text for row in before) & Counter(row.text for row in after)
        there = Counter({row.key: 1 for row in rows}) if self.mode == "full refresh" and table == "users" else arrived
        if self.mode == "append + deduped":
            there = Counter({row.key: row.text for row in rows}.values())
        wanted: Counter[Any] = Counter()
        for row in before:
            if not self._is_wanted(table, row, reached, settled, complete=complete):
                continue
            if there is not arrived and self.mode == "full refresh":
                wanted[row.key] = 1
            elif row.text in lasting and row.text not in self._excused[table]:
                wanted[row.text] = 1 if self.mode == "append + deduped" else lasting[row.text]
        if table in DAILY:
            self._due = set(wanted)
        self._nothing_lost(table, there, wanted)

    def _is_wanted(self, table: str, row: Row, reached: datetime, settled: str | None, *, complete: bool) -> bool:
        """Whether a row must be there once the state, which was ``settled`` up to there, has ``reached`` so far."""
        if table in DAILY:
            # What a day that is settled reports only now, since its campaign was edited, is not read any more.
            read = settled is None or row.at >= moment(settled) or row.text in self._due
            return row.at <= reached and read
        if table not in ALL_EXPORTS:
            return complete and (row.changed == NEVER or row.changed < reached)
        if None in row.key and self.mode == "append + deduped":
            return False  # a destination merges what has no key
        return row.at < reached or (self.mode == "full refresh" and table == "users" and complete)

    def _assert_far_enough(self, table: str, state: Mapping[str, Any], began: datetime) -> None:
        """A table that came to its end came to the present, or as near as its mode allows."""
        present = began.replace(microsecond=0) + min(self.skew or timedelta(), timedelta())
        waits = self.mode == "append" and table in (*EVENT_TABLES, *DAILY)
        reached, delay = moment(state[CURSORS[table]]), REVISED if table in DAILY else self.lookback
        if table in DAILY:
            present = present.replace(hour=0, minute=0, second=0)
        assert reached >= present - (delay if waits else timedelta()), (table, state)
        if table in ALL_EXPORTS:
            assert moment(state["settled"]) >= present - self.lookback, (table, state)

    def _compare_whole(self, table: str, records: list[Mapping[str, Any]], before: list[Row], after: list[Row]) -> None:
        """Compare a table that comes whole each time."""
        arrived = Counter(Row.of(table, record, self._truths.keys).text for record in records)
        self.tally.emitted += len(records)
        kept = Counter(row.text for row in before if row.text not in self._excused[table])
        self._nothing_else(table, arrived)
        self._nothing_lost(table, arrived, kept & Counter(row.text for row in after))

    def _nothing_lost(self, table: str, arrived: Counter[Any], wanted: Counter[Any]) -> None:
        missing = wanted - arrived
        self.tally.compared += wanted.total()
        self.tally.lost += missing.total()
        assert not missing, (
            f"{table}: {missing.total()} of {wanted.total()} rows are missing, {list(missing)[:2]}; "
            f"state {self._states.get(table)}"
        )

    def _nothing_else(self, table: str, arrived: Counter[str]) -> None:
        known = self._known[table]
        made_up = [text for text in arrived if text not in known]
        assert not made_up, f"{table}: {len(made_up)} rows that never were, {made_up[:2]}"
        twice = arrived - Counter(known) - self._repeatable[table]
        if table == "campaigns":  # that a campaign starts or ends is told again, though nothing else of it changes
            twice = Counter({text: number for text, number in twice.items() if number > 1})
        self.tally.twice += twice.total()
        assert not twice, f"{table}: {twice.total()} rows are there twice, {list(twice)[:2]}"


class Skipped:
    """What a sync says that Iterable would not give: lists, templates, experiments, rows that its totals count."""

    SAID: ClassVar = {
        "list_users": (r"lists? ([\d, to]+) skipped", 1),
        "template_content": (r"template (\d+) skipped", 0),
        "experiments": (r"experiment (\d+): only what the listing tells", 0),
    }
    """What is said of a row of each table, and where in its key the number is that is named."""

    def __init__(self, logs: Iterable[str]) -> None:
        """Take it from the log."""
        lines = list(logs)
        self._named = {
            table: {one for line in lines if (found := re.search(pattern, line)) for one in _numbers_of(found[1])}
            for table, (pattern, _) in self.SAID.items()
        }
        doubts = (re.search(r"(\w+): Iterable's own totals disagree", line) for line in lines)
        self._doubtful = {found[1] for found in doubts if found}

    def has(self, table: str, row: Row) -> bool:
        """Whether ``row`` is one of what could not be had, or perhaps could not."""
        if table in self._doubtful:
            return True
        return table in self.SAID and row.key[self.SAID[table][1]] in self._named[table]


def _until_error(messages: Iterator[AirbyteMessage]) -> Iterator[AirbyteMessage]:
    """The messages; the error at their end says only that a table is incomplete, which its status said."""
    with suppress(AirbyteTracedException):
        yield from messages


@contextmanager
def passed_waits() -> Iterator[list[float]]:
    """The waits of the connector in this process, which pass at once."""
    waits: list[float] = []
    sleep = time.sleep

    def record(seconds: float) -> None:
        thread = threading.current_thread()
        if thread is threading.main_thread() or thread.name.startswith("download "):
            waits.append(max(0.0, seconds))
        else:
            sleep(seconds)

    with patch.object(time, "sleep", record):
        yield waits


class _Keep(logging.Handler):
    """Keeps log lines, instead of writing them."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())

    @contextmanager
    def listening(self, logger: logging.Logger) -> Iterator[None]:
        """Keep what ``logger`` is told, and nothing else does."""
        with patch.object(logger, "propagate", False), patch.object(logger, "handlers", [self]):
            yield


def _numbers_of(text: str) -> Iterator[int]:
    """The numbers that a line of the log names: `3, 5 to 9`."""
    for span in text.split(", "):
        first, _, last = span.partition(" to ")
        yield from range(int(first), int(last or first) + 1)
