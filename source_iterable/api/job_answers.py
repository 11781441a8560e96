"""What Iterable's answers about export jobs hold."""

from __future__ import annotations

from collections.abc import Sequence

from source_iterable.api.body import Body
from source_iterable.api.body_scan import UnusableBodyError
from source_iterable.records.json_lines import MalformedLineError, Row, parse

COMPLETED = "completed"


class UnusableAnswerError(Exception):
    """An answer about a job that is not what Iterable documents."""


def read_object(body: Body) -> Row:
    """The JSON object of an answer.

    Raises:
        UnusableAnswerError: If there is none.
    """
    try:
        return parse(body.read())
    except (MalformedLineError, UnusableBodyError) as error:
        raise UnusableAnswerError("the answer is not a JSON object") from error


def files_of(page: Row) -> list[Row]:
    """The files on a page, each with its name under `file` and its address under `url`.

    Raises:
        UnusableAnswerError: If it has no list of such files.
    """
    files = page.get("files") or []
    if not isinstance(files, list) or not all(
        isinstance(one, dict) and isinstance(one.get("file"), str) and isinstance(one.get("url"), str) for one in files
    ):
        raise UnusableAnswerError("the answer holds no list of files")
    return files


def next_after(files: Sequence[Row]) -> list[str]:
    """The names that a next page may come after: the greatest one of a page, and the last one if that is another."""
    names = [str(one["file"]) for one in files]
    return list(dict.fromkeys((max(names), names[-1]))) if names else []


def bytes_exported(listing: Row, job: int) -> int | None:
    """How many bytes a completed ``job`` exported, as the list of jobs tells; None if it does not."""
    jobs = listing.get("jobs")
    for entry in jobs if isinstance(jobs, list) else ():
        if isinstance(entry, dict) and str(entry.get("id")) == str(job):
            exported = entry.get("bytesExported")
            # The list may lag behind: what a running job has exported may still grow.
            is_final = str(entry.get("jobState", COMPLETED)).lower() == COMPLETED
            if isinstance(exported, int) and (exported > 0 or (exported == 0 and is_final)):
                return exported
    return None
