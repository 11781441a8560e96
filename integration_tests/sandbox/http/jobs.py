"""Asynchronous exports: jobs that are started, looked at until they are done, and cancelled.

A job moves on when it is looked at, not with time: with ``job_polls=2`` the first look finds it enqueued,
the second running with some of its files there, the third completed.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from zlib import crc32

from integration_tests.sandbox.data.rows import Row
from integration_tests.sandbox.faults.fault import Fault
from integration_tests.sandbox.http import job_files
from integration_tests.sandbox.http.answers import Answer, ApiError, bad_params
from integration_tests.sandbox.http.endpoints.exports import data_type_named, sent_span
from integration_tests.sandbox.http.endpoints.parameters import bound
from integration_tests.sandbox.http.job import STATES, Job, State
from integration_tests.sandbox.http.request import Request
from integration_tests.sandbox.http.storage import Storage
from integration_tests.sandbox.project.clock import monotonic
from integration_tests.sandbox.project.project import Project

MOST_IN_PROGRESS = 4
"""Jobs of the organization, whoever started them; further ones wait enqueued."""

ROUTES = (
    ("POST", r"export/start"),
    ("GET", r"export/jobs"),
    ("GET", r"export/\d+/files"),
    ("DELETE", r"export/\d+"),
)
FIRST_JOB = 7_340_001
ANOTHER_TOOL = "another tool"
CSV = "text/csv"
FORMATS = ("application/x-json-stream", CSV)


class Jobs:
    """The jobs of the project, and the calls below ``export/`` that are about them."""

    def __init__(self, project: Project, storage: Storage) -> None:
        """Start with the running jobs of other tools."""
        self._project = project
        self._options = project.options
        self._storage = storage
        self.all: list[Job] = []
        for _ in range(self._options.foreign_jobs):
            job = self._new("emailSend", ("2024-01-01 00:00:00", "2024-01-02 00:00:00"), ANOTHER_TOOL)
            job.state = "running"

    # Calls

    @staticmethod
    def takes(method: str, endpoint: str) -> bool:
        """Whether a call is about jobs."""
        return any(method == wanted and re.fullmatch(pattern, endpoint) for wanted, pattern in ROUTES)

    async def answer(self, record: Request, striking: Iterable[Fault]) -> Answer:
        """Answer such a call.

        Raises:
            ApiError: If it is refused.
        """
        if record.method == "POST":
            return Answer({"jobId": await self._start(record, striking)})
        if record.method == "DELETE":
            return Answer(self._cancel(record))
        return Answer(self._list(record) if record.endpoint == "export/jobs" else self._files(record))

    def tags(self, endpoint: str) -> Mapping[str, str]:
        """What faults may know about a call besides its parameters: the data type of the job that it names."""
        found = re.match(r"export/(\d+)", endpoint)
        job = self._known(found[1]) if found else None
        return {"dataTypeName": job.data_type} if job else {}

    async def _start(self, record: Request, striking: Iterable[Fault]) -> int:
        asked = _json_object(record.body)
        name = data_type_named(self._project, str(asked.get("dataTypeName", "")))
        if asked.get("outputFormat") not in FORMATS:
            raise bad_params(f"Invalid outputFormat: {asked.get('outputFormat')}")
        window = str(asked.get("startDateTime", "")), str(asked.get("endDateTime", ""))
        span = bound(window[0], "startDateTime") or 0, bound(window[1], "endDateTime") or 0
        job = self._new(name, window, record.headers.get("User-Agent", ""))
        if asked["outputFormat"] == CSV:
            job.delimiter = str(asked.get("delimiter") or ",")
        job.faults = [fault.kind for fault in striking if fault.kind.startswith("job_")]
        table = self._project.tables[name]
        with self._project.lock:
            lines = table.batches(*sent_span(self._project, *span), self._project.clock.seconds)
            first = next(lines, [])  # the generator holds what is exportable now
        batches = _other_way_round(first, lines)
        if table.bulk:
            await asyncio.to_thread(job_files.write, job, batches, self._options, self._storage)
        else:
            job_files.write(job, batches, self._options, self._storage)
        return job.id

    def _files(self, record: Request) -> Row:
        job = self._named(record)
        self._look(job)
        page = self._page(job, record.params.get("startAfter", ""))
        if job.state == "completed" and job.late < self._options.job_files_late:
            job.late += 1
            page = []
        return {
            "jobId": job.id,
            "jobState": job.state,
            "exportTruncated": job.truncated and job.shown == len(job.files),
            "files": [{"file": name, "url": self._storage.signed(f"{job.id}/{name}")} for name in page],
        }

    def _page(self, job: Job, after: str) -> list[str]:
        """The names on the page of files after that one."""
        names, size = job.files[: job.shown], self._options.job_files_page
        if self._options.job_files_shuffled:
            names = sorted(names, key=lambda name: crc32(name.encode()))
        if self._options.job_files_by_position:
            begin = names.index(after) + 1 if after in names else 0
            page = names[begin : begin + size]
        else:
            lowest = sorted(name for name in names if name > after)[:size]
            page = [name for name in names if name in lowest]
        return [*page, *page[:1]] if self._options.job_files_repeated else page

    def _list(self, record: Request) -> Row:
        state = record.params.get("jobState", "").lower()
        if state and state not in STATES:
            raise bad_params(f"Invalid jobState: {state}")
        for job in self.all:
            self._look(job)
        listed = [_shown(job) for job in self.all if state in ("", job.state) and self._options.jobs_listed]
        if not self._options.job_bytes_told:
            listed = [{name: value for name, value in row.items() if name != "bytesExported"} for row in listed]
        return {"jobs": listed}

    def _cancel(self, record: Request) -> Row:
        job = self._named(record)
        if job.has_ended:
            raise bad_params(f"Job {job.id} is not queued or running")
        job.state, job.cancelled = "cancelling", True
        return {"msg": f"Job {job.id} is being cancelled", "code": "Success", "params": None}

    # Jobs

    def _new(self, data_type: str, window: tuple[str, str], started_by: str) -> Job:
        job = Job(FIRST_JOB + len(self.all), data_type, window, started_by, self._project.clock.now)
        job.started = monotonic()
        job.beside = sum(other.started_by == started_by and not other.has_ended for other in self.all)
        self.all.append(job)
        return job

    def _named(self, record: Request) -> Job:
        number = record.endpoint.split("/")[1]
        job = self._known(number)
        if job is None:
            raise ApiError(404, f"Export job {number} not found", "NotFound", None)
        return job

    def _known(self, number: str) -> Job | None:
        return next((job for job in self.all if str(job.id) == number), None)

    def _look(self, job: Job) -> None:
        """Move a job on; if it waits for others to end, move these on too."""
        if job.state == "cancelling":
            self._end(job, "cancelled")
        elif job.state == "running" and "job_restarted" in job.faults:
            job.faults.remove("job_restarted")
            job.state, job.looks = "enqueued", 1
        elif job.state == "running":
            self._move(job)
        elif job.state == "enqueued" and "job_stuck" not in job.faults:
            busy = [other for other in self.all if other.state in ("running", "cancelling")]
            if len(busy) < MOST_IN_PROGRESS:
                self._move(job)
            else:
                for other in busy:
                    self._look(other)

    def _move(self, job: Job) -> None:
        if job.started_by == ANOTHER_TOOL:
            return
        job.looks += 1
        polls = self._options.job_polls
        if job.looks <= 1 <= polls:
            return
        if job.looks <= polls:
            job.state = "running"
            if "job_late" not in job.faults:
                job.shown = max(job.shown, -(-len(job.files) * (job.looks - 1) // polls))
            return
        faults = {"job_failed": "failed", "job_cancelled": "cancelled"}
        ends: list[Any] = [state for fault, state in faults.items() if fault in job.faults]
        if not ends:
            job.shown = len(job.files)
        self._end(job, ends[0] if ends else "completed")

    def _end(self, job: Job, state: State) -> None:
        job.state, job.ended = state, self._project.clock.now


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ApiError(400, "Invalid JSON body", "BadJsonBody", None)
    return value


def _other_way_round(first: list[bytes], rest: Iterable[list[bytes]]) -> Iterator[list[bytes]]:
    yield first[::-1]
    for batch in rest:
        yield batch[::-1]


def _shown(job: Job) -> Row:
    row: Row = {
        "id": job.id,
        "dataTypeName": job.data_type,
        "jobState": job.state,
        "scheduledStartTime": _iso(job.scheduled),
    }
    if job.ended:
        row |= {"endTime": _iso(job.ended), "bytesExported": job.bytes}
    return row


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
