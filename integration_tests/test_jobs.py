"""Rows come the same by export jobs as directly, whatever becomes of jobs and files, and no job is left behind."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Job, Request, Sandbox, Size
from integration_tests.support.expected import EXPORTS, TRUTH_OF, assert_exact, canonical, expected, merged
from integration_tests.support.processes import Reading, until
from integration_tests.support.sync import (
    NOW,
    START,
    Output,
    State,
    catalog_here,
    configured,
    environment,
    read_here,
    settings,
)
from source_iterable.api import export_jobs
from source_iterable.api.client import Api
from source_iterable.api.export_jobs import MOST_FAILURES, MOST_JOBS
from source_iterable.prefetch.results import RETRY_DELAYS

EXPORT = "export/data.json"
BEGIN = "export/start"
FILES = "export/*/files"
STORAGE = "storage/*"
MANY_FILES: dict[str, Any] = {"job_file_bytes": 3000}
FOR_EVER: dict[str, Any] = {"times": None}
SLOW = 600
"""A scale of the limits at which jobs are worth while: a direct request each 26 ms."""

Serve = Callable[..., Sandbox]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a sandbox, which the connector asks also when it runs in this process."""
    with ExitStack() as stack:

        def start(**options: Any) -> Sandbox:
            sandbox = Sandbox(start=START, now=NOW, **({"rate_scale": 10_000} | options))
            stack.enter_context(sandbox)
            for name, value in environment(sandbox).items():
                monkeypatch.setenv(name, value)
            return sandbox

        yield start


@cache
def catalog() -> dict[str, Any]:
    """What `discover` shows of any of these sandboxes."""
    with Sandbox(start=START, now=NOW, size=Size.smallest()) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(sandbox).items():
            patch.setenv(name, value)
        return catalog_here(sandbox)


def by(
    method: str,
    sandbox: Sandbox,
    *tables: str,
    state: State | None = None,
    mode: str = "incremental",
    to: str = "append_dedup",
    days: int = 10,
) -> Output:
    """A sync whose exports are made in that manner, in windows of so many days to begin with."""
    sandbox.forget_requests()
    selected = configured(catalog(), tables, mode, to)
    return read_here(sandbox, selected, state, export_method=method, window_in_days=days)


def truth(sandbox: Sandbox, table: str, **bounds: Any) -> list[dict[str, Any]]:
    """The records of a stream that the sandbox's rows, within bounds, must become."""
    (schema,) = [one["json_schema"] for one in catalog()["streams"] if one["name"] == table]
    return expected(table, sandbox.truth(TRUTH_OF[table], **bounds), schema)


def asked(sandbox: Sandbox, endpoint: str, data_type: str | None = None) -> list[Request]:
    """The requests to an endpoint."""
    return [
        request
        for request in sandbox.requests
        if request.endpoint == endpoint and data_type in (None, request.params["dataTypeName"])
    ]


def ends(requests: list[Request]) -> list[datetime]:
    """Where the windows end that were requested."""
    texts = [request.params["endDateTime"].removesuffix(" +00:00") for request in requests]
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts]


def fetched(sandbox: Sandbox) -> Counter[str]:
    """How often each file was requested."""
    return Counter(request.path for request in sandbox.storage_requests)


def assert_synced(sandbox: Sandbox, output: Output, *tables: str) -> None:
    """The streams came whole, each row once."""
    assert not output.errors
    for table in tables:
        assert output.statuses(table)[-1] == "COMPLETE"
        assert_exact(output.records(table), truth(sandbox, table), table)


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
    sandbox.faults.add(Fault(kind="redirect", endpoint=STORAGE, location=f"{elsewhere.url}/api/lists", **FOR_EVER))

    output = by("automatic", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
    assert not elsewhere.requests


# Files that fail


TROUBLES = {
    "cut on the wire": {"kind": "cut", "after_bytes": 600},
    "cut at the end of a line": {"kind": "cut", "cut_at": "line", "after_bytes": 600},
    "cut before its last line": {"kind": "cut", "cut_at": "last_line"},
    "reset before it begins": {"kind": "reset"},
    "reset in the middle": {"kind": "reset", "after_bytes": 300},
    "HTTP 500": {"kind": "status", "status": 500},
    "HTTP 503": {"kind": "status", "status": 503},
    "expired": {"kind": "status", "status": 403},
}


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_given_a_file_that_fails_twice_when_synced_then_it_alone_is_asked_for_again(
    serve: Serve, trouble: dict[str, Any], gzip: bool
) -> None:
    sandbox = serve(**MANY_FILES, job_files_gzip=gzip)
    by("jobs", sandbox, "email_send", days=365)
    (job,) = sandbox.jobs
    assert len(job.files) > 5
    for nth in 4, 5:  # the fourth file, and its first repetition
        sandbox.faults.add(Fault(endpoint=STORAGE, nth=nth, **trouble))

    output = by("jobs", sandbox, "email_send", days=365)

    assert_synced(sandbox, output, "email_send")
    again = sandbox.jobs[-1]
    counts = {file: fetched(sandbox)[f"/storage/{again.id}/{file}"] for file in again.files}
    assert list(counts.values()) == [1, 1, 1, 3, *[1] * (len(again.files) - 4)]
    assert len(sandbox.jobs) == 2
    assert not asked(sandbox, EXPORT)


@pytest.mark.usefixtures("waits")
def test_given_a_file_that_expired_when_synced_then_its_page_is_asked_for_again(serve: Serve) -> None:
    sandbox = serve(**MANY_FILES, job_files_page=4)
    sandbox.faults.add(Fault(kind="status", status=403, endpoint=STORAGE, nth=6))

    output = by("jobs", sandbox, "email_send", days=365)

    assert_synced(sandbox, output, "email_send")
    (job,) = sandbox.jobs
    pages = [request.params.get("startAfter") for request in sandbox.requests if request.endpoint.endswith("/files")]
    assert pages.count(job.files[3]) == 4, (
        "looked at while the job ran, the page with the sixth file, that again, and a check at the end"
    )
    urls = [f"{request.path}?{request.query}" for request in sandbox.storage_requests]
    assert len(set(urls)) == len(urls), "an expired address is not tried twice"


@pytest.mark.usefixtures("waits")
def test_given_urls_that_expire_at_once_when_synced_then_rows_come_directly(serve: Serve) -> None:
    sandbox = serve(job_url_seconds=0, rate_scale=SLOW)

    output = by("automatic", sandbox, "email_send", days=1)

    assert_synced(sandbox, output, "email_send")
    assert {request.status for request in sandbox.storage_requests} <= {403}


@pytest.mark.usefixtures("waits")
def test_given_urls_that_expire_after_a_while_when_the_sync_takes_longer_then_all_rows_come(serve: Serve) -> None:
    sandbox = serve(**MANY_FILES, job_url_seconds=60)
    stopped = Fault(kind="status", status=500, endpoint=STORAGE, nth=7)
    sandbox.faults.add(stopped)
    strike = sandbox.faults.strike

    def strike_late(endpoint: str, params: Any) -> list[Fault]:
        striking = strike(endpoint, params)
        if stopped in striking:
            sandbox.advance(minutes=2)
        return striking

    sandbox.faults.strike = strike_late  # type: ignore[method-assign]

    output = by("jobs", sandbox, "email_send", days=365)

    assert_synced(sandbox, output, "email_send")
    assert Counter(request.status for request in sandbox.storage_requests)[403] >= 1
    assert not asked(sandbox, EXPORT)


@pytest.mark.usefixtures("waits")
def test_given_a_storage_that_never_answers_well_when_synced_then_rows_come_directly(serve: Serve) -> None:
    sandbox = serve(rate_scale=SLOW)
    sandbox.faults.add(Fault(kind="reset", endpoint=STORAGE, **FOR_EVER))

    output = by("automatic", sandbox, "email_send", days=1)

    assert_synced(sandbox, output, "email_send")
    assert len(sandbox.jobs) <= 4, "three windows in a row, and one that was under way"


def test_given_a_broken_line_in_a_file_when_synced_then_the_window_is_read_again(serve: Serve) -> None:
    sandbox = serve()
    sandbox.faults.add(Fault(kind="malformed", endpoint=STORAGE))

    output = by("automatic", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")


# Jobs that fail


@pytest.mark.parametrize("kind", ["job_failed", "job_cancelled"])
@pytest.mark.parametrize("times", [1, 2])
def test_given_a_job_that_does_not_complete_when_synced_then_another_one_is_started(
    serve: Serve, kind: Any, times: int
) -> None:
    sandbox = serve(**MANY_FILES)
    sandbox.faults.add(Fault(kind=kind, times=times))

    output = by("jobs", sandbox, "email_send", days=365)

    assert_synced(sandbox, output, "email_send")
    assert len(sandbox.jobs) == times + 1
    assert sandbox.jobs[-1].state == "completed"
    assert {job.window for job in sandbox.jobs} == {sandbox.jobs[0].window}
    assert set(fetched(sandbox)) == {f"/storage/{sandbox.jobs[-1].id}/{file}" for file in sandbox.jobs[-1].files}
    assert not any(job.cancelled for job in sandbox.jobs)


@pytest.mark.parametrize("kind", ["job_failed", "job_cancelled"])
def test_given_jobs_that_never_complete_when_synced_then_rows_come_directly(serve: Serve, kind: Any) -> None:
    sandbox = serve(rate_scale=SLOW)
    sandbox.faults.add(Fault(kind=kind, data_type="emailSend", **FOR_EVER))

    output = by("automatic", sandbox, "email_send", "email_open", days=1)

    assert_synced(sandbox, output, "email_send", "email_open")
    assert Counter(job.data_type for job in sandbox.jobs)["emailSend"] <= 6, "two at a time, then no more"
    assert not sandbox.storage_requests or not any(
        request.path.startswith(f"/storage/{job.id}/")
        for request in sandbox.storage_requests
        for job in sandbox.jobs
        if job.data_type == "emailSend"
    )


@pytest.mark.parametrize("kind", ["job_restarted", "job_late"])
def test_given_a_job_that_takes_another_course_when_synced_then_it_is_waited_for(serve: Serve, kind: Any) -> None:
    sandbox = serve(**MANY_FILES)
    sandbox.faults.add(Fault(kind=kind, **FOR_EVER))

    output = by("jobs", sandbox, "email_send", "users")

    assert_synced(sandbox, output, "email_send", "users")
    assert {job.state for job in sandbox.jobs} == {"completed"}


def test_given_a_job_that_stays_enqueued_when_synced_then_it_is_cancelled_and_rows_come_directly(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_jobs, "PATIENCE", 0.05)
    sandbox = serve(foreign_jobs=2)
    sandbox.faults.add(Fault(kind="job_stuck", **FOR_EVER))

    output = by("automatic", sandbox, "email_send", "users")

    assert_synced(sandbox, output, "email_send", "users")
    assert [job.cancelled for job in sandbox.jobs] == [False, False, *[True] * (len(sandbox.jobs) - 2)]
    assert len(sandbox.jobs) - 2 <= 2, "then nobody requests more"


def test_given_other_tools_that_take_all_places_when_synced_then_rows_come_directly(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_jobs, "PATIENCE", 0.05)
    sandbox = serve(foreign_jobs=4)

    output = by("automatic", sandbox, *EXPORTS)

    assert_synced(sandbox, output, *EXPORTS)
    assert not any(job.cancelled for job in sandbox.jobs[:4])
    assert all(job.cancelled for job in sandbox.jobs[4:])


def test_given_jobs_that_are_cut_at_the_limit_when_synced_then_windows_are_narrowed(serve: Serve) -> None:
    sandbox = serve(job_bytes=8000, job_file_bytes=3000)

    output = by("jobs", sandbox, "email_send", "users", days=60)

    assert_synced(sandbox, output, "email_send", "users")
    cut = [job for job in sandbox.jobs if job.truncated]
    whole = [job for job in sandbox.jobs if not job.truncated]
    assert cut
    assert whole
    for job in sandbox.jobs:
        assert all(f"/storage/{job.id}/" not in path for path in fetched(sandbox)) or not job.truncated


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("status", [500, 502, 504])
def test_given_looks_that_fail_when_synced_then_they_are_repeated(serve: Serve, status: int) -> None:
    sandbox = serve(**MANY_FILES)
    for nth in 1, 3, 6:
        sandbox.faults.add(Fault(kind="status", status=status, endpoint=FILES, nth=nth))

    output = by("jobs", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
    assert not asked(sandbox, EXPORT)
    assert {job.state for job in sandbox.jobs} == {"completed"}


@pytest.mark.usefixtures("waits")
def test_given_a_job_that_nobody_knows_any_more_when_synced_then_rows_come_directly(serve: Serve) -> None:
    sandbox = serve()
    sandbox.faults.add(Fault(kind="status", status=404, endpoint=FILES, **FOR_EVER))

    output = by("automatic", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
    assert not sandbox.storage_requests


# Files, in whatever order


@pytest.mark.parametrize("by_position", [False, True], ids=["after a name", "after a place"])
@pytest.mark.parametrize("repeated", [False, True], ids=["each once", "with repeats"])
@pytest.mark.parametrize("page", [1, 2, 3, 7])
def test_given_files_in_no_order_when_synced_then_each_is_fetched_once(
    serve: Serve, page: int, repeated: bool, by_position: bool
) -> None:
    sandbox = serve(
        job_file_bytes=700,
        job_files_page=page,
        job_files_shuffled=True,
        job_files_by_position=by_position,
        job_files_repeated=repeated,
    )

    output = by("jobs", sandbox, "email_send", days=365)

    assert_synced(sandbox, output, "email_send")
    (job,) = sandbox.jobs
    assert job.files != sorted(job.files, key=lambda name: name[::-1])
    assert len(job.files) > 7
    assert fetched(sandbox) == dict.fromkeys((f"/storage/{job.id}/{file}" for file in job.files), 1)


# Jobs without files


def empty_jobs(sandbox: Sandbox) -> list[Job]:
    return [job for job in own(sandbox) if not job.rows]


def looked_at(sandbox: Sandbox, job: Job) -> int:
    return sum(request.endpoint == f"export/{job.id}/files" for request in sandbox.requests)


NO_BYTES: dict[str, Any] = {"job_bytes_told": False}
LISTINGS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "tells bytes": ({}, None),
    "tells no bytes": (NO_BYTES, None),
    "does not show the job": ({"jobs_listed": False}, None),
    "is not there": ({"missing_endpoints": ("export/jobs",)}, None),
    **{f"is refused with {status}": ({}, {"kind": "status", "status": status}) for status in (400, 401, 403, 404, 500)},
    "is not JSON": ({}, {"kind": "status", "status": 200, "body": "jobs"}),
    "is a page of a proxy": ({}, {"kind": "status", "status": 200, "body": "<html>Sign in</html>"}),
    "breaks off": ({}, {"kind": "reset"}),
    **{
        f"says {value}": ({}, {"kind": "status", "status": 200, "body": f'{{"jobs":{value}}}'})
        for value in ("null", "[7]", '[{"id":7340001,"bytesExported":"some"}]')
    },
}


@pytest.mark.parametrize(("options", "fault"), LISTINGS.values(), ids=LISTINGS)
def test_given_files_that_are_listed_late_when_synced_then_nothing_is_lost(
    serve: Serve, waits: list[float], options: dict[str, Any], fault: dict[str, Any] | None
) -> None:
    sandbox = serve(job_files_late=2, **options)
    sandbox.faults.add(Fault(kind="job_late", **FOR_EVER))
    if fault:
        sandbox.faults.add(Fault(endpoint="export/jobs", **fault, **FOR_EVER))

    output = by("jobs", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
    assert not asked(sandbox, EXPORT)
    assert not waits


@pytest.mark.parametrize(("options", "fault"), LISTINGS.values(), ids=LISTINGS)
def test_given_a_job_without_files_when_synced_then_it_is_proven_empty(
    serve: Serve, waits: list[float], options: dict[str, Any], fault: dict[str, Any] | None
) -> None:
    sandbox = serve(size=Size(events=2), job_polls=0, **options)
    if fault:
        sandbox.faults.add(Fault(endpoint="export/jobs", **fault, **FOR_EVER))

    output = by("jobs", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
    assert empty_jobs(sandbox)
    tells = not options and fault is None
    for job in empty_jobs(sandbox):
        # a look at its state, one for its files, and two more where only time can tell
        assert looked_at(sandbox, job) == (2 if tells else 4)
    listed = [request for request in sandbox.requests if request.endpoint == "export/jobs"]
    if fault and fault.get("status", 0) in range(400, 500):
        assert len(listed) <= 2, "a refusal is believed; two jobs run at a time"


def test_given_a_second_look_when_only_time_can_tell_then_it_comes_half_a_minute_later(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(size=Size(events=0), job_polls=0, **NO_BYTES)
    waited: list[float] = []
    monkeypatch.setattr(Api, "scaled", lambda _, seconds: waited.append(seconds) or 0.0)

    by("jobs", sandbox, "email_send", days=365)

    assert waited[len(RETRY_DELAYS) :] == [1.0, 10.0, 20.0]


@pytest.mark.parametrize("method", ["automatic", "jobs"])
def test_given_a_job_whose_files_never_come_when_it_exported_some_then_it_is_not_believed_empty(
    serve: Serve, method: str
) -> None:
    sandbox = serve(job_files_late=10**9, rate_scale=SLOW if method == "automatic" else 10_000)
    sandbox.faults.add(Fault(kind="job_late", **FOR_EVER))

    output = by(method, sandbox, "email_send", days=1 if method == "automatic" else 30)

    if method == "automatic":
        assert_synced(sandbox, output, "email_send")
        assert len(sandbox.jobs) < MOST_FAILURES + MOST_JOBS
        return
    (error,) = output.errors
    assert error["failure_type"] == "config_error"
    assert "bytes, but lists no files" in error["message"]
    assert "Choose automatic" in error["message"]
    assert not output.records("email_send")


def test_given_a_list_of_jobs_that_lags_behind_when_synced_then_no_bytes_of_a_running_job_prove_nothing(
    serve: Serve, waits: list[float]
) -> None:
    sandbox = serve(job_files_late=2)
    sandbox.faults.add(Fault(kind="job_late", **FOR_EVER))
    stale = [{"id": 7340001 + number, "jobState": "running", "bytesExported": 0} for number in range(30)]
    sandbox.faults.add(
        Fault(kind="status", status=200, endpoint="export/jobs", body=json.dumps({"jobs": stale}), **FOR_EVER)
    )

    output = by("jobs", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")


# Refusals


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_given_jobs_that_are_refused_when_synced_then_rows_come_directly(serve: Serve, status: int) -> None:
    sandbox = serve()
    fault = sandbox.faults.add(Fault(kind="status", status=status, endpoint=BEGIN, **FOR_EVER))

    output = by("automatic", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
    assert not sandbox.jobs
    assert sandbox.faults.struck(fault) < 15
    if status < 429:
        # one of a key that was accepted before is believed when several windows met it
        assert sandbox.faults.struck(fault) <= (4 if status in {401, 403} else 2)


def test_given_a_stream_that_no_job_exports_when_synced_then_its_rows_come_directly(serve: Serve) -> None:
    sandbox = serve()
    fault = sandbox.faults.add(Fault(kind="status", status=400, endpoint=BEGIN, data_type="emailSend", **FOR_EVER))

    output = by("automatic", sandbox, "email_open", "email_send", "users")

    assert_synced(sandbox, output, "email_open", "email_send", "users")
    assert "emailSend" not in {job.data_type for job in sandbox.jobs}
    assert sandbox.faults.struck(fault) <= 2


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_given_jobs_that_are_asked_for_but_refused_when_synced_then_the_stream_says_so(
    serve: Serve, status: int
) -> None:
    sandbox = serve()
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=BEGIN, **FOR_EVER))

    output = by("jobs", sandbox, "email_send")

    (error,) = output.errors
    assert output.statuses("email_send")[-1] == "INCOMPLETE"
    assert error["failure_type"] == "config_error"
    assert "email_send: the export of 2024-01-01T00:00:00Z to 2024-01-11T00:00:00Z" in error["message"]
    assert f"HTTP {status}" in error["message"]
    assert "export_method" in error["message"]
    assert not output.records("email_send")
    assert not asked(sandbox, EXPORT)


@pytest.mark.usefixtures("waits")
def test_given_a_key_that_may_not_export_when_synced_then_the_stream_says_so(serve: Serve) -> None:
    sandbox = serve(read_only_key=True)

    output = by("automatic", sandbox, "email_send", "channels")

    (error,) = output.errors
    assert "Server-side" in error["message"]
    assert output.statuses("channels")[-1] == "COMPLETE"
    assert len(asked(sandbox, BEGIN)) <= 3


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


def own(sandbox: Sandbox) -> list[Job]:
    """The jobs that the connector started."""
    return [job for job in sandbox.jobs if job.started_by != "another tool"]


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
    sandbox.faults.add(Fault(kind="job_stuck", **FOR_EVER))
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
    sandbox.faults.add(Fault(kind="job_stuck", **FOR_EVER))
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
    sandbox.faults.add(Fault(kind="job_stuck", **FOR_EVER))
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
    sandbox.faults.add(Fault(kind="job_stuck", data_type="emailSend", **FOR_EVER))

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
