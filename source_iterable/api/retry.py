"""The retry policy: whether a response means success, a retry, a smaller request, or an error.

The statuses and codes are those of https://support.iterable.com/hc/en-us/articles/39629320560148.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import (
    BackoffStrategy,
    ErrorHandler,
    ErrorResolution,
    ResponseAction,
)

from source_iterable import messages
from source_iterable.api import rate_limits
from source_iterable.api.body import Body
from source_iterable.api.body_scan import BrokenBodyError, UnusableBodyError
from source_iterable.api.error_response import API_STATUSES, ErrorResponse, is_busy, is_web_page, retry_after
from source_iterable.api.errors import DeniedError, MissingEndpointError, RequestRejected
from source_iterable.api.patience import LONGEST_WAIT, NO_PATIENCE, PATIENCE, FailureKind, Outage, Patience
from source_iterable.api.rate_limits import NOTABLE_WAIT, RateLimitWaits
from source_iterable.api.refusals import CHECK_WAITS, Refusals
from source_iterable.api.repeated_responses import MAX_RESPONSES, BodyEnd, RepeatedResponses
from source_iterable.exceptions import DiskFullError
from source_iterable.masking import masked
from source_iterable.messages import Message, MessageError

MAX_ATTEMPTS = 2  # before less is requested
SERVER_TRIES = 4  # with server errors, before less is requested
DISK_TRIES = 5
# How often a rejection must be repeated before it is final.
REJECTIONS: Mapping[int, int] = {400: 2, 404: 2, 500: 3}
UNLIMITED = 10**9

logger = logging.getLogger("airbyte")


@dataclass(eq=False)
class RetryPolicy(ErrorHandler, BackoffStrategy):
    """Decides about each response in the CDK's retry loop; can be used for one request after another.

    A 200 is a success once its complete body is on disk; `take_body` then returns it. Used by one thread at a time.

    Attributes:
        stream: The stream that sends the request, for messages.
        data_center: The data center, for messages: "US data center (api.iterable.com)".
        subject: What is requested, for messages: "the export of A to B".
        patience: The seconds for which a kind of failure is retried before the request fails with a transient error,
            or a function that returns them; with `NO_PATIENCE` the first failure raises ``on_exhausted``.
        tries: Attempts with a broken body, a timeout or a server error before ``on_exhausted``.
        on_exhausted: The exception to raise if a smaller request may succeed; None if there is none.
        receive: Copies the body of a 200 to disk.
        rejects: The statuses that raise `RequestRejected`, 500 only with the code GenericError; a mapping contains how
            often each must be repeated.
        limit_patience: The seconds that one request may wait in total after 429 responses.
        on_answer: Called after each attempt.
        refusals: What 401 and 403 mean in this sync.
        is_down: Returns whether the simplest request fails too; then a smaller one would not help.
        outage: The failures of the whole sync.
        on_disk_full: Called before another try on a full disk.
        on_unframed: Called if a body is confirmed whose end only the end of the connection marks.
        expects_object: Whether the body is a JSON object, which proves itself complete: for responses that differ each
            time, and requests that must not be repeated.
    """

    max_retries = UNLIMITED  # this class counts: kinds of failure have different limits
    max_time = UNLIMITED  # would count the budget's pacing as well

    stream: str
    subject: str
    _: KW_ONLY
    data_center: str = "data center"
    patience: float | Callable[[], float] = PATIENCE
    tries: int = MAX_ATTEMPTS
    on_exhausted: Callable[[str], Exception] | None = None
    receive: Callable[[requests.Response], Body] = Body.receive_answer
    rejects: Collection[int] = ()
    limit_patience: float = rate_limits.PATIENCE
    on_answer: Callable[[], None] | None = None
    refusals: Refusals | None = None
    is_down: Callable[[], bool] | None = None
    outage: Outage | None = None
    on_disk_full: Callable[[], None] | None = None
    on_unframed: Callable[[], None] | None = None
    expects_object: bool = False

    def __post_init__(self) -> None:
        rejects = self.rejects
        self._rejects = (
            rejects if isinstance(rejects, Mapping) else {status: REJECTIONS.get(status, 1) for status in rejects}
        )
        self._wait: float | None = None
        self._body: Body | None = None
        self._begin()

    def _begin(self) -> None:
        """Reset all counters, for the next request."""
        self._patience: Patience | None = None
        self._retries = 0
        self._broken = 0
        self._disk_full = 0
        self._denied = 0
        self._key_refused = True  # at each check so far
        self._rejected = 0
        self._limit = RateLimitWaits()
        self._repeated = RepeatedResponses()

    def interpret_response(self, response_or_exception: requests.Response | Exception | None) -> ErrorResolution:
        """Decide what to do about a response or an exception.

        Raises:
            AirbyteTracedException: If the request failed for good.
            MissingEndpointError: If Iterable does not have the endpoint.
            TooLargeError: If a smaller request should be sent.
            RequestRejected: If the response rejects what was requested (statuses of ``rejects``).
        """
        self._wait = None
        if self.on_answer is not None:
            self.on_answer()
        if not isinstance(response_or_exception, requests.Response):
            return self._unanswered(response_or_exception)
        status = response_or_exception.status_code
        if is_web_page(response_or_exception) and status in API_STATUSES:
            if status == requests.codes.not_found:
                self._require_endpoint(ErrorResponse(response_or_exception))
            response_or_exception.close()
            trouble = f"a web page (HTTP {status}) came instead of an answer, from a proxy or login page"
            return self._failed(FailureKind.WEB_PAGE, trouble)
        if status == requests.codes.ok:
            return self._received(response_or_exception)
        return self._refused(response_or_exception)

    def backoff_time(
        self,
        response_or_exception: requests.Response | requests.RequestException | None,
        attempt_count: int,
    ) -> float | None:
        """The seconds to wait before the next attempt, less the one that the CDK adds."""
        return None if self._wait is None else max(self._wait - 1.0, 0.001)

    def take_body(self) -> Body:
        """The body of the successful response; the caller closes it."""
        body, self._body = self._body, None
        if body is None:
            raise RuntimeError("no response was a success")
        return body

    def _received(self, response: requests.Response) -> ErrorResolution:
        try:
            body = self.receive(response)
            if not self._is_complete(body):
                body.reject()
                return self._unconfirmed(body.latest_end)
        except BrokenBodyError as error:
            return self._failed(FailureKind.LOST, f"the answer broke off ({error})")
        except UnusableBodyError as error:
            raise self._error(messages.UNREADABLE_ANSWER, reason=masked(str(error))) from error
        except OSError as error:
            self._disk_full += 1
            if self.on_exhausted is not None or self._disk_full >= DISK_TRIES:
                raise DiskFullError(self.stream, error) from error
            if self.on_disk_full is not None:  # downloads of other streams may fill it for the moment
                self.on_disk_full()
            return self._retry("the disk is full")
        self._begin()
        if self.refusals is not None:
            self.refusals.record_allowed(str(response.url), self.stream)
        self._body = body
        return ErrorResolution(ResponseAction.SUCCESS)

    def _is_complete(self, body: Body) -> bool:
        """Whether ``body`` is complete: its transport proves it, or repeated responses confirm it."""
        ending = body.latest_end
        if not ending.needs_confirmation:
            return True
        if self.expects_object:
            if not body.is_object():
                body.reject()
                raise BrokenBodyError("the JSON object is cut")
            return True
        confirmed = self._repeated.confirms(ending, body.digest())
        if confirmed and not ending.is_framed and self.on_unframed is not None:
            self.on_unframed()
        return confirmed

    def _unconfirmed(self, ending: BodyEnd) -> ErrorResolution:
        """Request a body again that is not confirmed yet; this is not a failure."""
        repeated = self._repeated
        if ending.is_truncated:
            if repeated.differ:
                return self._failed(FailureKind.LOST, "the answer broke off (the last line is cut)")
            return self._retry("the last line is cut, or not JSON")
        if ending.is_proven:
            return self._retry("a line is not JSON")
        if repeated.count >= MAX_RESPONSES:
            raise self._error(messages.ANSWERS_DIFFER, times=repeated.count)
        return self._retry("nothing shows whether the answer is whole")

    def _refused(self, response: requests.Response) -> ErrorResolution:
        status = response.status_code
        if status == requests.codes.too_many_requests:
            response.close()
            return self._rate_limited(response)
        if requests.codes.multiple_choices <= status < requests.codes.bad_request:
            response.close()
            raise self._error(messages.REDIRECTED, status=status)
        answer = ErrorResponse(response)
        self._require_endpoint(answer)
        if status in {requests.codes.unauthorized, requests.codes.forbidden} and status not in self._rejects:
            return self._unauthorized(answer)
        if status in self._rejects and (status != requests.codes.server_error or answer.code == "GenericError"):
            self._rejected += 1
            if self._rejected >= self._rejects[status]:
                self._begin()
                raise RequestRejected(answer)
            return self._retry(f"Iterable answered {answer}")
        if is_busy(status):
            tries = SERVER_TRIES if self.tries > 1 else 1
            return self._failed(FailureKind.SERVER, f"Iterable answered {answer}", answer.detail, tries=tries)
        raise self._error(messages.REQUEST_REFUSED, answer.detail, answer=answer)

    def _require_endpoint(self, answer: ErrorResponse) -> None:
        if answer.is_missing_endpoint:
            raise MissingEndpointError(self.stream, answer.endpoint, self.data_center)

    def _unauthorized(self, answer: ErrorResponse) -> ErrorResolution:
        """Handle a 401 or 403: retry for two minutes if the key was accepted before."""
        refusals = self.refusals
        if refusals is None:
            raise DeniedError(self.stream, answer)
        is_key_refused = refusals.is_key_refused()
        self._key_refused = self._key_refused and is_key_refused
        checks = self._denied
        if refusals.of_key:
            raise messages.KEY_REFUSED_IN_SYNC.error(self.stream, answer=refusals.of_key)
        needs_check = refusals.needs_check(answer.endpoint, self.stream, is_key_refused=is_key_refused)
        if needs_check and checks < len(CHECK_WAITS):
            self._denied += 1
            return self._retry(f"Iterable answered {answer}, although the key was accepted before", CHECK_WAITS[checks])
        if self._key_refused and refusals.is_final(checks):
            refusals.record_key_refused(answer)
            raise messages.KEY_REFUSED_IN_SYNC.error(self.stream, answer=refusals.of_key)
        refusals.record_denied(answer.endpoint, self.stream)
        raise DeniedError(self.stream, answer)

    def _unanswered(self, error: Exception | None) -> ErrorResolution:
        if isinstance(error, requests.exceptions.SSLError):
            return self._failed(FailureKind.UNREACHABLE, "no secure connection could be made (TLS)")
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return self._failed(FailureKind.UNREACHABLE, "no connection could be made in time")
        if isinstance(error, requests.exceptions.ReadTimeout):
            return self._failed(FailureKind.SILENCE, "no response in time")
        if isinstance(error, requests.exceptions.ConnectionError):
            # ConnectionError also means a connection that was lost later.
            if any(sign in str(error) for sign in ("Connection aborted", "RemoteDisconnected", "reset by peer")):
                return self._failed(FailureKind.LOST, "the connection was lost")
            return self._failed(FailureKind.UNREACHABLE, "no connection could be made")
        raise self._error(messages.NOT_REQUESTED, type(error).__name__)

    def _failed(
        self, kind: FailureKind, trouble: str, detail: str = "", *, tries: int | None = None
    ) -> ErrorResolution:
        if self._patience is None:
            self._patience = Patience(self._seconds_of_patience(), self.outage)
        patience = self._patience
        patience.failed(kind)
        if self.on_exhausted is not None and patience.seconds == NO_PATIENCE:
            raise self.on_exhausted(trouble)
        if not kind.may_be_too_much:
            self._broken = 0
        elif self.on_exhausted is not None:
            if self.is_down is not None and self.is_down():  # a smaller request would fail too
                trouble = f"{trouble}, as the simplest request does"
            else:
                self._broken += 1
            if self._broken >= (tries or self.tries):
                raise self.on_exhausted(trouble)
        if patience.is_exhausted:
            duration = _minutes(patience.elapsed)
            raise self._error(
                messages.RETRIES_EXHAUSTED, detail, tries=patience.tries, duration=duration, trouble=trouble
            )
        return self._retry(trouble)

    def _seconds_of_patience(self) -> float:
        return self.patience if isinstance(self.patience, int | float) else self.patience()

    def _retry(self, trouble: str, wait: float | None = None) -> ErrorResolution:
        """Repeat the request after ``wait`` seconds, by default 1, 2, 4 ... 60."""
        if wait is None:
            wait = min(2.0 ** min(self._retries, 6), LONGEST_WAIT)
            self._retries += 1
        if self._patience is not None:
            self._patience.waited(wait)
        self._wait = wait
        note = messages.RETRYING.format(subject=self.subject, seconds=wait, trouble=trouble)
        logger.info("%s: %s.", self.stream, note)
        return self._resolution(trouble)

    def _resolution(self, trouble: str) -> ErrorResolution:
        return ErrorResolution(
            ResponseAction.RETRY, FailureType.transient_error, f"{self.stream}: {self.subject}: {trouble}"
        )

    def _rate_limited(self, response: requests.Response) -> ErrorResolution:
        delay = retry_after(response)
        limit = self._limit
        wait = limit.next(delay)
        if limit.waited + wait > self.limit_patience:
            remaining = f"Iterable asks to wait {delay:.0f} s more" if delay == wait else "the limit stays in use"
            raise self._error(messages.RATE_LIMITED, waited=limit.waited, limit=remaining)
        limit.spend(wait)
        self._wait = wait
        if wait > NOTABLE_WAIT:
            note = messages.WAITING_FOR_LIMIT.format(
                seconds=wait, subject=self.subject, waited=limit.waited, most=self.limit_patience
            )
            logger.info("%s: %s.", self.stream, note)
        return self._resolution("rate limit in use")

    def _error(self, message: Message, detail: str = "", **values: object) -> MessageError:
        return message.error(self.stream, detail, subject=self.subject, **values)


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
