"""Where the connector spends its processor time: cProfile over all of its threads."""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import re
import runpy
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LINES = 25
WAITS = re.compile(r"'acquire' of '_thread|built-in method time.sleep")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `main.py` under the profiler and keep what it tells, for each thread and for all."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks.profiling", description=main.__doc__)
    parser.add_argument("--stats", type=Path, required=True, help="where the numbers go")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    profiles: list[tuple[str, cProfile.Profile]] = []

    def begin(*_: Any) -> None:
        """Called in a new thread; takes the place of the function that called it."""
        sys.setprofile(None)
        profile = cProfile.Profile()
        try:
            profile.enable()
        except ValueError:  # from Python 3.12 on one profiler at a time: the main thread's
            return
        profiles.append((threading.current_thread().name, profile))

    threading.setprofile(begin)
    first = cProfile.Profile()
    profiles.append(("main thread", first))
    sys.argv = [options.program, *options.arguments]
    leave = os._exit

    def keep(status: int = 0) -> None:
        """Write what was gathered, then end as the connector does: without waiting for its threads."""
        first.disable()
        stats: pstats.Stats | None = None
        for _, profile in profiles:
            profile.create_stats()
            if profile.stats:
                stats = pstats.Stats(profile) if stats is None else stats.add(profile)
        if stats is not None:
            stats.dump_stats(options.stats)
        sys.stdout.flush()
        leave(status)

    os._exit = keep  # type: ignore[assignment]
    first.enable()
    try:
        runpy.run_path(options.program, run_name="__main__")
    finally:
        keep()


def told(stats: Path) -> str:
    """The functions that took most, without what only waits."""
    from io import StringIO  # noqa: PLC0415 - of no use to the profiled process

    text = StringIO()
    counted = pstats.Stats(str(stats), stream=text)
    for function in [each for each in counted.stats if WAITS.search(each[2])]:  # type: ignore[attr-defined]
        del counted.stats[function]  # type: ignore[attr-defined] # not in its declaration
    counted.strip_dirs().sort_stats("tottime").print_stats(LINES)
    return text.getvalue()


if __name__ == "__main__":
    main()
