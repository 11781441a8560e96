"""Export jobs: Iterable prepares the rows of a window as files, which are then fetched one by one.

`POST export/start`, `GET export/{id}/files` and the signed URLs that it names
(https://api.iterable.com/api/docs#export_startExport). Jobs do not count against the four export requests a
minute, but four of them run at a time for a whole organization: this takes two. A file that breaks off is
requested again by itself. A job that lists no files is empty only if `GET export/jobs` says so, or if it still lists
none half a minute later. Only jobs that this sync started are ever cancelled.
"""

from __future__ import annotations

import logging
import threading
import time

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable import messages, timestamps
from source_iterable.api.body import Body
from source_iterable.api.client import Api
from source_iterable.api.errors import DeniedError, MissingEndpointError, RequestRejected
from source_iterable.api.job_answers import (
    COMPLETED,
    UnusableAnswerError,
    bytes_exported,
    read_object,
)
from source_iterable.api.job_files import ExportRequest, FileError, JobFiles, StuckJobError
from source_iterable.api.patience import NO_PATIENCE
from source_iterable.exceptions import DiskFullError, TooLargeError
from source_iterable.reservation import Reservation

MOST_JOBS = 2  # of the four that an organization may run
JOB_TRIES = 3  # of a job that fails or is cancelled
MOST_FAILURES = 3  # of windows in a row, after which no more jobs are requested
# For how many seconds a file is requested that cannot be had, where its window may be requested directly too.
FILE_PATIENCE = 5 * 60.0
# Seconds between looks at a completed job that lists no files, and how many of them prove that it is empty.
EMPTY_WAITS = (10.0, 20.0, 30.0, 60.0)
EMPTY_PATIENCE = 30.0
# How long a job may show no progress, in seconds, before it is abandoned.
PATIENCE = 30 * 60.0
LONG_PATIENCE = 24 * 3600.0
# How long to wait for a job to be accepted, in seconds, where the window may be requested directly too.
START_PATIENCE = 60.0
REFUSED = {400, 401, 403, 404, 405}
KEY_REFUSED = {401, 403}  # is checked for minutes where there is no other way
START_GRACE = 2.0  # seconds for starts that are under way when the sync ends
CANCEL_PACE = 1.1  # seconds between two cancellations

logger = logging.getLogger("airbyte")


class NoExportJobError(Exception):
    """A window cannot be had by a job; its message says why."""


class ExportJobs:
    """The export jobs of one sync.

    Args:
        api: Iterable's API.
        forced: Whether windows may come by jobs only: then a job may take a day, and is waited for.
    """

    def __init__(self, api: Api, *, forced: bool = False) -> None:
        self._api = api
        self._forced = forced
        self._session = api.job_session()
        self._slots = threading.BoundedSemaphore(MOST_JOBS)
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._starting = 0
        self._swept = False
        self._held: set[int] = set()
        self._refused: dict[str, str] = {}
        self._failures = 0
        self._tells_bytes = True

    def export(self, wanted: ExportRequest, reservation: Reservation) -> Body:
        """The rows of a window; called on threads of the look-ahead.

        Raises:
            NoExportJobError: If there is no job to be had.
            TooLargeError: If the window is too much for one job.
            DiskFullError: If the disk is full.
        """
        self._require_jobs(wanted.stream)
        if not self._slots.acquire(blocking=self._forced):
            raise NoExportJobError("two jobs are under way")
        try:
            self._require_jobs(wanted.stream)  # they may have been refused while a place was waited for
            return self._export(wanted, reservation)
        except (DiskFullError, NoExportJobError, TooLargeError):
            raise
        except RequestRejected as rejected:
            raise self._no_more_jobs(wanted.stream, str(rejected.answer)) from rejected
        except UnusableAnswerError as error:
            raise self._no_more_jobs(wanted.stream, str(error)) from error
        except FileError as error:
            if self._forced:
                raise error.cause from error
            raise (self._failed(str(error)) if error.may_heal else self._no_more_jobs("", str(error))) from error
        except AirbyteTracedException as error:
            if self._forced:
                raise
            if error.failure_type is FailureType.transient_error:
                raise self._failed(str(error.message)) from error
            # What the data center does not have, no other stream will find there.
            whom = "" if isinstance(error, MissingEndpointError) else wanted.stream
            raise self._no_more_jobs(whom, str(error.message)) from error
        finally:
            self._slots.release()

    def _require_jobs(self, stream: str) -> None:
        for whom in ("", stream):
            if whom in self._refused:
                raise NoExportJobError(self._refused[whom])

    def stop(self) -> None:
        """Cancel the jobs that this sync started and still waits for, one a second; nobody else's."""
        self._stopped.set()
        with self._changed:
            # A job whose start is not answered yet has no id to cancel it by.
            self._changed.wait_for(lambda: not self._starting, START_GRACE)
            held = sorted(self._held)
            self._held.clear()
            self._swept = True
        for number, job in enumerate(held):
            if number:
                time.sleep(self._api.scaled(CANCEL_PACE))
            self._api.cancel(f"export/{job}")

    def _export(self, wanted: ExportRequest, reservation: Reservation) -> Body:
        for _ in range(JOB_TRIES):
            job = self._start(wanted)
            try:
                state = self._end_of(job, wanted, reservation)
            except BaseException:
                self._cancel(job)
                raise
            with self._changed:
                self._held.discard(job)
            if state == COMPLETED:
                body = self._fetch(job, wanted, reservation)
                self._failures = 0
                return body
            logger.info("%s: export job %d of %s %s.", wanted.stream, job, wanted.window, state)
        raise self._no_more_jobs(wanted.stream, f"{JOB_TRIES} jobs in a row {state}")

    def _start(self, wanted: ExportRequest) -> int:
        policy = wanted.retry_policy(
            f"the start of an export job of {wanted.window}",
            rejects=REFUSED - KEY_REFUSED if self._forced else REFUSED,
            expects_object=True,
            # A start whose answer is lost may have begun a job: where there is another way, it is not tried again.
            **(
                {}
                if self._forced
                else {"limit_patience": START_PATIENCE, "patience": NO_PATIENCE, "on_exhausted": NoExportJobError}
            ),
        )
        asked = {
            "dataTypeName": wanted.data_type,
            "outputFormat": "application/x-json-stream",
            "startDateTime": timestamps.for_export(wanted.window.start),
            "endDateTime": timestamps.for_export(wanted.window.end),
        }
        with self._changed:
            if self._stopped.is_set():
                raise NoExportJobError("the sync ends")
            self._starting += 1
        job: object = None
        try:
            job = read_object(self._api.post("export/start", asked, policy, wanted.stream, self._session)).get("jobId")
        except DeniedError as denied:
            if self._api.key_refusal:
                raise
            raise self._no_more_jobs("", denied.answer.detail) from denied
        except RequestRejected as rejected:
            if rejected.answer.status in KEY_REFUSED:
                raise self._failed(str(rejected.answer)) from rejected
            about_table = rejected.answer.status == requests.codes.bad_request
            raise self._no_more_jobs(wanted.stream if about_table else "", str(rejected.answer)) from rejected
        finally:
            with self._changed:
                self._starting -= 1
                if isinstance(job, int):
                    self._held.add(job)
                self._changed.notify_all()
        if not isinstance(job, int):
            raise UnusableAnswerError("the answer to its start holds no 'jobId'")
        logger.info("%s: export job %d prepares %s.", wanted.stream, job, wanted.window)
        return job

    def _end_of(self, job: int, wanted: ExportRequest, reservation: Reservation) -> str:
        """How the job ended: `completed`, `failed` or `cancelled`."""
        try:
            most = LONG_PATIENCE if self._forced else PATIENCE
            return self._files(job, wanted).end(lambda seconds: self._pause(seconds, reservation), most)
        except StuckJobError as stuck:
            raise self._no_more_jobs("", f"job {job} {stuck}") from stuck

    def _pause(self, seconds: float, reservation: Reservation) -> None:
        """Wait before another look at a job, unless nobody wants its window any more."""
        if self._stopped.wait(self._api.scaled(seconds)):
            raise NoExportJobError("the sync ends")
        reservation.grow(0)  # raises if nobody wants the window any more

    def _files(self, job: int, wanted: ExportRequest) -> JobFiles:
        return JobFiles(self._api, self._session, job, wanted, patience=None if self._forced else FILE_PATIENCE)

    def _fetch(self, job: int, wanted: ExportRequest, reservation: Reservation) -> Body:
        """All files of a completed job, one behind the other.

        Files may be listed shortly after the job is completed: without any, it is empty only if that is proven.
        """
        waited = 0.0
        for wait in (*EMPTY_WAITS, None):
            body, count = self._files(job, wanted).download(reservation)
            exported = None if count else self._bytes_exported(job, wanted)
            if count or exported == 0 or (exported is None and waited >= EMPTY_PATIENCE):
                logger.info("%s: export job %d: %d file%s.", wanted.stream, job, count, "" if count == 1 else "s")
                return body
            body.close()
            if wait is not None:
                self._pause(wait, reservation)
                waited += wait
        raise self._failed(f"job {job} exported {exported} bytes, but lists no files")

    def _bytes_exported(self, job: int, wanted: ExportRequest) -> int | None:
        """How much a completed job exported, as the list of jobs tells; None if it does not."""
        if not self._tells_bytes:
            return None
        policy = wanted.retry_policy(
            "the list of export jobs",
            rejects=dict.fromkeys(REFUSED, 1),
            expects_object=True,
            limit_patience=START_PATIENCE,
            patience=NO_PATIENCE,
            on_exhausted=NoExportJobError,
        )
        try:
            response = self._api.get("export/jobs", {}, policy, wanted.stream, self._session)
            return bytes_exported(read_object(response), job)
        except (RequestRejected, MissingEndpointError):
            self._tells_bytes = False
        except DiskFullError:
            raise
        except (AirbyteTracedException, NoExportJobError, UnusableAnswerError):
            pass  # another job may be luckier
        return None

    def _cancel(self, job: int) -> None:
        with self._changed:
            if self._stopped.is_set() and not (self._swept and job in self._held):
                return  # `stop` does it: this thread may not live that long
            self._held.discard(job)
        self._api.cancel(f"export/{job}")

    def _failed(self, why: str) -> NoExportJobError:
        """Refuse this window; request no more jobs if several in a row were refused, whoever's they were."""
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            return self._no_more_jobs("", f"{self._failures} windows in a row could not be had; the last time {why}")
        return NoExportJobError(why)

    def _no_more_jobs(self, whom: str, why: str) -> NoExportJobError:
        """Request no more jobs, for the stream that is named or for any."""
        if not self._stopped.is_set() and self._refused.setdefault(whom, why) is why:
            logger.info("%s: %s.", whom or "All streams", messages.NO_MORE_JOBS.format(reason=why))
        return NoExportJobError(why)
