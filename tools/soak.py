"""`make soak`: the long form of the reliability tests, with new seeds, for as long as one likes.

Three things run side by side: the model of test_model.py, chains of processes that are killed (SIGKILL) at random
points, and the stress of the look-ahead. Each failure is told with its seed; `--seed` begins with a given one.
"""

import argparse
import logging
import multiprocessing
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import reduce
from importlib.metadata import version
from operator import add
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase
from hypothesis import seed as with_seed
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from integration_tests.model import breakage
from integration_tests.model.attempts import MODES
from integration_tests.model.behaviours import BEHAVIOURS, EXPORT_METHODS, fitting
from integration_tests.model.breakage import endpoints_of, may_fail, name_of
from integration_tests.model.machine import OTHERS, Model
from integration_tests.model.project_changes import CHANGES, change
from integration_tests.model.replica import Replica
from integration_tests.model.signs import Sign, Tally
from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.all_tables import TABLES
from integration_tests.support.expected import EVENT_TABLES, TRUTH_OF
from integration_tests.support.processes import Reading
from integration_tests.support.sync import NOW, ROOT, START, environment
from unit_tests.prefetcher_stress import try_one

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"
COLUMNS = (
    "what", "chains", "syncs", "of them killed", "of them incomplete", "faults met", "rows written", "rows compared",
    "lost", "twice", "failures",
)  # fmt: skip
SHAKY = ("cut", "reset", "HTTP 500", "HTTP 503")
SCALE = 600
"""How many times as fast as in reality the time of the processes passes: minutes of an outage are tenths of seconds."""
KILLS = 9
"""In a chain, before the sync that is left to its end."""
EVENTS_OF_A_CHAIN = 8
"""So many event tables, beside all others."""
LOOKBACK = 60
"""The lookback of the chains, in minutes."""


@dataclass
class Report:
    """What one kind of test came to."""

    name: str
    chains: int = 0
    tally: Tally = field(default_factory=Tally)
    failures: list[str] = field(default_factory=list)

    def __add__(self, other: "Report") -> "Report":
        """Both together."""
        return Report(
            self.name, self.chains + other.chains, self.tally + other.tally, [*self.failures, *other.failures]
        )


TURN_SECONDS = 60.0
"""For how long a process runs: the library that paces requests leaves a thread behind for each sync."""


def model(until: float, seed: int) -> Report:
    """Examples of the model, a few for each seed."""
    report = Report("model: syncs, kills, faults, late rows and edits in any order")
    how = hypothesis_settings(
        max_examples=12,
        stateful_step_count=30,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    examples = 0

    class Counted(Model):
        tally = report.tally

        def __init__(self) -> None:
            nonlocal examples
            examples += 1
            super().__init__()

    for number in _numbers(until, seed):
        Counted.shift = number
        _try(report, number, lambda number=number: run_state_machine_as_test(with_seed(number)(Counted), settings=how))
    report.chains = examples
    return report


def kills(until: float, seed: int) -> Report:
    """Chains of processes, all but the last one killed."""
    report = Report("processes killed (SIGKILL) anywhere and resumed")
    size = Size(events=150, users=120, campaigns=12, templates=14, experiments=8, journeys=8)
    for number in _numbers(until, seed):
        rng = Random(number)
        mode = rng.choice(list(MODES))
        tables = {*OTHERS, *rng.sample(EVENT_TABLES, EVENTS_OF_A_CHAIN)}
        how: dict[str, Any] = {"window_in_days": rng.choice([3, 7, 30]), "export_method": rng.choice(EXPORT_METHODS)}
        options = fitting(
            {name: rng.choice(values) for name, values in BEHAVIOURS.items()}, LOOKBACK, how["export_method"]
        )
        with (
            tempfile.TemporaryDirectory() as folder,
            Sandbox(start=START, now=NOW, rate_scale=SCALE, size=size, **options) as sandbox,
        ):
            os.environ.update(environment(sandbox))
            replica = Replica(sandbox, tables, mode, report.tally, LOOKBACK, KILLS + 1, **how)
            _try(report, number, lambda: _chain(sandbox, replica, Path(folder), rng))  # noqa: B023 - called at once
        report.chains += 1
    return report


def _chain(sandbox: Sandbox, replica: Replica, folder: Path, rng: Random) -> None:
    """Kill a process again and again, then leave one alone; faults and late events come between."""
    for step in range(KILLS + 1):
        if rng.random() < 0.4:
            _fault(sandbox, rng)
        _late_events(sandbox, replica, rng)
        last = step == KILLS
        began, before = replica.begin()
        reading = Reading(
            folder / str(step),
            environment(sandbox),
            config=replica.settings,
            catalog=replica.catalog,
            state=replica.state or None,
        )
        sandbox.forget_requests()
        with reading as one:
            killed = not last and one.read_until(_some_point(rng, one, sandbox))
            if killed:
                one.kill()
            output = one.read_all()
            assert not one.leftovers, one.leftovers
        statuses = replica.end(
            began, before, list(Sign.of(output.messages)), output.logs, killed=killed, keep_torn=rng.random() < 0.7
        )
        for fault, struck in sandbox.faults.all():
            replica.tally.faults[name_of(fault)] += struck
        if last:
            done = statuses.keys() - may_fail(sandbox.options)
            assert {statuses[one] for one in done} == {"COMPLETE"}, (statuses, output.errors)
        sandbox.faults.clear()


def _some_point(rng: Random, one: Reading, sandbox: Sandbox) -> Callable[[], bool]:
    """A timestamp of a sync: after so many lines, requests, or milliseconds."""
    kind = rng.random()
    if kind < 0.3:
        requests = rng.randrange(1, 80)
        return lambda: len(sandbox.requests) >= requests
    if kind < 0.4:
        moment = time.monotonic() + rng.random() * 4
        return lambda: time.monotonic() >= moment
    lines = rng.randrange(1, rng.choice([100, 400, 3500]))
    return lambda: one.text.count(b"\n") >= lines


def _fault(sandbox: Sandbox, rng: Random) -> None:
    """A fault that passes: after some requests, or after some minutes of scaled time."""
    if rng.random() < 0.5:
        kind, place = rng.choice(breakage.OUTAGES), rng.choice(endpoints_of(TABLES, "automatic"))
        seconds = rng.choice([60.0, 240.0, 480.0])
        outage = breakage.outage(kind, place, seconds=seconds, nth=rng.randrange(1, 9))
        sandbox.faults.add(replace(outage, lasting=(outage.lasting or 0.0) / SCALE))
        return
    if rng.random() < 0.2:
        slow = rng.choice([breakage.EXPORT, breakage.LISTS, "storage/*"])
        sandbox.faults.add(Fault(kind="slow", endpoint=slow, nth=rng.randrange(1, 9), seconds=0.5, after_bytes=300))
        return
    shaky = rng.choice(SHAKY)
    endpoint = rng.choice(endpoints_of(TABLES, "automatic"))
    how = {"kind": "status", "status": int(shaky.split()[1])} if shaky.startswith("HTTP") else {"kind": shaky}
    if rng.random() < 0.5 and "status" not in how:
        how["after_bytes"] = rng.randrange(2000)
    sandbox.faults.add(Fault(endpoint=endpoint, nth=rng.randrange(1, 9), **how))  # type: ignore[arg-type]


def _late_events(sandbox: Sandbox, replica: Replica, rng: Random) -> None:
    """Time passes, events happen, and some become exportable late; something else changes."""
    change(sandbox, rng.choice(CHANGES), rng.randrange(12))
    sandbox.grow(0)
    sandbox.advance(minutes=rng.choice([0, 1, 70, 2000]))
    sandbox.grow(rng.randrange(5), users=rng.randrange(4))
    now = sandbox.now.timestamp()
    events = [table for table in replica.tables if table in EVENT_TABLES]
    for number in range(rng.randrange(6)):
        at = int(now) - rng.randrange(3500)
        row = {
            "email": f"late.{at}.{number}.{rng.random()}@example.com",
            "createdAt": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} +00:00",
        }
        shown = rng.uniform(now, max(now, at + 3599))
        sandbox.add_event(TRUTH_OF[rng.choice(events)], row, exportable_at=shown)


def stress(until: float, seed: int) -> Report:
    """The look-ahead on real threads, with random sizes, refusals, failures and room."""
    report = Report("look-ahead: random sizes, refusals, failures, room on disk")
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    for number in _numbers(until, seed):
        _try(report, number, lambda number=number: try_one(number))
        report.chains += 1
        time.sleep(0.5)  # the other two need the processor more
    sys.setswitchinterval(usual)
    return report


def in_turns(kind: Callable[[float, int], Report], until: float, seed: int) -> Report:
    """Run a kind of test until the time is up, in one process after the other."""
    fresh = multiprocessing.get_context("spawn")
    reports = []
    for number in _numbers(until, seed):
        with ProcessPoolExecutor(1, mp_context=fresh, initializer=_be_quiet) as pool:
            reports.append(pool.submit(kind, min(until, time.time() + TURN_SECONDS), number).result())
    return reduce(add, reports)


def _numbers(until: float, seed: int) -> Iterator[int]:
    """Seeds, the given one first, until the time is up."""
    number = seed
    while time.time() < until:
        yield number
        number = random.Random(number).randrange(10**9)


def _try(report: Report, seed: int, test: Callable[[], object]) -> None:
    try:
        test()
    except Exception:
        text = traceback.format_exc()
        report.failures.append(f"seed {seed}: {text}")
        print(f"\nFAILED: {report.name}, seed {seed}\n{text}", flush=True)


def table(reports: list[Report], minutes: float) -> str:
    """The figures as Markdown."""
    lines = [
        _circumstances(minutes),
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"| --- |{' ---: |' * (len(COLUMNS) - 1)}",
    ]
    for one in reports:
        tally = one.tally
        figures = (
            one.chains, tally.syncs, tally.killed, tally.incomplete, tally.faults.total(), tally.emitted,
            tally.compared, tally.lost, tally.twice, len(one.failures),
        )  # fmt: skip
        lines.append(f"| {one.name} | " + " | ".join(f"{figure:,}" for figure in figures) + " |")
    faults = sum((one.tally.faults for one in reports), start=Tally().faults)
    told = ", ".join(f"{name} {number:,}" for name, number in faults.most_common() if number)
    return "\n".join([*lines, "", f"Requests that a fault struck, by its kind: {told}."])


def _circumstances(minutes: float) -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    changed = " with changes in source_iterable" if git("status", "--porcelain", "source_iterable") else ""
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} at commit {git('rev-parse', '--short', 'HEAD')}{changed}: "
        f"{minutes:g} minutes, {os.cpu_count()} processors ({platform.machine()}, {platform.system()}), "
        f"Python {platform.python_version()}, airbyte-cdk {version('airbyte-cdk')}."
    )


def _be_quiet() -> None:
    """Leave the log of a server whose client was killed to itself."""
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL + 1)


def main() -> int:
    """Run for the given time; gives 1 if anything failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=20, help="for how long (20)")
    parser.add_argument("--seed", type=int, default=None, help="the first seed of each kind (random)")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.relative_to(ROOT)}")
    options = parser.parse_args()
    seed = random.randrange(10**9) if options.seed is None else options.seed
    print(f"seed {seed}, {options.minutes:g} minutes", flush=True)
    until = time.time() + 60 * options.minutes
    with ThreadPoolExecutor(3) as side_by_side:
        reports = list(side_by_side.map(lambda kind: in_turns(kind, until, seed), (model, kills, stress)))
    told = table(reports, options.minutes)
    print(told)
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{told}\n{END}{rest.partition(END)[2]}")
    return 1 if any(one.failures for one in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
