"""Settings, files and errors that mean no good: each is refused in a sentence, and no secret is written."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import requests
from airbyte_cdk.utils import AirbyteTracedException

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.command import run_here
from integration_tests.support.expected import assert_exact
from integration_tests.support.observed import EXPORT, failure_of, truth_with
from integration_tests.support.sync import (
    catalog_here,
    configured,
    settings,
    sync,
)
from source_iterable import SourceIterable
from source_iterable.api.client import Api
from source_iterable.config import Config

# What must not leave


def text_of_refusal(sandbox: Sandbox, table: str, endpoint: str, status: int, text: str) -> str:
    """What is written when Iterable refuses the stream with ``text``."""
    catalog = configured(catalog_here(sandbox), [table])
    body = {"msg": text, "code": f"Bad {sandbox.api_key}", "params": {"key": sandbox.api_key, "text": text}}
    fault = Fault(
        kind="status", status=status, endpoint=endpoint, body=json.dumps(body, ensure_ascii=False), times=None
    )
    sandbox.faults.add(fault)
    output = run_here(sandbox, "read", config=settings(sandbox), catalog=catalog)
    assert output.exit_code == 1
    failure_of(output, table)
    return output.text


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize(("table", "endpoint"), [("email_send", EXPORT), ("campaigns", "campaigns")])
def test_given_an_error_that_quotes_key_and_people_when_synced_then_neither_is_written(
    sandbox: Sandbox, waits: list[float], table: str, endpoint: str, status: int
) -> None:
    text = f"No: Api-Key {sandbox.api_key} of jane.doe@example.com, <jurgen+x@mail.example> is not welcome"

    written = text_of_refusal(sandbox, table, endpoint, status, text)

    for secret in (sandbox.api_key, "jane.doe", "jurgen"):
        assert secret not in written


def test_given_an_error_that_quotes_an_address_with_an_apostrophe_when_synced_then_nothing_of_it_is_written(
    sandbox: Sandbox,
) -> None:
    written = text_of_refusal(sandbox, "campaigns", "campaigns", 400, "No such user: jurgen.o'neil@example.com")

    assert "jurgen" not in written
    assert "neil" not in written


@pytest.mark.parametrize(
    "change",
    [
        {"start_date": "2024-01-01\r\nX-Evil: two"},
        {"end_date": "2024-02-01T00:00:00Z&apiKey=x\nX-Evil: two"},
        {"region": "US\r\nX-Evil: two"},
        {"region": "US.evil.example"},
        {"event_key": "email\nX-Evil: two"},
        {"window_in_days": "30\r\nX-Evil: two"},
        {"api_key": "key\x00"},
        {"api_key": "k\u00e9y"},
        {"api_key": "../../etc/passwd"},
    ],
    ids=str,
)
def test_given_settings_that_would_add_a_header_when_synced_then_they_are_refused_before_any_request(
    sandbox: Sandbox, change: dict[str, Any]
) -> None:
    (field,) = change

    output = run_here(sandbox, "check", config=settings(sandbox) | change)

    (status,) = output.of("CONNECTION_STATUS")
    assert status["status"] == "FAILED"
    assert f"'{field}'" in status["message"]
    assert not sandbox.requests
    assert "Traceback" not in output.stderr


def test_given_white_space_round_settings_when_synced_then_it_is_no_part_of_any_request(sandbox: Sandbox) -> None:
    sync(sandbox, "email_send", api_key=f" {sandbox.api_key}\r\n", start_date=" 2024-01-01\n")

    assert sandbox.requests
    for request in sandbox.requests:
        assert request.status == 200
        assert request.headers["Api-Key"] == sandbox.api_key
        assert "%0A" not in request.query
        assert "%0D" not in request.query


# Files that are not what they should be


HUGE = (
    '{"type":"STREAM","stream":{"stream_descriptor":{"name":"gone"},"stream_state":{"a":"' + "x" * 20_000_000 + '"}}}'
)


STATE_OF_5 = '[{"type":"STREAM","stream":{"stream_descriptor":{"name":"email_send"},"stream_state":5}}]'


FILES = {
    "an empty config": ("config", ""),
    "a config that is not JSON": ("config", "no JSON"),
    "a config that breaks off": ("config", '{"api_key":'),
    "a config that is a list": ("config", "[]"),
    "a config that is null": ("config", "null"),
    "a config that is a text": ("config", '"text"'),
    "an empty catalog": ("catalog", ""),
    "a catalog that is not JSON": ("catalog", "no JSON"),
    "a catalog that is a list": ("catalog", "[]"),
    "a catalog that is null": ("catalog", "null"),
    "a catalog that is a text": ("catalog", '"text"'),
    "a catalog without streams": ("catalog", "{}"),
    "a catalog whose streams are a number": ("catalog", '{"streams":5}'),
    "a catalog of numbers": ("catalog", '{"streams":[5]}'),
    "a state that is not JSON": ("state", "no JSON"),
    "a state that is a number": ("state", "5"),
    "a state that is a text": ("state", '"text"'),
    "a state of numbers": ("state", "[5]"),
    "a state of nothing": ("state", "[{}]"),
    "a state of a stream that is a number": ("state", STATE_OF_5),
    "a state in the old form": ("state", '{"email_send":{"createdAt":"2024-02-01T00:00:00Z"}}'),
}


@pytest.mark.parametrize(("name", "document"), FILES.values(), ids=FILES)
def test_given_a_file_that_is_no_such_document_when_read_then_one_trace_names_it_and_nothing_is_read(
    sandbox: Sandbox, name: str, document: str
) -> None:
    catalog = configured(catalog_here(sandbox), ["email_send", "channels"])
    good = {"config": settings(sandbox), "catalog": catalog, "state": []}

    output = run_here(sandbox, "read", **(good | {name: document}))

    assert output.exit_code == 1
    assert not output.stderr
    (trace,) = [one["error"] for one in output.of("TRACE") if one["type"] == "ERROR"]
    assert name in trace["message"]
    assert "Traceback" not in trace["message"]
    assert trace["failure_type"] == "config_error"
    assert not output.of("RECORD")
    assert not output.of("STATE")
    assert sandbox.api_key not in output.text


@pytest.mark.parametrize("document", ["[]", "{}", f"[{HUGE}]"], ids=["list", "object", "20 MB"])
def test_given_a_state_that_holds_nothing_of_the_streams_when_read_then_everything_comes(
    sandbox: Sandbox, document: str
) -> None:
    catalog = configured(catalog_here(sandbox), ["email_send"])

    output = run_here(sandbox, "read", config=settings(sandbox), catalog=catalog, state=document)

    assert output.exit_code == 0
    assert_exact(output.records("email_send"), truth_with(sandbox, catalog, "email_send"))


def test_given_settings_of_20_megabytes_when_checked_then_they_are_refused_in_a_short_sentence(
    sandbox: Sandbox,
) -> None:
    output = run_here(sandbox, "check", config=settings(sandbox, start_date="9" * 20_000_000))

    (status,) = output.of("CONNECTION_STATUS")
    assert "'start_date'" in status["message"]
    assert len(status["message"]) < 1000


@pytest.mark.parametrize(
    "state",
    [
        {"stream": {"stream_descriptor": {"name": "email_send"}, "stream_state": {}}},
        {"type": "LEGACY", "data": {"email_send": {}}},
        {"type": "STREAM", "data": {}},
        {"type": "GLOBAL", "global": {"shared_state": {"a": 1}, "stream_states": []}},
    ],
)
def test_given_a_state_of_another_kind_when_read_then_it_is_refused_and_not_passed_over(
    tmp_path: Path, state: dict[str, Any]
) -> None:
    """Passed over, it would have everything read again, and appended again."""
    file = tmp_path / "state.json"
    file.write_text(json.dumps([state]))

    with pytest.raises(AirbyteTracedException, match="does not hold saved states") as raised:
        SourceIterable.read_state(str(file))

    assert str(file) in str(raised.value.message)


def test_given_a_large_redirect_when_synced_then_its_body_is_not_read(sandbox: Sandbox) -> None:
    client = Api(Config.parse(settings(sandbox)))
    redirect = requests.Response()
    redirect.status_code, redirect.headers["Location"] = 302, "http://127.0.0.1:9/elsewhere"

    assert client.session.get_redirect_target(redirect) is None
    assert client.storage.get_redirect_target(redirect) is None


def test_warnings_that_tell_whole_addresses_are_not_logged(sandbox: Sandbox) -> None:
    Api(Config.parse(settings(sandbox)))

    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.WARNING)
