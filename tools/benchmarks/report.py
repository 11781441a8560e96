"""What was measured, as tables: for people on a terminal, and as Markdown for the documentation."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tools.benchmarks.checks import Delivery
from tools.benchmarks.contestants import ROOT
from tools.benchmarks.measure import Run

MEGABYTE = 1 << 20
MICRO = 1e6


@dataclass
class Copies:
    """The runs of one contestant at one table.

    Attributes:
        table: The table.
        contestant: Who.
        runs: Each with what it delivered.
        idle: Processor seconds of runs that found nothing to copy: start-up and the asking.
        note: What else is to be said.
    """

    table: str
    contestant: str
    runs: list[tuple[Run, Delivery]] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def microseconds(self) -> list[float]:
        """Processor time for each row delivered, start-up left out, of each run."""
        start = median(self.idle)
        return [MICRO * (run.cpu - start) / delivery.rows for run, delivery in self.runs if delivery.rows]

    @property
    def verdict(self) -> str:
        """Whether all runs delivered everything, and if not, how it failed."""
        failed = next(((run, told) for run, told in self.runs if not told.whole or run.code), None)
        if failed is None:
            return str(self.runs[0][1])
        run, told = failed
        ended = "ended at the time limit" if run.stopped else f"exit code {run.code}" if run.code else ""
        return "FAILED: " + ", ".join(part for part in (str(told), ended) if part)


@dataclass
class Start:
    """What it costs one contestant to start.

    Attributes:
        contestant: Who.
        spec: Processor seconds of telling its settings form, each run.
        idle: Processor seconds of a sync that finds nothing, each run.
    """

    contestant: str
    spec: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)


@dataclass
class Waiting:
    """Exports that are slow to begin: how long they take together.

    Attributes:
        tables: How many tables.
        windows: How many windows each.
        delay: Seconds before the first byte of each.
        ours: Wall seconds of this connector.
        delivery: What it delivered.
        requests: How many exports it requested.
        sequential: Wall seconds of the bare loop, one request after the other; None if not measured.
    """

    tables: int
    windows: int
    delay: float
    ours: float
    delivery: Delivery
    requests: int
    sequential: float | None

    @property
    def one_by_one(self) -> float:
        """Wall seconds of one request after the other, measured or else computed from the waiting alone."""
        return self.tables * self.windows * self.delay if self.sequential is None else self.sequential


@dataclass
class Report:
    """Everything that was measured.

    Attributes:
        versions: Who was measured, in which version.
        absent: Who was not, and why.
        rows: The copies.
        starts: The costs of starting.
        waiting: The slow exports.
        remarks: Sentences.
        pictures: Files drawn.
    """

    versions: Mapping[str, str]
    absent: Mapping[str, str]
    rows: list[Copies] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)

    def tables(self) -> list[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
        """The tables: title, heads, cells."""
        made: list[tuple[str, Sequence[str], Sequence[Sequence[str]]]] = []
        heads: Sequence[str]
        if self.rows:
            heads = (
                "table", "who", "rows", "CPU µs a row (least to most)", "x bare loop", "CPU s", "wall s",
                "peak MB", "delivered",
            )  # fmt: skip
            made.append(("Processor time for a row, start-up left out", heads, self._row_cells()))
        if self.starts:
            heads = ("who", "spec, CPU s", "sync that finds nothing, CPU s")
            cells = [(start.contestant, _middle(start.spec), _middle(start.idle)) for start in self.starts]
            made.append(("Start-up", heads, cells))
        if self.waiting:
            heads = ("tables x windows", "delay s", "one by one, s", "this connector, s", "ratio", "requests", "rows")
            cells_of_waiting: list[Sequence[str]] = [
                (
                    f"{each.tables} x {each.windows}",
                    f"{each.delay:g}",
                    f"{each.one_by_one:.1f} ({'computed' if each.sequential is None else 'measured'})",
                    f"{each.ours:.1f}",
                    f"{each.ours / each.one_by_one:.2f}",
                    str(each.requests),
                    str(each.delivery),
                )
                for each in self.waiting
            ]
            made.append(("Exports that are slow to begin, waiting overlapped", heads, cells_of_waiting))
        return made

    def show(self, console: Console) -> None:
        """Print it all."""
        for title, heads, cells in self.tables():
            table = Table(title=title, title_justify="left")
            for at, head in enumerate(heads):
                table.add_column(head, justify="left" if at == 0 or head in {"who", "delivered"} else "right")
            for line in cells:
                style = "bold red" if any("FAILED" in cell for cell in line) else None
                table.add_row(*line, style=style)
            console.print(table)
        for sentence in self._sentences():
            console.print(sentence)

    def markdown(self) -> str:
        """All of it as a page."""
        parts = ["# Benchmark results", "", "Written by `make bench`; performance.md tells how it measures.", ""]
        parts += [f"- {fact}" for fact in _circumstances()]
        parts += [f"- {who}: {version}" for who, version in self.versions.items()]
        for title, heads, cells in self.tables():
            parts += ["", f"## {title}", "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
            parts += [f"| {' | '.join(line)} |" for line in cells]
        parts += ["", *(f"- {sentence}" for sentence in self._sentences())]
        drawn = [path for path in self.pictures if path.suffix == ".svg"]
        parts += [part for path in drawn for part in ("", f"![Rows delivered and memory over time]({path.name})")]
        return "\n".join(parts).rstrip() + "\n"

    def _row_cells(self) -> list[Sequence[str]]:
        bare = {
            copies.table: median(copies.microseconds)
            for copies in self.rows
            if copies.contestant == "bare loop" and copies.microseconds
        }
        cells: list[Sequence[str]] = []
        for copies in self.rows:
            each = copies.microseconds
            runs = [run for run, _ in copies.runs]
            ratio = f"{median(each) / bare[copies.table]:.2f}" if each and copies.table in bare else "-"
            cells.append(
                (
                    copies.table,
                    copies.contestant,
                    f"{copies.runs[0][1].expected:,}",
                    f"{median(each):,.1f} ({min(each):,.1f} to {max(each):,.1f})" if each else "-",
                    ratio,
                    f"{median(run.cpu for run in runs):.1f}",
                    f"{median(run.wall for run in runs):.1f}",
                    f"{max(run.peak for run in runs) / MEGABYTE:.0f}",
                    "; ".join(part for part in (copies.verdict, copies.note) if part),
                )
            )
        return cells

    def _sentences(self) -> list[str]:
        return [*(f"{who} was not measured: {why}" for who, why in self.absent.items()), *self.remarks]


def _middle(numbers: Sequence[float]) -> str:
    if not numbers:
        return "-"
    return f"{median(numbers):.2f} ({min(numbers):.2f} to {max(numbers):.2f})"


def _circumstances() -> list[str]:
    load = ", ".join(f"{number:.2f}" for number in os.getloadavg())
    return [
        f"date: {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        f"commit: {_commit()}",
        f"machine: {_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        f"Python: {platform.python_version()}",
        f"load at the end (1, 5, 15 minutes): {load}",
    ]


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )
