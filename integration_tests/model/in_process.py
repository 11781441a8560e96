"""A sync in this process, whose waits pass at once."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from os import environ
from typing import Any
from unittest.mock import patch

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.utils import AirbyteTracedException

from integration_tests.model.virtual_time import VirtualTime
from integration_tests.sandbox import Sandbox
from integration_tests.support.sync import State, environment
from source_iterable import SourceIterable
from source_iterable.api import client, clock, export_jobs

READ_TIMEOUT = 0.3
"""What counts as a server that hangs, in real time."""
JOB_SECONDS = 2 * 3600.0
"""What counts as a job that hangs where there are jobs alone: a day would be thousands of looks at it."""


@contextmanager
def connected(
    sandbox: Sandbox,
    settings: Mapping[str, Any],
    catalog: Mapping[str, Any],
    state: State,
    *,
    virtual: VirtualTime,
    system_time: Callable[[], datetime],
    logs: list[str],
) -> Iterator[Iterator[AirbyteMessage]]:
    """The messages of a sync in this process, which is ended at the end of the block."""
    logger = logging.getLogger("airbyte")
    with ExitStack() as stack:
        stack.enter_context(Keep(logs).listening(logger))
        stack.enter_context(patch.dict(environ, environment(sandbox)))
        stack.enter_context(patch.dict(client.READ_TIMEOUT, dict.fromkeys(client.READ_TIMEOUT, READ_TIMEOUT)))
        stack.enter_context(patch.object(export_jobs, "LONG_PATIENCE", JOB_SECONDS))
        stack.enter_context(patch.object(clock.Clock.__init__, "__defaults__", (system_time,)))
        stack.enter_context(virtual.in_force())
        entrypoint = AirbyteEntrypoint(SourceIterable())
        messages = entrypoint.read(
            entrypoint.source.spec(logger),
            settings,
            ConfiguredAirbyteCatalogSerializer.load(dict(catalog)),
            [AirbyteStateMessageSerializer.load(one) for one in state],
        )
        try:
            yield _until_error(iter(messages))
        finally:
            messages.close()  # type: ignore[attr-defined]
            for thread in threading.enumerate():
                if thread.name.startswith("download "):
                    thread.join(timeout=30)
                    assert not thread.is_alive(), f"{thread.name} does not end"


def _until_error(messages: Iterator[AirbyteMessage]) -> Iterator[AirbyteMessage]:
    """The messages; the error at their end says only that a stream is incomplete, which its status said."""
    with suppress(AirbyteTracedException):
        yield from messages


class Keep(logging.Handler):
    """Keeps log lines, instead of writing them."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._lines.append(record.getMessage())

    @contextmanager
    def listening(self, logger: logging.Logger) -> Iterator[None]:
        """Keep what ``logger`` is told, and nothing else does."""
        with patch.object(logger, "propagate", False), patch.object(logger, "handlers", [self]):
            yield
