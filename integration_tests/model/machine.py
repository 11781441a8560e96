"""A sync, a kill, a late event, a fault, an edit, in any order: the model that hypothesis drives."""

from contextlib import ExitStack
from datetime import timedelta
from fnmatch import fnmatchcase
from os import environ
from random import Random
from typing import Any, ClassVar
from unittest.mock import patch

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from integration_tests.model import breakage
from integration_tests.model.attempts import MODES
from integration_tests.model.behaviours import BEHAVIOURS, EXPORT_METHODS, fitting
from integration_tests.model.members import MEMBERS
from integration_tests.model.project_changes import AT_ONCE, CHANGES, change
from integration_tests.model.replica import Replica
from integration_tests.model.signs import Tally
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.all_tables import TABLES
from integration_tests.support.expected import EVENT_TABLES, TRUTH_OF
from integration_tests.support.sync import NOW, START, environment

SMALL = Size(
    events=18,
    users=8,
    lists=4,
    users_per_list=5,
    campaigns=5,
    templates=6,
    metadata_keys=2,
    journeys=5,
    snippets=3,
    catalogs=2,
    catalog_items=3,
    experiments=4,
    forgotten=2,
)
OTHERS = tuple(table for table in TABLES if table not in EVENT_TABLES)


def some_streams(number: int) -> list[str]:
    """A few streams, one or two of events among them: drawn one by one, the first of all would come far more often."""
    rng = Random(number)
    return [*rng.sample(EVENT_TABLES, rng.randint(1, 2)), *rng.sample(OTHERS, rng.randint(1, 4))]


class Model(RuleBasedStateMachine):
    """Drives one replica of one sandbox; each sync compares by itself."""

    tally: ClassVar[Tally] = Tally()
    """What all examples came to."""
    shift: ClassVar[int] = 0
    """Added to what is drawn, so that the first and simplest example of another seed reads other streams."""

    def __init__(self) -> None:
        """Start without a sandbox: `begin` makes it."""
        super().__init__()
        self._stack = ExitStack()
        self._added = 0

    @initialize(
        mode=st.sampled_from(list(MODES)),
        draw=st.integers(0, 999_999),
        lookback=st.sampled_from([60, 0, 5, 1440, 10080]),
        window=st.sampled_from([30, 7, 3, 365]),
        method=st.sampled_from(EXPORT_METHODS),
        behaviour=st.fixed_dictionaries({name: st.sampled_from(values) for name, values in BEHAVIOURS.items()}),
        seed=st.integers(1, 5),
        attempts=st.sampled_from([3, None, 1]),
    )
    def begin(
        self,
        mode: str,
        draw: int,
        lookback: int,
        window: int,
        method: str,
        behaviour: dict[str, Any],
        seed: int,
        attempts: int | None,
    ) -> None:
        """Make a project that behaves in some way, and choose how it is replicated."""
        options = fitting(behaviour, lookback, method)
        streams = some_streams(self.shift + draw)
        note(f"{streams=}")
        self.sandbox = self._stack.enter_context(
            Sandbox(start=START, now=NOW, rate_scale=10_000, size=SMALL, seed=seed, **options)
        )
        self._stack.enter_context(patch.dict(environ, environment(self.sandbox)))
        self._lookback = timedelta(minutes=lookback)
        self._events = [stream for stream in streams if stream in EVENT_TABLES]
        self._method = method
        self._endpoints = breakage.endpoints_of(streams, method)
        self.replica = Replica(
            self.sandbox, streams, mode, self.tally, lookback, attempts, window_in_days=window, export_method=method
        )
        self.sandbox.faults.time = self.replica.virtual

    # The project changes

    @rule(minutes=st.sampled_from([1, 7, 59, 61, 300, 1441, 20_000]), events=st.integers(0, 9))
    def time_passes(self, minutes: int, events: int) -> None:
        """The sandbox's clock continues, and events happen meanwhile."""
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

    @rule(what=st.sampled_from(CHANGES), number=st.integers(0, 11))
    def something_changes(self, what: str, number: int) -> None:
        """Something comes, goes, or becomes another."""
        change(self.sandbox, what, number)

    # Things break

    @rule(
        kind=st.sampled_from(breakage.KINDS),
        place=st.integers(0, 11),
        times=st.sampled_from([1, 1, 1, 2, 3, 7, None]),
        nth=st.sampled_from([1, 1, 1, 2, 3, 5]),
        after=st.sampled_from([0, 1, 11, 60, 200, 700, 3000]),
    )
    def a_fault(self, kind: dict[str, Any], place: int, times: int | None, nth: int, after: int) -> None:
        """Something goes wrong from now on, for so many requests or until it is mended."""
        endpoint = self._endpoints[place % len(self._endpoints)]
        others = [fault for fault, _ in self.sandbox.faults.all()]
        fault = breakage.bearable(breakage.fault(kind, endpoint, times=times, nth=nth, after=after), others)
        if fault:
            self.sandbox.faults.add(fault)

    @rule(
        kind=st.sampled_from(breakage.OUTAGES),
        place=st.integers(0, 11),
        seconds=st.sampled_from([240, 20, 90, 480]),
        nth=st.sampled_from([1, 2, 3, 5, 9]),
    )
    def an_outage(self, kind: dict[str, Any], place: int, seconds: float, nth: int) -> None:
        """Something goes wrong at one endpoint for some minutes, from its call of that number on."""
        endpoint = self._endpoints[place % len(self._endpoints)]
        self.sandbox.faults.add(breakage.outage(kind, endpoint, seconds=seconds, nth=nth))

    @precondition(lambda self: breakage.LISTS in self._endpoints)
    @rule(kind=st.sampled_from(breakage.OF_A_LIST), number=st.integers(0, 3))
    def a_list_that_fails(self, kind: dict[str, Any], number: int) -> None:
        """One list cannot be read, until all is mended, or comes slowly."""
        lists = self.sandbox.truth("lists")
        if lists:
            list_id = int(lists[number % len(lists)]["id"])
            self.sandbox.faults.add(Fault(endpoint=breakage.LISTS, list_id=list_id, times=None, **kind))

    @precondition(lambda self: self.sandbox.faults.all())
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
        """A sync; what breaks for some minutes, or for one list, does not keep it from its end."""
        faults = [fault for fault, _ in self.sandbox.faults.all()]
        self.replica.failing_lists = breakage.failing_lists(faults)
        statuses = self.replica.sync()
        self.replica.failing_lists = None
        struck = [fault for fault, struck in self.sandbox.faults.all() if struck]
        if breakage.are_borne([fault for fault in struck if fault.list_id is None], self._method):
            lists_fail = any(fault.list_id is not None for fault in faults)
            self._assert_complete({name: one for name, one in statuses.items() if name != MEMBERS or not lists_fail})

    @precondition(lambda self: not self.sandbox.faults.all())
    @rule(
        at=st.integers(1, 60),
        kind=st.sampled_from(breakage.OUTAGES),
        seconds=st.sampled_from([30, 200, 480]),
        nth=st.integers(1, 9),
    )
    def sync_with_an_outage_of_everything(self, at: int, kind: dict[str, Any], seconds: float, nth: int) -> None:
        """In the middle of a sync, when the key was accepted and the time is known, nothing works for some minutes."""
        outage = breakage.outage(kind, breakage.EVERYWHERE, seconds=seconds, nth=nth)
        self._assert_complete(self.replica.sync(meanwhile=(at, lambda: self.sandbox.faults.add(outage))))
        self._forget_faults()

    @precondition(lambda self: not self.sandbox.faults.all())
    @rule(at=st.integers(1, 60), seconds=st.sampled_from([30, 200, 480]))
    def sync_while_nobody_listens(self, at: int, seconds: float) -> None:
        """For some minutes in the middle of a sync no connection is accepted, and those that there are break off."""
        refuse, accept = self.sandbox.refuse_connections, self.sandbox.accept_connections

        def nobody_listens() -> None:
            self.replica.virtual.meanwhile(seconds, refuse, accept)

        try:
            statuses = self.replica.sync(meanwhile=(at, nobody_listens))
        finally:
            accept()
        self._assert_complete(statuses)
        self.tally.faults["refused"] += 1

    @rule(after=st.integers(1, 90), keep_torn=st.booleans())
    def sync_that_is_killed(self, after: int, keep_torn: bool) -> None:
        """A sync that ends for good anywhere; the next one resumes from the last state that came out."""
        self.replica.sync(after, keep_torn=keep_torn)

    @rule(
        at=st.integers(1, 60),
        minutes=st.sampled_from([0, 1, 90, 1000]),
        number=st.integers(0, 5),
        after=st.none() | st.integers(20, 120),
        listing=st.integers(0, 2 * len(breakage.PAGES)),
    )
    def sync_while_things_change(self, at: int, minutes: int, number: int, after: int | None, listing: int) -> None:
        """In the middle of a sync time passes, and much changes: after some message, or between two pages."""
        listings = [page for page in breakage.PAGES if any(fnmatchcase(page, one) for one in self._endpoints)]

        def change() -> None:
            self.replica.look()  # the sandbox's clock went on by itself
            self.time_passes(minutes, 3)
            self.replica.look()
            self.late_events(0.5, 0.5, 2, number)
            for what in AT_ONCE:
                self.something_changes(what, number)
                self.replica.look()

        if listing < len(breakage.PAGES) or not listings:
            self.replica.sync(after, meanwhile=(at, change))
            return
        self.sandbox.between_pages(listings[listing % len(listings)], change)
        self.replica.sync(after)
        self.sandbox.project.after_first_page.clear()

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
                self._assert_complete(self.replica.sync())
        finally:
            self._stack.close()

    def _assert_complete(self, statuses: dict[str, str]) -> None:
        """All streams came to their end, but for those that may fail in such a project."""
        may_fail = breakage.may_fail(self.sandbox.options)
        assert {statuses[name] for name in statuses.keys() - may_fail} == {"COMPLETE"}, (
            statuses,
            self.replica.logs[-12:],
        )

    def _forget_faults(self) -> None:
        for fault, struck in self.sandbox.faults.all():
            self.tally.faults[breakage.name_of(fault)] += struck
        self.sandbox.faults.clear()
        note(f"{self.tally}")
