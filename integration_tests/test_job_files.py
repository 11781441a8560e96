"""Jobs and files that fail, come late or in no order: every row arrives once."""

import json
from collections import Counter
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Job, Sandbox, Size
from integration_tests.support.export_jobs import (
    MANY_FILES,
    SLOW,
    STORAGE,
    Serve,
    asked,
    assert_synced,
    by,
    fetched,
    looked_at,
    own,
)
from integration_tests.support.observed import EVER, EXPORT
from source_iterable.api.client import Api
from source_iterable.api.export_jobs import MOST_FAILURES, MOST_JOBS
from source_iterable.prefetch.results import RETRY_DELAYS

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
    sandbox.faults.add(Fault(kind="reset", endpoint=STORAGE, **EVER))

    output = by("automatic", sandbox, "email_send", days=1)

    assert_synced(sandbox, output, "email_send")
    assert len(sandbox.jobs) <= 4, "three windows in a row, and one that was under way"


def test_given_a_broken_line_in_a_file_when_synced_then_the_window_is_read_again(serve: Serve) -> None:
    sandbox = serve()
    sandbox.faults.add(Fault(kind="malformed", endpoint=STORAGE))

    output = by("automatic", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")


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
    sandbox.faults.add(Fault(kind="job_late", **EVER))
    if fault:
        sandbox.faults.add(Fault(endpoint="export/jobs", **fault, **EVER))

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
        sandbox.faults.add(Fault(endpoint="export/jobs", **fault, **EVER))

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
    sandbox.faults.add(Fault(kind="job_late", **EVER))

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
    sandbox.faults.add(Fault(kind="job_late", **EVER))
    stale = [{"id": 7340001 + number, "jobState": "running", "bytesExported": 0} for number in range(30)]
    sandbox.faults.add(
        Fault(kind="status", status=200, endpoint="export/jobs", body=json.dumps({"jobs": stale}), **EVER)
    )

    output = by("jobs", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
