from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import count
from typing import Any

import pytest

from source_iterable import jobs as jobs_module
from source_iterable.api import Api
from source_iterable.jobs import COMPLETED, PATIENCE, Jobs, NoJobError, Wanted
from source_iterable.windows import Window

WINDOW = Window(datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 2, 1, tzinfo=timezone.utc))
PAGE = 2


def nothing(size: int) -> None:
    """Room for everything."""


@pytest.fixture
def wanted() -> Wanted:
    return Wanted("email_send", "emailSend", WINDOW, lambda *_, **__: pytest.fail("no request is made"))


@pytest.fixture
def looks(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Jobs whose looks lie a third of the patience apart, without waiting."""
    monkeypatch.setattr(api, "scaled", lambda _: 0.0)
    ticks = count(0, int(PATIENCE / 3))
    monkeypatch.setattr(jobs_module.time, "monotonic", lambda: float(next(ticks)))
    return Jobs(api)


def page_of(files: list[str], after: str | None, state: str) -> dict[str, Any]:
    later = [file for file in files if after is None or file > after][:PAGE]
    return {"jobState": state, "files": [{"file": file, "url": f"https://storage/{file}"} for file in later]}


def test_a_job_that_goes_on_showing_files_is_waited_for(
    looks: Jobs, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when its first page of files is full."""
    files: list[str] = []

    def look(job: int, of: Wanted, after: str | None = None) -> dict[str, Any]:
        files.append(f"file-{len(files):03}.json")
        return page_of(files, after, "running" if len(files) < 30 else "completed")

    monkeypatch.setattr(looks, "_files", look)

    assert looks._end_of(7, wanted, nothing) == COMPLETED


def test_a_job_that_shows_nothing_new_is_given_up_for_all_tables(
    looks: Jobs, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "_files", lambda *_: page_of(["file-1.json"], None, "Running"))

    with pytest.raises(NoJobError, match="job 7 stays running"):
        looks._end_of(7, wanted, nothing)
    with pytest.raises(NoJobError, match="job 7 stays running"):
        looks.export(wanted, nothing)


def test_a_job_for_a_window_that_nobody_wants_any_more_is_left(
    looks: Jobs, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    class UnwantedError(Exception):
        """As the look-ahead raises."""

    def unwanted(size: int) -> None:
        raise UnwantedError

    monkeypatch.setattr(looks, "_files", lambda *_: pytest.fail("asked for"))

    with pytest.raises(UnwantedError):
        looks._end_of(7, wanted, unwanted)


def test_files_are_listed_to_their_end_even_where_the_server_ignores_from_where(
    looks: Jobs, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "_files", lambda *_: page_of(["a", "b"], None, "completed"))

    assert [[entry["file"] for entry in page] for page, _ in looks._pages(7, wanted)] == [["a", "b"]]


def test_a_file_that_a_page_shows_twice_is_listed_once(
    looks: Jobs, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files(job: int, of: Wanted, after: str | None = None) -> dict[str, Any]:
        files = ["a", "a", "b"] if after is None else []
        return {"jobState": "completed", "files": [{"file": one, "url": f"https://example.com/{one}"} for one in files]}

    monkeypatch.setattr(looks, "_files", files)

    assert [[entry["file"] for entry in entries] for entries, _ in looks._pages(1, wanted)] == [["a", "b"]]
