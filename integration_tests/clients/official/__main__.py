"""Let the official client read sandboxes, and compare what it finds with the differences that are expected."""

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from integration_tests.clients.official.differences import FAULTS, UNKNOWN, WITHOUT_COUNTERPART, WRITING, Difference
from integration_tests.sandbox import Sandbox

HERE = Path(__file__).parent
START, NOW = "2024-01-01T00:00:00Z", "2024-03-10T12:00:00Z"
PROJECTS: Mapping[str, Mapping[str, Any]] = {
    "as documented": {},
    "in every other form": {
        "project_type": "userid",
        "wrapped_catalogs": False,
        "experiments_total_count": True,
        "odd_metrics": True,
    },
}
"""Sandboxes, by what they are like."""
UNKNOWN_TO_CLIENT = {"unknownSession"}
"""Data types of the sandbox that the client calls otherwise."""


def main() -> int:
    """Print what is not as expected; gives 1 if anything is not."""
    calls: list[dict[str, Any]] = []
    wrong: list[str] = []
    methods: set[str] = set()
    for name, options in PROJECTS.items():
        with Sandbox(start=START, now=NOW, rate_scale=10_000, **options) as sandbox:
            told = outcome(sandbox)
            wrong += [f"{name}: {text}" for text in misread(sandbox, told["rows"])]
        calls += told["calls"]
        methods.update(told["methods"])
    for kind, expected in (("faults", FAULTS), ("unknown", UNKNOWN)):
        wrong += surprises(kind, expected, calls)
    wrong += [f"not refused as Iterable refuses: {one}" for one in calls if one["wrong"] and not _refused(one)]
    wrong += uncalled(methods, {one["method"] for one in calls})
    sys.stdout.writelines(f"{line}\n" for line in [*wrong, *summary(calls)])
    return int(bool(wrong))


def outcome(sandbox: Sandbox) -> dict[str, Any]:
    """What became of the calls, what was read, and the client's methods."""
    ran = subprocess.run(
        ["node", "calls.mjs", sandbox.url, sandbox.api_key],
        cwd=HERE,
        env=os.environ | {"LOG_LEVEL": "error", "NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


# What was read


def misread(sandbox: Sandbox, rows: Mapping[str, Any]) -> Iterator[str]:
    """What the client read otherwise than the sandbox holds it."""
    identifiers = {"templates": "templateId", "catalogs": "name", "catalog_items": "itemId"}
    for table, read in rows.items():
        if table == "jobs":
            yield from (f"the files of a job, {job['name']}, {job['format']}" for job in read if _differs(sandbox, job))
            continue
        truth = sandbox.truth(table)
        if table == "user_fields":
            same = sorted(read) == sorted(row["name"] for row in truth)
        elif table == "list_users":
            same = sorted(row["email"] for row in read) == sorted(row["line"] for row in truth)
        else:
            key = identifiers.get(table, "id")
            same = Counter(row[key] for row in read) == Counter(row[key] for row in truth)
        if not same:
            yield f"{table}: {len(read)} rows were read, and {len(truth)} are there, or others"
    exported = {job["name"] for job in rows["jobs"]}
    known = {name for name in sandbox.project.tables if name not in UNKNOWN_TO_CLIENT}
    if exported != known:
        yield f"data types: {sorted(exported ^ known)}"


def _differs(sandbox: Sandbox, job: Mapping[str, Any]) -> bool:
    """Whether the files of a job hold other rows than the sandbox."""
    truth = sandbox.truth(job["name"])
    if job["format"] == "text/csv":
        read = [row for body in job["bodies"] for row in csv.DictReader(io.StringIO(body, newline=""))]
        texts = [{name: _cell(value) for name, value in row.items() if value is not None} for row in truth]
        return _sorted({name: cell for name, cell in row.items() if cell} for row in read) != _sorted(
            {name: cell for name, cell in row.items() if cell} for row in texts
        )
    lines = [line for body in job["bodies"] for line in body.split("\n") if line.strip()]
    return _sorted(map(json.loads, lines)) != _sorted(truth)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _sorted(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


# What differs


def surprises(kind: str, expected: Sequence[Difference], calls: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Faults or unknown fields that are not expected, and expected ones that there are no more."""
    found = {(one["method"], text) for one in calls for text in one[kind] if not one["wrong"]}
    for method, text in sorted(found):
        if not any(_matches(method, text, one) for one in expected):
            yield f"not expected: {method}: {text}"
    for one in expected:
        if not any(_matches(method, text, one) for method, text in found):
            yield f"expected no more, so take it out of differences.py: {one.method}: {one.text}"


def _refused(call: Mapping[str, Any]) -> bool:
    """Whether the client understood why the sandbox refused a call."""
    return call["faults"] in (["HTTP 400 BadParams"], ["HTTP 404 NotFound"])


def _matches(method: str, text: str, one: Difference) -> bool:
    return fnmatchcase(method, one.method) and fnmatchcase(text, one.text)


def uncalled(methods: Iterable[str], called: Iterable[str]) -> Iterator[str]:
    """The client's methods that are neither called nor known to have no counterpart."""
    missing = set(methods) - set(called) - set(WITHOUT_COUNTERPART)
    yield from (f"never called: {name}" for name in sorted(missing) if not name.startswith(WRITING))


def summary(calls: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How many calls there were, and why each expected difference is one."""
    methods = len({one["method"] for one in calls})
    on_purpose = sum(one["wrong"] for one in calls)
    calls = [one for one in calls if not one["wrong"]]
    faulty = sum(bool(one["faults"]) for one in calls)
    yield f"{len(calls)} calls of {methods} methods, and {on_purpose} that are wrong on purpose; {faulty} with a fault:"
    for one in FAULTS:
        count = sum(any(_matches(call["method"], text, one) for text in call["faults"]) for call in calls)
        yield f"  {count:3} {one.method}: {one.text}: {one.why}"


if __name__ == "__main__":
    sys.exit(main())
