import io
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import requests
import urllib3
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.api.body import Body
from source_iterable.api.error_response import ErrorResponse, retry_after
from source_iterable.api.errors import RequestRejected
from source_iterable.api.patience import LONG_PATIENCE, NO_PATIENCE, PATIENCE, SHORT_PATIENCE, Outage
from source_iterable.api.retry import RetryPolicy
from source_iterable.exceptions import TooLargeError

GENERIC = b'{"msg":"An error occurred. Please try again later.","code":"GenericError","params":null}'


def answer(status: int, body: bytes = b"", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    response.raw = urllib3.HTTPResponse(
        io.BytesIO(body), headers={"Content-Length": str(len(body))}, preload_content=False, decode_content=False
    )
    return response


def unframed(*lines: str) -> requests.Response:
    """A 200 of which only the end of the connection tells the end."""
    response = answer(200)
    body = io.BytesIO("\n".join(lines).encode())
    response.raw = urllib3.HTTPResponse(body, version=10, preload_content=False, decode_content=False)
    return response


def attempts(**how: Any) -> RetryPolicy:
    return RetryPolicy("email_send", "the export of A to B", **how)


def retried(policy: RetryPolicy, problem: requests.Response | Exception) -> None:
    assert policy.interpret_response(problem).response_action is ResponseAction.RETRY


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, b'{"code":"BadApiKey","msg":"Invalid API key"}', FailureType.config_error, "HTTP 401 BadApiKey"),
        (403, b'{"code":"Forbidden","msg":"no"}', FailureType.config_error, "Server-side"),
        (400, b'{"code":"BadParams","msg":"bad"}', FailureType.system_error, "HTTP 400 BadParams"),
        (404, b"<html>Action not found</html>", FailureType.system_error, "HTTP 404"),
        (414, b"URI length exceeds the configured limit", FailureType.system_error, "HTTP 414"),
        (302, b"", FailureType.system_error, "redirect"),
    ],
)
def test_answers_that_another_try_does_not_change(status: int, body: bytes, kind: FailureType, words: str) -> None:
    with pytest.raises(AirbyteTracedException) as error:
        attempts().interpret_response(answer(status, body))

    assert error.value.failure_type is kind
    assert words in str(error.value.message)
    assert str(error.value.message).startswith("email_send: ")
    assert str(error.value.message).endswith(".")


PROBLEMS: Mapping[str, Callable[[], requests.Response | Exception]] = {
    "204": lambda: answer(204),
    "408": lambda: answer(408),
    "409": lambda: answer(409, b'{"code":"Conflict","msg":"try later"}'),
    "423": lambda: answer(423),
    "425": lambda: answer(425),
    "500": lambda: answer(500, GENERIC),
    "502": lambda: answer(502, b"<html>Bad gateway</html>"),
    "503": lambda: answer(503),
    "a reset": lambda: requests.ConnectionError("('Connection aborted.', reset)"),
    "no connection in time": requests.ConnectTimeout,
    "no TLS": requests.exceptions.SSLError,
    "no name": lambda: requests.ConnectionError("name resolution"),
    "a web page": lambda: answer(200, b"<html>Sign in</html>", Content_Type="text/html"),
}


def exhausted(policy: RetryPolicy, problem: Callable[[], requests.Response | Exception]) -> tuple[float, str]:
    """The seconds that are waited until a request is abandoned, and what is said then."""
    waited = 0.0
    for _ in range(1000):
        last = problem()
        try:
            retried(policy, last)
        except AirbyteTracedException as error:
            return waited, str(error.message)
        wait = policy.backoff_time(last, 1)  # type: ignore[arg-type] # what the CDK passes
        assert wait is not None
        assert wait < 60
        waited += wait + 1
    raise AssertionError("it is never abandoned")


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("seconds", [PATIENCE, LONG_PATIENCE])
def test_trouble_is_met_for_as_long_as_giving_up_costs(
    problem: Callable[[], requests.Response | Exception], seconds: float
) -> None:
    waited, message = exhausted(attempts(patience=seconds), problem)

    assert seconds <= waited < seconds + 120
    assert f" times in {seconds / 60:.0f} minutes; the last time " in message


@pytest.mark.parametrize("problem", [name for name in PROBLEMS if name.startswith(("no ", "a web"))])
def test_a_network_that_is_down_is_never_met_by_asking_for_less(problem: str) -> None:
    waited, _ = exhausted(attempts(tries=1, on_exhausted=TooLargeError), PROBLEMS[problem])

    assert waited >= PATIENCE


def test_silence_is_met_twice_at_least() -> None:
    """Each time may be an hour."""
    policy = attempts(patience=LONG_PATIENCE)
    retried(policy, requests.ReadTimeout())
    assert exhausted(policy, requests.ReadTimeout)[0] < LONG_PATIENCE + 120


def test_each_kind_of_trouble_is_met_by_itself() -> None:
    policy = attempts()
    for _ in range(14):
        retried(policy, requests.ConnectionError("name resolution"))

    retried(policy, answer(503))
    for _ in range(4):
        retried(policy, answer(503))


def test_trouble_that_takes_turns_ends_too() -> None:
    turns = itertools.cycle([PROBLEMS["503"], PROBLEMS["a reset"]])

    def next_problem() -> requests.Response | Exception:
        return next(turns)()

    waited, _ = exhausted(attempts(), next_problem)

    assert 2 * PATIENCE <= waited < 2 * PATIENCE + 120


def test_time_that_passes_counts_like_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    policy = attempts()
    for _ in range(4):
        retried(policy, answer(503))
    now += PATIENCE

    with pytest.raises(AirbyteTracedException, match="failed 5 times in 10 minutes"):
        policy.interpret_response(answer(503))


def test_where_nothing_succeeded_for_an_hour_five_tries_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    outage = Outage()
    exhausted(attempts(outage=outage), PROBLEMS["no name"])
    now += 3600

    waited, message = exhausted(attempts(patience=LONG_PATIENCE, outage=outage), PROBLEMS["no name"])
    outage.observe(answer(200))
    again, _ = exhausted(attempts(outage=outage), PROBLEMS["no name"])

    assert waited == pytest.approx(15, abs=0.01)
    assert "failed 5 times" in message
    assert again >= PATIENCE


def test_what_people_wait_for_is_given_up_after_five_tries() -> None:
    assert exhausted(attempts(patience=SHORT_PATIENCE), PROBLEMS["503"])[0] == pytest.approx(15, abs=0.01)


def test_a_status_that_is_about_what_was_requested_is_no_trouble() -> None:
    with pytest.raises(RequestRejected):
        attempts(rejects={409}).interpret_response(answer(409))


def test_what_the_simplest_request_meets_too_is_not_too_much() -> None:
    """It is waited out, and does not count among the tries after which less is requested."""
    down = [True, False, True, True, False]
    policy = attempts(tries=2, on_exhausted=TooLargeError, is_down=lambda: down.pop(0))
    for _ in range(4):
        retried(policy, requests.ConnectionError("('Connection aborted.', reset)"))

    with pytest.raises(TooLargeError):
        policy.interpret_response(requests.ConnectionError("('Connection aborted.', reset)"))


def test_an_outage_that_does_not_end_is_a_transient_error() -> None:
    waited, message = exhausted(attempts(tries=2, on_exhausted=TooLargeError, is_down=lambda: True), PROBLEMS["503"])

    assert PATIENCE <= waited < PATIENCE + 120
    assert "HTTP 503, as the simplest request does" in message


def test_without_patience_the_first_trouble_counts() -> None:
    for problem in (answer(503), requests.ConnectionError("name resolution"), requests.ReadTimeout()):
        policy = attempts(patience=NO_PATIENCE, on_exhausted=TooLargeError, is_down=lambda: True)
        with pytest.raises(TooLargeError):
            policy.interpret_response(problem)


def test_an_export_that_breaks_twice_is_too_much() -> None:
    policy = attempts(tries=2, on_exhausted=TooLargeError)
    retried(policy, requests.ReadTimeout())

    with pytest.raises(TooLargeError, match="no response in time"):
        policy.interpret_response(requests.ReadTimeout())


def test_waits_for_the_limit_grow_and_end_after_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    policy = attempts()
    waits: list[float | None] = []

    with caplog.at_level("INFO"):
        for _ in range(11):
            limited = answer(429)
            retried(policy, limited)
            waits.append(policy.backoff_time(limited, 1))
    with pytest.raises(AirbyteTracedException, match="rate limit") as error:
        policy.interpret_response(answer(429))

    # the CDK sleeps a second more than it is told
    assert waits == [14, 29, *[59] * 9]
    assert error.value.failure_type is FailureType.transient_error
    assert len([record for record in caplog.records if "waiting" in record.message]) == len(waits)


def test_retry_after_is_obeyed_and_named_when_it_is_too_long() -> None:
    policy = attempts()
    retried(policy, limited := answer(429, Retry_After="37"))
    assert policy.backoff_time(limited, 1) == 36

    with pytest.raises(AirbyteTracedException, match="wait 3600 s"):
        policy.interpret_response(answer(429, Retry_After="3600"))


def test_waits_for_other_failures_double_up_to_a_minute() -> None:
    policy = attempts()
    retried(policy, answer(429))
    waits = []
    for _ in range(9):
        retried(policy, problem := answer(503))
        waits.append((policy.backoff_time(problem, 1) or 0) + 1)

    assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.01)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "30"}, 30.0),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0.0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(answer(429, **headers)) == seconds


@pytest.mark.parametrize(("status", "tries"), [(400, 2), (404, 2), (500, 3)])
def test_an_answer_about_one_list_is_told_as_such(status: int, tries: int) -> None:
    policy = attempts(rejects={400, 404, 500})
    for _ in range(tries - 1):
        retried(policy, answer(status, GENERIC))

    with pytest.raises(RequestRejected, match=f"HTTP {status} GenericError"):
        policy.interpret_response(answer(status, GENERIC))


def test_a_gateway_that_fails_says_nothing_about_a_list() -> None:
    assert exhausted(attempts(rejects={400, 404, 500}), PROBLEMS["503"])[0] >= PATIENCE


def test_a_success_forgets_earlier_failures() -> None:
    policy = attempts()
    for _ in range(10):
        retried(policy, answer(503))
        whole = answer(200, b"{}")
        assert policy.interpret_response(whole).response_action is ResponseAction.SUCCESS
        assert policy.take_body().read() == b"{}"


def test_bodies_without_an_end_agree_whatever_the_order_of_their_lines() -> None:
    warned: list[bool] = []
    how: dict[str, Any] = {"tries": 1, "on_exhausted": TooLargeError, "receive": Body.receive}
    policy = attempts(on_unframed=lambda: warned.append(True), **how)
    retried(policy, unframed("one", "two"))
    retried(policy, unframed("one", "two", "three"))

    last = unframed("three", "", "one", "two")
    assert policy.interpret_response(last).response_action is ResponseAction.SUCCESS

    assert warned == [True]
    assert [*policy.take_body().lines()] == [b"three", b"one", b"two"]
    retried(policy, unframed("three", "one", "two"))  # another request


def test_bodies_that_agree_only_in_their_size_do_not_agree() -> None:
    policy = attempts()

    for lines in (("ab", "cd"), ("ac", "bd"), ("abc", "d"), ("ab", "dc")):
        retried(policy, unframed(*lines))
    with pytest.raises(AirbyteTracedException, match="answered 5 times, and no two answers in a row") as error:
        policy.interpret_response(unframed("x"))

    assert error.value.failure_type is FailureType.transient_error
    assert "proxy" in str(error.value.message)


def test_an_object_proves_itself() -> None:
    """What starts something must not be sent twice, and addresses are signed again each time."""
    policy = attempts(expects_object=True, on_unframed=lambda: pytest.fail("nothing to warn of"))
    retried(policy, unframed('{"jobId":'))

    whole = unframed('{"jobId":', "  7}")
    assert policy.interpret_response(whole).response_action is ResponseAction.SUCCESS

    assert policy.take_body().read() == b'{"jobId":\n  7}'


def test_huge_error_bodies_are_read_in_part() -> None:
    assert len(ErrorResponse(answer(500, b"x" * 10_000_000)).text) <= 64_000


def test_addresses_in_error_texts_are_masked() -> None:
    body = b'{"code":"BadParams","msg":"no user ann.b+c@example.com <zoe@example.org>, sorry"}'

    with pytest.raises(AirbyteTracedException) as error:
        attempts().interpret_response(answer(400, body))

    assert error.value.internal_message == "request_refused: HTTP 400 BadParams: no user ***@*** <***@***>, sorry"
    assert "@example" not in str(error.value.message)


def test_a_full_disk_is_named() -> None:
    def full(_: requests.Response) -> Any:
        raise OSError(28, "No space left on device")

    policy = attempts(receive=full)
    for _ in range(4):
        retried(policy, answer(200))  # downloads of other streams may fill it for the moment
    with pytest.raises(AirbyteTracedException, match="No space left on device"):
        policy.interpret_response(answer(200))
    with pytest.raises(AirbyteTracedException, match="TMPDIR"):
        attempts(receive=full, on_exhausted=TooLargeError).interpret_response(answer(200))
