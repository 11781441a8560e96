"""The prefetcher, with transports of the tests: no HTTP."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException
from hypothesis import given, settings
from hypothesis import strategies as st

from source_iterable.exceptions import TooLargeError
from source_iterable.prefetch.item_failures import ItemFailure, ItemRetryPolicy, UnavailableError
from source_iterable.prefetch.items import ItemList, ItemPlan
from source_iterable.prefetch.list_plan import ListPlan
from source_iterable.prefetch.plans import JobsUnavailableError
from source_iterable.prefetch.prefetcher import Prefetcher
from source_iterable.prefetch.window_plan import WindowPlan
from source_iterable.reservation import Reservation
from source_iterable.windows import Width, Window
from unit_tests.bodies import Body, Transport

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass
class Server:
    """Delivers windows up to a width, each hour as ``hourly`` bytes."""

    widest: timedelta = timedelta(days=400)
    hourly: int = 10
    requested: list[tuple[str, Window, int]] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, stream: str) -> Callable[[Window, int, Reservation], Body]:
        def fetch(window: Window, max_attempts: int, reservation: Reservation) -> Body:
            with self.lock:
                self.requested.append((stream, window, max_attempts))
            if window.width > self.widest:
                raise TooLargeError("too wide")
            size = max(1, round(self.hourly * (window.width / HOUR)))
            reservation.grow(size)
            body = Body(size, window, reservation)
            with self.lock:
                self.bodies.append(body)
            return body

        return fetch

    def plan(self, name: str, days: float, base: timedelta = 30 * DAY) -> WindowPlan:
        return WindowPlan(
            name, "export", Window(START, START + days * DAY), Width(base, small=0), Transport(self.fetch(name))
        )


@pytest.fixture
def server() -> Server:
    return Server()


def read(prefetcher: Prefetcher, stream: str) -> Iterator[Window]:
    for slice_ in prefetcher.slices(stream):
        assert not slice_.body.closed
        yield slice_.partition


def covers(windows: list[Window], start: datetime, end: datetime) -> bool:
    """Whether ``windows`` follow each other without a gap or an overlap from ``start`` to ``end``."""
    bounds = [start, *(window.end for window in windows)]
    return [window.start for window in windows] == bounds[:-1] and bounds[-1] == end


def test_streams_are_taken_in_order_and_window_by_window(server: Server) -> None:
    prefetcher = Prefetcher([server.plan("a", 100), server.plan("b", 45)], disk_limit=10**9)
    prefetcher.start()

    first, second = list(read(prefetcher, "a")), list(read(prefetcher, "b"))
    prefetcher.stop()

    assert covers(first, START, START + 100 * DAY)
    assert covers(second, START, START + 45 * DAY)
    assert all(body.closed for body in server.bodies)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(min_value=0.01, max_value=400),
    st.integers(min_value=1, max_value=40_000_000),
    st.integers(min_value=1, max_value=365),
)
def test_whatever_the_server_can_deliver_the_span_comes_whole(days: float, seconds: int, base: int) -> None:
    days = max(days, round(days * 86400) / 86400)
    server = Server(widest=timedelta(seconds=max(seconds, round(days * 864))))  # at most some hundred windows
    span = Window(START, START + timedelta(seconds=max(1, round(days * 86400))))
    plan = WindowPlan("a", "export", span, Width(base * DAY, small=0), Transport(server.fetch("a")))
    prefetcher = Prefetcher([plan], disk_limit=10**12)
    prefetcher.start()

    windows = list(read(prefetcher, "a"))
    prefetcher.stop()

    assert covers(windows, span.start, span.end)


def test_until_one_window_came_whole_a_single_one_is_requested() -> None:
    """A stream that may not be exported costs one request in the whole sync."""
    requested: list[Window] = []
    other_done = threading.Event()

    def refused(window: Window, max_attempts: int, reservation: Reservation) -> Body:
        requested.append(window)
        raise PermissionError("HTTP 401")

    def other(window: Window, max_attempts: int, reservation: Reservation) -> Body:
        if window.end == START + 100 * DAY:
            other_done.set()
        return Body(1, window, reservation)

    span = Window(START, START + 100 * DAY)
    prefetcher = Prefetcher(
        [
            WindowPlan("refused", "export", span, Width(DAY), Transport(refused)),
            WindowPlan("other", "export", span, Width(DAY, small=0), Transport(other)),
        ],
        disk_limit=10**9,
    )
    prefetcher.start()
    with pytest.raises(PermissionError):
        list(read(prefetcher, "refused"))
    assert len(list(read(prefetcher, "other"))) == 100
    assert other_done.wait(10)
    prefetcher.stop()

    assert len(requested) == 1


def test_a_width_that_is_too_much_is_requested_twice_then_halved_without_retries(server: Server) -> None:
    server.widest = 4 * DAY
    prefetcher = Prefetcher([server.plan("a", 60, base=32 * DAY)], disk_limit=10**9)
    prefetcher.start()

    windows = list(read(prefetcher, "a"))
    prefetcher.stop()

    assert [(window.width // DAY, max_attempts) for _, window, max_attempts in server.requested[:5]] == [
        (32, 2), (16, 1), (8, 1), (4, 1), (4, 2),
    ]  # fmt: skip
    assert covers(windows, START, START + 60 * DAY)


def test_a_failure_is_raised_when_its_slice_is_read(server: Server) -> None:
    fetch = server.fetch("a")

    def failing(window: Window, max_attempts: int, reservation: Reservation) -> Body:
        if window.start == START + 2 * DAY:
            raise ValueError("no")
        return fetch(window, max_attempts, reservation)

    span = Window(START, START + 10 * DAY)
    prefetcher = Prefetcher(
        [WindowPlan("a", "export", span, Width(DAY, small=0), Transport(failing))], disk_limit=10**9
    )
    prefetcher.start()
    coming = read(prefetcher, "a")
    taken = [next(coming), next(coming)]

    with pytest.raises(ValueError, match="no"):
        next(coming)
    prefetcher.stop()

    assert covers(taken, START, START + 2 * DAY)
    assert all(body.closed for body in server.bodies)


@pytest.mark.parametrize("disk_limit", [250, 300, 1000])
def test_bodies_on_disk_stay_below_the_disk_limit(disk_limit: int) -> None:
    """Each day is 240 bytes: with a low limit, bodies that were downloaded too early are evicted."""
    server = Server()
    prefetcher = Prefetcher([server.plan("a", 20, base=DAY), server.plan("b", 20, base=DAY)], disk_limit=disk_limit)
    most = 0
    prefetcher.start()

    for stream in ("a", "b"):
        windows = []
        for window in read(prefetcher, stream):
            windows.append(window)
            with server.lock:
                most = max(most, sum(body.size for body in server.bodies if not body.closed))
        assert covers(windows, START, START + 20 * DAY)
    prefetcher.stop()

    assert most <= disk_limit + 4 * 240  # running downloads stop when they reserve more


def test_a_body_larger_than_the_disk_limit_is_split(server: Server) -> None:
    prefetcher = Prefetcher([server.plan("a", 8, base=8 * DAY)], disk_limit=500)
    prefetcher.start()

    windows = list(read(prefetcher, "a"))
    prefetcher.stop()

    assert covers(windows, START, START + 8 * DAY)
    assert max(body.size for body in server.bodies) <= 500


def test_the_last_window_is_requested_when_all_others_were_taken(server: Server) -> None:
    taken: list[Window] = []
    known: list[int] = []

    def last() -> Window:
        known.append(len(taken))
        return Window(START + 90 * DAY, START + 91 * DAY)

    plan = WindowPlan(
        "a", "export", Window(START, START + 90 * DAY), Width(30 * DAY, small=0), Transport(server.fetch("a")), last
    )
    prefetcher = Prefetcher([plan], disk_limit=10**9)
    prefetcher.start()
    for window in read(prefetcher, "a"):
        taken.append(window)  # noqa: PERF402 - `last` looks at it meanwhile
    prefetcher.stop()

    assert known == [3]
    assert covers(taken, START, START + 91 * DAY)


def test_the_list_is_requested_then_its_entries_in_order() -> None:
    requested: list[int] = []

    def fetch(list_id: int, reservation: Reservation) -> Body:
        requested.append(list_id)
        return Body()

    prefetcher = Prefetcher([ListPlan("list_users", "lists", lambda: [3, 5, 8], fetch)], disk_limit=10)
    prefetcher.start()

    taken = [slice_.partition for slice_ in prefetcher.slices("list_users")]
    prefetcher.stop()

    assert taken == [3, 5, 8]
    assert sorted(requested) == [3, 5, 8]


def items(fetch: Callable[[int], Body], number: int = 20) -> ItemPlan:
    """A plan of items whose times pass in milliseconds."""
    return ItemPlan(
        "list_users",
        "lists",
        "list",
        lambda: ItemList(range(number)),
        lambda item, reservation, is_first: fetch(item),
        lambda item: None,
        ItemRetryPolicy().scaled(lambda seconds: seconds / 100_000),
    )


def body() -> Body:
    return Body()


def test_a_slow_item_holds_up_no_other() -> None:
    others_read = threading.Event()

    def fetch(item: int) -> Body:
        if item == 0:
            assert others_read.wait(10)
        return body()

    prefetcher = Prefetcher([items(fetch)], disk_limit=10**9)
    prefetcher.start()
    taken = []
    for slice_ in filter(None, prefetcher.slices("list_users")):
        taken.append(slice_.partition)
        if len(taken) == 19:
            others_read.set()
    prefetcher.stop()

    assert taken[-1] == 0
    assert sorted(taken) == list(range(20))


def test_an_item_that_is_not_available_is_skipped_after_all_others() -> None:
    def fetch(item: int) -> Body:
        if item == 3:
            raise UnavailableError(ItemFailure("HTTP 404", "HTTP 404", is_rejection=True))
        return body()

    plan = items(fetch)
    prefetcher = Prefetcher([plan], disk_limit=10**9)
    prefetcher.start()
    taken = [slice_.partition for slice_ in filter(None, prefetcher.slices("list_users"))]
    prefetcher.stop()

    assert sorted(taken) == [item for item in range(20) if item != 3]
    assert list(plan.skipped) == [3]


@pytest.mark.parametrize("kind", [FailureType.config_error, None], ids=str)
def test_what_is_about_no_single_item_ends_the_stream_wherever_it_is_met(kind: FailureType | None) -> None:
    """Before its turn it costs few requests, and then one more."""
    requested: list[int] = []
    refused = threading.Event()

    def fetch(item: int) -> Body:
        requested.append(item)
        if item > 5:
            refused.set()
            raise AirbyteTracedException(message="refused", failure_type=kind) if kind else TypeError("refused")
        return body()

    prefetcher = Prefetcher([items(fetch)], disk_limit=10**9)
    prefetcher.start()
    assert refused.wait(10)
    with pytest.raises((AirbyteTracedException, TypeError)):
        list(prefetcher.slices("list_users"))
    prefetcher.stop()

    assert len(requested) < 6 + 4 + 4 + 4


def test_downloads_continue_while_a_body_is_read(server: Server) -> None:
    """A destination that is slow with the first window stalls no download."""
    prefetcher = Prefetcher([server.plan("a", 10, base=DAY)], disk_limit=10**9)
    prefetcher.start()
    windows = prefetcher.slices("a")
    next(windows)

    enough = threading.Event()
    while not enough.is_set():
        with server.lock:
            if len(server.requested) == 10:
                enough.set()
    rest = [slice_.partition for slice_ in windows]
    prefetcher.stop()

    assert len(rest) == 9


def test_stop_gives_everything_back(server: Server) -> None:
    prefetcher = Prefetcher([server.plan("a", 10, base=DAY)], disk_limit=10**9)
    prefetcher.start()
    next(prefetcher.slices("a"))

    prefetcher.stop()
    for thread in prefetcher.threads:
        thread.join(timeout=10)

    assert not any(thread.is_alive() for thread in prefetcher.threads)
    assert all(body.closed for body in server.bodies)


def test_a_reader_that_meets_a_full_disk_gets_what_lies_ahead_and_all_comes_later(server: Server) -> None:
    prefetcher = Prefetcher([server.plan("a", 3, base=DAY), server.plan("b", 3, base=DAY)], disk_limit=10**9)
    prefetcher.start()
    enough = threading.Event()
    while not enough.is_set():
        with server.lock:
            if len(server.bodies) == 6:
                enough.set()
    while prefetcher.reserved < 6 * 240:
        pass

    prefetcher.free_disk()

    assert prefetcher.reserved == 0
    assert all(body.closed for body in server.bodies[:6])
    assert covers(list(read(prefetcher, "a")), START, START + 3 * DAY)
    assert covers(list(read(prefetcher, "b")), START, START + 3 * DAY)
    prefetcher.stop()


def test_a_reader_that_keeps_something_on_disk_takes_it_from_what_lies_ahead(server: Server) -> None:
    prefetcher = Prefetcher([server.plan("a", 3, base=DAY), server.plan("b", 2, base=DAY)], disk_limit=1500)
    prefetcher.start()
    while prefetcher.reserved < 5 * 240:
        pass

    prefetcher.reserve_for_reader(60)
    before = [body.window for body in server.bodies if body.closed]
    prefetcher.reserve_for_reader(600)
    closed = [body for body in server.bodies if body.closed]
    with pytest.raises(TooLargeError):
        prefetcher.reserve_for_reader(900)
    prefetcher.reserve_for_reader(-660)

    assert before == []
    assert 0 < len(closed) <= 3
    assert covers(list(read(prefetcher, "a")), START, START + 3 * DAY)
    assert covers(list(read(prefetcher, "b")), START, START + 2 * DAY)
    prefetcher.stop()
    assert prefetcher.reserved == 0


def test_nothing_is_requested_ahead_into_the_disk_that_a_reader_took(server: Server) -> None:
    prefetcher = Prefetcher([server.plan("a", 30, base=DAY)], disk_limit=1500)
    prefetcher.reserve_for_reader(1400)

    prefetcher.start()
    prefetcher.reserve_for_reader(100)
    prefetcher.reserve_for_reader(-1500)

    assert covers(list(read(prefetcher, "a")), START, START + 30 * DAY)
    prefetcher.stop()


# What fails before its turn


class Flaky:
    """A server of windows of a day that fails while it is down, and notes the requests."""

    def __init__(self) -> None:
        self.requested: list[tuple[str, Window]] = []
        self.down = threading.Event()
        self.met = threading.Event()
        self.lock = threading.Lock()
        self.kind = FailureType.transient_error

    def fetch(self, stream: str) -> Callable[[Window, int, Reservation], Body]:
        def fetch(window: Window, max_attempts: int, reservation: Reservation) -> Body:
            with self.lock:
                self.requested.append((stream, window))
            if self.down.is_set() and stream != "steady":
                self.met.set()
                raise AirbyteTracedException(message="an outage", failure_type=self.kind)
            reservation.grow(1)
            return Body(1, window, reservation)

        return fetch

    def plan(self, stream: str, days: int) -> WindowPlan:
        return WindowPlan(
            stream, "export", Window(START, START + days * DAY), Width(DAY, small=0), Transport(self.fetch(stream))
        )


@pytest.mark.parametrize("kind", FailureType)
def test_a_failure_before_its_turn_is_not_final(kind: FailureType) -> None:
    """Outages end: what failed while another stream was read is requested again when its turn comes."""
    server = Flaky()
    server.kind = kind
    prefetcher = Prefetcher([server.plan("steady", 3), server.plan("behind", 3)], 10**9, retry_delays=[3600.0])
    server.down.set()
    prefetcher.start()
    steady = prefetcher.slices("steady")
    next(steady)
    assert server.met.wait(10)
    server.down.clear()

    assert len(list(steady)) == 2
    behind = list(read(prefetcher, "behind"))
    prefetcher.stop()

    assert covers(behind, START, START + 3 * DAY)


def test_a_transient_failure_before_its_turn_is_requested_again_after_a_while() -> None:
    server = Flaky()
    prefetcher = Prefetcher([server.plan("steady", 2), server.plan("behind", 1)], 10**9, retry_delays=[0.01, 0.02])
    server.down.set()
    prefetcher.start()
    next(prefetcher.slices("steady"))

    again = threading.Event()
    while not again.is_set():
        with server.lock:
            if sum(stream == "behind" for stream, _ in server.requested) > 3:
                again.set()
    prefetcher.stop()


def test_the_slice_whose_turn_it_is_fails_its_stream_alone() -> None:
    server = Flaky()
    server.down.set()
    prefetcher = Prefetcher([server.plan("broken", 3), server.plan("steady", 3)], 10**9, retry_delays=[3600.0])
    prefetcher.start()

    with pytest.raises(AirbyteTracedException, match="an outage"):
        list(read(prefetcher, "broken"))
    assert covers(list(read(prefetcher, "steady")), START, START + 3 * DAY)
    prefetcher.stop()


# How much is requested ahead


@pytest.mark.parametrize("percent", [5, 20, 45, 60, 80, 95])
def test_windows_of_any_size_are_requested_about_once(percent: int) -> None:
    limit = 100_000
    server = Server(hourly=limit * percent // 100 // 24)
    prefetcher = Prefetcher([server.plan(name, 12, base=DAY) for name in "abcd"], limit)
    prefetcher.start()

    for name in "abcd":
        assert covers(list(read(prefetcher, name)), START, START + 12 * DAY)
    prefetcher.stop()

    assert len(server.requested) <= 1.1 * 48


def test_many_small_bodies_wait_for_a_destination_that_takes_nothing() -> None:
    server = Server(hourly=1)
    prefetcher = Prefetcher([server.plan("a", 150, base=DAY)], 10**9)
    prefetcher.start()
    windows = prefetcher.slices("a")
    next(windows)

    enough = threading.Event()
    while not enough.is_set():
        with server.lock:
            if len(server.requested) == 150:
                enough.set()
    prefetcher.stop()


def test_a_reader_that_waits_for_long_can_give_a_sign_of_life(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_iterable.prefetch.prefetcher.HEARTBEAT_SECONDS", 0.01)
    release = threading.Event()
    fetch = server.fetch("a")

    def slow(window: Window, max_attempts: int, reservation: Reservation) -> Body:
        release.wait(10)
        return fetch(window, max_attempts, reservation)

    prefetcher = Prefetcher([WindowPlan("a", "export", Window(START, START + DAY), Width(DAY), Transport(slow))], 10**9)
    prefetcher.start()
    slices = prefetcher.slices("a")

    assert next(slices) is None
    release.set()
    assert [slice_.partition for slice_ in slices if slice_ is not None] == [Window(START, START + DAY)]
    prefetcher.stop()


def test_threads_continue_while_the_reader_logs_that_it_waits(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log line may wait for a destination that reads nothing."""
    monkeypatch.setattr("source_iterable.prefetch.prefetcher.NOTICE_SECONDS", 0.01)
    release = threading.Event()
    fetch = server.fetch("a")

    def slow(window: Window, max_attempts: int, reservation: Reservation) -> Body:
        release.wait(10)
        return fetch(window, max_attempts, reservation)

    prefetcher = Prefetcher([WindowPlan("a", "export", Window(START, START + DAY), Width(DAY), Transport(slow))], 10**9)
    continued: list[bool] = []

    class Waiting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            needs_the_lock = threading.Thread(target=prefetcher.free_disk, daemon=True)
            needs_the_lock.start()
            needs_the_lock.join(5)
            continued.append(not needs_the_lock.is_alive())
            release.set()

    waiting = Waiting()
    monkeypatch.setattr(logging.getLogger("airbyte"), "handlers", [waiting])
    monkeypatch.setattr(logging.getLogger("airbyte"), "level", logging.INFO)
    prefetcher.start()

    assert list(read(prefetcher, "a")) == [Window(START, START + DAY)]

    assert continued
    assert all(continued)
    prefetcher.stop()


# Export jobs


@dataclass
class ExportJobs:
    """Delivers windows by jobs of ``seconds``, and directly at a pace, on a clock a thousand times as fast."""

    seconds: float
    pace: float
    fast: float = 1000.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    pacing: threading.Lock = field(default_factory=threading.Lock)
    by_job: int = 0
    directly: int = 0

    def fetch(self, window: Window, max_attempts: int, reservation: Reservation) -> Body:
        with self.pacing:  # a budget: one after the other
            time.sleep(self.pace / self.fast)
        with self.lock:
            self.directly += 1
        reservation.grow(10)
        return Body(10, window, reservation)

    def fetch_by_job(self, window: Window, reservation: Reservation) -> Body:
        time.sleep(self.seconds / self.fast)
        with self.lock:
            self.by_job += 1
        reservation.grow(10)
        return Body(10, window, reservation)

    def minutes(self, streams: int, windows: int, *, jobs: bool) -> float:
        """How long a sync takes, in minutes of the fast clock."""
        span = Window(START, START + windows * DAY)
        plans = [
            WindowPlan(
                f"stream {index}", "export", span, Width(DAY, small=0),
                Transport(self.fetch, self.fetch_by_job if jobs else None),
            )
            for index in range(streams)
        ]  # fmt: skip
        prefetcher = Prefetcher(plans, 10**9, job_workers=2 if jobs else 0, seconds_per_request=self.pace / self.fast)
        began = time.monotonic()
        prefetcher.start()
        for index in range(streams):
            assert covers(list(read(prefetcher, f"stream {index}")), span.start, span.end)
        took = time.monotonic() - began
        prefetcher.stop()
        return took * self.fast / 60


@pytest.mark.parametrize("seconds", [5, 30, 120, 600, 1200, 1800])
def test_jobs_never_make_a_sync_slower(seconds: int) -> None:
    directly = ExportJobs(seconds, pace=15.5).minutes(4, 20, jobs=False)
    jobs = ExportJobs(seconds, pace=15.5)

    automatic = jobs.minutes(4, 20, jobs=True)

    # Each direct request costs its share of the limit; a loaded machine adds some noise to the clock.
    assert jobs.directly <= 80 + 4
    assert automatic < 1.5 * directly
    if seconds <= 120:
        assert jobs.by_job > 4


def test_fast_jobs_halve_a_sync_with_one_window_in_each_of_many_streams() -> None:
    directly = ExportJobs(5, pace=15.5).minutes(53, 1, jobs=False)

    assert ExportJobs(5, pace=15.5).minutes(53, 1, jobs=True) < directly / 2


def test_a_job_that_fails_leaves_its_window_to_a_direct_request() -> None:
    requested: list[Window] = []

    def fetch(window: Window, max_attempts: int, reservation: Reservation) -> Body:
        requested.append(window)
        return Body(1, window, reservation)

    def fetch_by_job(window: Window, reservation: Reservation) -> Body:
        raise JobsUnavailableError("no")

    span = Window(START, START + 30 * DAY)
    plan = WindowPlan("a", "export", span, Width(DAY, small=0), Transport(fetch, fetch_by_job))
    prefetcher = Prefetcher([plan], 10**9, job_workers=2, seconds_per_request=1.0)
    prefetcher.start()

    assert covers(list(read(prefetcher, "a")), START, span.end)
    prefetcher.stop()

    assert len(requested) == 30
