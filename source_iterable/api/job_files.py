"""One export job: polls its state, and downloads its files one after the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.api.body import Body
from source_iterable.api.client import Api
from source_iterable.api.errors import RequestRejected
from source_iterable.api.job_answers import COMPLETED, UnusableAnswerError, files_of, next_after, read_object
from source_iterable.api.retry import RetryPolicy
from source_iterable.exceptions import DiskFullError, TooLargeError
from source_iterable.masking import is_name
from source_iterable.records.json_lines import Row, check
from source_iterable.reservation import Reservation
from source_iterable.windows import Window

FIRST_POLL, LAST_POLL = 1.0, 30.0  # seconds between polls, doubled each time
ENDS = {COMPLETED, "failed", "cancelled"}
URL_TRIES = 4  # of a file whose URL expires before it is requested
EXPIRED = {400, 401, 403, 404, 410}

NewRetryPolicy = Callable[..., RetryPolicy]


@dataclass(frozen=True)
class ExportRequest:
    """What a job exports.

    Attributes:
        stream: The stream, for messages.
        data_type: Iterable's name of the data type.
        window: The time range.
        retry_policy: Makes the retry policy of a request.
    """

    stream: str
    data_type: str
    window: Window
    retry_policy: NewRetryPolicy


class StuckJobError(Exception):
    """A job makes no progress for too long; the message contains its state."""


class FileError(Exception):
    """A file could not be downloaded; ``cause`` is the error of its request."""

    def __init__(self, where: str, cause: AirbyteTracedException) -> None:
        super().__init__(where)
        self.cause = cause

    @property
    def is_transient(self) -> bool:
        """Whether a later attempt may succeed."""
        return self.cause.failure_type is FailureType.transient_error


class JobFiles:
    """An export job that was started.

    Args:
        api: Iterable's API.
        session: The session for requests about jobs.
        job: The job's id.
        request: What it exports.
        patience: The seconds for which a failed download is retried; None for the limit of the stream.
    """

    def __init__(
        self, api: Api, session: requests.Session, job: int, request: ExportRequest, *, patience: float | None
    ) -> None:
        self._api = api
        self._session = session
        self._job = job
        self._request = request
        self._patience = patience

    def page(self, after: str | None = None) -> Row:
        """A page of the job's state and files, after the file ``after``."""
        policy = self._request.retry_policy(
            f"the files of the export job of {self._request.window}", rejects={404}, expects_object=True
        )
        params = {} if after is None else {"startAfter": after}
        return read_object(
            self._api.get(f"export/{self._job}/files", params, policy, self._request.stream, self._session)
        )

    def end(self, pause: Callable[[float], None], most: float) -> str:
        """Poll the job until it ends, and return its state: `completed`, `failed` or `cancelled`.

        Args:
            pause: Waits a number of seconds between two polls.
            most: The most seconds without progress.

        Raises:
            StuckJobError: If it makes no progress for longer.
        """
        shown = ""
        seen: set[str] = set()
        following: deque[str] = deque()
        wait, since = FIRST_POLL, time.monotonic()
        while True:
            pause(wait)
            page = self.page(following[0] if following else None)
            state = str(page.get("jobState", "")).lower()
            if state in ENDS:
                return state
            entries = files_of(page)
            new = {entry["file"] for entry in entries} - seen
            if new:
                seen |= new
                following = deque(dict.fromkeys((max(seen), entries[-1]["file"])))
            following.rotate()  # new files may come after either
            if new or state != shown:
                shown, since = state, time.monotonic()
            elif time.monotonic() - since > most:
                raise StuckJobError(f"stays {state if is_name(state) else 'without a state'}")
            wait = min(2 * wait, LAST_POLL)

    def download(self, reservation: Reservation) -> tuple[Body, int]:
        """The concatenated files of the completed job, and their number.

        Raises:
            FileError: If a file cannot be downloaded.
            TooLargeError: If the job was cut at Iterable's limit.
            UnusableAnswerError: If a response is not as documented.
        """
        try:
            body = Body.multipart(reservation)
        except OSError as error:
            raise DiskFullError(self._request.stream, error) from error
        files = 0
        try:
            for entries, after in self.pages():
                for entry in entries:
                    self._add(body, after, entry)
                    files += 1
        except BaseException:
            body.close()
            raise
        return body.whole(), files

    def pages(self) -> Iterator[tuple[list[Row], str | None]]:
        """The job's files page by page, each file once, each page with the `startAfter` it was requested with.

        The documentation does not say how many files a page contains, how they are ordered, and whether `startAfter`
        is compared with names or is a position. So the pages after the greatest and after the last name are both
        requested. Files may appear late: pages that had files are requested again until they have no new ones.
        """
        seen: set[str] = set()
        followed: set[str | None] = {None}
        following: deque[str | None] = deque(followed)
        pages_with_files: dict[str | None, None] = {}
        is_checked = False
        while following:
            after = following.popleft()
            page = self.page(after)
            entries = files_of(page)
            if page.get("exportTruncated"):
                raise TooLargeError("the export job was cut at Iterable's limit")
            new = {entry["file"]: entry for entry in entries if entry["file"] not in seen}
            if new:
                yield list(new.values()), after
                seen |= new.keys()
                pages_with_files[after] = None
                is_checked = False
            following += (name for name in next_after(entries) if name not in followed)
            followed.update(following)
            if not following and not is_checked:
                following.extend(pages_with_files)
                is_checked = True

    def _add(self, body: Body, after: str | None, entry: Row) -> None:
        """Download one file; request its page again if the URL expired."""
        url = entry["url"]
        for _ in range(URL_TRIES):
            policy = self._request.retry_policy(
                f"a file of the export job of {self._request.window}",
                rejects=EXPIRED,
                receive=lambda response: body.add(response, check=check),
                **({} if self._patience is None else {"patience": self._patience}),
            )
            try:
                self._api.get_signed(url, policy, self._request.stream)
            except ValueError:
                # The URL stays out of messages: it gives access to the file.
                raise UnusableAnswerError("the address of a file cannot be used") from None
            except DiskFullError:
                raise
            except AirbyteTracedException as error:
                raise FileError(f"{urlsplit(url).hostname}: {error.message}", error) from error
            except RequestRejected:
                fresh = files_of(self.page(after))
                url = next((other["url"] for other in fresh if other["file"] == entry["file"]), url)
            else:
                return
        raise UnusableAnswerError("the addresses of its files expire at once")
