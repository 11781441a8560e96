"""Read a fictional project with an installed connector: ``python -m tools.smoke COMMAND``.

COMMAND is the console script of any environment, of another version of Python too. Its answers to `spec`, `check`,
`discover` and `read` must be those of this checkout.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from integration_tests.sandbox import Sandbox
from integration_tests.support.command import run
from integration_tests.support.sync import NOW, START, Output, environment, settings


def run_installed(command: str, sandbox: Sandbox, verb: str, **documents: Any) -> Output:
    """Run ``COMMAND VERB --name FILE ...`` with each of ``documents`` in a file, and outside of this checkout."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(Path(command).absolute()), verb]
        for name, document in documents.items():
            file = Path(folder, f"{name}.json")
            file.write_text(json.dumps(document), "utf-8")
            arguments += [f"--{name}", str(file)]
        ran = subprocess.run(
            arguments, cwd=folder, env=os.environ | environment(sandbox), capture_output=True, text=True, check=False
        )
    return Output(map(json.loads, ran.stdout.splitlines()), ran.returncode, ran.stderr)


def everything(catalog: Mapping[str, Any]) -> dict[str, Any]:
    """A configured catalog of all tables, in full."""
    chosen = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    return {"streams": [{"stream": stream, **chosen} for stream in catalog["streams"]]}


def rows(output: Output) -> Counter[str]:
    """How often each record came, with the name of its table."""
    return Counter(json.dumps([record["stream"], record["data"]], sort_keys=True) for record in output.of("RECORD"))


def differences(command: str) -> list[str]:
    """In what ``command`` differs from this checkout, a sentence each."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as sandbox:
        config = settings(sandbox, export_method="automatic")
        catalog = run(sandbox, "discover", config=config).of("CATALOG")[0]
        documents: dict[str, dict[str, Any]] = {
            "spec": {},
            "check": {"config": config},
            "discover": {"config": config},
            "read": {"config": config, "catalog": everything(catalog)},
        }
        found = []
        for verb, given in documents.items():
            there, here = run_installed(command, sandbox, verb, **given), run(sandbox, verb, **given)
            if there.exit_code:
                found.append(f"{verb} ended with exit code {there.exit_code}: {there.text[-2000:]}")
            other = [kind for kind in ("SPEC", "CONNECTION_STATUS", "CATALOG") if there.of(kind) != here.of(kind)]
            found += [f"{verb} answered another {kind}." for kind in other]
            if rows(there) != rows(here):
                found.append(f"{verb} gave other records: {rows(there).total()}, and here {rows(here).total()}.")
    return found


def main(arguments: Sequence[str]) -> int:
    """Compare the command that ``arguments`` name; gives the exit code."""
    (command,) = arguments
    found = differences(command)
    for difference in found:
        sys.stderr.write(f"{command}: {difference}\n")
    if not found:
        sys.stdout.write(f"{command} answers as this checkout does.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
