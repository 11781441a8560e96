import re
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import count, cycle
from typing import Any

import pytest

from source_iterable.api import export_jobs as jobs_module
from source_iterable.api.client import Api
from source_iterable.api.export_jobs import PATIENCE, ExportJobs, ExportRequest, NoExportJobError
from source_iterable.api.job_answers import COMPLETED, bytes_exported, next_after
from source_iterable.config import Config
from source_iterable.streams.events.email import EmailSend
from source_iterable.sync import Sync
from source_iterable.windows import Window

WINDOW = Window(datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 2, 1, tzinfo=timezone.utc))
PAGE = 2


def nothing(size: int) -> None:
    """Room for everything."""


@pytest.fixture
def wanted() -> ExportRequest:
    return ExportRequest("email_send", "emailSend", WINDOW, lambda *_, **__: pytest.fail("no request is made"))


@pytest.fixture
def looks(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExportJobs]:
    """Jobs whose looks lie a third of the patience apart, without waiting."""
    monkeypatch.setattr(api, "scaled", lambda _: 0.0)
    ticks = count(0, int(PATIENCE / 3))
    monkeypatch.setattr(jobs_module.time, "monotonic", lambda: float(next(ticks)))
    return ExportJobs(api)


def page_of(files: list[str], after: str | None, state: str) -> dict[str, Any]:
    later = [file for file in files if after is None or file > after][:PAGE]
    return {"jobState": state, "files": [{"file": file, "url": f"https://storage/{file}"} for file in later]}


def test_a_job_that_goes_on_showing_files_is_waited_for(
    looks: ExportJobs, wanted: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when its first page of files is full."""
    files: list[str] = []

    def look(job: int, of: ExportRequest, after: str | None = None) -> dict[str, Any]:
        files.append(f"file-{len(files):03}.json")
        return page_of(files, after, "running" if len(files) < 30 else "completed")

    monkeypatch.setattr(looks, "_files", look)

    assert looks._end_of(7, wanted, nothing) == COMPLETED


@pytest.mark.parametrize("by_place", [False, True])
def test_a_job_that_goes_on_showing_files_in_no_order_is_waited_for(
    looks: ExportJobs, wanted: ExportRequest, monkeypatch: pytest.MonkeyPatch, by_place: bool
) -> None:
    """What `startAfter` means is not documented: a name to compare with, or a place in the list."""
    files: list[str] = []

    def look(job: int, of: ExportRequest, after: str | None = None) -> dict[str, Any]:
        number = len(files)
        files.append(f"file-{number ^ 1:03}.json")
        if by_place:
            begin = files.index(after) + 1 if after in files else 0
            page = files[begin : begin + PAGE]
        else:
            page = sorted(file for file in files if file > (after or ""))[:PAGE][::-1]
        return {
            "jobState": "running" if number < 30 else "completed",
            "files": [{"file": file, "url": f"https://storage/{file}"} for file in page],
        }

    monkeypatch.setattr(looks, "_files", look)

    assert looks._end_of(7, wanted, nothing) == COMPLETED


def test_a_job_that_shows_nothing_new_is_given_up_for_all_streams(
    looks: ExportJobs, wanted: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "_files", lambda *_: page_of(["file-1.json"], None, "Running"))

    with pytest.raises(NoExportJobError, match="job 7 stays running"):
        looks._end_of(7, wanted, nothing)
    with pytest.raises(NoExportJobError, match="job 7 stays running"):
        looks.export(wanted, nothing)


def test_a_job_for_a_window_that_nobody_wants_any_more_is_left(
    looks: ExportJobs, wanted: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    class UnwantedError(Exception):
        """As the look-ahead raises."""

    def unwanted(size: int) -> None:
        raise UnwantedError

    monkeypatch.setattr(looks, "_files", lambda *_: pytest.fail("requested"))

    with pytest.raises(UnwantedError):
        looks._end_of(7, wanted, unwanted)


def test_files_are_listed_to_their_end_even_where_the_server_ignores_from_where(
    looks: ExportJobs, wanted: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "_files", lambda *_: page_of(["a", "b"], None, "completed"))

    assert [[entry["file"] for entry in page] for page, _ in looks._pages(7, wanted)] == [["a", "b"]]


def test_a_file_that_a_page_shows_twice_is_listed_once(
    looks: ExportJobs, wanted: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files(job: int, of: ExportRequest, after: str | None = None) -> dict[str, Any]:
        files = ["a", "a", "b"] if after is None else []
        return {"jobState": "completed", "files": [{"file": one, "url": f"https://example.com/{one}"} for one in files]}

    monkeypatch.setattr(looks, "_files", files)

    assert [[entry["file"] for entry in entries] for entries, _ in looks._pages(1, wanted)] == [["a", "b"]]


@pytest.mark.parametrize(
    ("names", "after"),
    [([], []), (["a"], ["a"]), (["a", "b"], ["b"]), (["c", "a", "b"], ["c", "b"]), (["9", "10"], ["9", "10"])],
)
def test_a_page_is_followed_by_its_greatest_and_its_last_name(names: list[str], after: list[str]) -> None:
    assert next_after([{"file": name} for name in names]) == after


def test_pages_end_where_each_one_names_another_beginning(
    looks: ExportJobs, wanted: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that shows the same files in another order each time."""
    orders = cycle([["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c", "b"]])

    def files(*_: object) -> dict[str, Any]:
        return {"files": [{"file": one, "url": f"https://example.com/{one}"} for one in next(orders)]}

    monkeypatch.setattr(looks, "_files", files)

    assert sorted(entry["file"] for entries, _ in looks._pages(1, wanted) for entry in entries) == ["a", "b", "c"]


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
    wanted = ExportRequest("email_send", "emailSend", WINDOW, EmailSend(Sync(config, api)).retry_policy)

    body = ExportJobs(api).export(wanted, nothing)

    assert sorted(fetched) == ["file-1.json", "file-2.json", "file-3.json"]
    assert len([line for line in body.lines() if line]) == len(fetched)
