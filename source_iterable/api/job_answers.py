"""Parses Iterable's responses about export jobs."""

from __future__ import annotations

from collections.abc import Sequence

from source_iterable.api.body import Body
from source_iterable.api.body_scan import UnusableBodyError
from source_iterable.records.json_lines import MalformedLineError, Row, parse

COMPLETED = "completed"


class UnusableAnswerError(Exception):
    """A response about a job that is not as documented."""


def read_object(body: Body) -> Row:
    """The JSON object in a response.

    Raises:
        UnusableAnswerError: If it is not a JSON object.
    """
    try:
        return parse(body.read())
    except (MalformedLineError, UnusableBodyError) as error:
        raise UnusableAnswerError("the answer is not a JSON object") from error


def files_of(page: Row) -> list[Row]:
    """The files on a page, each with its name in `file` and its URL in `url`.

    Raises:
        UnusableAnswerError: If there is no such list.
    """
    files = page.get("files") or []
    if not isinstance(files, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("file"), str) and isinstance(entry.get("url"), str)
        for entry in files
    ):
        raise UnusableAnswerError("the answer holds no list of files")
    return files


def next_after(files: Sequence[Row]) -> list[str]:
    """The values of `startAfter` for a next page: the greatest name of a page, and the last one if that differs."""
    names = [str(entry["file"]) for entry in files]
    return list(dict.fromkeys((max(names), names[-1]))) if names else []


def bytes_exported(listed_jobs: Row, job: int) -> int | None:
    """How many bytes a completed ``job`` exported; None if the list of jobs does not say."""
    jobs = listed_jobs.get("jobs")
    for entry in jobs if isinstance(jobs, list) else ():
        if isinstance(entry, dict) and str(entry.get("id")) == str(job):
            exported = entry.get("bytesExported")
            # The list may be out of date: the export of a running job may still grow.
            is_final = str(entry.get("jobState", COMPLETED)).lower() == COMPLETED
            if isinstance(exported, int) and (exported > 0 or (exported == 0 and is_final)):
                return exported
    return None
