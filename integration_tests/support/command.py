"""Run the command of the connector as the platform does, in a process of its own or, much sooner, in this one."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import QueueListener
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

from airbyte_cdk.logger import AirbyteLogFormatter
from airbyte_cdk.utils import airbyte_secrets_utils

from integration_tests.sandbox import Sandbox
from integration_tests.support.sync import ROOT, Output, environment, settings
from source_iterable import output
from source_iterable.run import run as answer


def run(sandbox: Sandbox, command: str, **documents: Any) -> Output:
    """Run `python main.py COMMAND --name FILE ...` with each of ``documents`` in a file."""
    with _arguments(command, documents) as arguments:
        ran = subprocess.run(
            [sys.executable, "main.py", *arguments],
            cwd=ROOT, env=os.environ | environment(sandbox), capture_output=True, text=True, check=False,
        )  # fmt: skip
    return Output(map(json.loads, ran.stdout.splitlines()), ran.returncode, ran.stderr)


def run_here(sandbox: Sandbox, command: str, **documents: Any) -> Output:
    """What `run` gives, by the same code from its first line to its last, without the second that a process takes."""
    with (
        _arguments(command, documents) as arguments,
        tempfile.TemporaryFile("w+", encoding="utf-8") as stdout,
        tempfile.TemporaryFile("w+", encoding="utf-8") as stderr,
        patch.dict(os.environ, environment(sandbox)),
        patch.multiple(sys, stdout=stdout, stderr=stderr),
        _as_at_the_start_of_a_process(),
    ):
        try:
            answer(arguments)
        except _EndedError as ended:
            exit_code = ended.status
        stdout.seek(0)
        stderr.seek(0)
        return Output(map(json.loads, stdout), exit_code, stderr.read())


def discover(sandbox: Sandbox, **others: Any) -> dict[str, Any]:
    """The catalog that `discover` shows."""
    catalog: dict[str, Any]
    (catalog,) = run_here(sandbox, "discover", config=settings(sandbox, **others)).of("CATALOG")
    return catalog


@contextmanager
def _arguments(command: str, documents: Mapping[str, Any]) -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        arguments = [command]
        for name, document in documents.items():
            file = Path(folder, f"{name}.json")
            file.write_text(document if isinstance(document, str) else json.dumps(document))
            arguments += [f"--{name}", str(file)]
        yield arguments


class _EndedError(BaseException):
    """The process would have ended."""

    def __init__(self, status: int) -> None:
        self.status = status


def _end(status: int) -> NoReturn:
    raise _EndedError(status)


@contextmanager
def _as_at_the_start_of_a_process() -> Iterator[None]:
    """Let nothing be there that an earlier command left, and leave nothing of this one."""
    root, airbyte = logging.getLogger(), logging.getLogger("airbyte")
    console = logging.StreamHandler(sys.stdout)
    console.setFormatter(AirbyteLogFormatter("%(message)s"))
    listeners: list[QueueListener] = []

    class Listener(QueueListener):
        def start(self) -> None:
            listeners.append(self)
            super().start()

    level, on_sigterm = airbyte.level, signal.getsignal(signal.SIGTERM)
    airbyte_secrets_utils.update_secrets([])
    try:
        with (
            patch.object(root, "handlers", [console]),
            patch.object(sys, "excepthook", sys.excepthook),
            patch.object(os, "_exit", _end),
            patch.object(output, "QueueListener", Listener),
        ):
            airbyte.setLevel(logging.INFO)
            yield
    finally:
        for listener in listeners:
            listener.stop()
        airbyte.setLevel(level)
        signal.signal(signal.SIGTERM, on_sigterm)
