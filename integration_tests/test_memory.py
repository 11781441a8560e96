"""Memory does not grow with a stream: peaks of the process that reads it."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.command import discover
from integration_tests.support.sync import NOW, ROOT, START, configured, environment, settings

MOST = 160.0
MOST_MORE = 10.0
"""Megabytes."""
ROWS = 40_000
"""Ten times as many take 10 MB more if twenty-eight bytes of each are kept, which the smallest object takes."""

HEAVY = 20
"""Rows of five megabytes."""

MEASURE = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
sys.stderr.write(f"{status} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}\\n")
"""
"""Runs a command; tells its exit code and its peak in kB. A process of its own, small and with one child: the
kernel counts what the parent of a process held when it was made as that process's own."""


class Read:
    """What came of a read: its exit code, its records, its peak in megabytes."""

    def __init__(self, there: dict[str, str], config: dict[str, Any], catalog: dict[str, Any]) -> None:
        """Read what ``catalog`` configures and drop it, as it comes."""
        self.records = self.bytes = 0
        self.complete = False
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", MEASURE, sys.executable, "main.py", "read"]
            for name, document in {"config": config, "catalog": catalog}.items():
                file = Path(folder, f"{name}.json")
                file.write_text(json.dumps(document))
                command += [f"--{name}", str(file)]
            with subprocess.Popen(
                command, cwd=ROOT, env=os.environ | there, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ) as running:
                assert running.stdout is not None
                assert running.stderr is not None
                for line in running.stdout:
                    self.records += line.startswith(b'{"type":"RECORD"')
                    self.bytes += len(line)
                    self.complete = self.complete or b'"status":"COMPLETE"' in line[-300:]
                status, peak = running.stderr.read().split()[-2:]
        self.status = int(status)
        self.megabytes = int(peak) * 1024 / 1e6


@contextlib.contextmanager
def served(rows: int) -> Iterator[dict[str, Any]]:
    """A sandbox in a process of its own, with so many rows in a stream; gives what it says when it is ready."""
    command = [sys.executable, "-m", "integration_tests.sandbox", "--start", START, "--now", NOW]
    command += ["--rate-scale", "10000", "--smallest", "--bulk", f"emailSend={rows}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            yield json.loads(serving.stdout.readline())
        finally:
            serving.terminate()


@pytest.fixture(scope="module")
def catalog() -> dict[str, Any]:
    with Sandbox(start=START, now=NOW, size=Size.smallest()) as sandbox:
        return configured(discover(sandbox), ["email_send"])


def test_given_a_stream_ten_times_larger_when_read_then_no_more_memory_is_used(catalog: dict[str, Any]) -> None:
    reads = []
    for rows in (ROWS, 10 * ROWS):
        with served(rows) as ready:
            there = {"ITERABLE_API_URL": ready["url"], "ITERABLE_RATE_SCALE": "10000"}
            config = {"api_key": ready["api_key"], "start_date": ready["start_date"], "export_method": "direct"}
            reads.append(Read(there, config, catalog))

    small, large = reads
    assert [(one.status, one.complete) for one in reads] == [(0, True)] * 2
    assert small.records == pytest.approx(ROWS, abs=10)
    assert large.records == pytest.approx(10 * ROWS, abs=10)
    assert small.megabytes < MOST
    assert large.megabytes < small.megabytes + MOST_MORE


def test_given_a_list_of_forgotten_users_of_eighty_megabytes_when_read_then_little_of_it_is_in_memory() -> None:
    """It stands in one line, in the order in which it must come."""
    reads = []
    for number in (1_000, 1_200_000):
        with Sandbox(start=START, now=NOW, rate_scale=10_000, size=Size.smallest()) as sandbox:
            hashes = ",".join(f'"{one:064x}"' for one in range(number))
            body = f'{{"hashedEmails":[{hashes}]}}'
            sandbox.faults.add(Fault(kind="status", status=200, endpoint="users/forgotten", body=body))
            chosen = configured(discover(sandbox), ["forgotten_users"], mode="full_refresh", to="overwrite")
            reads.append(Read(environment(sandbox), settings(sandbox), chosen))
        assert (reads[-1].status, reads[-1].complete) == (0, True)
        assert reads[-1].records == number

    small, large = reads
    assert large.megabytes < small.megabytes + 40  # five bytes a hash, and what they grow by


@pytest.fixture
def heavy() -> Iterator[Callable[[str], Sandbox]]:
    """Make a sandbox whose one window holds rows of five megabytes, of some text."""
    with contextlib.ExitStack() as stack:

        def make(text: str) -> Sandbox:
            sandbox = stack.enter_context(
                Sandbox(start="2024-03-01", now=NOW, rate_scale=10_000, size=Size(events=0), blank_lines=False)
            )
            random = Random(1)
            for number in range(HEAVY):
                filling = "".join(random.choices(text, k=5000)) * (5_000_000 // len(text[0].encode()) // 5000)
                row = {"email": f"{number}@example.com", "createdAt": "2024-03-05 10:00:00 +00:00", "url": filling}
                sandbox.add_event("emailSend", row)
            return sandbox

        yield make


@pytest.mark.parametrize("text", ["abcdefghij 0123456789", "\u00e9\u00e8\u00fc\u00f1", "\U0001f389\U0001f388"],
                         ids=["ASCII", "two bytes a character", "four bytes a character"])  # fmt: skip
def test_given_rows_of_five_megabytes_when_read_then_memory_holds_few_of_them(
    heavy: Callable[[str], Sandbox], catalog: dict[str, Any], text: str
) -> None:
    sandbox = heavy(text)

    read = Read(environment(sandbox), settings(sandbox), catalog)

    assert (read.status, read.complete, read.records) == (0, True, HEAVY)
    assert read.bytes > HEAVY * 5_000_000
    assert read.megabytes < MOST
