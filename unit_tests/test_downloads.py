"""The look-ahead, with fetches that are told what to do: no HTTP, no sleep."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_iterable.backlogs import Grow, Listed, Windows
from source_iterable.downloads import Downloads
from source_iterable.errors import TooMuchError
from source_iterable.windows import Width, Window

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass
class Body:
    """A body of ``size`` bytes that notes when it is closed."""

    window: Window
    size: int
    closed: bool = False

    def close(self) -> None:
        self.closed = True


@dataclass
class Server:
    """Delivers windows up to a width, each hour as ``hourly`` bytes."""

    widest: timedelta = timedelta(days=400)
    hourly: int = 10
    asked: list[tuple[str, Window, int]] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, table: str) -> Callable[[Window, int, Grow], Body]:
        def fetch(window: Window, tries: int, grow: Grow) -> Body:
            with self.lock:
                self.asked.append((table, window, tries))
            if window.width > self.widest:
                raise TooMuchError("too wide")
            size = max(1, round(self.hourly * (window.width / HOUR)))
            grow(size)
            body = Body(window, size)
            with self.lock:
                self.bodies.append(body)
            return body

        return fetch

    def table(self, name: str, days: float, base: timedelta = 30 * DAY) -> Windows:
        return Windows(name, "export", Window(START, START + days * DAY), Width(base, small=0), self.fetch(name))


@pytest.fixture
def server() -> Server:
    return Server()


def read(downloads: Downloads, table: str) -> Iterator[Window]:
    for piece in downloads.take(table):
        assert not piece.body.closed
        yield piece.what


def covers(windows: list[Window], start: datetime, end: datetime) -> bool:
    """Whether ``windows`` follow each other without a gap or an overlap from ``start`` to ``end``."""
    bounds = [start, *(window.end for window in windows)]
    return [window.start for window in windows] == bounds[:-1] and bounds[-1] == end


def test_tables_are_taken_in_order_and_window_by_window(server: Server) -> None:
    downloads = Downloads([server.table("a", 100), server.table("b", 45)], room=10**9)
    downloads.start()

    first, second = list(read(downloads, "a")), list(read(downloads, "b"))
    downloads.stop()

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
    table = Windows("a", "export", span, Width(base * DAY, small=0), server.fetch("a"))
    downloads = Downloads([table], room=10**12)
    downloads.start()

    windows = list(read(downloads, "a"))
    downloads.stop()

    assert covers(windows, span.start, span.end)


def test_until_one_window_came_whole_a_single_one_is_asked_for() -> None:
    """A table that may not be exported costs one request in the whole sync."""
    asked: list[Window] = []
    other_done = threading.Event()

    def refused(window: Window, tries: int, grow: Grow) -> Body:
        asked.append(window)
        raise PermissionError("HTTP 401")

    def other(window: Window, tries: int, grow: Grow) -> Body:
        if window.end == START + 100 * DAY:
            other_done.set()
        return Body(window, 1)

    span = Window(START, START + 100 * DAY)
    downloads = Downloads(
        [
            Windows("refused", "export", span, Width(DAY), refused),
            Windows("other", "export", span, Width(DAY, small=0), other),
        ],
        room=10**9,
    )
    downloads.start()
    with pytest.raises(PermissionError):
        list(read(downloads, "refused"))
    assert len(list(read(downloads, "other"))) == 100
    assert other_done.wait(10)
    downloads.stop()

    assert len(asked) == 1


def test_a_width_that_is_too_much_is_met_twice_then_halved_without_retries(server: Server) -> None:
    server.widest = 4 * DAY
    downloads = Downloads([server.table("a", 60, base=32 * DAY)], room=10**9)
    downloads.start()

    windows = list(read(downloads, "a"))
    downloads.stop()

    assert [(window.width // DAY, tries) for _, window, tries in server.asked[:5]] == [
        (32, 2), (16, 1), (8, 1), (4, 1), (4, 2),
    ]  # fmt: skip
    assert covers(windows, START, START + 60 * DAY)


def test_a_failure_is_met_in_its_turn(server: Server) -> None:
    fetch = server.fetch("a")

    def failing(window: Window, tries: int, grow: Grow) -> Body:
        if window.start == START + 2 * DAY:
            raise ValueError("no")
        return fetch(window, tries, grow)

    span = Window(START, START + 10 * DAY)
    downloads = Downloads([Windows("a", "export", span, Width(DAY, small=0), failing)], room=10**9)
    downloads.start()
    coming = read(downloads, "a")
    taken = [next(coming), next(coming)]

    with pytest.raises(ValueError, match="no"):
        next(coming)
    downloads.stop()

    assert covers(taken, START, START + 2 * DAY)
    assert all(body.closed for body in server.bodies)


@pytest.mark.parametrize("room", [250, 300, 1000])
def test_bodies_on_disk_stay_below_the_room(room: int) -> None:
    """Each day is 240 bytes: with little room, bodies that came too early are dropped and asked for again."""
    server = Server()
    downloads = Downloads([server.table("a", 20, base=DAY), server.table("b", 20, base=DAY)], room=room)
    most = 0
    downloads.start()

    for table in ("a", "b"):
        windows = []
        for window in read(downloads, table):
            windows.append(window)
            with server.lock:
                most = max(most, sum(body.size for body in server.bodies if not body.closed))
        assert covers(windows, START, START + 20 * DAY)
    downloads.stop()

    assert most <= room + 4 * 240  # those under way when room ran out let go at their next piece


def test_a_body_larger_than_the_room_is_narrowed(server: Server) -> None:
    downloads = Downloads([server.table("a", 8, base=8 * DAY)], room=500)
    downloads.start()

    windows = list(read(downloads, "a"))
    downloads.stop()

    assert covers(windows, START, START + 8 * DAY)
    assert max(body.size for body in server.bodies) <= 500


def test_the_last_window_is_asked_for_when_all_others_were_taken(server: Server) -> None:
    taken: list[Window] = []
    known: list[int] = []

    def last() -> Window:
        known.append(len(taken))
        return Window(START + 90 * DAY, START + 91 * DAY)

    table = Windows("a", "export", Window(START, START + 90 * DAY), Width(30 * DAY, small=0), server.fetch("a"), last)
    downloads = Downloads([table], room=10**9)
    downloads.start()
    for window in read(downloads, "a"):
        taken.append(window)  # noqa: PERF402 - `last` looks at it meanwhile
    downloads.stop()

    assert known == [3]
    assert covers(taken, START, START + 91 * DAY)


def test_lists_are_found_then_fetched_in_order() -> None:
    asked: list[int] = []

    def fetch(list_id: int, grow: Grow) -> Body:
        asked.append(list_id)
        return Body(Window(START, START + DAY), 1)

    downloads = Downloads([Listed("list_users", "lists", lambda: [3, 5, 8], fetch)], room=10)
    downloads.start()

    taken = [piece.what for piece in downloads.take("list_users")]
    downloads.stop()

    assert taken == [3, 5, 8]
    assert sorted(asked) == [3, 5, 8]


def test_downloads_go_on_while_a_body_is_read(server: Server) -> None:
    """A destination that takes its time with the first window stalls no download."""
    downloads = Downloads([server.table("a", 10, base=DAY)], room=10**9)
    downloads.start()
    windows = downloads.take("a")
    next(windows)

    enough = threading.Event()
    while not enough.is_set():
        with server.lock:
            if len(server.asked) == 10:
                enough.set()
    rest = [piece.what for piece in windows]
    downloads.stop()

    assert len(rest) == 9


def test_stop_gives_everything_back(server: Server) -> None:
    downloads = Downloads([server.table("a", 10, base=DAY)], room=10**9)
    downloads.start()
    next(downloads.take("a"))

    downloads.stop()
    for thread in downloads._threads:
        thread.join(timeout=10)

    assert not any(thread.is_alive() for thread in downloads._threads)
    assert all(body.closed for body in server.bodies)


def test_a_reader_that_meets_a_full_disk_gets_what_lies_ahead_and_all_comes_later(server: Server) -> None:
    downloads = Downloads([server.table("a", 3, base=DAY), server.table("b", 3, base=DAY)], room=10**9)
    downloads.start()
    enough = threading.Event()
    while not enough.is_set():
        with server.lock:
            if len(server.bodies) == 6:
                enough.set()
    while downloads._used < 6 * 240:
        pass

    downloads.make_room()

    assert downloads._used == 0
    assert all(body.closed for body in server.bodies[:6])
    assert covers(list(read(downloads, "a")), START, START + 3 * DAY)
    assert covers(list(read(downloads, "b")), START, START + 3 * DAY)
    downloads.stop()
