"""The sandbox's asynchronous exports: jobs, their files, and what can go wrong with them, as a client sees them."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import requests

from integration_tests.sandbox import Fault, Job, Sandbox, Size

START, NOW = "2024-01-01T00:00:00Z", "2024-03-10T12:00:00Z"
WHOLE = ("2024-01-01 00:00:00", "2024-03-10 12:00:00")
BODY = {
    "dataTypeName": "emailSend",
    "outputFormat": "application/x-json-stream",
    "startDateTime": WHOLE[0],
    "endDateTime": WHOLE[1],
}
BROKEN_OFF = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        yield running


def running_with(**options: Any) -> Sandbox:
    return Sandbox(start=START, now=NOW, **({"rate_scale": 10_000} | options))


def call(sandbox: Sandbox, method: str, endpoint: str, body: Any = None, **params: Any) -> requests.Response:
    headers = {"Api-Key": sandbox.api_key, "Connection": "close", "User-Agent": "tests"}
    url = f"{sandbox.url}/api/{endpoint}"
    return requests.request(method, url, params=params, json=body, headers=headers, timeout=10)


def start(sandbox: Sandbox, table: str = "emailSend", span: tuple[str, str] = WHOLE) -> int:
    body = BODY | {"dataTypeName": table, "startDateTime": span[0], "endDateTime": span[1]}
    response = call(sandbox, "POST", "export/start", body)
    assert response.status_code == 200, response.text
    number = response.json()["jobId"]
    assert isinstance(number, int)
    return number


def look(sandbox: Sandbox, job: int, after: str | None = None) -> dict[str, Any]:
    response = call(sandbox, "GET", f"export/{job}/files", **({"startAfter": after} if after else {}))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert answer["jobId"] == job
    return answer


def states(sandbox: Sandbox, job: int, looks: int) -> list[str]:
    return [look(sandbox, job)["jobState"] for _ in range(looks)]


def finished(sandbox: Sandbox, job: int) -> list[dict[str, str]]:
    """All files of a job, once it is completed."""
    while look(sandbox, job)["jobState"] != "completed":
        pass
    files: list[dict[str, str]] = []
    while page := look(sandbox, job, files[-1]["file"] if files else None)["files"]:
        files += page
    return files


def fetch(file: dict[str, str], **headers: str) -> requests.Response:
    return requests.get(file["url"], headers={"Accept-Encoding": "identity"} | headers, timeout=10)


def lines(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.split(b"\n") if line.strip()]


def rows(files: list[dict[str, str]]) -> list[dict[str, Any]]:
    responses = [fetch(file) for file in files]
    assert {response.status_code for response in responses} <= {200}
    return [row for response in responses for row in lines(response.content)]


def direct(sandbox: Sandbox, table: str, span: tuple[str, str] = WHOLE) -> list[dict[str, Any]]:
    params = {"dataTypeName": table, "startDateTime": span[0], "endDateTime": span[1]}
    return lines(call(sandbox, "GET", "export/data.json", **params).content)


def unordered(values: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(value, sort_keys=True) for value in values)


def the_job(sandbox: Sandbox, number: int) -> Job:
    (job,) = [job for job in sandbox.jobs if job.id == number]
    return job


# What a job gives


@pytest.mark.parametrize("table", ["emailSend", "emailOpen", "emailUnSubscribe", "user"])
def test_a_job_holds_the_rows_of_the_direct_export_in_another_order(sandbox: Sandbox, table: str) -> None:
    served = rows(finished(sandbox, start(sandbox, table)))

    assert unordered(served) == unordered(sandbox.truth(table))
    assert unordered(served) == unordered(direct(sandbox, table))
    assert served != direct(sandbox, table)


def test_names_of_data_types_are_taken_in_any_case(sandbox: Sandbox) -> None:
    job = start(sandbox, "EMAILUNSUBSCRIBE")

    assert the_job(sandbox, job).data_type == "emailUnSubscribe"


@pytest.mark.parametrize(
    ("polls", "wanted"),
    [
        (0, ["completed", "completed"]),
        (1, ["enqueued", "completed", "completed"]),
        (2, ["enqueued", "running", "completed", "completed"]),
        (4, ["enqueued", "running", "running", "running", "completed"]),
    ],
)
def test_a_job_moves_on_when_it_is_looked_at(polls: int, wanted: list[str]) -> None:
    with running_with(job_polls=polls) as sandbox:
        job = start(sandbox)

        assert states(sandbox, job, len(wanted)) == wanted
        assert the_job(sandbox, job).has_ended


def test_files_appear_while_a_job_runs() -> None:
    with running_with(job_polls=4, job_file_bytes=4000) as sandbox:
        job = start(sandbox)
        looks = [look(sandbox, job) for _ in range(5)]

    names = [[file["file"] for file in seen["files"]] for seen in looks]
    assert not names[0]
    assert 0 < len(names[1]) < len(names[2]) < len(names[3]) < len(names[4])
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(names))


def test_files_come_ten_at_a_time_in_the_order_of_their_names() -> None:
    with running_with(job_polls=0, job_file_bytes=1000) as sandbox:
        job = start(sandbox)
        pages = [look(sandbox, job)["files"]]
        while len(pages[-1]) == 10:
            pages.append(look(sandbox, job, pages[-1][-1]["file"])["files"])
        files = [file for page in pages for file in page]
        sizes = [len(fetch(file).content) for file in files]
        served = rows(files)

    names = [file["file"] for file in files]
    assert len(pages) > 2
    assert names == sorted(names) == the_job(sandbox, job).files
    assert len(set(names)) == len(names)
    assert all(name.startswith("file-") and name.endswith(".json") for name in names)
    assert max(sizes) <= 1000
    assert unordered(served) == unordered(sandbox.truth("emailSend"))


@pytest.mark.parametrize("page", [1, 3, 100])
def test_the_size_of_a_page_is_an_option(page: int) -> None:
    with running_with(job_polls=0, job_file_bytes=2000, job_files_page=page) as sandbox:
        job = start(sandbox)

        assert len(look(sandbox, job)["files"]) == min(page, len(the_job(sandbox, job).files))


def test_files_have_a_length_blank_lines_and_at_times_a_newline_at_their_end() -> None:
    with running_with(job_polls=0, job_file_bytes=8000) as sandbox:
        responses = [fetch(file) for file in finished(sandbox, start(sandbox))]

    bodies = [response.content for response in responses]
    assert all(int(response.headers["Content-Length"]) == len(response.content) for response in responses)
    assert all("Transfer-Encoding" not in response.headers for response in responses)
    assert {body.endswith(b"\n") for body in bodies} == {True, False}
    assert any(not line.strip() for body in bodies for line in body[:-1].split(b"\n"))


def test_files_are_compressed_on_request() -> None:
    with running_with(job_polls=0, job_files_gzip=True, job_file_bytes=8000) as sandbox:
        files = finished(sandbox, start(sandbox))
        for file in files:
            with requests.get(
                file["url"], headers={"Accept-Encoding": "identity"}, stream=True, timeout=10
            ) as response:
                body = response.raw.read(decode_content=False)
            assert response.headers["Content-Encoding"] == "gzip"
            assert int(response.headers["Content-Length"]) == len(body)

        assert unordered(rows(files)) == unordered(sandbox.truth("emailSend"))


def test_windows_are_half_open(sandbox: Sandbox) -> None:
    edge = sorted(row["createdAt"] for row in sandbox.truth("emailSend"))[10]

    before = rows(finished(sandbox, start(sandbox, span=(WHOLE[0], edge.removesuffix(" +00:00")))))
    after = rows(finished(sandbox, start(sandbox, span=(edge, WHOLE[1]))))

    assert all(row["createdAt"] < edge for row in before)
    assert edge in {row["createdAt"] for row in after}
    assert unordered(before + after) == unordered(sandbox.truth("emailSend"))


def test_the_end_bound_is_inclusive_on_request() -> None:
    with running_with(inclusive_end=True) as sandbox:
        edge = sorted(row["createdAt"] for row in sandbox.truth("emailSend"))[10]
        before = rows(finished(sandbox, start(sandbox, span=(WHOLE[0], edge))))

        assert edge in {row["createdAt"] for row in before}
        assert unordered(before) == unordered(direct(sandbox, "emailSend", (WHOLE[0], edge)))


def test_a_job_holds_what_was_exportable_when_it_was_started(sandbox: Sandbox) -> None:
    late = {"email": "late@example.com", "createdAt": "2024-03-10 11:30:00 +00:00"}
    sandbox.add_event("emailSend", late, exportable_at="2024-03-10T12:30:00Z")
    old = next(row for row in sandbox.truth("user") if row["itblUserId"] == sandbox.project.people[0].itbl_user_id)
    sends, users = start(sandbox), start(sandbox, "user")
    sandbox.advance(minutes=31)
    sandbox.change_user(0)

    assert late not in rows(finished(sandbox, sends))
    assert old in rows(finished(sandbox, users))
    assert late in rows(finished(sandbox, start(sandbox)))
    assert len(rows(finished(sandbox, start(sandbox, "user")))) == len(sandbox.truth("user")) - 1, "one moved on"


@pytest.mark.parametrize(("empty_file", "bodies"), [(False, []), (True, [b""])])
def test_a_job_without_rows_has_no_file_or_an_empty_one(empty_file: bool, bodies: list[bytes]) -> None:
    with running_with(job_empty_file=empty_file) as sandbox:
        files = finished(sandbox, start(sandbox, span=("2024-01-02 00:00:00", "2024-01-02 00:00:00")))

        assert [fetch(file).content for file in files] == bodies


def test_a_job_that_is_too_large_says_that_rows_are_missing() -> None:
    with running_with(job_bytes=10_000) as sandbox:
        large, small = start(sandbox), start(sandbox, span=("2024-01-01", "2024-01-10"))
        some = rows(finished(sandbox, large))
        truncated = [look(sandbox, job)["exportTruncated"] for job in (large, small)]
        all_small = rows(finished(sandbox, small))

    assert truncated == [True, False]
    assert 0 < len(some) < len(sandbox.truth("emailSend"))
    assert {json.dumps(row) for row in some} < {json.dumps(row) for row in sandbox.truth("emailSend")}
    assert unordered(all_small) == unordered(sandbox.truth("emailSend", end="2024-01-10"))


def test_a_job_of_bulk_rows_has_many_files() -> None:
    size = Size(events=4, users=4, bulk={"emailSend": 5000})
    with running_with(size=size, job_polls=0, job_file_bytes=500_000) as sandbox:
        files = finished(sandbox, start(sandbox))

        assert len(files) > 3
        assert unordered(rows(files)) == unordered(sandbox.truth("emailSend"))


# Where the files lie


def test_files_lie_on_another_host_that_asks_for_no_key(sandbox: Sandbox) -> None:
    (file,) = finished(sandbox, start(sandbox))

    assert file["url"].startswith(f"{sandbox.storage_url}/")
    assert sandbox.storage_url.split("/")[2] != sandbox.url.split("/")[2]
    assert fetch(file).status_code == 200
    assert fetch(file, **{"Api-Key": "k"}).status_code == 200
    assert ["Api-Key" in request.headers for request in sandbox.storage_requests] == [False, True]
    assert not any("storage" in request.path for request in sandbox.requests)


def test_urls_expire_and_others_are_given(sandbox: Sandbox) -> None:
    job = start(sandbox)
    (old,) = finished(sandbox, job)
    sandbox.advance(minutes=29, seconds=50)
    before = fetch(old)
    sandbox.advance(seconds=11)
    after = fetch(old)
    (fresh,) = look(sandbox, job)["files"]

    assert before.status_code == 200
    assert (after.status_code, "Request has expired" in after.text) == (403, True)
    assert fresh["file"] == old["file"]
    assert fresh["url"] != old["url"]
    assert fetch(fresh).content == before.content


def test_urls_cannot_be_made_up(sandbox: Sandbox) -> None:
    (file,) = finished(sandbox, start(sandbox))
    path, _, query = file["url"].partition("?")

    answers = [
        requests.get(url, timeout=10)
        for url in (
            path,
            f"{path}1?{query}",
            f"{path}?{query}0",
            f"{path}?{query.replace('Expires=1800', 'Expires=9')}",
        )
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert {"SignatureDoesNotMatch" in answer.text for answer in answers} == {True}
    assert requests.post(file["url"], timeout=10).status_code == 405


# The jobs of the project


def test_jobs_are_listed_with_those_of_other_tools() -> None:
    with running_with(foreign_jobs=2) as sandbox:
        job = start(sandbox)
        first = call(sandbox, "GET", "export/jobs").json()["jobs"]
        running = call(sandbox, "GET", "export/jobs", jobState="Running").json()["jobs"]
        finished(sandbox, job)
        completed = call(sandbox, "GET", "export/jobs", jobState="completed").json()["jobs"]

    foreign = [row["id"] for row in first[:2]]
    assert [(row["id"], row["dataTypeName"], row["jobState"]) for row in first[2:]] == [(job, "emailSend", "enqueued")]
    assert {row["jobState"] for row in first[:2]} == {"running"}
    assert [row["id"] for row in running] == [*foreign, job], "listing them is looking at them"
    assert [(row["id"], row["bytesExported"] > 1000) for row in completed] == [(job, True)]
    scheduled, ended = (datetime.fromisoformat(completed[0][name]) for name in ("scheduledStartTime", "endTime"))
    assert timedelta() <= ended - scheduled < timedelta(minutes=1)
    assert completed[0]["endTime"].startswith("2024-03-10T12:00:0")


def test_an_unknown_state_is_refused(sandbox: Sandbox) -> None:
    assert call(sandbox, "GET", "export/jobs", jobState="odd").status_code == 400


def test_a_job_is_cancelled() -> None:
    with running_with(foreign_jobs=1) as sandbox:
        enqueued, running = start(sandbox), start(sandbox)
        states(sandbox, running, 2)
        answers = [call(sandbox, "DELETE", f"export/{job}") for job in (enqueued, running)]
        later = [states(sandbox, job, 2) for job in (enqueued, running)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert later == [["cancelled", "cancelled"]] * 2
        assert [job.cancelled for job in sandbox.jobs] == [False, True, True]
        assert [job.started_by for job in sandbox.jobs] == ["another tool", "tests", "tests"]


def test_a_cancelled_job_is_cancelling_at_first(sandbox: Sandbox) -> None:
    job = start(sandbox)
    call(sandbox, "DELETE", f"export/{job}")

    assert the_job(sandbox, job).state == "cancelling"
    assert call(sandbox, "DELETE", f"export/{job}").status_code == 200


def test_a_job_that_has_ended_cannot_be_cancelled(sandbox: Sandbox) -> None:
    job = start(sandbox)
    finished(sandbox, job)

    assert call(sandbox, "DELETE", f"export/{job}").status_code == 400
    assert the_job(sandbox, job).state == "completed"
    assert not the_job(sandbox, job).cancelled


def test_jobs_of_other_tools_show_that_they_were_touched() -> None:
    with running_with(foreign_jobs=2) as sandbox:
        call(sandbox, "DELETE", f"export/{sandbox.jobs[1].id}")

        assert [job.cancelled for job in sandbox.jobs] == [False, True]


@pytest.mark.parametrize(("method", "endpoint"), [("GET", "export/1/files"), ("DELETE", "export/1")])
def test_an_unknown_job_is_not_found(sandbox: Sandbox, method: str, endpoint: str) -> None:
    response = call(sandbox, method, endpoint)

    assert (response.status_code, response.json()["code"]) == (404, "NotFound")


@pytest.mark.parametrize(
    ("method", "endpoint"),
    [("GET", "export/start"), ("POST", "export/jobs"), ("GET", "export/one/files"), ("DELETE", "export/jobs")],
)
def test_another_method_or_path_is_a_page(sandbox: Sandbox, method: str, endpoint: str) -> None:
    response = call(sandbox, method, endpoint)

    assert (response.status_code, "Action not found" in response.text) == (404, True)


def test_four_jobs_are_in_progress_and_the_fifth_waits() -> None:
    with running_with(foreign_jobs=1) as sandbox:
        first, second, third, fifth = (start(sandbox) for _ in range(4))
        running = [states(sandbox, job, 2)[-1] for job in (first, second, third)]
        waiting = states(sandbox, fifth, 4)

        assert running == ["running"] * 3
        assert waiting == ["enqueued", "enqueued", "running", "completed"], "the first look moved the others on"
        assert {the_job(sandbox, job).state for job in (first, second, third)} == {"completed"}
        assert [job.beside for job in sandbox.jobs] == [0, 0, 1, 2, 3]


def test_jobs_of_other_tools_take_places_too() -> None:
    with running_with(foreign_jobs=4) as sandbox:
        assert states(sandbox, start(sandbox), 9) == ["enqueued"] * 9


@pytest.mark.parametrize("delimiter", [None, ";"])
def test_a_job_can_write_csv(sandbox: Sandbox, delimiter: str | None) -> None:
    body = BODY | {"outputFormat": "text/csv"} | ({"delimiter": delimiter} if delimiter else {})
    job = call(sandbox, "POST", "export/start", body).json()["jobId"]

    (file,) = finished(sandbox, job)
    written = list(csv.DictReader(io.StringIO(fetch(file).text, newline=""), delimiter=delimiter or ","))

    assert file["file"].endswith(".csv")
    truth = sandbox.truth("emailSend")
    assert len(written) == len(truth)
    assert {name for row in truth for name in row} == set(written[0])
    for name in ("email", "createdAt", "campaignId"):
        assert sorted(row[name] for row in written) == sorted(str(row.get(name) or "") for row in truth)


# Refusals


@pytest.mark.parametrize(
    "change",
    [
        {"dataTypeName": "emailSnd"},
        {"dataTypeName": None},
        {"outputFormat": "text/xml"},
        {"outputFormat": None},
        {"startDateTime": None},
        {"endDateTime": "2024-13-01 00:00:00"},
        {"startDateTime": "2024-01-01T00:00:00Z"},
    ],
    ids=["unknown type", "no type", "xml", "no format", "no bound", "no date", "another notation"],
)
def test_bad_parameters_are_refused(sandbox: Sandbox, change: dict[str, Any]) -> None:
    body = {name: value for name, value in (BODY | change).items() if value is not None}

    response = call(sandbox, "POST", "export/start", body)

    assert (response.status_code, response.json()["code"]) == (400, "BadParams")
    assert not sandbox.jobs


def test_a_body_that_is_no_json_is_refused(sandbox: Sandbox) -> None:
    url, headers = f"{sandbox.url}/api/export/start", {"Api-Key": sandbox.api_key}

    answers = [requests.post(url, data=text, headers=headers, timeout=10) for text in ("{", "[]", "")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(400, "BadJsonBody")] * 3


@pytest.mark.parametrize(
    ("method", "endpoint"),
    [("POST", "export/start"), ("GET", "export/jobs"), ("GET", "export/1/files"), ("DELETE", "export/1")],
)
def test_a_read_only_key_has_no_right_to_jobs(method: str, endpoint: str) -> None:
    with running_with(read_only_key=True) as sandbox:
        response = call(sandbox, method, endpoint, BODY)

        assert (response.status_code, response.json()["code"]) == (401, "BadApiKey")
        assert not sandbox.jobs


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_a_start_is_refused_for_one_data_type(sandbox: Sandbox, status: int) -> None:
    sandbox.faults.add(Fault(kind="status", status=status, endpoint="export/start", data_type="emailSend"))

    refused, other, again = (
        call(sandbox, "POST", "export/start", BODY | {"dataTypeName": table}).status_code
        for table in ("emailSend", "emailOpen", "emailSend")
    )

    assert (refused, other, again) == (status, 200, 200)
    assert [job.data_type for job in sandbox.jobs] == ["emailOpen", "emailSend"]
    assert [request.params["dataTypeName"] for request in sandbox.requests] == ["emailSend", "emailOpen", "emailSend"]
    assert json.loads(sandbox.requests[0].body) == BODY


# Limits


def test_one_job_is_started_a_second_and_one_look_taken() -> None:
    with Sandbox(start=START, now=NOW, rate_scale=1) as sandbox:
        first = call(sandbox, "POST", "export/start", BODY)
        second = call(sandbox, "POST", "export/start", BODY)
        job = first.json()["jobId"]
        looks = [call(sandbox, "GET", f"export/{number}/files").status_code for number in (job, job + 1, job)]
        while call(sandbox, "POST", "export/start", BODY).status_code == 429:
            pass

        assert (first.status_code, second.status_code) == (200, 429)
        assert second.json()["code"] == "RateLimitExceeded"
        assert second.json()["msg"].startswith("Exceeded rate limit of 1.0 per second for endpoint: /api/export/start,")
        assert looks == [200, 429, 429], "all jobs share the limit"
        assert len(sandbox.jobs) == 2
        assert sandbox.jobs[1].started - sandbox.jobs[0].started >= 1
        assert sandbox.worst_rate("export/*/files", seconds=1) == 3


# What goes wrong with jobs


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("job_failed", ["enqueued", "running", "failed", "failed"]),
        ("job_cancelled", ["enqueued", "running", "cancelled", "cancelled"]),
        ("job_restarted", ["enqueued", "running", "enqueued", "running", "completed"]),
        ("job_stuck", ["enqueued"] * 9),
    ],
)
def test_a_job_takes_another_course(sandbox: Sandbox, kind: Any, wanted: list[str]) -> None:
    fault = sandbox.faults.add(Fault(kind=kind, data_type="emailSend"))
    healthy, job, another = start(sandbox, "emailOpen"), start(sandbox), start(sandbox)

    assert states(sandbox, job, len(wanted)) == wanted
    for other in healthy, another:
        assert states(sandbox, other, 3) == ["enqueued", "running", "completed"]
    assert sandbox.faults.struck(fault) == 1
    assert not the_job(sandbox, job).cancelled, "nobody requested that"


def test_a_restarted_job_keeps_its_files() -> None:
    with running_with(job_file_bytes=8000) as sandbox:
        sandbox.faults.add(Fault(kind="job_restarted"))
        job = start(sandbox)
        looks = [look(sandbox, job) for _ in range(5)]

    counts = [len(seen["files"]) for seen in looks]
    assert counts[0] == 0
    assert 0 < counts[1] == counts[2] == counts[3] < counts[4]


def test_a_failed_job_shows_some_of_its_files() -> None:
    with running_with(job_file_bytes=4000) as sandbox:
        sandbox.faults.add(Fault(kind="job_failed"))
        job = start(sandbox)
        seen = [look(sandbox, job) for _ in range(3)][-1]

        assert 0 < len(seen["files"]) < len(the_job(sandbox, job).files)


def test_files_appear_late() -> None:
    with running_with(job_file_bytes=8000, job_polls=4) as sandbox:
        sandbox.faults.add(Fault(kind="job_late"))
        job = start(sandbox)
        counts = [len(look(sandbox, job)["files"]) for _ in range(5)]

        assert counts[:4] == [0, 0, 0, 0]
        assert counts[4] == min(10, len(the_job(sandbox, job).files))


def test_looking_at_a_job_is_answered_with_an_error(sandbox: Sandbox) -> None:
    opens, sends = start(sandbox, "emailOpen"), start(sandbox)
    fault = Fault(kind="status", status=500, endpoint="export/*/files", data_type="emailSend", times=2)
    sandbox.faults.add(fault)

    statuses = {
        job: [call(sandbox, "GET", f"export/{job}/files").status_code for _ in range(3)] for job in (opens, sends)
    }

    assert statuses == {opens: [200, 200, 200], sends: [500, 500, 200]}
    assert [the_job(sandbox, job).state for job in (opens, sends)] == ["completed", "enqueued"]


# What goes wrong with files


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("fields", [{"after_bytes": 700}, {"cut_at": "line", "after_bytes": 700}])
def test_a_file_is_cut_the_first_times(gzip: bool, fields: dict[str, Any]) -> None:
    with running_with(job_files_gzip=gzip) as sandbox:
        (file,) = finished(sandbox, start(sandbox))
        sandbox.faults.add(Fault(kind="cut", endpoint="storage/*", data_type="emailSend", times=2, **fields))

        for _ in range(2):
            with pytest.raises(BROKEN_OFF):
                fetch(file)
        assert len(rows([file])) == 60
        assert [request.complete for request in sandbox.storage_requests[:2]] == [False, False]


def test_a_file_is_cut_whatever_url_it_has(sandbox: Sandbox) -> None:
    opens, sends = finished(sandbox, start(sandbox, "emailOpen")), finished(sandbox, start(sandbox))
    sandbox.faults.add(Fault(kind="cut", after_bytes=10, endpoint=f"storage/*/{sends[0]['file']}", times=None))

    assert len(rows(opens)) == len(sandbox.truth("emailOpen"))
    for _ in range(2):
        with pytest.raises(BROKEN_OFF):
            fetch(sends[0])


@pytest.mark.parametrize(
    ("status", "code"), [(403, "Request has expired"), (404, "NoSuchKey"), (500, "InternalError"), (503, "SlowDown")]
)
def test_a_file_is_answered_with_an_error(sandbox: Sandbox, status: int, code: str) -> None:
    job = start(sandbox)
    (file,) = finished(sandbox, job)
    sandbox.faults.add(Fault(kind="status", status=status, endpoint="storage/*"))

    refused, again = fetch(file), fetch(file)
    (fresh,) = look(sandbox, job)["files"]

    assert (refused.status_code, refused.headers["Content-Type"]) == (status, "application/xml")
    assert code in refused.text
    assert again.status_code == (403 if status == 403 else 200), "what has expired stays so"
    assert fetch(fresh).status_code == 200


@pytest.mark.parametrize("after", [None, 0, 800])
def test_the_connection_to_the_storage_is_reset(sandbox: Sandbox, after: int | None) -> None:
    (file,) = finished(sandbox, start(sandbox))
    sandbox.faults.add(Fault(kind="reset", after_bytes=after, endpoint="storage/*"))

    with pytest.raises(BROKEN_OFF):
        fetch(file)
    assert len(rows([file])) == 60


def test_a_file_holds_a_broken_line(sandbox: Sandbox) -> None:
    (file,) = finished(sandbox, start(sandbox))
    whole = fetch(file).content.split(b"\n")
    sandbox.faults.add(Fault(kind="malformed", line='{"email":', after_rows=5, endpoint="storage/*"))

    broken = fetch(file).content.split(b"\n")

    assert broken == [*whole[:5], b'{"email":', *whole[5:]]


def test_the_storage_sends_elsewhere(sandbox: Sandbox) -> None:
    (file,) = finished(sandbox, start(sandbox))
    sandbox.faults.add(Fault(kind="redirect", endpoint="storage/*", location="http://elsewhere.example/"))

    response = requests.get(file["url"], allow_redirects=False, timeout=10)

    assert (response.status_code, response.headers["Location"]) == (302, "http://elsewhere.example/")


# The command line


def test_the_command_line_takes_what_jobs_take() -> None:
    command = [sys.executable, "-m", "integration_tests.sandbox", "--smallest", "--now", NOW, "--api-key", "k"]
    command += ["--foreign-jobs", "2", "--job-polls", "0", "--job-files-gzip", "--project-type", "hybrid"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        headers = {"Api-Key": "k"}
        body = BODY | {"startDateTime": "2023-12-01"}
        job = requests.post(f"{url}/api/export/start", json=body, headers=headers, timeout=10).json()["jobId"]
        seen = requests.get(f"{url}/api/export/{job}/files", headers=headers, timeout=10).json()
        listed = requests.get(f"{url}/api/export/jobs", headers=headers, timeout=10).json()["jobs"]
        file = requests.get(seen["files"][0]["url"], timeout=10)
        process.terminate()
        process.wait(timeout=10)

    assert seen["jobState"] == "completed"
    assert len(listed) == 3
    assert (file.headers["Content-Encoding"], len(lines(file.content))) == ("gzip", 4)
