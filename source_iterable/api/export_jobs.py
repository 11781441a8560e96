"""Export jobs: Iterable exports a window to files, which are then downloaded one by one.

`POST export/start`, `GET export/{id}/files` and the signed URLs in its response
(https://api.iterable.com/api/docs#export_startExport). Jobs do not count against the four export requests per
minute, but an organization may run only four at a time: a sync uses two. A download that fails is repeated for that
file alone. A job without files is empty only if `GET export/jobs` says so, or if it still has none half a minute
later. Only jobs that this sync started are cancelled.
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
JOB_TRIES = 3  # if a job fails or is cancelled
MOST_FAILURES = 3  # windows in a row, after which no more jobs are started
# The seconds for which a failed download is retried, if the window can be requested directly instead.
FILE_PATIENCE = 5 * 60.0
# Seconds between polls of a completed job without files, and how many of them prove that it is empty.
EMPTY_WAITS = (10.0, 20.0, 30.0, 60.0)
EMPTY_PATIENCE = 30.0
# Seconds without progress before a job is abandoned.
PATIENCE = 30 * 60.0
LONG_PATIENCE = 24 * 3600.0
# Seconds for which the start of a job is retried, if the window can be requested directly instead.
START_PATIENCE = 60.0
REFUSED = {400, 401, 403, 404, 405}
KEY_REFUSED = {401, 403}  # checked for two minutes if jobs are the only way
START_GRACE = 2.0  # seconds to wait at the end of a sync for jobs that are being started
CANCEL_PACE = 1.1  # seconds between two cancellations

logger = logging.getLogger("airbyte")


class NoExportJobError(Exception):
    """A window cannot be exported by a job; the message is the reason."""


class ExportJobs:
    """The export jobs of one sync.

    Args:
        api: Iterable's API.
        forced: Whether jobs are the only way to export a window: then a job may take a day.
    """

    def __init__(self, api: Api, *, forced: bool = False) -> None:
        self._api = api
        self._forced = forced
        self._session = api.job_session()
        self._slots = threading.BoundedSemaphore(MOST_JOBS)
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._starting = 0
        self._has_cancelled = False
        self._running: set[int] = set()
        self._unavailable: dict[str, str] = {}
        self._failures = 0
        self._lists_bytes = True

    def export(self, request: ExportRequest, reservation: Reservation) -> Body:
        """The export of a window; called on threads of the prefetcher.

        Raises:
            NoExportJobError: If no job can export it.
            TooLargeError: If the window is too large for one job.
            DiskFullError: If the disk is full.
        """
        self._require_jobs(request.stream)
        if not self._slots.acquire(blocking=self._forced):
            raise NoExportJobError("two jobs are under way")
        try:
            self._require_jobs(request.stream)  # jobs may have become unavailable during the wait
            return self._export(request, reservation)
        except (DiskFullError, NoExportJobError, TooLargeError):
            raise
        except RequestRejected as rejected:
            raise self._no_more_jobs(request.stream, str(rejected.answer)) from rejected
        except UnusableAnswerError as error:
            raise self._no_more_jobs(request.stream, str(error)) from error
        except FileError as error:
            if self._forced:
                raise error.cause from error
            raise (self._failed(str(error)) if error.is_transient else self._no_more_jobs("", str(error))) from error
        except AirbyteTracedException as error:
            if self._forced:
                raise
            if error.failure_type is FailureType.transient_error:
                raise self._failed(str(error.message)) from error
            # A missing endpoint is missing for all streams.
            stream = "" if isinstance(error, MissingEndpointError) else request.stream
            raise self._no_more_jobs(stream, str(error.message)) from error
        finally:
            self._slots.release()

    def _require_jobs(self, stream: str) -> None:
        for key in ("", stream):
            if key in self._unavailable:
                raise NoExportJobError(self._unavailable[key])

    def stop(self) -> None:
        """Cancel the running jobs of this sync, one per second."""
        self._stopped.set()
        with self._changed:
            # Without the response to its start, a job has no id to cancel it by.
            self._changed.wait_for(lambda: not self._starting, START_GRACE)
            running = sorted(self._running)
            self._running.clear()
            self._has_cancelled = True
        for number, job in enumerate(running):
            if number:
                time.sleep(self._api.scaled(CANCEL_PACE))
            self._api.cancel(f"export/{job}")

    def _export(self, request: ExportRequest, reservation: Reservation) -> Body:
        for _ in range(JOB_TRIES):
            job = self._start(request)
            try:
                state = self._end_of(job, request, reservation)
            except BaseException:
                self._cancel(job)
                raise
            with self._changed:
                self._running.discard(job)
            if state == COMPLETED:
                body = self._fetch(job, request, reservation)
                self._failures = 0
                return body
            logger.info("%s: export job %d of %s %s.", request.stream, job, request.window, state)
        raise self._no_more_jobs(request.stream, f"{JOB_TRIES} jobs in a row {state}")

    def _start(self, request: ExportRequest) -> int:
        policy = request.retry_policy(
            f"the start of an export job of {request.window}",
            rejects=REFUSED - KEY_REFUSED if self._forced else REFUSED,
            expects_object=True,
            # A request whose response is lost may have started a job: it is not repeated if there is another way.
            **(
                {}
                if self._forced
                else {"limit_patience": START_PATIENCE, "patience": NO_PATIENCE, "on_exhausted": NoExportJobError}
            ),
        )
        body = {
            "dataTypeName": request.data_type,
            "outputFormat": "application/x-json-stream",
            "startDateTime": timestamps.for_export(request.window.start),
            "endDateTime": timestamps.for_export(request.window.end),
        }
        with self._changed:
            if self._stopped.is_set():
                raise NoExportJobError("the sync ends")
            self._starting += 1
        job: object = None
        try:
            job = read_object(self._api.post("export/start", body, policy, request.stream, self._session)).get("jobId")
        except DeniedError as denied:
            if self._api.key_refusal:
                raise
            raise self._no_more_jobs("", denied.answer.detail) from denied
        except RequestRejected as rejected:
            if rejected.answer.status in KEY_REFUSED:
                raise self._failed(str(rejected.answer)) from rejected
            is_about_stream = rejected.answer.status == requests.codes.bad_request
            raise self._no_more_jobs(request.stream if is_about_stream else "", str(rejected.answer)) from rejected
        finally:
            with self._changed:
                self._starting -= 1
                if isinstance(job, int):
                    self._running.add(job)
                self._changed.notify_all()
        if not isinstance(job, int):
            raise UnusableAnswerError("the answer to its start contains no 'jobId'")
        logger.info("%s: export job %d prepares %s.", request.stream, job, request.window)
        return job

    def _end_of(self, job: int, request: ExportRequest, reservation: Reservation) -> str:
        """The final state of the job: `completed`, `failed` or `cancelled`."""
        try:
            most = LONG_PATIENCE if self._forced else PATIENCE
            return self._files(job, request).end(lambda seconds: self._pause(seconds, reservation), most)
        except StuckJobError as stuck:
            raise self._no_more_jobs("", f"job {job} {stuck}") from stuck

    def _pause(self, seconds: float, reservation: Reservation) -> None:
        """Wait before the next poll; raise if the sync ended or the window is no longer needed."""
        if self._stopped.wait(self._api.scaled(seconds)):
            raise NoExportJobError("the sync ends")
        reservation.grow(0)  # raises if the window is no longer needed

    def _files(self, job: int, request: ExportRequest) -> JobFiles:
        return JobFiles(self._api, self._session, job, request, patience=None if self._forced else FILE_PATIENCE)

    def _fetch(self, job: int, request: ExportRequest, reservation: Reservation) -> Body:
        """The concatenated files of a completed job.

        Files may appear shortly after the job is completed: a job without files must be proven empty.
        """
        waited = 0.0
        for wait in (*EMPTY_WAITS, None):
            body, count = self._files(job, request).download(reservation)
            exported = None if count else self._bytes_exported(job, request)
            if count or exported == 0 or (exported is None and waited >= EMPTY_PATIENCE):
                logger.info("%s: export job %d: %d file%s.", request.stream, job, count, "" if count == 1 else "s")
                return body
            body.close()
            if wait is not None:
                self._pause(wait, reservation)
                waited += wait
        raise self._failed(f"job {job} exported {exported} bytes, but lists no files")

    def _bytes_exported(self, job: int, request: ExportRequest) -> int | None:
        """How many bytes a completed job exported; None if the list of jobs does not say."""
        if not self._lists_bytes:
            return None
        policy = request.retry_policy(
            "the list of export jobs",
            rejects=dict.fromkeys(REFUSED, 1),
            expects_object=True,
            limit_patience=START_PATIENCE,
            patience=NO_PATIENCE,
            on_exhausted=NoExportJobError,
        )
        try:
            response = self._api.get("export/jobs", {}, policy, request.stream, self._session)
            return bytes_exported(read_object(response), job)
        except (RequestRejected, MissingEndpointError):
            self._lists_bytes = False
        except DiskFullError:
            raise
        except (AirbyteTracedException, NoExportJobError, UnusableAnswerError):
            pass  # temporary: the list is requested again for the next job
        return None

    def _cancel(self, job: int) -> None:
        with self._changed:
            if self._stopped.is_set() and not (self._has_cancelled and job in self._running):
                return  # `stop` cancels it: this thread may end before
            self._running.discard(job)
        self._api.cancel(f"export/{job}")

    def _failed(self, why: str) -> NoExportJobError:
        """The error for this window; after several in a row, no stream starts more jobs."""
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            return self._no_more_jobs("", f"{self._failures} windows in a row failed; the last time {why}")
        return NoExportJobError(why)

    def _no_more_jobs(self, stream: str, why: str) -> NoExportJobError:
        """Start no more jobs for ``stream``, or for all streams if it is empty."""
        if not self._stopped.is_set() and self._unavailable.setdefault(stream, why) is why:
            logger.info("%s: %s.", stream or "All streams", messages.NO_MORE_JOBS.format(reason=why))
        return NoExportJobError(why)
