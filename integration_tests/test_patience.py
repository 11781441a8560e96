"""Outages of minutes cost time and nothing else: no row, no stream, no width of a window, no export jobs."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import EXPORTS, TRUTH_OF, assert_exact
from integration_tests.support.observed import EVER, EXPORT, LISTS, failure_of, truth, windows
from integration_tests.support.sync import NOW, START, catalog_here, configured, connect, read_here, sync

STORAGE = "storage/*"
STREAMS = ("campaigns", "email_open", "email_send", "list_users", "users")

OUTAGES: dict[str, dict[str, Any]] = {
    "503": {"kind": "status", "status": 503},
    "resets": {"kind": "reset"},
    "bodies that break off": {"kind": "cut", "cut_at": "end"},
    "a proxy's page": {"kind": "status", "status": 200, "body": "<html>Back soon</html>"},
}


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize(
    ("stream", "endpoint", "tries"),
    [("campaign_metrics", "campaigns/metrics", 30), ("channels", "channels", 30), ("email_send", EXPORT, 3)],
)
def test_given_an_outage_when_a_stream_is_read_then_it_is_waited_out(
    sandbox: Sandbox, waits: list[float], stream: str, endpoint: str, tries: int, fault: dict[str, Any]
) -> None:
    """For half an hour where the stream would start again from its beginning."""
    catalog = configured(catalog_here(sandbox), [stream])
    healthy = read_here(sandbox, catalog)
    skipped = 1 if endpoint == "channels" else 0  # the request by which the time is learned
    sandbox.faults.add(Fault(endpoint=endpoint, nth=1 + skipped, times=tries, **fault))

    output = read_here(sandbox, catalog)

    assert output.statuses(stream)[-1] == "COMPLETE"
    assert_exact(output.records(stream), healthy.records(stream))
    assert max(waits) <= 60.01
    if tries == 30:
        assert 20 * 60 < sum(waits) < 30 * 60


@pytest.mark.parametrize("status", [204, 408, 409, 423, 425, 503])
@pytest.mark.parametrize("endpoint", [EXPORT, LISTS, "campaigns", "lists"])
def test_given_a_status_of_a_busy_server_when_synced_then_the_request_is_sent_again(
    sandbox: Sandbox, waits: list[float], endpoint: str, status: int
) -> None:
    fault = sandbox.faults.add(Fault(kind="status", status=status, endpoint=endpoint, times=6, body=""))

    output = sync(sandbox, *STREAMS)

    assert sandbox.faults.struck(fault) == 6
    assert not output.errors
    for stream in STREAMS:
        assert_exact(output.records(stream), truth(sandbox, stream), stream)


# The width of windows


@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("nth", [2, 4])
def test_given_an_outage_of_everything_when_it_ends_then_windows_are_as_wide_as_before(
    sandbox: Sandbox, waits: list[float], fault: dict[str, Any], nth: int
) -> None:
    catalog = configured(catalog_here(sandbox), ["email_send"])
    sandbox.faults.add(Fault(nth=nth, times=14, **fault))

    output = read_here(sandbox, catalog, window_in_days=7)

    asked = windows(sandbox)
    last = max(end for _, end in asked)
    assert all(end - start >= timedelta(days=7) for start, end in asked if end < last)
    assert output.statuses("email_send")[-1] == "COMPLETE"
    assert_exact(output.records("email_send"), truth(sandbox, "email_send"))


def test_given_exports_that_fail_alone_when_synced_then_windows_are_narrowed(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="status", status=503, endpoint=EXPORT, nth=2, times=4))

    output = sync(sandbox, "email_send")

    assert len({end - start for start, end in windows(sandbox)}) > 1
    assert_exact(output.records("email_send"), truth(sandbox, "email_send"))


# Keys that are refused for a timestamp


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("endpoint", ["*", EXPORT, LISTS])
def test_given_a_key_that_is_refused_for_a_timestamp_when_synced_then_nothing_is_missing(
    sandbox: Sandbox, waits: list[float], endpoint: str, status: int
) -> None:
    catalog = configured(catalog_here(sandbox), STREAMS)
    fault = sandbox.faults.add(Fault(kind="status", status=status, endpoint=endpoint, nth=3, times=4))

    output = read_here(sandbox, catalog)

    assert sandbox.faults.struck(fault) == 4
    assert not output.errors
    for stream in STREAMS:
        assert_exact(output.records(stream), truth(sandbox, stream), stream)


@pytest.mark.parametrize("endpoint", ["users/forgotten", "users/forgottenUserIds", "users/forgotten*"])
def test_given_forgotten_users_that_are_refused_for_a_timestamp_when_synced_then_nothing_is_missing(
    waits: list[float], monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """A project also refuses the identifier that it does not use, so that this refusal must not pass for that one."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000, project_type="hybrid", size=Size.smallest()) as sandbox:
        connect(sandbox, monkeypatch)
        catalog = configured(catalog_here(sandbox), ["forgotten_users"])
        healthy = read_here(sandbox, catalog)
        sandbox.faults.add(Fault(kind="status", status=403, endpoint=endpoint, times=3))

        output = read_here(sandbox, catalog)

    assert not output.errors
    assert_exact(output.records("forgotten_users"), healthy.records("forgotten_users"))


def test_given_a_data_type_that_is_denied_when_synced_then_it_is_believed_after_two_minutes(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="status", status=403, endpoint=EXPORT, data_type="emailSend", **EVER))

    output = sync(sandbox, "email_open", "email_send")

    assert failure_of(output, "email_send")["failure_type"] == "config_error"
    assert output.statuses("email_open")[-1] == "COMPLETE"
    assert waits == pytest.approx([5, 15, 40, 60], abs=0.01)
    assert len(windows(sandbox)) <= 6


def test_given_a_key_that_was_never_accepted_when_synced_then_it_is_believed_at_once(
    sandbox: Sandbox, waits: list[float]
) -> None:
    catalog = configured(catalog_here(sandbox), STREAMS)
    sandbox.faults.add(Fault(kind="status", status=401, **EVER))

    output = read_here(sandbox, catalog)

    assert {error["failure_type"] for error in output.errors} == {"config_error"}
    assert not waits


def test_given_a_key_that_may_not_export_when_all_exports_are_read_then_it_costs_minutes_only(
    waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(start=START, now=NOW, rate_scale=10_000, read_only_key=True, size=Size.smallest()) as sandbox:
        connect(sandbox, monkeypatch)

        output = sync(sandbox, *EXPORTS)

    assert len(output.errors) == len(EXPORTS)
    assert {error["failure_type"] for error in output.errors} == {"config_error"}
    assert sum(waits) <= 6 * 121, "two minutes on each of the threads that met it at the same time"


# Files of export jobs


@pytest.fixture
def jobs_are_faster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A project in which windows come by jobs of many files."""
    with Sandbox(start=START, now=NOW, rate_scale=600, job_file_bytes=3000) as sandbox:
        connect(sandbox, monkeypatch)
        yield sandbox


@pytest.mark.parametrize("fault", list(OUTAGES.values())[:3], ids=list(OUTAGES)[:3])
def test_given_files_that_cannot_be_had_for_a_while_when_synced_then_they_are_waited_for(
    jobs_are_faster: Sandbox, waits: list[float], fault: dict[str, Any]
) -> None:
    sandbox = jobs_are_faster
    sandbox.faults.add(Fault(endpoint=STORAGE, nth=4, times=8, **fault))

    output = sync(sandbox, *("email_open", "email_send", "users"), export_method="jobs", window_in_days=7)

    assert not output.errors
    for stream in ("email_open", "email_send", "users"):
        assert_exact(output.records(stream), truth(sandbox, stream), stream)
    ids = [job.id for job in sandbox.jobs]
    assert len(ids) == len({(job.data_type, job.window) for job in sandbox.jobs}), "no window needs another job"
    assert TRUTH_OF["email_send"] in {job.data_type for job in sandbox.jobs}
