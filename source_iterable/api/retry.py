"""What an answer of Iterable means for its request: send it again, wait, request less, or fail.

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
from source_iterable.api.error_response import TELLING, ErrorResponse, is_busy, is_web_page, retry_after
from source_iterable.api.errors import DeniedError, MissingEndpointError, RequestRejected
from source_iterable.api.patience import LONGEST_WAIT, NO_PATIENCE, PATIENCE, Outage, Patience, Trouble
from source_iterable.api.rate_limits import NOTABLE_WAIT, RateLimitWaits
from source_iterable.api.readings import MAX_READINGS, Ending, Readings
from source_iterable.api.refusals import CHECK_WAITS, Refusals
from source_iterable.exceptions import DiskFullError
from source_iterable.masking import masked
from source_iterable.messages import Message, MessageError

MAX_ATTEMPTS = 2  # of what may be too much, before less is requested
SERVER_TRIES = 4  # of an error of the server, before it is taken for a sign that too much was requested
DISK_TRIES = 5
# How often an answer about one thing must come before it is believed.
REJECTIONS: Mapping[int, int] = {400: 2, 404: 2, 500: 3}
UNLIMITED = 10**9

logger = logging.getLogger("airbyte")


@dataclass(eq=False)
class RetryPolicy(ErrorHandler, BackoffStrategy):
    """The attempts at one request after another, for the CDK's retry loop: what to make of each answer.

    A 200 is a success once its body lies whole on disk; `take_body` then returns it. Used by one thread at a time.

    Attributes:
        stream: Whose request it is, for messages.
        data_center: Whom it goes to, for messages: "US data center (api.iterable.com)".
        subject: What is requested, for messages: "the export of A to B".
        patience: For how many seconds a kind of failure is met before the request is abandoned with a transient
            error, or what tells that when a request is made; with `NO_PATIENCE` none is met, and
            ``on_exhausted`` raised.
        tries: How often a broken body, a time-out or an error of the server is met before ``on_exhausted``.
        on_exhausted: What to raise where less might be delivered; by default there is nothing less to request.
        receive: Copies the body of a 200 to disk.
        rejects: The statuses that are about the thing requested, told as `RequestRejected`; 500 only with the code
            GenericError, and thrice; a mapping tells how often each must come.
        limit_patience: Seconds of waiting in all that one request may spend on 429 answers.
        on_answer: Called at each answer, and at each failure to get one.
        refusals: What 401 and 403 mean in this sync.
        is_down: Called at each failure that may lead to ``on_exhausted``; tells whether the simplest request fails as
            well, so that it says nothing about what was requested.
        outage: The failures of the whole sync.
        on_disk_full: Called before another try on a full disk.
        on_unframed: Called when a body is believed of which only the end of the connection told the end.
        expects_object: Whether the body is a JSON object, whose end proves that it is whole: for answers that are
            different each time, and requests that must not be made twice.
    """

    max_retries = UNLIMITED  # counted here: not all failures count alike
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
        """Forget what became of the request before."""
        self._patience: Patience | None = None
        self._retries = 0
        self._broken = 0
        self._disk_full = 0
        self._denied = 0
        self._key_refused = True  # at each check so far
        self._rejected = 0
        self._limit = RateLimitWaits()
        self._readings = Readings()

    def interpret_response(self, response_or_exception: requests.Response | Exception | None) -> ErrorResolution:
        """Decide what to do about an answer, or about the exception that came instead.

        Raises:
            AirbyteTracedException: If there is nothing more to try.
            MissingEndpointError: If Iterable does not have the endpoint.
            TooLargeError: If less should be requested.
            RequestRejected: If the answer is about the thing requested (only where ``rejects``).
        """
        self._wait = None
        if self.on_answer is not None:
            self.on_answer()
        if not isinstance(response_or_exception, requests.Response):
            return self._unanswered(response_or_exception)
        status = response_or_exception.status_code
        if is_web_page(response_or_exception) and status in TELLING:
            if status == requests.codes.not_found:
                self._require_endpoint(ErrorResponse(response_or_exception))
            response_or_exception.close()
            trouble = f"a web page (HTTP {status}) came in the place of an answer, from a proxy or login page"
            return self._failed(Trouble.WEB_PAGE, trouble)
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
        """The body of the answer that was a success; it is the caller's to close."""
        body, self._body = self._body, None
        if body is None:
            raise RuntimeError("no answer was a success")
        return body

    def _received(self, response: requests.Response) -> ErrorResolution:
        try:
            body = self.receive(response)
            if not self._is_believed(body):
                body.reject()
                return self._doubted(body.latest)
        except BrokenBodyError as error:
            return self._failed(Trouble.LOST, f"the answer broke off ({error})")
        except UnusableBodyError as error:
            raise self._error(messages.UNREADABLE_ANSWER, reason=masked(str(error))) from error
        except OSError as error:
            self._disk_full += 1
            if self.on_exhausted is not None or self._disk_full >= DISK_TRIES:
                raise DiskFullError(self.stream, error) from error
            if self.on_disk_full is not None:  # downloads of other streams may fill it for the moment
                self.on_disk_full()
            return self._retry("no room on disk")
        self._begin()
        if self.refusals is not None:
            self.refusals.allowed(str(response.url), self.stream)
        self._body = body
        return ErrorResolution(ResponseAction.SUCCESS)

    def _is_believed(self, body: Body) -> bool:
        """Whether ``body`` is all there is: its transport proves it, or it came often enough."""
        ending = body.latest
        if not ending.is_doubtful:
            return True
        if self.expects_object:
            if not body.is_object():
                body.reject()
                raise BrokenBodyError("the JSON object is cut")
            return True
        believed = self._readings.believe(ending, body.digest())
        if believed and not ending.is_framed and self.on_unframed is not None:
            self.on_unframed()
        return believed

    def _doubted(self, ending: Ending) -> ErrorResolution:
        """What to do about a body that is not believed yet; that it came does not count as a failure."""
        readings = self._readings
        if ending.is_cut:
            if readings.differ:
                return self._failed(Trouble.LOST, "the answer broke off (the last line is cut)")
            return self._retry("the last line is cut, or not JSON")
        if ending.is_proven:
            return self._retry("a line is not JSON")
        if readings.count >= MAX_READINGS:
            raise self._error(messages.ANSWERS_DIFFER, times=readings.count)
        return self._retry("nothing shows whether the answer is whole")

    def _refused(self, response: requests.Response) -> ErrorResolution:
        status = response.status_code
        if status == requests.codes.too_many_requests:
            response.close()
            return self._limit_met(response)
        if requests.codes.multiple_choices <= status < requests.codes.bad_request:
            response.close()
            raise self._error(messages.REDIRECTED, status=status)
        answer = ErrorResponse(response)
        self._require_endpoint(answer)
        if status in {requests.codes.unauthorized, requests.codes.forbidden} and status not in self._rejects:
            return self._key_met_refusal(answer)
        if status in self._rejects and (status != requests.codes.server_error or answer.code == "GenericError"):
            self._rejected += 1
            if self._rejected >= self._rejects[status]:
                self._begin()
                raise RequestRejected(answer)
            return self._retry(f"Iterable answered {answer}")
        if is_busy(status):
            tries = SERVER_TRIES if self.tries > 1 else 1
            return self._failed(Trouble.SERVER, f"Iterable answered {answer}", answer.detail, tries=tries)
        raise self._error(messages.REQUEST_REFUSED, answer.detail, answer=answer)

    def _require_endpoint(self, answer: ErrorResponse) -> None:
        if answer.is_of_no_endpoint:
            raise MissingEndpointError(self.stream, answer.endpoint, self.data_center)

    def _key_met_refusal(self, answer: ErrorResponse) -> ErrorResolution:
        """What to do about a 401 or 403: send the request again for two minutes, if the key was accepted before."""
        refusals = self.refusals
        if refusals is None:
            raise DeniedError(self.stream, answer)
        is_key_refused = refusals.is_key_refused()
        self._key_refused = self._key_refused and is_key_refused
        checks = self._denied
        if refusals.of_key:
            raise messages.KEY_REFUSED_IN_SYNC.error(self.stream, answer=refusals.of_key)
        is_doubtful = refusals.is_doubtful(answer.endpoint, self.stream, is_key_refused=is_key_refused)
        if is_doubtful and checks < len(CHECK_WAITS):
            self._denied += 1
            return self._retry(f"Iterable answered {answer}, although the key was accepted before", CHECK_WAITS[checks])
        if self._key_refused and refusals.is_final(checks):
            refusals.believe_key_refused(answer)
            raise messages.KEY_REFUSED_IN_SYNC.error(self.stream, answer=refusals.of_key)
        refusals.believe_denied(answer.endpoint, self.stream)
        raise DeniedError(self.stream, answer)

    def _unanswered(self, error: Exception | None) -> ErrorResolution:
        if isinstance(error, requests.exceptions.SSLError):
            return self._failed(Trouble.UNREACHABLE, "no secure connection could be made (TLS)")
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return self._failed(Trouble.UNREACHABLE, "no connection could be made in time")
        if isinstance(error, requests.exceptions.ReadTimeout):
            return self._failed(Trouble.SILENCE, "nothing came for too long")
        if isinstance(error, requests.exceptions.ConnectionError):
            # A connection that was made and then lost says ConnectionError too.
            if any(sign in str(error) for sign in ("Connection aborted", "RemoteDisconnected", "reset by peer")):
                return self._failed(Trouble.LOST, "the connection was lost")
            return self._failed(Trouble.UNREACHABLE, "no connection could be made")
        raise self._error(messages.NOT_REQUESTED, type(error).__name__)

    def _failed(self, kind: Trouble, trouble: str, detail: str = "", *, tries: int | None = None) -> ErrorResolution:
        if self._patience is None:
            self._patience = Patience(self._seconds_of_patience(), self.outage)
        patience = self._patience
        patience.met(kind)
        if self.on_exhausted is not None and patience.seconds == NO_PATIENCE:
            raise self.on_exhausted(trouble)
        if not kind.may_be_too_much:
            self._broken = 0
        elif self.on_exhausted is not None:
            if self.is_down is not None and self.is_down():  # less would fail as well
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
        """Send the request again after ``wait`` seconds, by default 1, 2, 4 ... 60."""
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

    def _limit_met(self, response: requests.Response) -> ErrorResolution:
        asked = retry_after(response)
        limit = self._limit
        wait = limit.next(asked)
        if limit.waited + wait > self.limit_patience:
            remaining = f"Iterable asks to wait {asked:.0f} s more" if asked == wait else "the limit stays in use"
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
