"""How messages and log lines leave the process: whole lines, one after the other, on standard output."""

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
PATIENCE_SECONDS = 7  # with a destination that does not read, once the process is asked to end
MAX_QUEUED_LINES = 1000
# What the CDK logs of each stream and each retry, which other lines tell better.
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
    """Has log lines leave through the stream that messages leave by, without ever making a download wait.

    A line of the main thread is written at once, so that it keeps its place among the messages, which are written by
    that thread too. A line of any other thread goes through a queue that a thread of its own writes out: while the
    destination reads nothing, that one waits, and downloads continue. What the queue
    cannot hold is dropped and counted.
    """

    def __init__(self, out: BinaryIO, max_queued: int = MAX_QUEUED_LINES) -> None:
        """Write to ``out``; up to ``max_queued`` lines of other threads may wait."""
        self._lines: queue.Queue[logging.LogRecord] = queue.Queue(max_queued)
        super().__init__(self._lines)
        self._direct = logging.StreamHandler(io.TextIOWrapper(out, "utf-8", write_through=True))
        self._listener = QueueListener(self._lines, self._direct)
        self._dropping = threading.Lock()
        self._dropped = 0
        self.addFilter(_without_noise)

    def install(self) -> None:
        """Take the place of the root logger's handlers, and their form of a line."""
        root = logging.getLogger()
        form = next((handler.formatter for handler in root.handlers), None)
        root.handlers[:] = [self]
        self.start(form)

    def start(self, form: logging.Formatter | None) -> None:
        """Start the thread that writes the lines of other threads; each line has this ``form``."""
        self._direct.setFormatter(form)
        self._listener.start()

    def handle(self, record: logging.LogRecord) -> bool:
        """Write or queue ``record``; without the lock that handlers have, behind which a download would wait."""
        passed = bool(self.filter(record))
        if passed:
            self.emit(record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record of the main thread; queue any other."""
        if threading.current_thread() is threading.main_thread():
            self.settle()
            self._direct.handle(record)
        else:
            super().emit(record)

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue ``record``, or count it if there is no room."""
        with self._dropping:
            try:
                if self._dropped:
                    self._lines.put_nowait(_dropped(self._dropped))
                    self._dropped = 0
                self._lines.put_nowait(record)
            except queue.Full:
                self._dropped += 1

    def settle(self) -> None:
        """Let the lines that are queued be written first."""
        if self._lines.unfinished_tasks:
            self._lines.join()

    def finish(self) -> None:
        """Let everything that was logged be written, how many lines were dropped too."""
        with self._dropping:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._lines.put(_dropped(dropped))
        self.settle()


class Output:
    """Where messages leave: each time whole lines in one `write` call, since log lines leave by the same stream.

    Attributes:
        ending: Whether the process was asked to end.
    """

    def __init__(self, out: BinaryIO, log: Log | None = None) -> None:
        """Write to ``out``, and let lines that wait in ``log`` be written between messages."""
        self._out = out
        self._log = log
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
            if self._log is not None:
                self._log.settle()

    def end(self, signal_number: int, frame: FrameType | None) -> None:
        """End tidily: after the lines that are being written, and at the latest when patience is at its end."""
        signal.signal(signal.SIGALRM, lambda *_: os._exit(TERMINATED))
        signal.alarm(PATIENCE_SECONDS)
        self.ending = True
        if not self._writing:
            sys.exit(TERMINATED)


def _without_noise(record: logging.LogRecord) -> bool:
    """Drop chatter, and what is told twice; of an error that is a sentence, tell that (the trace has the stack)."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, AirbyteTracedException) and error.message:
        record.msg, record.args, record.exc_info = error.message, (), None
    elif record.exc_info:
        # What an unexpected error quotes may be a row.
        record.exc_text = unnamed(logging.Formatter().formatException(record.exc_info))
    return record.levelno >= logging.ERROR or not str(record.msg).startswith(SUPPRESSED_PREFIXES)


def _dropped(count: int) -> logging.LogRecord:
    text = "Log lines that were dropped, since the destination read nothing for too long: %d."
    return logging.LogRecord("airbyte", logging.INFO, __file__, 0, text, (count,), None)
