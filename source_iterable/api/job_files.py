"""What one export job shows: its end, and its files, listed page by page and fetched one behind the other."""

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

FIRST_POLL, LAST_POLL = 1.0, 30.0  # seconds between looks at a job, each twice as long as the one before
ENDS = {COMPLETED, "failed", "cancelled"}
URL_TRIES = 4  # of a file whose address expires before it is requested
EXPIRED = {400, 401, 403, 404, 410}

NewRetryPolicy = Callable[..., RetryPolicy]


@dataclass(frozen=True)
class ExportRequest:
    """Whose rows a job prepares.

    Attributes:
        stream: The stream, for messages.
        data_type: Iterable's name of the rows.
        window: Of which span.
        retry_policy: Makes the policy for a request of the stream.
    """

    stream: str
    data_type: str
    window: Window
    retry_policy: NewRetryPolicy


class StuckJobError(Exception):
    """A job shows nothing new for too long; the message says in which state it stays."""


class FileError(Exception):
    """A file cannot be had; ``cause`` is the error of its request."""

    def __init__(self, where: str, cause: AirbyteTracedException) -> None:
        super().__init__(where)
        self.cause = cause

    @property
    def may_heal(self) -> bool:
        """Whether time may help."""
        return self.cause.failure_type is FailureType.transient_error


class JobFiles:
    """One export job that was started.

    Args:
        api: Iterable's API.
        session: The session for requests about jobs.
        job: The job's id.
        request: Whose rows it prepared.
        patience: For how many seconds a file is requested that cannot be had; None for as long as the stream allows.
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
        """What Iterable tells of the job, with the files that come after one."""
        policy = self._request.retry_policy(
            f"the files of the export job of {self._request.window}", rejects={404}, expects_object=True
        )
        params = {} if after is None else {"startAfter": after}
        return read_object(
            self._api.get(f"export/{self._job}/files", params, policy, self._request.stream, self._session)
        )

    def end(self, pause: Callable[[float], None], most: float) -> str:
        """How the job ends, looked at until it does: `completed`, `failed` or `cancelled`.

        Args:
            pause: Waits so many seconds between two looks.
            most: For how many seconds it may show nothing new.

        Raises:
            StuckJobError: If it shows nothing new for longer.
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
            following.rotate()  # either may be the one that what is new comes after
            if new or state != shown:
                shown, since = state, time.monotonic()
            elif time.monotonic() - since > most:
                raise StuckJobError(f"stays {state if is_name(state) else 'without a state'}")
            wait = min(2 * wait, LAST_POLL)

    def download(self, reservation: Reservation) -> tuple[Body, int]:
        """The files that the completed job lists, one behind the other, and how many there are.

        Raises:
            FileError: If a file cannot be had.
            TooLargeError: If the job was cut at Iterable's limit.
            UnusableAnswerError: If an answer is not what Iterable documents.
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
        """The job's files page by page, each file once, each page with the file that it comes after.

        Not documented are how many files a page holds, their order, and whether `startAfter` is compared with names
        or is a place in a list. So each page is followed by what comes after its greatest name, and after its last.
        Files may be listed a little late: pages that showed any are requested again, until they show no others.
        """
        seen: set[str] = set()
        followed: set[str | None] = {None}
        following: deque[str | None] = deque(followed)
        showed: dict[str | None, None] = {}
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
                showed[after] = None
                is_checked = False
            following += (name for name in next_after(entries) if name not in followed)
            followed.update(following)
            if not following and not is_checked:
                following.extend(showed)
                is_checked = True

    def _add(self, body: Body, after: str | None, entry: Row) -> None:
        """Fetch one file; where its URL expired, after the page is requested again."""
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
                # The address stays out of messages: it opens the file.
                raise UnusableAnswerError("the address of a file cannot be used") from None
            except DiskFullError:
                raise
            except AirbyteTracedException as error:
                raise FileError(f"{urlsplit(url).hostname}: {error.message}", error) from error
            except RequestRejected:
                fresh = files_of(self.page(after))
                url = next((one["url"] for one in fresh if one["file"] == entry["file"]), url)
            else:
                return
        raise UnusableAnswerError("the addresses of its files expire at once")
