"""The transports of an export stream: how its windows are downloaded, as the setting `export_method` has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from source_iterable import messages, timestamps
from source_iterable.api.body import Body
from source_iterable.api.client import Api
from source_iterable.api.export_jobs import ExportJobs, NoExportJobError
from source_iterable.api.job_files import ExportRequest
from source_iterable.config import AUTOMATIC, DIRECT, JOBS, Config
from source_iterable.exceptions import TooLargeError
from source_iterable.prefetch.plans import JobsUnavailableError
from source_iterable.records.json_lines import check
from source_iterable.reservation import Reservation
from source_iterable.streams.api_stream import ApiStream
from source_iterable.windows import Window

# A download that takes longer is split: the platform expects a sign of life now and then.
DOWNLOAD_SECONDS = 20 * 60.0

MalformedError = Callable[[Window, int], Exception | None]
"""The error for a window with a malformed line, which has that number; None where the line is delivered."""


class Direct:
    """Downloads windows by direct requests.

    Args:
        stream: The stream.
        data_type: Iterable's name of its rows.
        malformed: The error for a malformed line that persists.
    """

    allows_direct: ClassVar[bool] = True
    allows_jobs: ClassVar[bool] = False

    def __init__(self, stream: ApiStream, data_type: str, malformed: MalformedError) -> None:
        self.stream = stream
        self.data_type = data_type
        self.malformed = malformed

    def fetch(self, window: Window, max_attempts: int, reservation: Reservation) -> Body:
        """The rows of ``window`` from a direct request; called on a thread of the prefetcher.

        Raises:
            TooLargeError: If the server cannot deliver it in ``max_attempts`` attempts.
            AirbyteTracedException: If a smaller window would not help.
        """
        try:
            return self._readable(self._request(window, max_attempts, reservation), window)
        except TooLargeError as error:
            if window.is_least:  # larger than the whole disk limit
                raise messages.WINDOW_OVER_LIMIT.error(self.stream.name, str(error), window=window) from error
            note = messages.REQUESTING_LESS.format(window=window, reason=error)
            self.stream.logger.info("%s: %s", self.stream.name, note)
            raise

    def fetch_by_job(self, window: Window, reservation: Reservation) -> Body:
        """Never called."""
        raise NotImplementedError

    def _request(self, window: Window, max_attempts: int, reservation: Reservation) -> Body:
        params = {
            "dataTypeName": self.data_type,
            "startDateTime": timestamps.for_export(window.start),
            "endDateTime": timestamps.for_export(window.end),
        }
        policy = self.stream.retry_policy(
            f"the export of {window}",
            tries=max_attempts,
            on_exhausted=None if window.is_least else TooLargeError,
            receive=lambda response: Body.receive(response, check, _TimeLimited(reservation, window)),
        )
        return self.stream.api.get(self.stream.endpoint, params, policy, self.stream.name)

    def _readable(self, body: Body, window: Window) -> Body:
        if body.malformed is not None and (error := self.malformed(window, body.malformed)):
            body.close()
            raise error
        return body


class JobsElseDirect(Direct):
    """Downloads windows from export jobs where that is faster, and by direct requests otherwise."""

    allows_jobs = True

    def __init__(self, stream: ApiStream, data_type: str, malformed: MalformedError, jobs: ExportJobs) -> None:
        super().__init__(stream, data_type, malformed)
        self.jobs = jobs

    def fetch_by_job(self, window: Window, reservation: Reservation) -> Body:
        """The rows of ``window`` from an export job; called on a thread of the prefetcher.

        Raises:
            JobsUnavailableError: If no job can deliver it and it may be requested directly.
            TooLargeError: If it is too large for one job.
            AirbyteTracedException: A config_error if no job can deliver it and there is no other way.
        """
        request = ExportRequest(self.stream.name, self.data_type, window, self.stream.retry_policy)
        try:
            body = self.jobs.export(request, reservation)
            if body.malformed is not None:
                body.close()  # its file has such a line, but another export may be well-formed
                body = self.after_malformed(request, reservation)
        except (NoExportJobError, TooLargeError) as error:
            if isinstance(error, TooLargeError) and not window.is_least:
                raise
            raise self.unavailable(window, error) from error
        return self._readable(body, window)

    def after_malformed(self, request: ExportRequest, reservation: Reservation) -> Body:
        """The rows of a window whose export has a line that is not JSON."""
        raise NoExportJobError("a line of a file is not JSON")

    def unavailable(self, window: Window, error: Exception) -> Exception:
        """The error for a window that no job can deliver."""
        return JobsUnavailableError(str(error))


class Jobs(JobsElseDirect):
    """Downloads windows from export jobs only."""

    allows_direct = False

    def after_malformed(self, request: ExportRequest, reservation: Reservation) -> Body:
        """The rows of a window whose export has a line that is not JSON, from another job."""
        return self.jobs.export(request, reservation)

    def unavailable(self, window: Window, error: Exception) -> Exception:
        """The error for a window that no job can deliver: there is no other way."""
        return messages.EXPORT_JOB_IMPOSSIBLE.error(self.stream.name, window=window, reason=error)


TRANSPORTS: dict[str, type[Direct]] = {AUTOMATIC: JobsElseDirect, DIRECT: Direct, JOBS: Jobs}


def export_jobs(config: Config, api: Api) -> ExportJobs | None:
    """The export jobs of a sync; None if the setting `export_method` allows none."""
    transport = TRANSPORTS[config.export_method]
    return ExportJobs(api, forced=not transport.allows_direct) if transport.allows_jobs else None


def transport_of(stream: ApiStream, data_type: str, malformed: MalformedError) -> Direct:
    """The transport of ``stream``; without the export jobs of a sync, windows are requested directly."""
    jobs = stream.sync.jobs
    transport = TRANSPORTS[stream.config.export_method]
    if jobs is not None and issubclass(transport, JobsElseDirect):
        return transport(stream, data_type, malformed, jobs)
    return Direct(stream, data_type, malformed)


class _TimeLimited(Reservation):
    """A reservation that fails a window that can be split once its download takes too long."""

    def __init__(self, reservation: Reservation, window: Window) -> None:
        super().__init__()
        self._reservation = reservation
        self._is_least = window.is_least
        self._deadline = time.monotonic() + DOWNLOAD_SECONDS

    def grow(self, size: int) -> None:
        """Reserve ``size`` more bytes.

        Raises:
            TooLargeError: If the download took too long.
        """
        if time.monotonic() > self._deadline and not self._is_least:
            raise TooLargeError(f"it was not complete after {DOWNLOAD_SECONDS / 60:.0f} minutes")
        self._reservation.grow(size)
        super().grow(size)

    def shrink(self, size: int) -> None:
        """Give ``size`` bytes back."""
        self._reservation.shrink(size)
        super().shrink(size)
