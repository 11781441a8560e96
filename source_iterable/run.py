"""The command: `source-iterable spec|check|discover|read`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, BinaryIO, cast

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor

from source_iterable.config import Config
from source_iterable.messages import Batch
from source_iterable.source import SourceIterable

TERMINATED = 128 + signal.SIGTERM
# What the CDK logs of each table and each retry, which other lines tell better.
CHATTER = (
    "Backing off ",
    "Finished syncing ",
    "Marking stream ",
    "MemoryMonitor ",
    "Read ",
    "SourceIterable runtimes",
    "Syncing stream",
)


class Entrypoint(AirbyteEntrypoint):
    """The CDK's entrypoint, with errors about settings that name the setting, and batches of records."""

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Refuse settings that cannot be used.

        Raises:
            AirbyteTracedException: A config_error that names the field.
        """
        Config.parse(config)

    @staticmethod
    def handle_record_counts(
        message: AirbyteMessage, stream_message_count: defaultdict[HashableStreamDescriptor, float]
    ) -> AirbyteMessage:
        """Count the records of a batch for the table's next state."""
        if isinstance(message, Batch):
            stream_message_count[HashableStreamDescriptor(name=message.record.stream)] += message.count  # type: ignore[union-attr]
            return message
        return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)

    def lines(self, arguments: argparse.Namespace) -> Iterator[bytes]:
        """What the command of ``arguments`` answers: messages, one a line; of records many lines at a time."""
        if arguments.command != "read":
            yield from (f"{line}\n".encode() for line in self.run(arguments))
            return
        if arguments.debug:
            self.logger.setLevel(logging.DEBUG)
        source = self.source
        settings = source.configure(source.read_config(arguments.config), temp_dir="")
        catalog, state = source.read_catalog(arguments.catalog), source.read_state(arguments.state)
        for message in self.read(source.spec(self.logger), settings, catalog, cast("list[Any]", state)):
            if isinstance(message, Batch):
                yield message.lines
            else:
                yield f"{self.airbyte_message_to_string(message)}\n".encode()


def run(arguments: list[str] | None = None) -> None:
    """Answer the command of ``arguments``, by default the process's own, on standard output."""
    signal.signal(signal.SIGTERM, _end)
    log_to(sys.stdout)
    entrypoint = Entrypoint(SourceIterable(in_batches=True))
    parsed = entrypoint.parse_args(sys.argv[1:] if arguments is None else arguments)
    write(entrypoint.lines(parsed), sys.stdout.buffer)


def log_to(stream: Any) -> None:
    """Have log lines leave at once and whole, through the stream that the messages leave by."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
            handler.addFilter(lambda record: not str(record.msg).startswith(CHATTER))


def write(lines: Iterable[bytes], out: BinaryIO) -> None:
    """Write ``lines``: each time whole lines in one `write` call, since other threads log to the same stream."""
    for some in lines:
        out.write(some)
        out.flush()


def _end(signal_number: int, frame: FrameType | None) -> None:
    """End promptly and tidily: what was delivered is delivered, and the last state stands."""
    sys.exit(TERMINATED)
