"""Jobs that fail or are refused: their windows are requested in another way."""

from collections import Counter
from typing import Any

import pytest

from integration_tests.sandbox import Fault
from integration_tests.support.expected import EXPORTS
from integration_tests.support.export_jobs import (
    BEGIN,
    FILES,
    MANY_FILES,
    SLOW,
    Serve,
    asked,
    assert_synced,
    by,
    fetched,
)
from integration_tests.support.observed import EVER, EXPORT
from source_iterable.api import export_jobs

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
    sandbox.faults.add(Fault(kind=kind, data_type="emailSend", **EVER))

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
    sandbox.faults.add(Fault(kind=kind, **EVER))

    output = by("jobs", sandbox, "email_send", "users")

    assert_synced(sandbox, output, "email_send", "users")
    assert {job.state for job in sandbox.jobs} == {"completed"}


def test_given_a_job_that_stays_enqueued_when_synced_then_it_is_cancelled_and_rows_come_directly(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_jobs, "PATIENCE", 0.05)
    sandbox = serve(foreign_jobs=2)
    sandbox.faults.add(Fault(kind="job_stuck", **EVER))

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
    sandbox.faults.add(Fault(kind="status", status=404, endpoint=FILES, **EVER))

    output = by("automatic", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
    assert not sandbox.storage_requests


# Refusals


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_given_jobs_that_are_refused_when_synced_then_rows_come_directly(serve: Serve, status: int) -> None:
    sandbox = serve()
    fault = sandbox.faults.add(Fault(kind="status", status=status, endpoint=BEGIN, **EVER))

    output = by("automatic", sandbox, "email_send")

    assert_synced(sandbox, output, "email_send")
    assert not sandbox.jobs
    assert sandbox.faults.struck(fault) < 15
    if status < 429:
        # one of a key that was accepted before is believed when several windows met it
        assert sandbox.faults.struck(fault) <= (4 if status in {401, 403} else 2)


def test_given_a_stream_that_no_job_exports_when_synced_then_its_rows_come_directly(serve: Serve) -> None:
    sandbox = serve()
    fault = sandbox.faults.add(Fault(kind="status", status=400, endpoint=BEGIN, data_type="emailSend", **EVER))

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
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=BEGIN, **EVER))

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
