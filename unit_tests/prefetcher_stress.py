"""The prefetcher under stress: random streams, sizes, refusals, failures and room, on real threads.

A seed tells everything but the order in which threads run. The tests and `make soak` try seeds.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random

from source_iterable.exceptions import TooLargeError
from source_iterable.prefetch.plans import ListPlan, Reserve, SlicePlan
from source_iterable.prefetch.prefetcher import Prefetcher
from source_iterable.prefetch.window_plan import WindowPlan
from source_iterable.windows import SECOND, Width, Window

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
PATIENCE_SECONDS = 20.0
"""For what takes a few milliseconds."""


class FailedError(Exception):
    """What the server of these tests fails with."""


@dataclass
class Body:
    """A body that notes when it is closed."""

    size: int
    closed: bool = False

    def close(self) -> None:
        """Note it; once is enough."""
        assert not self.closed, "closed twice"
        self.closed = True


@dataclass
class World:
    """A server and what it was asked, all of it drawn from a seed."""

    seed: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    bodies: list[Body] = field(default_factory=list)
    ends: dict[str, object] = field(default_factory=dict)
    """What comes last of each stream that does not fail."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.hourly = self.random.choice([1, 20, 400])
        self.largest = self.random.choice([10**9, 50_000, 5_000, 700])
        self.room = self.random.choice([10**9, 30_000, 3_000, 600])
        self.pause = self.random.choice([0.0, 0.0, 0.0005])

    def windows(self, name: str) -> WindowPlan:
        """A plan of windows, which may fail in one of them."""
        random = self.random
        days = random.choice([0.01, 1, 17.3, 100])
        span = Window(START, START + max(SECOND, timedelta(days=days) // SECOND * SECOND))
        fails_at = span.start + random.random() * span.width if random.random() < 0.15 else None
        base = random.choice([DAY, 7 * DAY, 30 * DAY])

        def fetch(window: Window, tries: int, reserve: Reserve) -> Body:
            if fails_at is not None and window.start <= fails_at < window.end:
                raise FailedError(name)
            size = max(1, round(self.hourly * window.width.total_seconds() / 3600))
            if size > self.largest and not window.is_least:
                self._take(reserve, self.largest)
                raise TooLargeError("too large")
            return self._body(reserve, size)

        last: Callable[[], Window] | None = None
        if random.random() < 0.3:
            last = lambda: Window(span.end, span.end + DAY)  # noqa: E731 - as a method would be
        if fails_at is None:
            self.ends[name] = span.end + DAY if last else span.end
        return WindowPlan(name, "export", span, Width(base, small=random.choice([0, 5_000])), fetch, last)

    def lists(self, name: str) -> ListPlan[int]:
        """A plan of a list, which may fail at its sixth entry."""
        sizes = {number: self.random.randrange(1, 400) for number in range(self.random.randrange(40))}
        fails_at = self.random.choice([None, None, None, 5])
        if fails_at is None or fails_at >= len(sizes):
            self.ends[name] = len(sizes)

        def fetch(number: int, reserve: Reserve) -> Body:
            if number == fails_at:
                raise FailedError(name)
            return self._body(reserve, sizes[number])

        return ListPlan(name, "lists", lambda: list(sizes), fetch)

    def _body(self, reserve: Reserve, size: int) -> Body:
        self._take(reserve, size)
        body = Body(size)
        with self.lock:
            self.bodies.append(body)
        return body

    def _take(self, reserve: Reserve, size: int) -> None:
        """Come in a few pieces, one of which may be given back, as a body that broke off once."""
        random = Random(f"{self.seed}:{size}:{time.monotonic_ns()}")
        if random.random() < 0.2:
            reserve(size // 2)
            reserve(-(size // 2))
        step = max(1, size // random.randrange(1, 5))
        for begin in range(0, size, step):
            if self.pause:
                time.sleep(self.pause * random.random())
            reserve(min(step, size - begin))


def what_comes(prefetcher: Prefetcher, table: str, random: Random, pause: float) -> Iterator[object]:
    """The slices of a stream, read at an uneven pace; none of the bodies is taken away meanwhile."""
    for piece in prefetcher.slices(table):
        assert not piece.body.closed
        if pause and random.random() < 0.3:
            time.sleep(pause)
        assert not piece.body.closed, "taken away while it was read"
        yield piece.what


def read_all(world: World, prefetcher: Prefetcher, plans: list[SlicePlan[object]]) -> dict[str, list[object]]:
    """What came of each stream, up to its failure, if any; some readers fail early, which `ends` then forgets."""
    random = Random(world.seed + 1)
    came: dict[str, list[object]] = {}
    for plan in plans:
        came[plan.stream] = []
        gives_up = random.randrange(10) if random.random() < 0.1 else 10**9
        try:
            for what in what_comes(prefetcher, plan.stream, random, world.pause * 2):
                came[plan.stream].append(what)
                if len(came[plan.stream]) > gives_up:
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
        (world.lists if world.random.random() < 0.25 else world.windows)(f"stream {at}")  # type: ignore[misc]
        for at in range(number)
    ]
    spans = {one.stream: one.slices[0].what for one in plans if isinstance(one, WindowPlan)}
    prefetcher = Prefetcher(plans, world.room)
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
    for table, span in spans.items():
        assert_adjacent(came[table], span.start, f"seed {seed}: {table}")  # type: ignore[attr-defined]
    for table, end in world.ends.items():
        if table in spans:
            assert came[table][-1].end == end, f"seed {seed}: {table} ends early"  # type: ignore[attr-defined]
        else:
            assert came[table] == list(range(end)), f"seed {seed}: {table}"  # type: ignore[call-overload]
    for body in world.bodies:
        assert body.closed, f"seed {seed}: a body of {body.size} was left open"
    assert prefetcher.used == 0, f"seed {seed}: {prefetcher.used} bytes are still counted"


def assert_adjacent(windows: list[object], start: datetime, what: str) -> None:
    """WindowPlan follow each other without a gap or an overlap from ``start`` on."""
    for window in windows:
        assert isinstance(window, Window)
        assert window.start == start, what
        start = window.end
