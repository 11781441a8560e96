"""Replay a recording through the connector, as a process, and tell what became of it."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from integration_tests.replay.compare import Outcome
from integration_tests.replay.outcomes import outcomes
from integration_tests.replay.recording import Recording


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each stream; gives 1 if anything was lost, invented, or is without its key."""
    made = argparse.ArgumentParser(prog="python -m tools.replay", description=__doc__)
    made.add_argument("recording", type=Path, help="a file as README.md describes it")
    made.add_argument("--export-method", choices=("direct", "jobs"), default="direct")
    given = made.parse_args(arguments)
    recording = Recording.load(given.recording)
    found = outcomes(recording, given.export_method)[given.export_method]
    sys.stdout.writelines(f"{line}\n" for one in found for line in lines(one))
    return int(any(one.faults for one in found))


def lines(outcome: Outcome) -> Iterator[str]:
    """What became of a stream's rows."""
    told = {"malformed": outcome.malformed, "sent twice": outcome.equal}
    counts = "".join(f", {count} {name}" for name, count in told.items() if count)
    yield f"{outcome.stream:26} {outcome.rows:4} rows {outcome.records:4} records{counts}"
    for name, names in {"no column": outcome.without_column, "does not fit": outcome.unfit}.items():
        if names:
            yield f"    {name}: {', '.join(f'{field} ({count})' for field, count in sorted(names.items()))}"
    yield from (f"    FAULT {fault}" for fault in outcome.faults)


if __name__ == "__main__":
    sys.exit(main())
