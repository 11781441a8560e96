"""The command: `source-iterable spec|check|discover|read`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from typing import Any, NoReturn, cast

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor

from source_iterable import messages
from source_iterable.config import Config
from source_iterable.masking import unnamed
from source_iterable.output import TERMINATED, Log, Output
from source_iterable.records.batches import Batch
from source_iterable.source import SourceIterable

logger = logging.getLogger("airbyte")


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
        """Count the records of a batch for the stream's next state."""
        if isinstance(message, Batch):
            stream_message_count[HashableStreamDescriptor(name=message.record.stream)] += message.count  # type: ignore[union-attr]
            return message
        return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)

    def lines(self, arguments: argparse.Namespace) -> Generator[bytes, None, None]:
        """The output of the command: one message a line; records come many lines at a time."""
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
                _mask(message)
                yield f"{self.airbyte_message_to_string(message)}\n".encode()


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run the command of ``arguments``, by default the process's own, and end the process."""
    # Whatever PYTHONUNBUFFERED says: a buffered writer writes to the end, and one thread at a time.
    out = open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115 - it lives as long as the process
    log = Log(out)
    log.install()
    try:
        answer(sys.argv[1:] if arguments is None else arguments, Output(out, log), log)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        status = 1
        with suppress(OSError):
            sys.excepthook(*sys.exc_info())
    status = _finish(log, status)
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # At once: threads that still wait for an answer would keep the process, or log while Python shuts down.
    os._exit(status)


def answer(arguments: list[str], output: Output, log: Log) -> None:
    """Write the output of the command of ``arguments`` to ``output``, and its log to ``log``."""
    entrypoint = Entrypoint(SourceIterable(in_batches=True))
    signal.signal(signal.SIGTERM, output.end)
    parsed = entrypoint.parse_args(arguments)
    if parsed.command is None:
        raise messages.NO_COMMAND.error()
    if parsed.command == "read":
        require_temporary_folder()
    try:
        # Closed however it ends: a read gives back its files and cancels its export jobs.
        with closing(entrypoint.lines(parsed)) as lines:
            output.write(lines)
    finally:
        if output.ending and parsed.command == "read":
            log.finish()
            logger.warning(messages.TERMINATED.format())


def _finish(log: Log, status: int) -> int:
    """Write out the log; returns the exit code, which changes if the process is terminated meanwhile."""
    try:
        log.finish()
    except SystemExit:  # from here on, patience is bounded
        return _finish(log, TERMINATED)
    return status


def _mask(message: AirbyteMessage) -> None:
    """Remove personal data from what an unexpected error quotes; the catalogue's messages have none."""
    error = message.trace.error if message.trace else None
    if error:
        error.internal_message = error.internal_message and unnamed(error.internal_message)
        error.stack_trace = error.stack_trace and unnamed(error.stack_trace)


def require_temporary_folder() -> None:
    """Find the temporary folder, by writing a file: here, and not in a thread that may not get to remove it.

    Raises:
        AirbyteTracedException: A config_error, if there is none.
    """
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise messages.NO_TEMPORARY_FOLDER.error(detail=str(error)) from error
