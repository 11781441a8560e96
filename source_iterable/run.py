"""The command: `source-iterable spec|check|discover|read`."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any, BinaryIO

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import ConnectorSpecification

from source_iterable.config import Config
from source_iterable.source import SourceIterable

BATCH_CHARACTERS = 1 << 18
RECORD = '{"type":"RECORD"'
TERMINATED = 128 + signal.SIGTERM


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, with errors about settings that name the setting."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Refuse settings that cannot be used.

        Raises:
            AirbyteTracedException: A config_error that names the field.
        """
        Config.parse(config)


def run(arguments: list[str] | None = None) -> None:
    """Answer the command of ``arguments``, by default the process's own, on standard output."""
    signal.signal(signal.SIGTERM, _end)
    entrypoint = Entrypoint(SourceIterable())
    # Log lines leave at once and whole, through the stream that the messages leave by.
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stdout)
    parsed = entrypoint.parse_args(sys.argv[1:] if arguments is None else arguments)
    write(entrypoint.run(parsed), sys.stdout.buffer)


def write(messages: Iterable[str], out: BinaryIO) -> None:
    """Write ``messages``, one a line: records by the batch, whatever else at once.

    A batch is one `write` call of whole lines, since log lines of other threads share the stream.
    """
    batch: list[str] = []
    size = 0
    try:
        for message in messages:
            batch.append(message)
            size += len(message)
            if size > BATCH_CHARACTERS or not message.startswith(RECORD):
                _flush(batch, out)
                size = 0
    finally:
        _flush(batch, out)


def _flush(batch: list[str], out: BinaryIO) -> None:
    if batch:
        batch.append("")
        out.write("\n".join(batch).encode())
        out.flush()
        batch.clear()


def _end(signal_number: int, frame: FrameType | None) -> None:
    """End promptly and tidily: what was delivered is delivered, and the last state stands."""
    sys.exit(TERMINATED)
