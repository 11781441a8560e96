"""However a sync ends, its output is whole lines, its states are true, and nothing of it lies on disk."""

import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.command import discover
from integration_tests.support.expected import (
    CURSORS,
    EVENTS,
    EXPORTS,
    KEYS,
    TABLES,
    TRUTH_OF,
    assert_exact,
    expected,
    merged,
    rfc3339,
)
from integration_tests.support.observed import EXPORT
from integration_tests.support.processes import Reading, until
from integration_tests.support.sync import NOW, START, Output, State, configured, environment, settings

PROMPTLY = 10.0
"""Seconds; a container is killed ten seconds after it was told to end."""
TERMINATED = 143
MANY = 8_000
ROOM = 192 * 1024
"""Bytes that hold every stream of a project but the one with that many rows."""
WINDOW = ("dataTypeName", "startDateTime", "endDateTime")


@pytest.fixture(scope="module")
def project() -> Iterator[Sandbox]:
    """A project whose sends are more than a pipe or a small disk can hold."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000, size=Size(bulk={"emailSend": MANY})) as running:
        yield running


@pytest.fixture(scope="module")
def catalog(project: Sandbox) -> dict[str, Any]:
    return discover(project)


@pytest.fixture(autouse=True)
def _undisturbed(project: Sandbox) -> None:
    project.faults.clear()
    project.forget_requests()


@pytest.fixture
def reading(project: Sandbox, catalog: dict[str, Any], tmp_path: Path) -> Iterator[Callable[..., Reading]]:
    """Start a read of some streams, or all; it is ended with the test."""
    started: list[Reading] = []

    def start(*tables: str, days: int = 10, variables: dict[str, str] | None = None, **how: Any) -> Reading:
        there = environment(project) | (variables or {})
        selected = configured(catalog, tables or TABLES)
        folder = tmp_path / str(len(started))
        started.append(
            Reading(
                folder, there, config=settings(project, window_in_days=days), catalog=selected, **how
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for one in started:
        one.__exit__(None, None, None)


def truth(project: Sandbox, catalog: dict[str, Any], table: str, **bounds: Any) -> list[dict[str, Any]]:
    """The records that a stream must have in the end."""
    (schema,) = [stream["json_schema"] for stream in catalog["streams"] if stream["name"] == table]
    return expected(table, project.rows(TRUTH_OF[table], **bounds), schema)


def assert_ended_well(ended: Reading, seconds: float) -> Output:
    """The end came promptly, said that it was a termination, at the last if anybody read on, and left nothing."""
    output = ended.read_all()
    assert seconds < PROMPTLY
    assert output.exit_code == TERMINATED
    assert "Traceback" not in output.stderr
    assert not ended.leftovers
    if not ended.summary_of:
        assert output.logs[-1].startswith("WARN The sync received SIGTERM: ")
    return output


# SIGTERM


def test_given_a_wait_for_the_limit_when_terminated_then_it_ends_promptly(reading: Callable[..., Reading]) -> None:
    waiting = reading(*EVENTS, variables={"ITERABLE_RATE_SCALE": "1"})
    assert waiting.read_until(lambda: b"Waiting " in waiting.text)

    seconds = waiting.terminate()

    output = assert_ended_well(waiting, seconds)
    assert not waiting.summary_of
    assert any("Iterable allows 4 a minute" in line for line in output.logs)


@pytest.mark.parametrize("after_bytes", [None, 2000], ids=["before the answer", "in the middle of a body"])
def test_given_a_download_that_hangs_when_terminated_then_it_ends_promptly(
    project: Sandbox, reading: Callable[..., Reading], after_bytes: int | None
) -> None:
    hangs = project.faults.add(
        Fault(kind="hang", endpoint=EXPORT, data_type="emailSend", seconds=600, after_bytes=after_bytes)
    )
    hanging = reading("email_open", "email_send")
    until(lambda: project.faults.struck(hangs), "the export was not requested")
    until(lambda: after_bytes is None or any(one.bytes_sent == after_bytes for one in project.requests), "no bytes")

    seconds = hanging.terminate()

    assert_ended_well(hanging, seconds)
    assert not hanging.summary_of


def test_given_a_destination_that_reads_nothing_when_terminated_then_it_ends_promptly(
    reading: Callable[..., Reading],
) -> None:
    stuck = reading("email_send", "users")
    assert stuck.read_until(lambda: b'"type":"RECORD"' in stuck.text)
    until(stuck.is_stuck, "the pipe was not filled")

    seconds = stuck.terminate()

    output = assert_ended_well(stuck, seconds)
    assert output.records("email_send")
    assert stuck.summary_of.count(b'{"type"') <= 1, "something was written behind a record that was not finished"


@pytest.mark.parametrize(("seed", "unbuffered"), [(0, ""), (1, "1")], ids=["buffered", "unbuffered"])
def test_given_records_under_way_when_terminated_then_it_ends_after_a_whole_line(
    reading: Callable[..., Reading], seed: int, unbuffered: str
) -> None:
    emitting = reading(variables={"PYTHONUNBUFFERED": unbuffered})
    assert emitting.read_lines(Random(seed).randrange(1, MANY))

    emitting.process.terminate()

    output = emitting.read_all()
    assert output.exit_code == TERMINATED
    assert not emitting.summary_of
    assert not output.stderr
    assert not emitting.leftovers


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_given_log_lines_of_downloads_while_records_are_written_then_they_stand_between_lines(
    project: Sandbox, reading: Callable[..., Reading], unbuffered: str
) -> None:
    """The destination reads nothing at first, so that the download logs in the middle of a batch of records."""
    breaks = project.faults.add(Fault(kind="cut", cut_at="end", endpoint=EXPORT, data_type="emailSendSkip", times=4))
    both = reading("email_send", "email_send_skip", variables={"PYTHONUNBUFFERED": unbuffered})
    assert both.read_until(lambda: b'"type":"RECORD"' in both.text)
    until(both.is_stuck, "the pipe was not filled")
    until(lambda: project.faults.struck(breaks) > 1, "nothing broke")

    output = both.read_all()

    assert output.exit_code == 0
    assert any("Requesting less" in line for line in output.logs)
    for table, rows in {"email_send": MANY, "email_send_skip": 0}.items():
        assert len(output.records(table)) == rows + Size().events


LATER = {
    "email_send_skip": "emailSendSkip",
    "email_subscribe": "emailSubscribe",
    "email_unsubscribe": "emailUnSubscribe",
    "purchase": "purchase",
    "push_open": "pushOpen",
    "push_send": "pushSend",
    "sms_send": "smsSend",
    "web_push_send": "webPushSend",
}
"""Streams that are read after `email_send`, and their data types."""


def test_given_a_destination_that_reads_nothing_when_downloads_log_then_they_go_on(
    project: Sandbox, reading: Callable[..., Reading]
) -> None:
    """Each stream's first export breaks twice, which is logged; there are more streams than threads."""
    breaks = [
        project.faults.add(Fault(kind="cut", cut_at="end", endpoint=EXPORT, data_type=data_type, times=2))
        for data_type in LATER.values()
    ]
    stuck = reading("email_send", *LATER, days=30)
    assert stuck.read_until(lambda: b'"type":"RECORD"' in stuck.text)
    until(stuck.is_stuck, "the pipe was not filled")

    until(lambda: all(project.faults.struck(one) == 2 for one in breaks), "downloads stopped at their log lines")
    until(lambda: len(exports(project)) >= len(LATER) * 5, "downloads stopped")

    output = stuck.read_all()
    assert output.exit_code == 0
    assert sum("Requesting less" in line for line in output.logs) == len(LATER)
    for table in LATER:
        assert output.statuses(table)[-1] == "COMPLETE"
        assert len(output.records(table)) == Size().events


# SIGKILL


@pytest.fixture(scope="module")
def smaller() -> Iterator[Sandbox]:
    with Sandbox(start=START, now=NOW, rate_scale=10_000, size=Size(events=300, users=120)) as running:
        yield running


@pytest.mark.parametrize("seed", range(2))
def test_given_a_process_killed_anywhere_when_resumed_then_nothing_is_lost_and_little_read_again(
    smaller: Sandbox, tmp_path: Path, seed: int
) -> None:
    """The points are random numbers of lines written, or of requests made; the seed tells them."""
    random = Random(seed)
    catalog = discover(smaller)
    there = {"config": settings(smaller, window_in_days=7), "catalog": configured(catalog)}
    runs: list[Output] = []
    asked: list[list[tuple[str, str, str]]] = []
    state: State = []
    for kills in (True, True, False):
        smaller.forget_requests()
        with Reading(tmp_path / str(len(runs)), environment(smaller), state=state, **there) as one:
            if kills and one.read_until(some_point(random, one, smaller)):
                one.kill()
            runs.append(one.read_all())
            assert not one.leftovers
        assert_little_again(runs, asked, state)
        asked.append(exports(smaller))
        state = kept(state, runs[-1].state)

    assert [run.exit_code for run in runs][0::2] == [-signal.SIGKILL, 0]
    for table in TABLES:
        arrived = merged([run.records(table) for run in runs], KEYS[table])
        assert_exact(arrived, merged([truth(smaller, catalog, table)], KEYS[table]), table)


def some_point(random: Random, one: Reading, project: Sandbox) -> Callable[[], bool]:
    """A timestamp of a sync."""
    if random.random() < 0.3:
        requests = random.randrange(1, 60)
        return lambda: len(project.requests) >= requests
    lines = random.randrange(1, 2500)
    return lambda: one.text.count(b"\n") >= lines


def exports(project: Sandbox) -> list[tuple[str, str, str]]:
    """The windows that were requested: data type, start and end."""
    asked = [one.params for one in project.requests if one.endpoint == EXPORT]
    return [tuple(rfc3339(one[name]) if "Date" in name else one[name] for name in WINDOW) for one in asked]  # type: ignore[misc]


def kept(before: State, after: State) -> State:
    """The last state of each stream over several syncs, as the platform keeps it."""
    return list({one["stream"]["stream_descriptor"]["name"]: one for one in [*before, *after]}.values())


def assert_little_again(runs: list[Output], asked: list[list[tuple[str, str, str]]], state: State) -> None:
    """What the last of ``runs`` read again lies in the window that was under way, or in the lookback before it."""
    saved = {one["stream"]["stream_descriptor"]["name"]: one["stream"]["stream_state"] for one in state}
    for table in EXPORTS:
        key, cursor = KEYS[table][0], CURSORS[table]
        known = {one[key] for run in runs[:-1] for one in run.records(table)}
        again = [one[cursor] for one in runs[-1].records(table) if one[key] in known]
        if not again:
            continue
        reached = saved.get(table, {}).get(cursor, rfc3339(START))
        windows = [window for windows in asked for window in windows if window[0] == TRUTH_OF[table]]
        under_way = max((end for _, start, end in windows if start <= reached), default="")
        assert saved.get(table, {}).get("settled", rfc3339(START)) <= min(again), table
        assert max(again) <= under_way, table


# A full disk


def small_files() -> None:
    """Let no file of this process grow beyond what all streams but one need."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with little room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system can only be mounted by root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_given_files_that_may_not_grow_when_synced_then_one_stream_says_so_and_the_others_are_exact(
    project: Sandbox, catalog: dict[str, Any], reading: Callable[..., Reading]
) -> None:
    limited = reading(before=small_files, days=60)

    output = limited.read_all()

    assert_full(output, project, catalog)
    assert not limited.leftovers


def test_given_a_full_disk_when_synced_then_one_stream_says_so_and_the_others_are_exact(
    project: Sandbox, catalog: dict[str, Any], reading: Callable[..., Reading], small_disk: Path
) -> None:
    """The one large body all but fills the disk for a while, in which the others are downloaded."""
    project.faults.add(
        Fault(kind="hang", endpoint=EXPORT, data_type="emailSend", seconds=1, after_bytes=ROOM - 4 * 1024, times=None)
    )
    full = reading(temporary=small_disk, days=60)

    output = full.read_all()

    assert_full(output, project, catalog)
    assert not full.leftovers


def assert_full(output: Output, project: Sandbox, catalog: dict[str, Any]) -> None:
    """The stream that has no room says so, with nothing half emitted; all others are exact."""
    assert output.exit_code == 1
    assert [error["stream_descriptor"]["name"] for error in output.errors] == ["email_send"]
    (error,) = output.errors
    assert error["failure_type"] == "transient_error"
    assert "$TMPDIR" in error["message"]
    assert output.statuses("email_send")[-1] == "INCOMPLETE"
    reached = [one["createdAt"] for one in output.states("email_send")]
    assert_exact(output.records("email_send"), truth(project, catalog, "email_send", end=max(reached, default=START)))
    for table in TABLES:
        if table != "email_send":
            assert output.statuses(table)[-1] == "COMPLETE", table
            assert_exact(output.records(table), truth(project, catalog, table), table)
