"""Exports by jobs bring the same rows as direct ones, within the limits, with the key kept."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Job, Sandbox, Size
from integration_tests.support.expected import EXPORTS, TRUTH_OF, assert_exact, canonical, merged
from integration_tests.support.export_jobs import (
    BEGIN,
    FILES,
    MANY_FILES,
    SLOW,
    STORAGE,
    Serve,
    asked,
    assert_synced,
    by,
    catalog,
    own,
    truth,
)
from integration_tests.support.observed import EVER, EXPORT
from integration_tests.support.processes import Reading, until
from integration_tests.support.sync import (
    NOW,
    configured,
    environment,
    settings,
)
from source_iterable.api import export_jobs

# The same rows


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"job_file_bytes": 3000},
        {"job_file_bytes": 700, "job_files_page": 3, "job_polls": 5},
        {"job_files_gzip": True, "job_file_bytes": 3000},
        {"job_polls": 0, "job_empty_file": True},
        {"job_polls": 1, "blank_lines": False},
        {"inclusive_end": True},
        {"foreign_jobs": 3},
    ],
    ids=lambda options: ", ".join(map("=".join, ((name, str(value)) for name, value in options.items()))) or "usual",
)
def test_given_either_transport_when_synced_then_exactly_the_same_records(serve: Serve, options: Any) -> None:
    sandbox = serve(**options)

    directly, by_jobs, either = (by(method, sandbox, *EXPORTS) for method in ("direct", "jobs", "automatic"))

    for table in EXPORTS:
        there = Counter(map(canonical, truth(sandbox, table)))
        for output in directly, by_jobs, either:
            assert Counter(map(canonical, output.records(table))) == there, table
        assert directly.states(table)[-1].keys() == by_jobs.states(table)[-1].keys()


def test_given_a_method_when_synced_then_only_its_requests_are_made(serve: Serve) -> None:
    sandbox = serve()

    by("direct", sandbox, "email_send", "users")
    directly = len(asked(sandbox, EXPORT)), len(asked(sandbox, BEGIN)), len(sandbox.storage_requests)
    by("jobs", sandbox, "email_send", "users")
    by_jobs = len(asked(sandbox, EXPORT)), len(asked(sandbox, BEGIN)), len(sandbox.storage_requests)

    assert directly[0] > 4
    assert directly[1:] == (0, 0)
    assert by_jobs[0] == 0
    assert by_jobs[1] > 4
    assert by_jobs[2] == sum(len(job.files) for job in sandbox.jobs)


def test_given_automatic_when_synced_then_jobs_take_windows_that_are_not_needed_soon(serve: Serve) -> None:
    sandbox = serve(rate_scale=SLOW)

    output = by("automatic", sandbox, *EXPORTS, days=3)

    assert_synced(sandbox, output, *EXPORTS)
    assert len(asked(sandbox, BEGIN)) >= 2
    first = min(request.params["startDateTime"] for request in asked(sandbox, EXPORT))
    for table in EXPORTS[:2]:
        starts = [request.params["startDateTime"] for request in asked(sandbox, EXPORT, TRUTH_OF[table])]
        assert first in starts, f"{table}: the first window is needed at once"


def test_given_a_late_event_when_synced_by_jobs_again_then_it_is_there(serve: Serve) -> None:
    sandbox = serve()
    row = {"email": "late@example.com", "createdAt": "2024-03-10 11:30:00 +00:00"}
    sandbox.add_event("emailSend", row, exportable_at="2024-03-10T12:20:00Z")
    first = by("jobs", sandbox, "email_send")
    sandbox.advance(hours=1)

    second = by("jobs", sandbox, "email_send", state=first.state)

    there = truth(sandbox, "email_send")
    assert len(first.records("email_send")) == len(there) - 1
    assert_exact(merged([first.records("email_send"), second.records("email_send")], ["event_id"]), there)


def test_given_full_refresh_by_jobs_when_a_profile_changes_meanwhile_then_none_is_missing(serve: Serve) -> None:
    sandbox = serve()
    sandbox.add_event("user", {"email": "late@example.com", "profileUpdatedAt": "2024-03-10 12:00:01 +00:00"})
    sandbox.set_clock(NOW)

    output = by("jobs", sandbox, "users", mode="full_refresh", to="overwrite")

    there = merged([truth(sandbox, "users", exportable_by=sandbox.now)], ["email"])
    assert not asked(sandbox, EXPORT)
    assert_exact(merged([output.records("users")], ["email"]), there)


def test_given_plain_append_when_synced_by_jobs_again_and_again_then_no_event_is_appended_twice(serve: Serve) -> None:
    sandbox = serve()
    appended: list[Any] = []
    state = None
    for _ in range(4):
        output = by("jobs", sandbox, "email_open", state=state, to="append")
        state = output.state
        appended += output.records("email_open")
        sandbox.advance(hours=30)
        sandbox.grow(9)

    settled = truth(sandbox, "email_open", end=output.states("email_open")[-1]["settled"])
    assert_exact(appended, settled)


def test_given_any_state_of_a_sync_by_jobs_when_read_from_it_then_merging_gives_the_truth(serve: Serve) -> None:
    sandbox = serve()
    there = merged([truth(sandbox, "email_click")], ["event_id"])
    whole = by("jobs", sandbox, "email_click")
    before: list[Any] = []

    for message in whole.messages:
        if message["type"] == "RECORD":
            before.append(message["record"]["data"])
        elif message["type"] == "STATE":
            resumed = by(
                "jobs", sandbox, "email_click", state=[{"type": "STREAM", "stream": message["state"]["stream"]}]
            )
            assert_exact(merged([before, resumed.records("email_click")], ["event_id"]), there)


# The limits


def test_given_many_streams_when_synced_by_jobs_then_at_most_two_jobs_are_under_way(serve: Serve) -> None:
    sandbox = serve(foreign_jobs=1)

    output = by("jobs", sandbox, *EXPORTS)

    assert_synced(sandbox, output, *EXPORTS)
    own = sandbox.jobs[1:]
    assert len(own) > 20
    assert max(job.beside for job in own) == 1, "the other one"


@pytest.mark.real_time
def test_given_the_limits_of_a_second_when_synced_by_jobs_then_none_is_met(serve: Serve) -> None:
    sandbox = serve(rate_scale=6)

    output = by("jobs", sandbox, "email_send", "email_open", days=35)

    assert_synced(sandbox, output, "email_send", "email_open")
    assert {request.status for request in sandbox.requests} == {200}
    assert sandbox.worst_rate(BEGIN, seconds=1) <= 6
    assert sandbox.worst_rate(FILES, seconds=1) <= 6


# The key


def test_given_files_elsewhere_when_synced_then_the_key_is_not_sent_there(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(**MANY_FILES)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    output = by("jobs", sandbox, *EXPORTS)

    assert_synced(sandbox, output, *EXPORTS)
    assert len(sandbox.storage_requests) > 50
    for request in sandbox.storage_requests:
        assert sandbox.api_key not in f"{request.headers} {request.path} {request.query}"
        assert not {"api-key", "api_key", "authorization", "cookie"} & {name.lower() for name in request.headers}
    assert all(request.headers["Api-Key"] == sandbox.api_key for request in sandbox.requests)


def test_given_a_sync_by_jobs_when_done_then_neither_key_nor_signed_urls_are_in_its_messages(serve: Serve) -> None:
    sandbox = serve(**MANY_FILES)
    sandbox.faults.add(Fault(kind="status", status=500, endpoint=STORAGE))
    sandbox.faults.add(Fault(kind="reset", endpoint=STORAGE, nth=5))
    sandbox.faults.add(Fault(kind="status", status=403, endpoint=STORAGE, nth=9))

    output = by("jobs", sandbox, "email_send", "users")

    assert sandbox.api_key not in output.text
    assert "X-Amz" not in output.text
    assert sandbox.storage_url not in output.text


@pytest.mark.usefixtures("waits")
def test_given_a_storage_that_sends_elsewhere_when_synced_then_nobody_follows(serve: Serve) -> None:
    elsewhere = serve()
    sandbox = serve()
    sandbox.faults.add(Fault(kind="redirect", endpoint=STORAGE, location=f"{elsewhere.url}/api/lists", **EVER))

    output = by("automatic", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
    assert not elsewhere.requests


# The end


def test_given_a_sync_that_ends_well_when_done_then_it_cancelled_nothing(serve: Serve) -> None:
    sandbox = serve(foreign_jobs=2)

    by("jobs", sandbox, *EXPORTS)

    assert not any(job.cancelled for job in sandbox.jobs)
    assert not [request for request in sandbox.requests if request.method == "DELETE"]


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Callable[..., Reading]]:
    """Start a read by jobs as a process; it is ended with the test."""
    started: list[Reading] = []

    def start(sandbox: Sandbox, *tables: str, method: str = "jobs", state: Any = None) -> Reading:
        config = settings(sandbox, export_method=method, window_in_days=10)
        selected = configured(catalog(), tables)
        folder = tmp_path / str(len(started))
        started.append(Reading(folder, environment(sandbox), config=config, catalog=selected, state=state))
        return started[-1]

    yield start
    for one in started:
        one.__exit__(None, None, None)


def waited_for(sandbox: Sandbox) -> list[Job]:
    """Those of them that it has looked at."""
    looked_at = {request.endpoint for request in sandbox.requests}
    return [job for job in own(sandbox) if f"export/{job.id}/files" in looked_at]


def cancelled(sandbox: Sandbox) -> list[int]:
    """The jobs whose cancellation was requested and accepted, as often as it was."""
    deletions = [request for request in sandbox.requests if request.method == "DELETE" and request.status == 200]
    return sorted(int(request.endpoint.removeprefix("export/")) for request in deletions)


@pytest.mark.parametrize(
    ("method", "rate_scale", "number"),
    [("jobs", 10_000, 2), ("jobs", 1, 2)],
    ids=["jobs", "jobs, of which one is cancelled a second"],
)
def test_given_jobs_under_way_when_terminated_then_exactly_those_of_this_sync_are_cancelled(
    serve: Serve, reading: Callable[..., Reading], method: str, rate_scale: float, number: int
) -> None:
    sandbox = serve(foreign_jobs=2, rate_scale=rate_scale)
    sandbox.faults.add(Fault(kind="job_stuck", **EVER))
    process = reading(sandbox, "email_open", "email_send", method=method)
    process.read_until(lambda: len(waited_for(sandbox)) == number)

    seconds = process.terminate()

    output = process.read_all()
    assert (output.exit_code, seconds < 8) == (143, True)
    assert not process.leftovers
    assert [job.cancelled for job in sandbox.jobs] == [False, False] + [True] * number
    assert cancelled(sandbox) == [job.id for job in own(sandbox)], "each once"


def test_given_a_job_whose_start_is_not_answered_yet_when_terminated_then_it_is_cancelled_too(
    serve: Serve, reading: Callable[..., Reading]
) -> None:
    sandbox = serve()
    sandbox.faults.add(Fault(kind="job_stuck", **EVER))
    sandbox.faults.add(Fault(kind="hang", endpoint=BEGIN, after_bytes=4, seconds=0.7))
    process = reading(sandbox, "email_send")
    process.read_until(lambda: own(sandbox))

    seconds = process.terminate()

    assert seconds < 8
    assert [job.cancelled for job in own(sandbox)] == [True]


def test_given_jobs_of_a_sync_that_was_killed_when_synced_and_terminated_then_they_are_left_alone(
    serve: Serve, reading: Callable[..., Reading]
) -> None:
    sandbox = serve()
    sandbox.faults.add(Fault(kind="job_stuck", **EVER))
    first = reading(sandbox, "email_send")
    first.read_until(lambda: len(waited_for(sandbox)) == 1)
    first.kill()
    second = reading(sandbox, "email_send")
    second.read_until(lambda: len(waited_for(sandbox)) == 2)

    second.terminate()

    assert [job.cancelled for job in own(sandbox)] == [False, True]


def test_given_a_download_of_files_when_terminated_then_the_state_leads_to_the_rest(
    serve: Serve, reading: Callable[..., Reading]
) -> None:
    sandbox = serve(size=Size(bulk={"emailSend": 3000}), job_file_bytes=20_000)
    hangs = sandbox.faults.add(Fault(kind="hang", endpoint=STORAGE, seconds=600, nth=60))
    process = reading(sandbox, "email_send")
    process.read_until(lambda: sandbox.faults.struck(hangs) and process.output.states("email_send"))
    seconds = process.terminate()
    broken_off = process.read_all()

    resumed = by("jobs", sandbox, "email_send", state=broken_off.state)

    assert seconds < 8
    assert not process.leftovers
    assert broken_off.records("email_send")
    together = merged([broken_off.records("email_send"), resumed.records("email_send")], ["event_id"])
    assert_exact(together, merged([truth(sandbox, "email_send")], ["event_id"]))


def test_given_a_stream_that_fails_when_the_sync_ends_then_jobs_ahead_of_it_are_cancelled(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(foreign_jobs=1)
    monkeypatch.setattr(export_jobs, "LONG_PATIENCE", 0.3)
    sandbox.faults.add(Fault(kind="job_stuck", data_type="emailSend", **EVER))

    output = by("jobs", sandbox, "email_send")

    assert output.statuses("email_send")[-1] == "INCOMPLETE"
    until(lambda: all(job.cancelled for job in own(sandbox)), "its job was left behind")
    assert not sandbox.jobs[0].cancelled


def test_given_web_pages_in_the_place_of_jobs_when_synced_then_each_start_is_tried_once_and_rows_come_directly(
    serve: Serve, waits: list[float]
) -> None:
    sandbox = serve(rate_scale=SLOW)
    sandbox.faults.add(Fault(kind="status", status=200, endpoint=BEGIN, body="<html>Sign in</html>", times=None))

    output = by("automatic", sandbox, "email_send", days=1)

    assert output.statuses("email_send")[-1] == "COMPLETE"
    starts = [one.body for one in sandbox.requests if one.endpoint == BEGIN]
    assert len(starts) == len(set(starts)) > 0
    assert waits == []
