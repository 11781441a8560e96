"""Runs one command and measures it: processor time, wall time, the most memory it had, what it wrote.

It runs as a small process of its own, since Linux counts to a process's peak what its parent had when it
was started.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

READ = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Sample:
    """What was seen of a run after ``seconds``: lines written, and bytes of memory in use."""

    seconds: float
    lines: int
    resident: int


@dataclass
class Run:
    """One run of a command.

    Attributes:
        code: Its exit code.
        cpu: Seconds of processor time, its own and the system's for it.
        wall: Seconds.
        peak: The most memory that was resident, in bytes.
        stopped: Whether it was ended because its time was up.
        samples: What was seen meanwhile, if that was requested.
    """

    code: int
    cpu: float
    wall: float
    peak: int
    stopped: bool = False
    samples: list[Sample] = field(default_factory=list)


def measured(
    command: Sequence[str], out: Path, environment: Mapping[str, str], limit: float, every: float | None = None
) -> Run:
    """Run ``command``, its standard output in the file ``out`` and its standard error beside it.

    Args:
        command: Program and arguments.
        out: Where its standard output goes.
        environment: The whole environment.
        limit: Seconds after which it is ended.
        every: Seconds between samples; None for no samples.
    """
    result = out.with_suffix(".run.json")
    sampled = [] if every is None else ["--every", str(every)]
    call = [sys.executable, "-m", "tools.benchmarks.measure", "--out", str(out), "--result", str(result)]
    subprocess.run(
        [*call, "--limit", str(limit), *sampled, "--", *command], cwd=ROOT, env=dict(environment), check=True
    )
    told = json.loads(result.read_text("utf-8"))
    return Run(**{**told, "samples": [Sample(**sample) for sample in told["samples"]]})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and write what it took as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks.measure", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--limit", type=float, required=True)
    parser.add_argument("--every", type=float)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    with options.out.open("wb") as out, options.out.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(options.command, stdin=subprocess.DEVNULL, stdout=out, stderr=log)
        ended = threading.Event()
        timer = threading.Timer(options.limit, process.kill)
        timer.start()
        samples: list[Sample] = []
        watch = threading.Thread(target=_watch, args=(process.pid, options, began, ended, samples))
        if options.every:
            watch.start()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        timer.cancel()
        ended.set()
        if options.every:
            watch.join()
    unit = 1 if sys.platform == "darwin" else 1024
    run = Run(
        process.returncode, used.ru_utime + used.ru_stime, wall, used.ru_maxrss * unit, wall >= options.limit, samples
    )
    options.result.write_text(json.dumps(asdict(run)), "utf-8")


def _watch(pid: int, options: argparse.Namespace, began: float, ended: threading.Event, samples: list[Sample]) -> None:
    """Count the lines of the file and look at the memory, until the process ends."""
    lines = 0
    with options.out.open("rb") as written:
        while True:
            last = ended.wait(options.every)
            while some := written.read(READ):
                lines += some.count(b"\n")
            try:
                process = psutil.Process(pid)
                resident = process.memory_info().rss
            except psutil.Error:
                resident = 0
            if resident or last:
                samples.append(Sample(time.monotonic() - began, lines, resident))
            if last:
                return


if __name__ == "__main__":
    main()
