"""A `read` as a process under way: what it has written so far, and how it is made to end."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from integration_tests.support.sync import ROOT, Output, State

PATIENCE = 60.0
"""Seconds within which anything that a test waits for must happen."""


def until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as ``condition`` holds.

    Raises:
        TimeoutError: If it does not come to hold.
    """
    on_exhausted = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > on_exhausted:
            raise TimeoutError(what)
        threading.Event().wait(0.005)  # `time.sleep` passes at once in tests


class Reading:
    """`python main.py read`, with its documents and its temporary files in a folder of its own.

    Its output is a pipe that is read only when a test requests it.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        config: Mapping[str, Any],
        catalog: Mapping[str, Any],
        state: State | None = None,
        temporary: Path | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        """Start it; ``temporary`` is its $TMPDIR, and ``before`` runs in its process before it does."""
        folder.mkdir(parents=True, exist_ok=True)
        self.temporary = temporary or folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.text = b""
        """What was taken of its output."""
        arguments = [sys.executable, "main.py", "read"]
        documents = {"config": config, "catalog": catalog} | ({"state": state} if state else {})
        for name, document in documents.items():
            file = folder / f"{name}.json"
            file.write_text(json.dumps(document))
            arguments += [f"--{name}", str(file)]
        self._stderr = (folder / "stderr").open("w+b")
        self._out, self._in = os.pipe()
        self.process = subprocess.Popen(
            arguments,
            cwd=ROOT,
            env=os.environ | dict(environment) | {"TMPDIR": str(self.temporary)},
            stdout=self._in,
            stderr=self._stderr,
            preexec_fn=before,  # noqa: PLW1509 - nothing else runs in this process at that moment
        )

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, however that may be."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._out)
        os.close(self._in)
        self._stderr.close()

    # What it writes

    def read_until(self, condition: Callable[[], object]) -> bool:
        """Take its output, a piece at a time, until ``condition`` holds; tell whether it did before the end.

        Raises:
            TimeoutError: If neither comes.
        """
        on_exhausted = time.monotonic() + PATIENCE
        while not condition():
            ended = self.process.poll() is not None
            if select.select([self._out], [], [], 0.01)[0]:
                self.text += os.read(self._out, 1 << 16)
            elif ended:
                return False
            elif time.monotonic() > on_exhausted:
                raise TimeoutError(f"it continues without what was waited for: {self.text[-2000:]!r}")
        return True

    def read_lines(self, number: int) -> bool:
        """Take its output until it has written so many lines; tell whether it did before it ended."""
        return self.read_until(lambda: self.text.count(b"\n") >= number)

    def read_all(self) -> Output:
        """Take its output to its end."""
        self.read_until(lambda: False)
        self._wait()
        return self.output

    def is_stuck(self) -> bool:
        """Whether its pipe holds as much as it can, so that it waits for its reader."""
        return not select.select([], [self._in], [], 0)[1]

    @property
    def output(self) -> Output:
        """The whole lines that were taken, each of which must be a message; the rest is `summary_of`."""
        whole, _, _ = self.text.rpartition(b"\n")
        self._stderr.seek(0)
        stderr = self._stderr.read().decode()
        return Output(map(json.loads, whole.splitlines()), self.process.poll() or 0, stderr)

    @property
    def summary_of(self) -> bytes:
        """What was taken after the last whole line."""
        return self.text.rpartition(b"\n")[2]

    # How it ends

    def terminate(self) -> float:
        """Send SIGTERM and wait for its end; gives the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self._wait()
        return time.monotonic() - began

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()
        self._wait()

    def _wait(self) -> None:
        until(lambda: self.process.poll() is not None, "the process does not end")

    @property
    def leftovers(self) -> list[str]:
        """What lies in its temporary folder."""
        return sorted(str(path.relative_to(self.temporary)) for path in self.temporary.rglob("*"))
