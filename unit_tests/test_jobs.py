import re
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import chain, count, cycle
from typing import Any

import pytest
import requests

from source_iterable.api import job_files
from source_iterable.api.client import Api
from source_iterable.api.export_jobs import PATIENCE, ExportJobs, NoExportJobError
from source_iterable.api.job_answers import COMPLETED, bytes_exported, next_after
from source_iterable.api.job_files import ExportRequest, JobFiles, StuckJobError
from source_iterable.config import Config
from source_iterable.reservation import Reservation
from source_iterable.streams.events.email import EmailOpen, EmailSend
from source_iterable.sync import Sync
from source_iterable.windows import Window

WINDOW = Window(datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 2, 1, tzinfo=timezone.utc))
PAGE = 2


@pytest.fixture
def export_request() -> ExportRequest:
    return ExportRequest("email_send", "emailSend", WINDOW, lambda *_, **__: pytest.fail("no request is made"))


Page = dict[str, Any]


class Shown(JobFiles):
    """A job that shows what a test says, after the name of a file or from the beginning."""

    def __init__(self, api: Api, export_request: ExportRequest, show: Callable[[str | None], Page]) -> None:
        super().__init__(api, requests.Session(), 7, export_request, patience=None)
        self._show = show

    def page(self, after: str | None = None) -> Page:
        return self._show(after)


Show = Callable[[Callable[[str | None], Page]], Shown]


@pytest.fixture
def showing(api: Api, export_request: ExportRequest, monkeypatch: pytest.MonkeyPatch) -> Show:
    """A job that is looked at every third of the patience, without waiting."""
    ticks = count(0, int(PATIENCE / 3))
    monkeypatch.setattr(job_files.time, "monotonic", lambda: float(next(ticks)))
    return lambda show: Shown(api, export_request, show)


def at_once(seconds: float) -> None:
    """Do not wait."""


def files_named(*names: str) -> Page:
    return {"files": [{"file": name, "url": f"https://example.com/{name}"} for name in names]}


def listed(job: JobFiles) -> list[list[str]]:
    return [[entry["file"] for entry in entries] for entries, _ in job.pages()]


def page_of(files: list[str], after: str | None, state: str) -> dict[str, Any]:
    later = [file for file in files if after is None or file > after][:PAGE]
    return {"jobState": state, "files": [{"file": file, "url": f"https://storage/{file}"} for file in later]}


def test_a_job_that_goes_on_showing_files_is_waited_for(showing: Show) -> None:
    """Also when its first page of files is full."""
    files: list[str] = []

    def look(after: str | None) -> Page:
        files.append(f"file-{len(files):03}.json")
        return page_of(files, after, "running" if len(files) < 30 else "completed")

    assert showing(look).end(at_once, PATIENCE) == COMPLETED


@pytest.mark.parametrize("by_place", [False, True])
def test_a_job_that_goes_on_showing_files_in_no_order_is_waited_for(showing: Show, by_place: bool) -> None:
    """What `startAfter` means is not documented: a name to compare with, or a place in the list."""
    files: list[str] = []

    def look(after: str | None) -> Page:
        number = len(files)
        files.append(f"file-{number ^ 1:03}.json")
        if by_place:
            begin = files.index(after) + 1 if after in files else 0
            page = files[begin : begin + PAGE]
        else:
            page = sorted(file for file in files if file > (after or ""))[:PAGE][::-1]
        return {"jobState": "running" if number < 30 else "completed", **files_named(*page)}

    assert showing(look).end(at_once, PATIENCE) == COMPLETED


def test_a_job_that_shows_nothing_new_is_stuck(showing: Show) -> None:
    with pytest.raises(StuckJobError, match="stays running"):
        showing(lambda _: page_of(["file-1.json"], None, "Running")).end(at_once, PATIENCE)


def test_a_job_that_is_stuck_ends_all_jobs_of_the_sync(
    config: Config, api: Api, requests_mock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "scaled", lambda _: 0.0)
    ticks = count(0, int(PATIENCE / 3))
    monkeypatch.setattr(job_files.time, "monotonic", lambda: float(next(ticks)))
    started = requests_mock.post(f"{config.url}/api/export/start", json={"jobId": 7})
    requests_mock.get(f"{config.url}/api/export/7/files", json={"jobId": 7, "jobState": "Running", "files": []})
    requests_mock.delete(f"{config.url}/api/export/7", json={})
    jobs = ExportJobs(api)

    for stream in (EmailSend, EmailOpen):
        export_request = ExportRequest(
            stream.__name__, stream.data_type, WINDOW, stream(Sync(config, api)).retry_policy
        )
        with pytest.raises(NoExportJobError, match="job 7 stays running"):
            jobs.export(export_request, Reservation())

    assert started.call_count == 1


def test_a_job_for_a_window_that_nobody_wants_any_more_is_left(
    config: Config, api: Api, requests_mock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class UnwantedError(Exception):
        """As the prefetcher raises."""

    class Unwanted(Reservation):
        def grow(self, size: int) -> None:
            raise UnwantedError

    monkeypatch.setattr(api, "scaled", lambda _: 0.0)
    requests_mock.post(f"{config.url}/api/export/start", json={"jobId": 7})
    left = requests_mock.delete(f"{config.url}/api/export/7", json={})
    export_request = ExportRequest("email_send", "emailSend", WINDOW, EmailSend(Sync(config, api)).retry_policy)

    with pytest.raises(UnwantedError):  # and nothing is looked at: no such request is expected
        ExportJobs(api).export(export_request, Unwanted())

    assert left.call_count == 1


def test_files_are_listed_to_their_end_even_where_the_server_ignores_from_where(showing: Show) -> None:
    assert listed(showing(lambda _: page_of(["a", "b"], None, "completed"))) == [["a", "b"]]


def test_a_file_that_a_page_shows_twice_is_listed_once(showing: Show) -> None:
    job = showing(lambda after: files_named("a", "a", "b") if after is None else files_named())

    assert listed(job) == [["a", "b"]]


@pytest.mark.parametrize(
    ("names", "after"),
    [([], []), (["a"], ["a"]), (["a", "b"], ["b"]), (["c", "a", "b"], ["c", "b"]), (["9", "10"], ["9", "10"])],
)
def test_a_page_is_followed_by_its_greatest_and_its_last_name(names: list[str], after: list[str]) -> None:
    assert next_after([{"file": name} for name in names]) == after


def test_pages_end_where_each_one_names_another_beginning(showing: Show) -> None:
    """A server that shows the same files in another order each time."""
    orders = cycle([["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c", "b"]])

    assert sorted(chain.from_iterable(listed(showing(lambda _: files_named(*next(orders)))))) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("entry", "size"),
    [
        ({"id": 7, "jobState": "completed", "bytesExported": 0}, 0),
        ({"id": "7", "jobState": "Completed", "bytesExported": 12}, 12),
        ({"id": 7, "bytesExported": 0}, 0),
        ({"id": 7, "jobState": "running", "bytesExported": 0}, None),
        ({"id": 7, "jobState": "running", "bytesExported": 12}, 12),
        ({"id": 7, "jobState": "completed"}, None),
        ({"id": 7, "jobState": "completed", "bytesExported": None}, None),
        ({"id": 7, "jobState": "completed", "bytesExported": -1}, None),
        ({"id": 8, "jobState": "completed", "bytesExported": 0}, None),
    ],
    ids=str,
)
def test_only_the_bytes_of_a_completed_job_tell_that_it_is_empty(entry: dict[str, Any], size: int | None) -> None:
    assert bytes_exported({"jobs": [{"id": 6, "bytesExported": 5}, "odd", entry]}, 7) == size


def test_files_that_are_listed_after_others_were_fetched_are_fetched_too(
    config: Config, api: Api, requests_mock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A completed job may list its files a little late, and in no order: those that came first do not count as all."""
    monkeypatch.setattr(api, "scaled", lambda _: 0.0)
    fetched: list[str] = []

    def files(request: Any, context: Any) -> dict[str, Any]:
        names = ["file-2.json"] if not fetched else ["file-1.json", "file-2.json", "file-3.json"]
        after = request.qs.get("startafter", [""])[0]
        later = [{"file": name, "url": f"https://storage.example/{name}"} for name in names if name > after]
        return {"jobId": 7, "jobState": "completed", "files": later}

    def file(request: Any, context: Any) -> str:
        fetched.append(request.path.removeprefix("/"))
        return f'{{"email":"{len(fetched)}@example.com"}}\n'

    requests_mock.post(f"{config.url}/api/export/start", json={"jobId": 7})
    requests_mock.get(f"{config.url}/api/export/7/files", json=files)
    requests_mock.get(re.compile("https://storage.example/.*"), text=file)
    export_request = ExportRequest("email_send", "emailSend", WINDOW, EmailSend(Sync(config, api)).retry_policy)

    body = ExportJobs(api).export(export_request, Reservation())

    assert sorted(fetched) == ["file-1.json", "file-2.json", "file-3.json"]
    assert len([line for line in body.lines() if line]) == len(fetched)
