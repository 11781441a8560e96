"""A sync, a kill, a late event, a fault, an edit, in any order: the model that hypothesis drives."""

from contextlib import ExitStack
from datetime import timedelta
from os import environ
from typing import Any, ClassVar
from unittest.mock import patch

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from integration_tests.expected import EVENTS, TABLES, TRUTH_OF
from integration_tests.replica import MODES, Replica, Tally
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.sync import NOW, START, environment

SMALL = Size(events=18, users=8, lists=4, users_per_list=5, campaigns=5, templates=6, metadata_keys=2)
EXPORT = "export/data.json"
LISTS = "lists/getUsers"
ENDPOINTS = {
    "campaigns": "campaigns",
    "list_users": LISTS,
    "lists": "lists",
    "message_types": "messageTypes",
    "metadata": "metadata*",
    "templates": "templates",
}
"""Those of the tables that are no exports; `channels` is left alone, since it tells the time."""

KINDS: tuple[dict[str, Any], ...] = (
    {"kind": "cut"},
    {"kind": "cut", "clean": True},
    {"kind": "cut", "cut_at": "plain"},
    {"kind": "cut", "cut_at": "line"},
    {"kind": "cut", "cut_at": "character"},
    {"kind": "cut", "cut_at": "last_line"},
    {"kind": "cut", "cut_at": "end"},
    *({"kind": "cut", "cut_at": "plain", "times": None, "after_bytes": size} for size in (300, 1000, 3000)),
    {"kind": "reset"},
    {"kind": "reset", "after_bytes": 100},
    {"kind": "hang", "seconds": 0.6},
    {"kind": "hang", "seconds": 0.6, "after_bytes": 60},
    *({"kind": "status", "status": status} for status in (500, 502, 503, 504, 429, 400, 401, 403, 404)),
    {"kind": "status", "status": 429, "retry_after": 7},
    {"kind": "status", "status": 429, "retry_after": 3600},
    {"kind": "status", "status": 500, "body_bytes": 300_000},
    {"kind": "status", "status": 200, "body": ""},
    {"kind": "status", "status": 200, "body": "<html>a page of some proxy</html>"},
    {"kind": "malformed"},
    {"kind": "blank_lines"},
    {"kind": "redirect", "location": "http://127.0.0.1:9/api/"},
    {"kind": "next_page", "location": "http://127.0.0.1:9/api/?page=2"},
)


class Model(RuleBasedStateMachine):
    """Drives one replica of one sandbox; each sync compares by itself."""

    tally: ClassVar[Tally] = Tally()
    """What all examples came to."""

    def __init__(self) -> None:
        """Start without a sandbox: `begin` makes it."""
        super().__init__()
        self._stack = ExitStack()
        self._added = 0

    @initialize(
        mode=st.sampled_from(list(MODES)),
        others=st.sets(st.sampled_from(TABLES), max_size=4),
        events=st.sets(st.sampled_from(EVENTS), min_size=1, max_size=2),
        lookback=st.sampled_from([60, 0, 5, 1440, 10080]),
        window=st.sampled_from([30, 7, 3, 365]),
        inclusive_end=st.booleans(),
        seed=st.integers(1, 5),
    )
    def begin(
        self,
        mode: str,
        others: set[str],
        events: set[str],
        lookback: int,
        window: int,
        inclusive_end: bool,
        seed: int,
    ) -> None:
        """Make a project and choose how it is replicated."""
        self.sandbox = self._stack.enter_context(
            Sandbox(start=START, now=NOW, rate_scale=10_000, size=SMALL, seed=seed, inclusive_end=inclusive_end)
        )
        self._stack.enter_context(patch.dict(environ, environment(self.sandbox)))
        self._lookback = timedelta(minutes=lookback)
        self._events = sorted(events)
        self._endpoints = [EXPORT, *(ENDPOINTS[table] for table in sorted(others) if table in ENDPOINTS)]
        self.replica = Replica(self.sandbox, events | others, mode, Model.tally, lookback, window_in_days=window)

    # The project changes

    @rule(minutes=st.sampled_from([1, 7, 59, 61, 300, 1441, 20_000]), events=st.integers(0, 9))
    def time_passes(self, minutes: int, events: int) -> None:
        """The sandbox's clock goes on, and events happen meanwhile."""
        self.sandbox.grow(0)
        self.sandbox.advance(minutes=minutes)
        self.sandbox.grow(events)

    @rule(happened=st.floats(0, 1), exportable=st.floats(0, 1), number=st.integers(1, 3), which=st.integers(0, 1))
    def late_events(self, happened: float, exportable: float, number: int, which: int) -> None:
        """Events that happened within the lookback become exportable now, or within the lookback after they happened.

        Several may be of the same second, and exportable at different times.
        """
        now = self.sandbox.now
        allowed = max(self._lookback - timedelta(seconds=1), timedelta())
        at = (now - happened * allowed).replace(microsecond=0)
        shown = now + exportable * max(at + allowed - now, timedelta())
        for _ in range(number):
            self._added += 1
            row = {
                "email": f"late.{self._added}@example.com",
                "createdAt": f"{at:%Y-%m-%d %H:%M:%S} +00:00",
                "campaignId": self._added,
                "text": "späte Zeile \u2028 \U0001f389",
            }
            table = self._events[which % len(self._events)]
            self.sandbox.add_event(TRUTH_OF[table], row, exportable_at=shown)

    @rule(what=st.sampled_from(["profile", "campaign", "campaign ends", "template", "list"]), number=st.integers(0, 11))
    def something_changes(self, what: str, number: int) -> None:
        """A profile changes or a person comes; a campaign or a template is renamed; a campaign ends; a list goes."""
        if what == "profile":
            self.sandbox.change_user(number)
        elif what == "template":
            self.sandbox.edit_template(self.sandbox.truth("templates")[number % 6]["templateId"])
        elif what == "list":
            lists = self.sandbox.truth("lists")
            if len(lists) > 1:
                self.sandbox.delete_list(lists[number % len(lists)]["id"])
        else:
            change = self.sandbox.edit_campaign if what == "campaign" else self.sandbox.finish_campaign
            change(self.sandbox.truth("campaigns")[number % 5]["id"])

    # Things break

    @rule(
        kind=st.sampled_from(KINDS),
        place=st.integers(0, 11),
        times=st.sampled_from([1, 1, 1, 2, 3, 7, None]),
        nth=st.sampled_from([1, 1, 1, 2, 3, 5]),
        after=st.sampled_from([0, 1, 11, 60, 200, 700, 3000]),
    )
    def a_fault(self, kind: dict[str, Any], place: int, times: int | None, nth: int, after: int) -> None:
        """Something goes wrong from now on, for so many requests or until it is mended."""
        endpoint = self._endpoints[place % len(self._endpoints)]
        how: dict[str, Any] = {"endpoint": endpoint, "times": times, "nth": nth} | kind
        if kind["kind"] == "cut" and "after_bytes" not in kind:
            # Nothing at all under the name of a whole body may be true; it is believed when it comes twice.
            how["after_bytes"] = max(after, 1) if kind.get("clean") else after
        if kind["kind"] == "malformed":  # in a list any line is a member
            how |= {"times": 1, "endpoint": EXPORT}
        if kind["kind"] == "next_page" and endpoint not in {"campaigns", "templates"}:  # elsewhere it is but a field
            how |= {"kind": "redirect", "status": 307}
        if kind["kind"] == "hang":
            how["times"] = min(times or 2, 2)
        if kind.get("status") == 200 and endpoint in {EXPORT, LISTS}:
            how["status"] = 502  # a page that passes for an export is no fault that anyone could tell
        self.sandbox.faults.add(Fault(**how))

    @rule()
    def all_is_mended(self) -> None:
        """No more faults."""
        self._forget_faults()

    @rule(hours=st.sampled_from([None, 0, -5, 7, 2000]))
    def the_clock_is_set(self, hours: int | None) -> None:
        """This machine's clock is so many hours ahead of Iterable's."""
        self.replica.skew = None if hours is None else timedelta(hours=hours)

    # Syncs

    @rule()
    def sync(self) -> None:
        """A sync; without faults it comes to its end."""
        statuses = self.replica.sync()
        if not self._struck():
            assert set(statuses.values()) == {"COMPLETE"}, statuses

    @rule(after=st.integers(1, 90), keep_torn=st.booleans())
    def sync_that_is_killed(self, after: int, keep_torn: bool) -> None:
        """A sync that ends for good anywhere; the next one goes on from the last state that came out."""
        self.replica.sync(after, keep_torn=keep_torn)

    @rule(
        at=st.integers(1, 60),
        minutes=st.sampled_from([0, 1, 90, 1000]),
        number=st.integers(0, 5),
        after=st.none() | st.integers(20, 120),
    )
    def sync_while_things_change(self, at: int, minutes: int, number: int, after: int | None) -> None:
        """In the middle of a sync time passes, and much changes."""

        def change() -> None:
            self.time_passes(minutes, 3)
            self.late_events(0.5, 0.5, 2, number)
            for what in "profile", "campaign", "template", "list":
                self.something_changes(what, number)

        self.replica.sync(after, meanwhile=(at, change))

    def teardown(self) -> None:
        """At last all is mended, and late rows have come: then two syncs bring all there is."""
        if not hasattr(self, "replica"):
            return
        try:
            self._forget_faults()
            self.replica.skew = None
            for _ in range(2):
                self.sandbox.grow(0)
                self.sandbox.advance(seconds=self._lookback.total_seconds() + 60)
                statuses = self.replica.sync()
                assert set(statuses.values()) == {"COMPLETE"}, statuses
        finally:
            self._stack.close()

    def _struck(self) -> int:
        return sum(struck for _, struck in self.sandbox.faults.all())

    def _forget_faults(self) -> None:
        for fault, struck in self.sandbox.faults.all():
            Model.tally.faults[name_of(fault)] += struck
        self.sandbox.faults.clear()
        note(f"{Model.tally}")


def name_of(fault: Fault) -> str:
    """What a fault is called in a table."""
    return f"HTTP {fault.status}" if fault.kind == "status" else fault.kind.replace("_", " ")
