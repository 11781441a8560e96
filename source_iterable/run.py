"""The command: `source-iterable spec|check|discover|read`."""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, suppress
from types import FrameType
from typing import Any, BinaryIO, NoReturn, TextIO, cast

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, ConnectorSpecification, FailureType
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.config import Config
from source_iterable.messages import Batch
from source_iterable.source import SourceIterable

TERMINATED = 128 + signal.SIGTERM
PATIENCE_SECONDS = 7  # with a destination that does not read, once the process is asked to end
# What the CDK logs of each table and each retry, which other lines tell better.
CHATTER = (
    "Backing off ",
    "During the sync, the following ",
    "Setting state of ",
    "Status code: ",
    "UserDefinedBackoffException: ",
    "Finished syncing ",
    "Marking stream ",
    "MemoryMonitor ",
    "Read ",
    "SourceIterable runtimes",
    "Syncing stream",
)

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
        """Count the records of a batch for the table's next state."""
        if isinstance(message, Batch):
            stream_message_count[HashableStreamDescriptor(name=message.record.stream)] += message.count  # type: ignore[union-attr]
            return message
        return AirbyteEntrypoint.handle_record_counts(message, stream_message_count)

    def lines(self, arguments: argparse.Namespace) -> Generator[bytes, None, None]:
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


def run(arguments: list[str] | None = None) -> NoReturn:
    """Answer the command of ``arguments``, by default the process's own, on standard output, and end the process."""
    try:
        answer(sys.argv[1:] if arguments is None else arguments)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        status = 1
        with suppress(OSError):
            sys.excepthook(*sys.exc_info())
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # At once: threads that still wait for an answer would keep the process, or log while Python shuts down.
    os._exit(status)


def answer(arguments: list[str]) -> None:
    """Write what the command of ``arguments`` answers."""
    # Whatever PYTHONUNBUFFERED says: a buffered writer writes to the end, and one thread at a time.
    out = open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115 - it lives as long as the process
    log_to(io.TextIOWrapper(out, "utf-8", write_through=True))
    entrypoint = Entrypoint(SourceIterable(in_batches=True))
    output = Output(out)
    signal.signal(signal.SIGTERM, output.end)
    parsed = entrypoint.parse_args(arguments)
    if parsed.command is None:
        raise AirbyteTracedException(
            message="No command was given. Give one of spec, check, discover and read; --help tells of each.",
            internal_message="no command",
            failure_type=FailureType.config_error,
        )
    if parsed.command == "read":
        require_temporary_folder()
    try:
        # Closed however it ends: a read gives back its files and cancels its export jobs.
        with closing(entrypoint.lines(parsed)) as lines:
            output.write(lines)
    finally:
        if output.ending and parsed.command == "read":
            logger.warning(
                "The sync was told to end (SIGTERM): it was cancelled, or took longer than it may. What the STATE "
                "messages tell is saved, and another try goes on from there."
            )


def require_temporary_folder() -> None:
    """Find the temporary folder, by writing a file: here, and not in a thread that may not get to remove it.

    Raises:
        AirbyteTracedException: A config_error, if there is none.
    """
    try:
        tempfile.gettempdir()
    except OSError as error:
        raise AirbyteTracedException(
            message="There is no temporary folder that can be written to. Set $TMPDIR to one, with room for "
            "ITERABLE_SPOOL_MEGABYTES (2 GB by default).",
            internal_message=str(error),
            failure_type=FailureType.config_error,
        ) from error


def log_to(stream: TextIO) -> None:
    """Have log lines leave at once and whole, through the stream that the messages leave by."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)
            handler.addFilter(_without_noise)


def _without_noise(record: logging.LogRecord) -> bool:
    """Drop chatter, and what is told twice; of an error that is a sentence, tell that (the trace has the stack)."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, AirbyteTracedException) and error.message:
        record.msg, record.args, record.exc_info = error.message, (), None
    return record.levelno >= logging.ERROR or not str(record.msg).startswith(CHATTER)


class Output:
    """Where messages leave: each time whole lines in one `write` call, since other threads log to the same stream.

    Attributes:
        ending: Whether the process was asked to end.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._writing = False
        self.ending = False

    def write(self, lines: Iterable[bytes]) -> None:
        """Write ``lines`` until there are no more, or the process is asked to end."""
        for some in lines:
            self._writing = True
            self._out.write(some)
            self._out.flush()
            self._writing = False
            if self.ending:
                sys.exit(TERMINATED)

    def end(self, signal_number: int, frame: FrameType | None) -> None:
        """End tidily: after the lines that are being written, and at the latest when patience is at its end."""
        signal.signal(signal.SIGALRM, lambda *_: os._exit(TERMINATED))
        signal.alarm(PATIENCE_SECONDS)
        self.ending = True
        if not self._writing:
            sys.exit(TERMINATED)
