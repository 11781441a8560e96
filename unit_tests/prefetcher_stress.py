"""The prefetcher under stress: random streams, sizes, rejections, failures and disk limits, on real threads.

A seed determines everything but the order in which threads run. The tests and `make soak` try seeds.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random

from source_iterable.exceptions import TooLargeError
from source_iterable.prefetch.list_plan import ListPlan
from source_iterable.prefetch.plans import SlicePlan
from source_iterable.prefetch.prefetcher import Prefetcher
from source_iterable.prefetch.window_plan import WindowPlan
from source_iterable.reservation import Reservation
from source_iterable.windows import SECOND, Width, Window
from unit_tests.bodies import Body, Transport

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
PATIENCE_SECONDS = 20.0
"""For what takes a few milliseconds."""


class FailedError(Exception):
    """What the server of these tests fails with."""


@dataclass
class World:
    """A server and its bodies, all of it drawn from a seed."""

    seed: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    bodies: list[Body] = field(default_factory=list)
    ends: dict[str, object] = field(default_factory=dict)
    """The last partition of each stream that does not fail."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.hourly = self.random.choice([1, 20, 400])
        self.largest = self.random.choice([10**9, 50_000, 5_000, 700])
        self.disk_limit = self.random.choice([10**9, 30_000, 3_000, 600])
        self.pause = self.random.choice([0.0, 0.0, 0.0005])

    def windows(self, name: str) -> WindowPlan:
        """A plan of windows, which may fail in one of them."""
        random = self.random
        days = random.choice([0.01, 1, 17.3, 100])
        span = Window(START, START + max(SECOND, timedelta(days=days) // SECOND * SECOND))
        fails_at = span.start + random.random() * span.width if random.random() < 0.15 else None
        base = random.choice([DAY, 7 * DAY, 30 * DAY])

        def fetch(window: Window, max_attempts: int, reservation: Reservation) -> Body:
            if fails_at is not None and window.start <= fails_at < window.end:
                raise FailedError(name)
            size = max(1, round(self.hourly * window.width.total_seconds() / 3600))
            if size > self.largest and not window.is_least:
                self._take(reservation, self.largest)
                raise TooLargeError("too large")
            return self._body(reservation, size)

        last: Callable[[], Window] | None = None
        if random.random() < 0.3:
            last = lambda: Window(span.end, span.end + DAY)  # noqa: E731 - as a method would be
        if fails_at is None:
            self.ends[name] = span.end + DAY if last else span.end
        width = Width(base, small=random.choice([0, 5_000]))
        return WindowPlan(name, "export", span, width, Transport(fetch), last)

    def lists(self, name: str) -> ListPlan[int]:
        """A plan of a list, which may fail at its sixth entry."""
        sizes = {number: self.random.randrange(1, 400) for number in range(self.random.randrange(40))}
        fails_at = self.random.choice([None, None, None, 5])
        if fails_at is None or fails_at >= len(sizes):
            self.ends[name] = len(sizes)

        def fetch(number: int, reservation: Reservation) -> Body:
            if number == fails_at:
                raise FailedError(name)
            return self._body(reservation, sizes[number])

        return ListPlan(name, "lists", lambda: list(sizes), fetch)

    def _body(self, reservation: Reservation, size: int) -> Body:
        self._take(reservation, size)
        body = Body(size, None, reservation)
        with self.lock:
            self.bodies.append(body)
        return body

    def _take(self, reservation: Reservation, size: int) -> None:
        """Reserve in a few steps, one of which may be given back, as a body that broke off once."""
        random = Random(f"{self.seed}:{size}:{time.monotonic_ns()}")
        if random.random() < 0.2:
            reservation.grow(size // 2)
            reservation.shrink(size // 2)
        step = max(1, size // random.randrange(1, 5))
        for begin in range(0, size, step):
            if self.pause:
                time.sleep(self.pause * random.random())
            reservation.grow(min(step, size - begin))


def partitions(prefetcher: Prefetcher, stream: str, random: Random, pause: float) -> Iterator[object]:
    """The partitions of a stream, read at an uneven pace; no body is closed while it is read."""
    for slice_ in prefetcher.slices(stream):
        assert not slice_.body.closed
        if pause and random.random() < 0.3:
            time.sleep(pause)
        assert not slice_.body.closed, "closed while it was read"
        yield slice_.partition


def read_all(world: World, prefetcher: Prefetcher, plans: list[SlicePlan[object]]) -> dict[str, list[object]]:
    """What came of each stream, up to its failure, if any; some readers fail early, which `ends` then forgets."""
    random = Random(world.seed + 1)
    came: dict[str, list[object]] = {}
    for plan in plans:
        came[plan.stream] = []
        limit = random.randrange(10) if random.random() < 0.1 else 10**9
        try:
            for partition in partitions(prefetcher, plan.stream, random, world.pause * 2):
                came[plan.stream].append(partition)
                if len(came[plan.stream]) > limit:
                    world.ends.pop(plan.stream, None)
                    break
        except FailedError as error:
            assert str(error) == plan.stream  # noqa: PT017 - it may also not fail
    return came


def try_one(seed: int) -> None:
    """Read everything of the server of ``seed``: all comes in order, nothing hangs, nothing is left open."""
    world = World(seed)
    number = world.random.randrange(1, 6)
    plans: list[SlicePlan[object]] = [
        (world.lists if world.random.random() < 0.25 else world.windows)(f"stream {index}")  # type: ignore[misc]
        for index in range(number)
    ]
    spans = {one.stream: one.slices[0].partition for one in plans if isinstance(one, WindowPlan)}
    prefetcher = Prefetcher(plans, world.disk_limit)
    came: dict[str, list[object]] = {}
    failures: list[BaseException] = []

    def reader() -> None:
        try:
            came.update(read_all(world, prefetcher, plans))
        except BaseException as error:
            failures.append(error)

    prefetcher.start()
    reading = threading.Thread(target=reader, daemon=True)
    reading.start()
    reading.join(PATIENCE_SECONDS)
    hangs = reading.is_alive()
    prefetcher.stop()
    for thread in prefetcher.threads:
        thread.join(PATIENCE_SECONDS)

    assert not hangs, f"seed {seed}: the reader waits for ever"
    assert not failures, f"seed {seed}: {failures}"
    assert not any(thread.is_alive() for thread in prefetcher.threads), f"seed {seed}: a thread does not end"
    for stream, span in spans.items():
        assert_adjacent(came[stream], span.start, f"seed {seed}: {stream}")  # type: ignore[attr-defined]
    for stream, end in world.ends.items():
        if stream in spans:
            assert came[stream][-1].end == end, f"seed {seed}: {stream} ends early"  # type: ignore[attr-defined]
        else:
            assert came[stream] == list(range(end)), f"seed {seed}: {stream}"  # type: ignore[call-overload]
    for body in world.bodies:
        assert body.closed, f"seed {seed}: a body of {body.size} was left open"
    assert prefetcher.reserved == 0, f"seed {seed}: {prefetcher.reserved} bytes are still counted"


def assert_adjacent(windows: list[object], start: datetime, what: str) -> None:
    """Windows follow each other without a gap or an overlap from ``start`` on."""
    for window in windows:
        assert isinstance(window, Window)
        assert window.start == start, what
        start = window.end
