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
    """A pipe to a destination, which reads only when told to."""

    def __init__(self) -> None:
        self.reads = threading.Event()
        self.asked = threading.Event()
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.asked.set()
        assert self.reads.wait(60)
        self.written += bytes(data)
        return len(data)

    @property
    def lines(self) -> list[str]:
        """What came: the text of log lines, and other messages as they are."""
        assert self.written.endswith(b"\n") or not self.written
        found = [json.loads(line) for line in self.written.splitlines()]
        return [one["log"]["message"] if one["type"] == "LOG" else one["type"] for one in found]


@pytest.fixture
def destination() -> Destination:
    return Destination()


@pytest.fixture
def log(destination: Destination) -> Iterator[Log]:
    made = Log(io.BufferedWriter(destination), max_queued=10)
    made.start(AirbyteLogFormatter("%(message)s"))
    yield made
    destination.reads.set()
    made.finish()


@pytest.fixture
def logger(log: Log) -> logging.Logger:
    made = logging.Logger("airbyte", logging.INFO)  # noqa: LOG001 - of this test alone
    made.addHandler(log)
    return made


def elsewhere(does: Callable[[], object]) -> None:
    """Call ``does`` on another thread, and wait until it has returned."""
    thread = threading.Thread(target=does, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it waits for the destination"


def test_other_threads_do_not_wait_for_a_destination_that_reads_nothing(
    destination: Destination, log: Log, logger: logging.Logger
) -> None:
    elsewhere(lambda: logger.info("first"))
    assert destination.asked.wait(60)

    elsewhere(lambda: [logger.info("line %d", number) for number in range(25)])

    assert not destination.written
    destination.reads.set()
    log.finish()
    assert destination.lines[:-1] == ["first", *(f"line {number}" for number in range(10))]
    assert destination.lines[-1].endswith("the destination read nothing for too long: 15.")


def test_dropped_lines_are_counted_where_they_are_missing(
    destination: Destination, log: Log, logger: logging.Logger
) -> None:
    elsewhere(lambda: logger.info("first"))
    assert destination.asked.wait(60)
    elsewhere(lambda: [logger.info("line %d", number) for number in range(11)])
    destination.reads.set()
    log.settle()

    elsewhere(lambda: logger.info("later"))

    log.finish()
    assert destination.lines[-3] == "line 9"
    assert destination.lines[-2].endswith(": 1.")
    assert destination.lines[-1] == "later"


def test_lines_of_the_main_thread_keep_their_place_among_messages(
    destination: Destination, log: Log, logger: logging.Logger
) -> None:
    destination.reads.set()

    def messages() -> Iterator[bytes]:
        logger.info("before")
        yield b'{"type":"RECORD"}\n'
        elsewhere(lambda: logger.info("%s of a download", "line"))
        logger.info("after")
        yield b'{"type":"STATE"}\n'

    Output(io.BufferedWriter(destination), log).write(messages())

    assert destination.lines == ["before", "RECORD", "line of a download", "after", "STATE"]


def test_what_an_unexpected_error_quotes_is_masked(destination: Destination, log: Log, logger: logging.Logger) -> None:
    destination.reads.set()

    def fail() -> None:
        try:
            {}["ann.smith@example.com"]  # type: ignore[index]
        except KeyError:
            logger.exception("A defect")

    fail()
    elsewhere(fail)

    log.finish()
    assert len(destination.lines) == 2
    for line in destination.lines:
        assert line.startswith("A defect\nTraceback")
        assert "KeyError: ***@***" in line
        assert "ann.smith" not in line
