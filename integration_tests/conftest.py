"""Sandboxes, and a clock for waits that passes them at once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any

import pytest

from integration_tests.model.virtual_time import VirtualTime
from integration_tests.sandbox import Sandbox
from integration_tests.support.sync import NOW, START, connect

# PyAirbyte has an environment of its own: `make test-clients`.
collect_ignore = [] if find_spec("airbyte") else ["clients"]


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox of this test's own, which the connector asks also when it runs in this process."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        connect(running, monkeypatch)
        yield running


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sandbox]]:
    """Start such sandboxes, with options."""
    with ExitStack() as stack:

        def start(**options: Any) -> Sandbox:
            running = stack.enter_context(Sandbox(start=START, now=NOW, **({"rate_scale": 10_000} | options)))
            connect(running, monkeypatch)
            return running

        yield start


@pytest.fixture
def thief() -> Iterator[Sandbox]:
    """Another host, to which the key must not go."""
    with Sandbox(start=START, now=NOW) as running:
        yield running


@pytest.fixture(autouse=True)
def waits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the connector, in this process, would have waited for; it does not.

    Other threads, such as those that empty the budget's buckets, sleep as they like, and so does a test that measures
    the pace of requests.
    """
    recorded: list[float] = []
    if request.node.get_closest_marker("real_time"):
        return recorded
    sleep = time.sleep

    def record(seconds: float) -> None:
        thread = threading.current_thread()
        if thread is threading.main_thread() or thread.name.startswith("download "):
            if seconds > 0:
                recorded.append(seconds)
        else:
            sleep(seconds)

    monkeypatch.setattr(time, "sleep", record)
    return recorded


@pytest.fixture
def hours(waits: list[float]) -> Iterator[VirtualTime]:
    """The time in which the connector waits, in this process; it passes at once, and faults can go by it.

    It is the time of one sync: what is requested before, such as a catalog, is requested outside of it.
    """
    return VirtualTime()
