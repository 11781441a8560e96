import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airbyte_cdk.logger import AirbyteLogFormatter

from source_iterable.output import Log, Output


class Destination(io.RawIOBase):
    """A pipe to a destination that reads only while `reads` is set."""

    def __init__(self) -> None:
        self.reads = threading.Event()
        self.is_writing = threading.Event()
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.is_writing.set()
        assert self.reads.wait(60)
        self.written += bytes(data)
        return len(data)

    @property
    def lines(self) -> list[str]:
        """The lines read: the text of log lines, and the type of other messages."""
        assert self.written.endswith(b"\n") or not self.written
        messages = [json.loads(line) for line in self.written.splitlines()]
        return [message["log"]["message"] if message["type"] == "LOG" else message["type"] for message in messages]


@pytest.fixture
def destination() -> Destination:
    return Destination()


@pytest.fixture
def log(destination: Destination) -> Iterator[Log]:
    handler = Log(io.BufferedWriter(destination), max_queued=10)
    handler.start(AirbyteLogFormatter("%(message)s"))
    yield handler
    destination.reads.set()
    handler.finish()


@pytest.fixture
def logger(log: Log) -> logging.Logger:
    logger = logging.Logger("airbyte", logging.INFO)  # noqa: LOG001 - used by this test only
    logger.addHandler(log)
    return logger


def on_another_thread(call: Callable[[], object]) -> None:
    """Run ``call`` on another thread, and wait until it returns."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "the thread waits for the destination"


def test_other_threads_do_not_wait_for_a_destination_that_does_not_read(
    destination: Destination, log: Log, logger: logging.Logger
) -> None:
    on_another_thread(lambda: logger.info("first"))
    assert destination.is_writing.wait(60)

    on_another_thread(lambda: [logger.info("line %d", number) for number in range(25)])

    assert not destination.written
    destination.reads.set()
    log.finish()
    assert destination.lines[:-1] == ["first", *(f"line {number}" for number in range(10))]
    assert destination.lines[-1].endswith("the destination read nothing for too long: 15.")


def test_the_count_of_dropped_lines_is_logged_in_their_place(
    destination: Destination, log: Log, logger: logging.Logger
) -> None:
    on_another_thread(lambda: logger.info("first"))
    assert destination.is_writing.wait(60)
    on_another_thread(lambda: [logger.info("line %d", number) for number in range(11)])
    destination.reads.set()
    log.settle()

    on_another_thread(lambda: logger.info("later"))

    log.finish()
    assert destination.lines[-3] == "line 9"
    assert destination.lines[-2].endswith(": 1.")
    assert destination.lines[-1] == "later"


def test_lines_of_the_main_thread_keep_their_position_among_messages(
    destination: Destination, log: Log, logger: logging.Logger
) -> None:
    destination.reads.set()

    def messages() -> Iterator[bytes]:
        logger.info("before")
        yield b'{"type":"RECORD"}\n'
        on_another_thread(lambda: logger.info("%s of a download", "line"))
        logger.info("after")
        yield b'{"type":"STATE"}\n'

    Output(io.BufferedWriter(destination), log).write(messages())

    assert destination.lines == ["before", "RECORD", "line of a download", "after", "STATE"]


def test_personal_data_in_an_unexpected_error_is_masked(
    destination: Destination, log: Log, logger: logging.Logger
) -> None:
    destination.reads.set()

    def fail() -> None:
        try:
            {}["ann.smith@example.com"]  # type: ignore[index]
        except KeyError:
            logger.exception("A defect")

    fail()
    on_another_thread(fail)

    log.finish()
    assert len(destination.lines) == 2
    for line in destination.lines:
        assert line.startswith("A defect\nTraceback")
        assert "KeyError: ***@***" in line
        assert "ann.smith" not in line
