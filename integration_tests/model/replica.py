"""What a destination holds after any number of syncs, whole ones and broken ones, compared with the truth.

Three things must hold whenever a sync ends, however it ends:

- nothing is lost: what happened before the saved state is there, every value of it;
- nothing is twice but what may be: rows of a window that a kill tore, and of the lookback before the state;
- nothing is made up: what is there was, at some time, in Iterable.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from integration_tests.model.attempts import MODES, Attempts
from integration_tests.model.in_process import Keep, connected
from integration_tests.model.members import MEMBERS, Copy, goes_on
from integration_tests.model.signs import Sign, Skipped, Tally
from integration_tests.model.truths import NEVER, Known, Row, Truth, Truths, moment
from integration_tests.model.virtual_time import VirtualTime
from integration_tests.sandbox import Sandbox
from integration_tests.support.all_tables import CURSORS, DAILY, TABLES
from integration_tests.support.expected import ALL_EXPORTS, EVENT_TABLES
from integration_tests.support.sync import State, catalog_here, configured, settings

REVISED = timedelta(days=15)
"""How long the metrics of a day may change."""


class Replica:
    """A project and what was replicated of it, in one mode, over a chain of syncs."""

    def __init__(
        self,
        sandbox: Sandbox,
        tables: Iterable[str],
        mode: str,
        tally: Tally,
        lookback: int = 60,
        attempts: int | None = None,
        **others: Any,
    ) -> None:
        """Replicate ``tables`` of ``sandbox`` with that lookback, in minutes, and ``others`` of the settings.

        ``attempts`` are those of the platform at one sync; None for a runner that does not count syncs.
        """
        self.sandbox = sandbox
        self.tables = [table for table in TABLES if table in set(tables)]
        self.mode = mode
        self.tally = tally
        self.lookback = timedelta(minutes=lookback)
        self.settings = settings(sandbox, lookback_window_in_minutes=lookback, **others)
        with Keep([]).listening(logging.getLogger("airbyte")):
            discovered = catalog_here(sandbox)
        selected = configured(discovered, self.tables, *MODES[mode])
        self._attempts = Attempts(selected, attempts, is_overwritten=mode == "full refresh")
        self._copy = Copy()
        self.virtual = VirtualTime()
        self.logs: list[str] = []  # of the last sync
        self.failing_lists: frozenset[int] | None = None
        """The lists that cannot be read in the next sync, if nothing else fails; None where anything may."""
        schemas = {stream["name"]: stream["json_schema"] for stream in discovered["streams"]}
        self._truths = Truths(sandbox, schemas, self.tables)
        self._states: dict[str, Mapping[str, Any]] = {}
        self._rows: dict[str, list[Row]] = {table: [] for table in self.tables}
        self._repeatable: dict[str, Counter[str]] = {table: Counter() for table in self.tables}
        self._known = Known(self.tables)
        self._excused: dict[str, set[str]] = {table: set() for table in self.tables}
        self._due: set[str] = set()
        self.skew: timedelta | None = None
        """How far this machine's clock is ahead of the sandbox's; None where it is the true present."""

    def _is_kept(self, table: str) -> bool:
        """Whether what came of it is kept from sync to sync: the others come whole each time."""
        return table in ALL_EXPORTS or table == MEMBERS or (table in CURSORS and self.mode != "full refresh")

    # A sync

    @property
    def catalog(self) -> dict[str, Any]:
        """What is configured for the next sync."""
        return self._attempts.catalog

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

        With ``kill_after`` it ends after so many messages, and what came after the last state arrived or, without
        ``keep_torn``, did not. ``meanwhile`` is done after so many messages.
        """
        signs, logs, killed = list[Sign](), list[str](), False
        began, before = self.begin()
        self.sandbox.faults.time = self.virtual
        started = self.virtual.now()
        with connected(
            self.sandbox, self.settings, self.catalog, self.state,
            virtual=self.virtual, system_time=self._system_time, logs=logs,
        ) as messages:  # fmt: skip
            for number, sign in enumerate(Sign.here(messages), start=1):
                if sign is not None:
                    signs.append(sign)
                if meanwhile is not None and number == meanwhile[0]:
                    meanwhile[1]()
                if number == kill_after:
                    killed = True
                    break
        self.tally.waited += self.virtual.now() - started
        return self.end(began, before, signs, logs, killed=killed, keep_torn=keep_torn)

    def begin(self) -> tuple[datetime, Truth]:
        """What is true when a sync begins; all that was changed lies at least a second back."""
        if self._attempts.next():
            self._begin_copy()
            if self.mode == "full refresh":
                self._next_generation()
        self.sandbox.advance(seconds=1)
        self._truths.end_with(self.sandbox.now + min(self.skew or timedelta(), timedelta()))
        return self.sandbox.now, self._truths.now()

    def look(self) -> None:
        """Take note of what is true now, in the middle of a sync, which may see it."""
        self._known.note(self._truths.now())

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
        self.logs = logs = list(logs)
        skipped = Skipped(logs)
        self.tally.syncs += 1
        self.tally.killed += killed
        self.tally.incomplete += "INCOMPLETE" in statuses.values()
        self.tally.streams.update(sign.table for sign in signs if sign.status == "COMPLETE")
        for truth in before, after:
            self._known.note(truth)
        for name, row in self._truths.between(before, after):
            self._known.add_all(name, [row])
        if MEMBERS in self.tables:
            self._see_copy(before, after, has_begun=bool(signs))
        for table in self.tables:
            signs_of = [sign for sign in signs if sign.table == table]
            was, now = ([row for row in truth.rows[table] if not row.is_nothing] for truth in (before, after))
            self._excused[table] |= {row.text for row in (*was, *now) if skipped.has(table, row)}
            if skipped.is_doubtful(table):  # a template that is absent where it belongs comes without its medium
                self._known.add_all(table, self._rows_of(table, signs_of))
            complete = statuses.get(table) == "COMPLETE"
            if table == MEMBERS:
                self._take(table, signs_of, killed=killed, keep_torn=keep_torn)
                self._compare_copy(complete=complete, ended=statuses.get(table) == "INCOMPLETE" and not killed)
            elif self._is_kept(table):
                # A heartbeat is the saved state once more, without a cursor if nothing was delivered yet.
                states = [sign.state for sign in signs_of if sign.state is not None and CURSORS[table] in sign.state]
                moved = any(complete or state != self._states.get(table) for state in states)
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
                self._compare_whole(table, self._rows_of(table, signs_of), was, now)
                self._excused[table].clear()
        if set(statuses.values()) == {"COMPLETE"} and len(statuses) == len(self.tables):
            self._attempts.ended()
        return statuses

    def _rows_of(self, table: str, signs: Iterable[Sign]) -> list[Row]:
        return [Row.of(table, one.record, self._truths.keys) for one in signs if one.record is not None]

    def _see_copy(self, before: Truth, after: Truth, *, has_begun: bool) -> None:
        """Take note of the members that there were; a sync may have begun their copy again."""
        self._copy.see(before.rows[MEMBERS])
        if has_begun and not goes_on(self._states.get(MEMBERS, {}), self.logs):
            self._begin_copy()
        for truth in before, after:
            self._copy.see(truth.rows[MEMBERS])

    def _begin_copy(self) -> None:
        """All lists are read again, to take the place of what came of them."""
        self._copy = Copy()
        if MEMBERS in self.tables:
            self._rows[MEMBERS] = []
            self._repeatable[MEMBERS].clear()
            self._excused[MEMBERS].clear()

    def _lies_ahead(self, table: str, began: datetime) -> bool:
        """Whether the saved state lies in the future by this machine's clock; days are read again in any case."""
        saved = self._states.get(table, {}).get(CURSORS[table])
        present = began + min(self.skew or timedelta(), timedelta())
        return saved is not None and table not in DAILY and moment(saved) > present

    def _next_generation(self) -> None:
        """The next full refresh starts over, in a table of its own."""
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
        reached = moment(self._states[table][CURSORS[table]])
        if complete:
            self._assert_far_enough(table, self._states[table], began)
        lasting = Counter(row.text for row in before) & Counter(row.text for row in after)
        there = Counter({row.key: 1 for row in rows}) if self.mode == "full refresh" and table == "users" else arrived
        if self.mode == "append + deduped":
            there = Counter({row.key: row.text for row in rows}.values())
        wanted: Counter[Any] = Counter()
        for row in before:
            if not self._is_wanted(table, row, reached, settled, complete=complete):
                continue
            if there is not arrived and self.mode == "full refresh":
                if complete or row.text in lasting:  # one that changes meanwhile moves to a window that comes later
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

    def _compare_whole(self, table: str, rows: list[Row], before: list[Row], after: list[Row]) -> None:
        """Compare a table that comes whole each time."""
        arrived = Counter(row.text for row in rows)
        self.tally.emitted += len(rows)
        kept = Counter(row.text for row in before if row.text not in self._excused[table])
        self._nothing_else(table, arrived)
        self._nothing_lost(table, arrived, kept & Counter(row.text for row in after))

    def _compare_copy(self, *, complete: bool, ended: bool) -> None:
        """Compare the members of lists with what was there all the time while they were copied."""
        arrived = Counter(row.text for row in self._rows[MEMBERS])
        self._nothing_else(MEMBERS, arrived)
        failing = self.failing_lists
        if not complete and (not ended or failing is None):
            return
        left_out = {row.text for row in self._truths.now().rows[MEMBERS] if row.key[1] in (failing or ())}
        self._nothing_lost(
            MEMBERS, arrived, self._copy.wanted(self._excused[MEMBERS] | (set() if complete else left_out))
        )

    def _nothing_lost(self, table: str, arrived: Counter[Any], wanted: Counter[Any]) -> None:
        missing = wanted - arrived
        self.tally.compared += wanted.total()
        self.tally.lost += missing.total()
        assert not missing, (
            f"{table}: {missing.total()} of {wanted.total()} rows are missing, {list(missing)[:2]}; "
            f"state {self._states.get(table)}"
        )

    def _nothing_else(self, table: str, arrived: Counter[str]) -> None:
        known = self._known.of(table)
        made_up = [text for text in arrived if text not in known]
        assert not made_up, f"{table}: {len(made_up)} rows that never were, {made_up[:2]}"
        twice = arrived - Counter(known) - self._repeatable[table]
        if table == "campaigns":  # that a campaign starts or ends is told again, though nothing else of it changes
            twice = Counter({text: number for text, number in twice.items() if number > 1})
        self.tally.twice += twice.total()
        assert not twice, f"{table}: {twice.total()} rows are there twice, {list(twice)[:2]}"
