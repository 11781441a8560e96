"""Bodies that nothing proves whole: they count when they agree, and never when a connection was lost unnoticed."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log2
from typing import Any

import pytest
import requests

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.expected import TABLES, TRUTH_OF, assert_exact, expected
from integration_tests.support.observed import EVER, EXPORT, LISTS
from integration_tests.support.sync import Output, catalog_here, configured, read_here, sync

STORAGE = "storage/*"
REMARK = "answers came without a length, chunked encoding or compression"
LAST = 10**9
"""After so many rows: at the end, where no newline follows."""


def truth(sandbox: Sandbox, stream: str) -> list[dict[str, Any]]:
    """The records that the sandbox's rows must become."""
    sandbox.faults.clear()
    (schema,) = [one["json_schema"] for one in catalog_here(sandbox)["streams"] if one["name"] == stream]
    return expected(stream, sandbox.truth(TRUTH_OF[stream]), schema)


def requests_of(sandbox: Sandbox, endpoint: str = EXPORT, **params: str) -> Counter[str]:
    """How often each request to an endpoint was made."""
    return Counter(
        request.query
        for request in sandbox.requests
        if request.endpoint == endpoint and params.items() <= request.params.items()
    )


def remarks(output: Output, stream: str) -> list[str]:
    return [line for line in output.logs if line.startswith(f"WARN {stream}: ") and REMARK in line]


def summary(output: Output, stream: str) -> str:
    (line,) = [line for line in output.logs if f" {stream}: complete: " in line or f" {stream}: STOPPED " in line]
    return line


def error_of(output: Output, stream: str) -> dict[str, Any]:
    assert output.statuses(stream)[-1] == "INCOMPLETE"
    (error,) = [error for error in output.errors if error["stream_descriptor"]["name"] == stream]
    return error


# Without length, chunked encoding and compression


@pytest.mark.parametrize("stream", TABLES)
def test_given_answers_without_an_end_when_synced_then_each_is_requested_twice_with_one_warning(
    sandbox: Sandbox, waits: list[float], stream: str
) -> None:
    catalog = configured(catalog_here(sandbox), [stream])
    sandbox.forget_requests()
    sandbox.faults.add(Fault(kind="unframed", **EVER))

    output = read_here(sandbox, catalog)

    # the first one requests the time
    asked = Counter(f"{request.path}?{request.query}" for request in sandbox.requests[1:])
    assert len(remarks(output, stream)) == 1
    assert REMARK in summary(output, stream)
    assert "proxy" in summary(output, stream)
    assert all(count % 2 == 0 for count in asked.values())
    assert output.statuses(stream)[-1] == "COMPLETE"
    assert_exact(output.records(stream), truth(sandbox, stream))


LOST = {
    "email_send": {"endpoint": EXPORT, "data_type": "emailSend", "cut_at": "line", "after_bytes": 2000},
    "users": {"endpoint": EXPORT, "data_type": "user", "cut_at": "last_line"},
    "list_users": {"endpoint": LISTS, "list_id": 949811, "cut_at": "line", "after_bytes": 20},
    "campaigns": {"endpoint": "campaigns", "cut_at": "plain", "after_bytes": 700},
    "metadata": {"endpoint": "metadata", "cut_at": "plain", "after_bytes": 10},
}


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize(("stream", "fault"), LOST.items(), ids=LOST)
def test_given_answers_without_an_end_when_a_connection_is_lost_at_a_lines_end_then_nothing_is_lost(
    sandbox: Sandbox, waits: list[float], stream: str, fault: dict[str, Any], nth: int
) -> None:
    sandbox.faults.add(Fault(kind="unframed", **EVER))
    lost = sandbox.faults.add(Fault(kind="cut", nth=nth, **fault))

    output = sync(sandbox, stream)

    assert sandbox.faults.struck(lost) == 1
    assert output.statuses(stream)[-1] == "COMPLETE"
    assert_exact(output.records(stream), truth(sandbox, stream))


def test_given_figures_without_an_end_when_a_connection_is_lost_then_no_line_is(
    sandbox: Sandbox, waits: list[float]
) -> None:
    whole = sync(sandbox, "campaign_metrics").records("campaign_metrics")
    sandbox.faults.add(Fault(kind="unframed", **EVER))
    sandbox.faults.add(Fault(kind="cut", cut_at="last_line", endpoint="campaigns/metrics"))

    output = sync(sandbox, "campaign_metrics")

    assert output.records("campaign_metrics") == whole
    assert len(remarks(output, "campaign_metrics")) == 1


def test_given_an_empty_answer_without_an_end_when_synced_then_it_is_not_believed_at_once(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="unframed", endpoint=EXPORT, **EVER))
    sandbox.faults.add(Fault(kind="cut", cut_at="plain", after_bytes=0, endpoint=EXPORT, data_type="emailSend"))

    output = sync(sandbox, "email_send")

    assert_exact(output.records("email_send"), truth(sandbox, "email_send"))


@pytest.mark.parametrize(("stream", "endpoint"), [("email_send", EXPORT), ("list_users", LISTS)])
def test_given_nothing_under_the_name_of_compression_when_synced_then_it_is_not_believed_at_once(
    sandbox: Sandbox, waits: list[float], stream: str, endpoint: str
) -> None:
    sandbox.faults.add(Fault(kind="cut", after_bytes=0, clean=True, endpoint=endpoint))

    output = sync(sandbox, stream)

    assert_exact(output.records(stream), truth(sandbox, stream))
    assert not remarks(output, stream)


def test_given_answers_without_an_end_that_never_agree_when_synced_then_the_error_names_a_proxy(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="unframed", **EVER))
    for nth in range(100):
        cut = Fault(kind="cut", cut_at="line", after_bytes=900 * (1 + nth % 8), nth=nth + 1)
        sandbox.faults.add(replace(cut, endpoint=EXPORT, data_type="emailSend"))

    output = sync(sandbox, "email_send", "channels")

    error = error_of(output, "email_send")
    assert error["failure_type"] == "transient_error"
    assert "was answered 5 times, and no two answers in a row were the same" in error["message"]
    assert "A proxy on the way" in error["message"]
    # five times when its turn has come, and five times in each try before
    (asked,) = requests_of(sandbox).values()
    assert asked % 5 == 0
    assert output.statuses("channels")[-1] == "COMPLETE"


def test_given_answers_without_an_end_when_windows_are_narrowed_then_they_are_confirmed_too(
    sandbox: Sandbox, waits: list[float]
) -> None:
    """In the middle of narrowing, a window that fails is not requested again."""
    sandbox.faults.add(Fault(kind="unframed", **EVER))
    sandbox.faults.add(Fault(kind="reset", after_bytes=4000, endpoint=EXPORT, data_type="emailSend", **EVER))

    output = sync(sandbox, "email_send")

    asked = requests_of(sandbox)
    assert output.statuses("email_send")[-1] == "COMPLETE"
    assert set(asked.values()) <= {1, 2}
    assert sum(asked.values()) < 60
    assert_exact(output.records("email_send"), truth(sandbox, "email_send"))


def test_given_files_without_an_end_when_a_connection_is_lost_at_a_lines_end_then_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="unframed", **EVER))
    sandbox.faults.add(Fault(kind="cut", cut_at="line", after_bytes=600, endpoint=STORAGE))

    output = sync(sandbox, "email_send", export_method="jobs", window_in_days=365)

    (job,) = sandbox.jobs
    assert len(job.files) == 1
    assert len(sandbox.storage_requests) == 3
    assert len(remarks(output, "email_send")) == 1
    assert len([request for request in sandbox.requests if request.method == "POST"]) == 1
    assert_exact(output.records("email_send"), truth(sandbox, "email_send"))


# HTTP/1.0


@contextmanager
def relay(sandbox: Sandbox, *, length: bool) -> Iterator[str]:
    """A proxy that speaks HTTP/1.0 and takes away the compression, and the length too if told so; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {"Api-Key": self.headers["Api-Key"], "Accept-Encoding": "identity"}
            answer = requests.get(sandbox.url + self.path, headers=headers, timeout=60)
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Date"):
                self.send_header(name, answer.headers[name])
            if length:
                self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("length", "times"), [(True, 1), (False, 2)])
def test_given_a_proxy_that_speaks_http_1_0_when_synced_then_only_a_missing_length_costs_a_second_request(
    sandbox: Sandbox, waits: list[float], monkeypatch: pytest.MonkeyPatch, length: bool, times: int
) -> None:
    streams = ["campaigns", "email_send", "list_users", "users"]
    catalog = configured(catalog_here(sandbox), streams)
    sandbox.forget_requests()
    with relay(sandbox, length=length) as url:
        monkeypatch.setenv("ITERABLE_API_URL", url)
        output = read_here(sandbox, catalog)
    monkeypatch.setenv("ITERABLE_API_URL", sandbox.url)

    assert set(requests_of(sandbox).values()) == set(requests_of(sandbox, LISTS).values()) == {times}
    for stream in streams:
        assert len(remarks(output, stream)) == times - 1
        assert_exact(output.records(stream), truth(sandbox, stream))


# A last line that is not JSON


@pytest.mark.parametrize("line", ['{"email":"broken@exa', "<html>", "\udcff\udcfe"])
def test_given_a_malformed_last_line_when_synced_then_it_is_read_three_times_and_delivered(
    sandbox: Sandbox, waits: list[float], line: str
) -> None:
    sandbox.faults.add(
        Fault(kind="malformed", endpoint=EXPORT, data_type="emailSend", line=line, after_rows=LAST, times=3)
    )

    output = sync(sandbox, "email_send")

    assert list(requests_of(sandbox).values()) == [3, 1]
    unparsed = [record for record in output.records("email_send") if "unparsed" in record.get("dataFields", {})]
    assert len(unparsed) == 1
    assert unparsed[0]["dataFields"]["unparsed"] == line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    assert any(one.startswith("WARN") and "not JSON (1, " in one for one in output.logs)
    others = [record for record in output.records("email_send") if record not in unparsed]
    assert_exact(others, truth(sandbox, "email_send"))


def test_given_a_malformed_last_line_in_every_body_when_synced_then_no_window_is_narrowed(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="malformed", endpoint=EXPORT, data_type="emailSend", after_rows=LAST, **EVER))

    output = sync(sandbox, "email_send")

    assert list(requests_of(sandbox).values()) == [3, 3]
    assert output.statuses("email_send")[-1] == "COMPLETE"


def test_given_a_malformed_last_line_of_users_when_synced_then_the_window_and_line_are_told(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="malformed", endpoint=EXPORT, data_type="user", after_rows=LAST, **EVER))

    output = sync(sandbox, "users")

    error = error_of(output, "users")
    assert error["failure_type"] == "system_error"
    assert (
        "the export of 2024-01-01T00:00:00Z to 2024-01-31T00:00:00Z contains a line that is not JSON"
        in error["message"]
    )
    # a window that fails before its turn is read once more when that has come
    assert list(requests_of(sandbox).values()) in ([3], [6])


@pytest.mark.parametrize("stream", ["email_send", "users"])
def test_given_bodies_that_end_within_a_row_but_properly_when_they_grow_then_none_is_believed_before_the_whole(
    sandbox: Sandbox, waits: list[float], stream: str
) -> None:
    for nth in 1, 2:
        sandbox.faults.add(
            Fault(kind="cut", cut_at="plain", clean=True, after_bytes=1500 * nth, endpoint=EXPORT,
                  data_type=TRUTH_OF[stream], nth=nth)
        )  # fmt: skip

    output = sync(sandbox, stream)

    assert_exact(output.records(stream), truth(sandbox, stream))
    assert output.statuses(stream)[-1] == "COMPLETE"


def test_given_bodies_that_end_within_a_row_each_at_another_place_when_synced_then_they_are_never_believed(
    sandbox: Sandbox, waits: list[float]
) -> None:
    for nth in range(1, 400):
        sandbox.faults.add(
            Fault(kind="cut", cut_at="plain", clean=True, after_bytes=1 + nth % 37, endpoint=EXPORT,
                  data_type="emailSend", nth=nth)
        )  # fmt: skip

    output = sync(sandbox, "email_send")

    assert not any("unparsed" in record.get("dataFields", {}) for record in output.records("email_send"))
    assert output.statuses("email_send")[-1] in {"COMPLETE", "INCOMPLETE"}
    assert sum(requests_of(sandbox).values()) < 6 * log2(30 * 86400)


@pytest.mark.parametrize("method", ["automatic", "jobs"])
def test_given_a_malformed_last_line_in_a_file_when_synced_then_the_file_is_fetched_three_times(
    sandbox: Sandbox, waits: list[float], method: str
) -> None:
    sandbox.faults.add(Fault(kind="malformed", endpoint=STORAGE, data_type="emailSend", after_rows=LAST, **EVER))

    output = sync(sandbox, "email_send", export_method=method)

    unparsed = [record for record in output.records("email_send") if "unparsed" in record.get("dataFields", {})]
    assert output.statuses("email_send")[-1] == "COMPLETE"
    if method == "jobs":
        assert len(sandbox.jobs) == 4, "another one for each of the two windows"
    assert set(Counter(request.path for request in sandbox.storage_requests).values()) <= {3}
    # the direct way knows better, and is asked where it may be
    assert len(unparsed) == (2 if method == "jobs" else 0)
    assert_exact([one for one in output.records("email_send") if one not in unparsed], truth(sandbox, "email_send"))
