"""Standard output: messages and log lines are written as whole lines, one after the other."""

from __future__ import annotations

import io
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterable
from logging.handlers import QueueHandler, QueueListener
from types import FrameType
from typing import BinaryIO

from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.masking import unnamed

TERMINATED = 128 + signal.SIGTERM
SHUTDOWN_SECONDS = 7  # to wait for a destination that does not read, after a signal to end
MAX_QUEUED_LINES = 1000
# Lines that the CDK logs for each stream and each retry; lines of the connector contain the same and more.
SUPPRESSED_PREFIXES = (
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


class Log(QueueHandler):
    """A log handler that writes to the stream of the messages and never blocks a download.

    A line of the main thread is written at once, so that it keeps its position among the messages, which the same
    thread writes. A line of any other thread is queued, and a separate thread writes it: while the destination does not
    read, only that thread waits, and downloads continue. When the queue is full, lines are dropped and counted.
    """

    def __init__(self, out: BinaryIO, max_queued: int = MAX_QUEUED_LINES) -> None:
        """Write to ``out``, and queue up to ``max_queued`` lines of other threads."""
        self._lines: queue.Queue[logging.LogRecord] = queue.Queue(max_queued)
        super().__init__(self._lines)
        self._direct = logging.StreamHandler(io.TextIOWrapper(out, "utf-8", write_through=True))
        self._listener = QueueListener(self._lines, self._direct)
        self._dropping = threading.Lock()
        self._dropped = 0
        self.addFilter(_without_noise)

    def install(self) -> None:
        """Replace the handlers of the root logger, and use their formatter."""
        root = logging.getLogger()
        formatter = next((handler.formatter for handler in root.handlers), None)
        root.handlers[:] = [self]
        self.start(formatter)

    def start(self, formatter: logging.Formatter | None) -> None:
        """Format all lines with ``formatter``, and start the thread that writes the queued ones."""
        self._direct.setFormatter(formatter)
        self._listener.start()

    def handle(self, record: logging.LogRecord) -> bool:
        """Write or queue ``record``, without the lock of `logging.Handler`, which could block a download."""
        passed = bool(self.filter(record))
        if passed:
            self.emit(record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record of the main thread; queue one of any other thread."""
        if threading.current_thread() is threading.main_thread():
            self.settle()
            self._direct.handle(record)
        else:
            super().emit(record)

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue ``record``; if the queue is full, count it as dropped."""
        with self._dropping:
            try:
                if self._dropped:
                    self._lines.put_nowait(_dropped(self._dropped))
                    self._dropped = 0
                self._lines.put_nowait(record)
            except queue.Full:
                self._dropped += 1

    def settle(self) -> None:
        """Wait until the queued lines are written."""
        if self._lines.unfinished_tasks:
            self._lines.join()

    def finish(self) -> None:
        """Wait until all lines are written, the count of dropped ones included."""
        with self._dropping:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._lines.put(_dropped(dropped))
        self.settle()


class Output:
    """The stream of messages. Each `write` call contains whole lines, since log lines go to the same stream.

    Attributes:
        ending: Whether the process received a signal to end.
    """

    def __init__(self, out: BinaryIO, log: Log | None = None) -> None:
        """Write to ``out``, and between messages wait for the queued lines of ``log``."""
        self._out = out
        self._log = log
        self._writing = False
        self.ending = False

    def write(self, lines: Iterable[bytes]) -> None:
        """Write ``lines`` until there are no more, or until a signal to end. Each item consists of whole lines."""
        for item in lines:
            self._writing = True
            self._out.write(item)
            self._out.flush()
            self._writing = False
            if self.ending:
                sys.exit(TERMINATED)
            if self._log is not None:
                self._log.settle()

    def end(self, signal_number: int, frame: FrameType | None) -> None:
        """Handle a signal: exit after the lines that are being written, but at most `SHUTDOWN_SECONDS` later."""
        signal.signal(signal.SIGALRM, lambda *_: os._exit(TERMINATED))
        signal.alarm(SHUTDOWN_SECONDS)
        self.ending = True
        if not self._writing:
            sys.exit(TERMINATED)


def _without_noise(record: logging.LogRecord) -> bool:
    """Filter out suppressed lines; of an error with a message for users, log only that (the trace has the stack)."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, AirbyteTracedException) and error.message:
        record.msg, record.args, record.exc_info = error.message, (), None
    elif record.exc_info:
        # The text of an unexpected error may quote a row.
        record.exc_text = unnamed(logging.Formatter().formatException(record.exc_info))
    return record.levelno >= logging.ERROR or not str(record.msg).startswith(SUPPRESSED_PREFIXES)


def _dropped(count: int) -> logging.LogRecord:
    text = "Log lines were dropped because the destination read nothing for too long: %d."
    return logging.LogRecord("airbyte", logging.INFO, __file__, 0, text, (count,), None)
