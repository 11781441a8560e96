"""The benchmark on the command line."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import requests
from rich.console import Console

from tools.benchmarks import authority, checks, profiling
from tools.benchmarks.bare import DATA_TYPES
from tools.benchmarks.contestants import (
    ROOT,
    Bare,
    Contestant,
    Job,
    NotToBeHadError,
    Ours,
    PublishedConnector,
    PublishedTap,
    environment,
)
from tools.benchmarks.data import DAYS, FIRST_DAY, LISTS, Sizes, sent_fields
from tools.benchmarks.measure import Run, measured
from tools.benchmarks.report import Copies, Report, Start, Waiting
from tools.benchmarks.server import HOST

PARTS = ("rows", "waiting", "curve", "long")
TABLES = ("email_send", "users", "list_users")
WINDOWS = 6
YEAR = 365
MEASURED_WAITING = 120.0
SMALL = Sizes(events=900, users=90, members=LISTS)
LIMIT_SECONDS = 300.0
IDLE_SECONDS = 60.0
LONG_SECONDS = 7200.0
# What part of the rows the published ones copy, so that their turns do not take an hour: their time grows
# with the rows in a straight line, and start-up is left out.
SHARES = {"email_send": 0.06, "users": 0.0067, "list_users": 0.0034}
QUICK_SHARES = {"email_send": 0.2, "users": 0.017, "list_users": 0.0067}


@dataclass(frozen=True)
class Serving:
    """A server that runs.

    Attributes:
        proxy: The address for `HTTPS_PROXY`.
        authority: The certificate for `REQUESTS_CA_BUNDLE`.
    """

    proxy: str
    authority: Path

    def seen(self) -> Mapping[str, Any]:
        """What the server counted."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(
                f"https://{HOST}/seen", proxies={"https": self.proxy}, verify=str(self.authority), timeout=10
            )
            counted: Mapping[str, Any] = answer.json()
            return counted


@contextlib.contextmanager
def serving(scratch: Path, seed: int, sizes: Sizes, *more: str) -> Iterator[Serving]:
    """Run a server as a process of its own."""
    bundle, chain = authority.issue(scratch / "authority", HOST)
    counts = [str(rows) for rows in (sizes.events, sizes.users, sizes.members)]
    command = [
        sys.executable,
        "-m",
        "tools.benchmarks.server",
        "--folder",
        str(scratch / "data"),
        "--chain",
        str(chain),
    ]
    with subprocess.Popen(
        [*command, "--seed", str(seed), "--sizes", *counts, *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            port = server.stdout.readline().strip() if server.stdout else ""
            if not port:
                raise SystemExit("The benchmark's server did not start; what it printed stands above.")
            yield Serving(f"http://127.0.0.1:{port}", bundle)
        finally:
            server.terminate()


class Benchmark:
    """What was requested, and what came of it."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self.options = options
        self.console = console
        self.scratch: Path = options.scratch.resolve()
        self.scratch.mkdir(parents=True, exist_ok=True)
        (self.scratch / ".gitignore").write_text("*\n", "utf-8")
        self.sizes = Sizes().scaled(options.scale)
        self.contestants: list[Contestant] = []
        self.report = Report({}, {})

    def run(self) -> Report:
        """Measure the parts that were requested."""
        with serving(self.scratch, self.options.seed, self.sizes, "--repeat", str(self.options.repeat)) as server:
            self._prepare(server)
            if self.options.profile:
                self._profile(self.options.profile)
                return self.report
            if "rows" in self.options.only:
                self._rows()
            if "curve" in self.options.only:
                self._curve()
            if "long" in self.options.only:
                self._long()
            refused = server.seen()["refused"]
            if refused:
                hosts = ", ".join(sorted(set(refused)))
                self.report.remarks.append(f"Someone wanted to reach other hosts, and was refused: {hosts}.")
        if "waiting" in self.options.only:
            self._waiting()
        return self.report

    def _prepare(self, server: Serving) -> None:
        versions: dict[str, str] = {}
        absent: dict[str, str] = {}
        kinds: list[type[Contestant]] = [Ours, Bare]
        if not (self.options.without_peers or self.options.profile):
            kinds += [PublishedConnector, PublishedTap]
        for kind in kinds:
            contestant = kind(self.scratch, environment(server.proxy, server.authority))
            try:
                contestant.prepare(self._tell)
                self._try(contestant)
            except NotToBeHadError as why:
                self._tell(f"{contestant.name} is left out: {why}")
                absent[contestant.name] = str(why)
                continue
            versions[contestant.name] = contestant.version
            self.contestants.append(contestant)
        self.report = Report(versions, absent)

    def _try(self, contestant: Contestant) -> None:
        """Have it copy nothing, so that one that cannot reach the server does not try for long."""
        job = self._idle(Job(("email_send",), _day(0), _day(DAYS), 0))
        run = self._measure(contestant, contestant.copies(job), IDLE_SECONDS)
        if run.code:
            raise NotToBeHadError(f"a sync of nothing ended with exit code {run.code} after {run.wall:.0f} s")

    def _rows(self) -> None:
        jobs = [
            (Copies(table, contestant.name), contestant, *self._job(contestant, table))
            for table in self.options.tables
            for contestant in self.contestants
        ]
        starts = {contestant.name: Start(contestant.name) for contestant in self.contestants}
        prints: dict[tuple[str, str], int] = {}
        for number in range(1, self.options.rounds + 1):
            for copies, contestant, job, expected in jobs:
                self._tell(f"Round {number} of {self.options.rounds}: {copies.table}, {contestant.name} ...")
                idle = self._measure(contestant, contestant.copies(self._idle(job)), IDLE_SECONDS)
                copies.idle.append(idle.cpu)
                starts[contestant.name].idle.append(idle.cpu)
                run = self._measure(contestant, contestant.copies(job))
                copies.runs.append((run, checks.delivered(self._out(contestant), copies.table, expected)))
                if missing := checks.missing_fields(self._out(contestant), sent_fields(copies.table)):
                    copies.note = f"{len(missing)} of {len(sent_fields(copies.table))} fields dropped"
                if number == 1 and isinstance(contestant, Ours):
                    prints[copies.table, contestant.name] = checks.fingerprint(self._out(contestant))
                self._out(contestant).unlink()
            for contestant in self.contestants:
                if command := contestant.spec():
                    starts[contestant.name].spec.append(self._measure(contestant, command).cpu)
        self.report.rows += [copies for copies, *_ in jobs]
        self.report.starts += starts.values()
        for table in self.options.tables:
            equal = prints[table, Ours.name] == prints[table, Bare.name]
            same = "the same records" if equal else "OTHER RECORDS THAN EACH OTHER"
            self.report.remarks.append(f"{table}: this connector and the bare loop wrote {same}.")

    def _job(self, contestant: Contestant, table: str) -> tuple[Job, int]:
        """What ``contestant`` copies of ``table``, and how many rows that is."""
        share = 1.0 if isinstance(contestant, Ours) or self.options.whole else self.options.shares[table]
        lists = max(1, round(LISTS * share))
        first = DAYS - max(1, round(DAYS * share))
        job = Job((table,), _day(first), _day(DAYS), lists)
        if table == "list_users":
            return job, self.sizes.members * lists // LISTS
        rows = self.sizes.events if table == "email_send" else self.sizes.users
        return job, rows - rows * first // DAYS

    @staticmethod
    def _idle(job: Job) -> Job:
        """The same when there is nothing to copy."""
        return Job(job.tables, _day(DAYS), _day(DAYS + 1), 0)

    def _measure(
        self, contestant: Contestant, command: Sequence[str], limit: float = LIMIT_SECONDS, every: float | None = None
    ) -> Run:
        return measured(command, self._out(contestant), contestant.environment, limit, every)

    def _out(self, contestant: Contestant) -> Path:
        return self.scratch / contestant.slug / "out.jsonl"

    def _curve(self) -> None:
        from tools.benchmarks import picture  # noqa: PLC0415 - matplotlib is not needed for the rest

        runs = {}
        for contestant in self.contestants:
            self._tell(f"Watching {contestant.name} copy {self.sizes.events:,} events ...")
            job = Job(("email_send",), _day(0), _day(DAYS), LISTS)
            run = self._measure(contestant, contestant.copies(job), self.options.watch, every=0.25)
            runs[contestant.name] = run.samples
            rows = checks.count(self._out(contestant))
            pace = f"{rows:,} rows in {run.wall:.0f} s, {rows / run.wall:,.0f} a second"
            cut = ", ended at the time limit" if run.stopped else ""
            self.report.remarks.append(f"Watched: {contestant.name}: {pace}, {_megabytes(run.peak)}{cut}.")
            self._out(contestant).unlink()
        title = f"Copying {self.sizes.events:,} email events of about 600 bytes"
        self.report.pictures += picture.draw(runs, title, self.options.pictures, "performance")

    def _long(self) -> None:
        contestant = next(each for each in self.contestants if type(each) is Ours)
        expected = self.sizes.events * self.options.repeat
        self._tell(f"One sync of {expected:,} events ...")
        job = Job(("email_send",), _day(-DAYS * (self.options.repeat - 1)), _day(DAYS), LISTS)
        run = self._measure(contestant, contestant.copies(job), LONG_SECONDS, every=1.0)
        rows = checks.count(self._out(contestant))
        self._out(contestant).unlink()
        tenth = max(1, len(run.samples) // 10)
        paces = [
            (some[-1].lines - some[0].lines) / (some[-1].seconds - some[0].seconds)
            for some in (run.samples[tenth : 2 * tenth + 1], run.samples[-tenth - 1 :])
        ]
        ends = (run.samples[:tenth], run.samples[-tenth - 1 : -1])
        memory = [median(sample.resident for sample in some) for some in ends]
        self.report.remarks.append(
            f"One sync of {rows:,} of {expected:,} rows: {run.cpu:.0f} s of processor time "
            f"({1e6 * run.cpu / max(1, rows):.1f} µs a row), {run.wall:.0f} s, {_megabytes(run.peak)} at most; "
            f"{paces[0]:,.0f} rows a second in its second tenth and {paces[1]:,.0f} in its last, "
            f"{_megabytes(memory[0])} in its first tenth and {_megabytes(memory[1])} in its last."
        )

    def _waiting(self) -> None:
        delay: float = self.options.delay
        tables = tuple(name for name in DATA_TYPES if name != "users")
        repeat = WINDOWS * YEAR // DAYS + 1
        more = ("--all-tables", "--delay", str(delay), "--repeat", str(repeat))
        with serving(self.scratch, self.options.seed, SMALL, *more) as server:
            there = environment(server.proxy, server.authority)
            ours, bare = Ours(self.scratch, there), Bare(self.scratch, there)
            for contestant in (ours, bare):
                contestant.prepare(self._tell)
            job = Job(tables, _day(DAYS - WINDOWS * YEAR), _day(DAYS), LISTS, YEAR)
            expected = len(tables) * WINDOWS * YEAR * SMALL.events // DAYS
            self._tell(f"{len(tables)} tables of {WINDOWS} windows, {delay:g} s before each export ...")
            run = self._measure(ours, ours.copies(job))
            asked = server.seen()["exports"]
            rows = checks.count(self._out(ours))
            sequential = None
            if len(tables) * WINDOWS * delay <= MEASURED_WAITING:
                sequential = self._measure(bare, bare.copies(job)).wall
        delivery = checks.Delivery(expected, rows, min(rows, expected))
        self.report.waiting.append(Waiting(len(tables), WINDOWS, delay, run.wall, delivery, asked, sequential))

    def _profile(self, table: str) -> None:
        contestant = next(each for each in self.contestants if type(each) is Ours)
        job, _ = self._job(contestant, table)
        stats = self.scratch / f"profile-{table}.pstats"
        program, *arguments = list(contestant.copies(job))[1:]
        command = [sys.executable, "-m", "tools.benchmarks.profiling", "--stats", str(stats), program, *arguments]
        run = self._measure(contestant, command)
        self._out(contestant).unlink()
        if run.code or not stats.exists():
            raise SystemExit(f"The profiled run failed with exit code {run.code}.")
        self.console.print(profiling.told(stats), markup=False, highlight=False, soft_wrap=True)

    def _tell(self, text: str) -> None:
        self.console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {text}", highlight=False)


def _day(number: int) -> str:
    return f"{FIRST_DAY + timedelta(days=number):%Y-%m-%d}"


def _megabytes(size: float) -> str:
    return f"{size / (1 << 20):.0f} MB"


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    made = argparse.ArgumentParser(
        prog="python -m tools.benchmarks",
        description="Measure this connector beside the published connector, the published tap and a bare loop.",
        epilog="All traffic stays on the loopback interface; everything made lies in the scratch folder.",
    )
    made.add_argument("--quick", action="store_true", help="a tenth of the rows, two rounds, in under two minutes")
    made.add_argument("--scale", type=float, help="times 500,000 events, 300,000 users, 3,000,000 list members")
    made.add_argument("--rounds", type=int, help="how often each is measured (default: 3)")
    made.add_argument("--seed", type=int, default=1, help="what the rows are made from (default: 1)")
    made.add_argument("--only", nargs="+", choices=PARTS, help="measure only this (default: all but long)")
    made.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, help="copy only these")
    made.add_argument("--without-peers", action="store_true", help="only this connector and the bare loop")
    made.add_argument("--whole", action="store_true", help="the published ones copy all rows too, which takes long")
    made.add_argument("--delay", type=float, help="seconds before each slow export (default: 1)")
    made.add_argument("--watch", type=float, help="seconds for which each is watched for the picture (default: 40)")
    made.add_argument("--repeat", type=int, default=20, help="part long: times the events (default: 20)")
    made.add_argument("--profile", choices=TABLES, help="only tell where this connector spends its time at a table")
    made.add_argument("--write", action="store_true", help="write docs/benchmark-results.md and the pictures there")
    made.add_argument("--scratch", type=Path, default=ROOT / ".bench", help="where everything lies (default: .bench)")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and show what came of it."""
    options = parser().parse_args(arguments)
    usual: dict[str, Any] = {"scale": 1.0, "rounds": 3, "delay": 1.0, "watch": 40.0, "shares": SHARES}
    if options.quick:
        usual = {"scale": 0.1, "rounds": 2, "delay": 0.25, "watch": 5.0, "shares": QUICK_SHARES}
    for name, value in usual.items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    options.only = options.only or [part for part in PARTS if part != "long"]
    options.pictures = ROOT / "docs" if options.write else options.scratch.resolve() / "pictures"
    if "long" not in options.only:
        options.repeat = 1
    console = Console(width=None if sys.stdout.isatty() else 160)
    report = Benchmark(options, console).run()
    if options.profile:
        return
    report.show(console)
    markdown = report.markdown()
    if options.write:
        (ROOT / "docs" / "benchmark-results.md").write_text(markdown, "utf-8")
    console.print(markdown, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
