"""States that cannot be used, and catalogs that select a stream twice: said in a sentence, before it costs anything."""

import logging
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.utils import AirbyteTracedException

from integration_tests.sandbox import Sandbox
from integration_tests.support.command import run_here
from integration_tests.support.rules import for_each
from integration_tests.support.sync import Output, State, catalog_here, configured, read_here, settings, sync
from source_iterable import SourceIterable
from source_iterable.api.client import Api
from source_iterable.config import Config
from source_iterable.streams import STREAMS
from source_iterable.streams.state import StatefulStream
from source_iterable.sync import Sync

LISTED = ("campaigns", "journeys", "snippets", "template_content", "templates")
KEPT = ("email_open", "users", "campaign_metrics_daily", *LISTED)
"""A stream of each kind that saves a state."""
UNKNOWN: dict[str, Any] = {
    "of another connector": {"bookmarks": {"email_open": {"createdAt": "2024-02-01T00:00:00Z"}}},
    "of the concurrent CDK": {"state_type": "date-range", "slices": [{"start": "2024-01-01", "end": "2024-02-01"}]},
    "of a declarative source": {"use_global_cursor": False, "states": [], "state": {}},
    "with another cursor": {"modifiedAt": "2024-02-01T00:00:00Z"},
    "with the cursor's name in another case": {"CreatedAt": "2024-02-01T00:00:00Z"},
    "with a cursor of null": {"createdAt": None, "updatedAt": None, "profileUpdatedAt": None, "date": None},
    "with more than a sentinel": {"__ab_full_refresh_sync_complete": True, "slices": []},
    "a width alone": {"width": 3600},
}
EMPTY: dict[str, Any] = {
    "empty": {},
    "that says that there is no cursor": {"__ab_no_cursor_state_message": True},
    "that says that a full refresh is complete": {"__ab_full_refresh_sync_complete": True},
}


def of_stream(name: str, state: Any, namespace: str | None = None) -> dict[str, Any]:
    """A STREAM state."""
    descriptor = {"name": name} | ({} if namespace is None else {"namespace": namespace})
    return {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": state}}


def of_all(*states: dict[str, Any]) -> dict[str, Any]:
    """A GLOBAL state that holds some STREAM states."""
    return {"type": "GLOBAL", "global": {"shared_state": None, "stream_states": [state["stream"] for state in states]}}


def told(output: Output, table: str) -> list[str]:
    """The warnings about the saved state of a stream, without the summary that repeats them."""
    return [line for line in output.logs if f" {table}: the saved state" in line]


def refused(output: Output, table: str) -> str:
    """The error of a stream that was not begun, since its saved state cannot be used."""
    assert output.statuses(table) == ["STARTED", "INCOMPLETE"]
    assert not output.records(table)
    (error,) = [one for one in output.errors if one["stream_descriptor"]["name"] == table]
    assert error["failure_type"] == "config_error"
    assert error["message"].startswith(f"{table}: the saved state cannot be used: ")
    assert "In Append, everything would be appended again. The next attempt resumes from" in error["message"]
    assert " Correct the saved states. " in error["message"]
    assert "clear its data" in error["message"]
    message: str = error["message"]
    return message


@pytest.fixture
def whole(sandbox: Sandbox) -> Output:
    """A first sync, in plain append."""
    return sync(sandbox, *KEPT, "channels", to="append")


# States of an unknown form


@pytest.fixture
def without(sandbox: Sandbox) -> Output:
    """A sync without any state."""
    return sync(sandbox, *KEPT)


@for_each("form", UNKNOWN)
def test_given_a_state_of_an_unknown_form_when_synced_then_a_warning_says_that_it_is_not_used(
    sandbox: Sandbox, without: Output, form: str
) -> None:
    output = sync(sandbox, *KEPT, state=[of_stream(table, UNKNOWN[form]) for table in KEPT])

    assert not output.errors
    for table in KEPT:
        (line,) = told(output, table)
        assert "is not used: it has no value under " in line
        assert "The stream starts from its beginning." in line
        assert output.records(table) == without.records(table)
        assert not told(without, table)


@pytest.mark.parametrize("state", UNKNOWN.values(), ids=UNKNOWN)
def test_given_a_state_of_an_unknown_form_when_appended_then_it_is_refused_before_anything_is_asked_for(
    sandbox: Sandbox, state: Any
) -> None:
    catalog = configured(catalog_here(sandbox), [*KEPT, "channels", "email_send"], to="append")
    sandbox.forget_requests()

    output = read_here(sandbox, catalog, [of_stream(table, state) for table in KEPT])

    for table in KEPT:
        cursor = {"email_open": "createdAt", "users": "profileUpdatedAt", "campaign_metrics_daily": "date"}.get(table)
        assert f"it has no value under '{cursor or 'updatedAt'}'" in refused(output, table)
        assert not output.states(table)
    for other in "channels", "email_send":
        assert output.records(other)
        assert output.statuses(other)[-1] == "COMPLETE"
    assert {request.params.get("dataTypeName") for request in sandbox.requests} == {None, "emailSend"}
    assert {"campaigns", "templates", "campaigns/metrics"}.isdisjoint(one.endpoint for one in sandbox.requests)


def test_given_a_state_of_an_unknown_form_when_read_by_the_command_then_it_ends_so(
    sandbox: Sandbox,
) -> None:
    catalog = configured(catalog_here(sandbox), ["email_open"], to="append")

    output = run_here(
        sandbox,
        "read",
        config=settings(sandbox),
        catalog=catalog,
        state=[of_stream("email_open", {"slices": ["of a person"]})],
    )

    refused(output, "email_open")
    assert output.exit_code == 1
    assert "of a person" not in json_of_messages(output)


def json_of_messages(output: Output) -> str:
    """What was said, but for the CDK's own line that repeats the state."""
    return "".join(line for line in output.logs if "Setting state" not in line) + str(output.of("TRACE"))


@pytest.mark.parametrize("state", EMPTY.values(), ids=EMPTY)
def test_given_a_state_of_nothing_when_appended_then_everything_comes_without_a_word(
    sandbox: Sandbox, whole: Output, state: Any
) -> None:
    output = sync(sandbox, *KEPT, to="append", state=[of_stream(table, state) for table in KEPT])

    assert not output.errors
    for table in KEPT:
        assert not told(output, table)
        assert output.records(table) == whole.records(table)


def test_given_the_states_that_were_written_when_appended_then_they_are_used(sandbox: Sandbox, whole: Output) -> None:
    output = sync(sandbox, *KEPT, "channels", to="append", state=whole.state)

    assert not output.errors
    for table in KEPT:
        assert whole.records(table)
        assert not told(output, table)
        assert not output.records(table) or table == "users", "a profile of the last hour may come again"


@pytest.mark.parametrize("keys", [["settled"], ["createdAt"], ["createdAt", "settled", "added by a later version"]])
def test_given_a_state_with_one_key_that_is_known_when_appended_then_it_is_used(
    sandbox: Sandbox, keys: list[str]
) -> None:
    state = dict.fromkeys(keys, "2024-03-10T00:00:00Z")

    output = sync(sandbox, "email_open", to="append", state=[of_stream("email_open", state)])

    assert not output.errors
    assert not told(output, "email_open")
    assert all(record["createdAt"] > "2024-03-09T22" for record in output.records("email_open"))


def test_given_a_stream_without_a_state_when_one_is_handed_over_then_it_is_not_spoken_of(sandbox: Sandbox) -> None:
    output = sync(sandbox, "channels", "lists", to="append", state=[of_stream("channels", {"slices": []})])

    assert not output.errors
    assert not told(output, "channels")
    assert output.records("channels")


def test_given_a_full_refresh_when_a_state_of_an_unknown_form_is_handed_over_then_everything_comes(
    sandbox: Sandbox, whole: Output
) -> None:
    states = [of_stream(table, {"slices": []}) for table in KEPT]

    output = sync(sandbox, *KEPT, mode="full_refresh", to="append", state=states)

    assert not output.errors
    for table in KEPT:
        assert len(output.records(table)) >= len(whole.records(table))


def test_the_keys_of_every_written_state_are_declared(sandbox: Sandbox, whole: Output) -> None:
    """So that a state with one of them alone is known."""
    config = Config.parse(settings(sandbox))
    streams = {name: stream(Sync(config, Api(config))) for name, stream in STREAMS.items()}

    for table in KEPT:
        stream = streams[table]
        assert isinstance(stream, StatefulStream)
        assert {key for state in whole.states(table) for key in state} <= set(stream.state_keys), table
    assert {type(stream) for stream in streams.values() if isinstance(stream, StatefulStream)} == {
        type(stream) for stream in streams.values() if stream.supports_incremental or stream.is_resumable
    }


# GLOBAL states, and those of other namespaces


def shared_states(whole: Output, *tables: str) -> list[dict[str, Any]]:
    """What the first sync saved for some streams."""
    return [one for one in whole.state if one["stream"]["stream_descriptor"]["name"] in tables]


def test_given_one_global_state_when_appended_then_it_is_used(sandbox: Sandbox, whole: Output) -> None:
    output = sync(sandbox, "email_open", "campaigns", to="append", state=[of_all(*whole.state)])

    assert not output.errors
    assert not output.records("email_open") + output.records("campaigns")
    assert not told(output, "email_open") + told(output, "campaigns")


def beside(whole: Output) -> dict[str, State]:
    """GLOBAL states of email_open and campaigns, with others beside them."""
    ours, others = shared_states(whole, "email_open", "campaigns"), shared_states(whole, "users")
    return {
        "GLOBAL first": [of_all(*ours), *others],
        "GLOBAL last": [*others, of_all(*ours)],
        "two GLOBAL": [of_all(ours[0]), of_all(ours[1]), *others],
        "beside a GLOBAL of nothing": [of_all(), of_all(*ours), *others],
    }


@pytest.mark.parametrize("how", ["GLOBAL first", "GLOBAL last", "two GLOBAL", "beside a GLOBAL of nothing"])
def test_given_a_global_state_beside_others_when_appended_then_its_streams_are_refused_and_the_others_go_on(
    sandbox: Sandbox, whole: Output, how: str
) -> None:
    output = sync(sandbox, "email_open", "campaigns", "users", to="append", state=beside(whole)[how])

    for table in "email_open", "campaigns":
        assert "it is part of a GLOBAL state, and other states stand beside that one" in refused(output, table)
    assert output.statuses("users")[-1] == "COMPLETE"
    assert len(output.records("users")) < len(whole.records("users"))


@pytest.mark.parametrize("how", ["GLOBAL first", "GLOBAL last", "two GLOBAL", "beside a GLOBAL of nothing"])
def test_given_a_global_state_beside_others_when_synced_then_a_warning_tells_that_it_is_ignored(
    sandbox: Sandbox, whole: Output, how: str
) -> None:
    output = sync(sandbox, "email_open", "campaigns", "users", state=beside(whole)[how])

    assert not output.errors
    for table in "email_open", "campaigns":
        (line,) = told(output, table)
        assert "GLOBAL" in line
        assert "The stream starts from its beginning." in line
        assert len(output.records(table)) >= len(whole.records(table))
    assert not told(output, "users")


def test_given_a_stream_in_a_global_state_and_beside_it_when_synced_then_the_warning_tells_from_where_it_starts(
    sandbox: Sandbox, whole: Output
) -> None:
    states = [of_all(*shared_states(whole, "email_open")), of_stream("email_open", {"settled": "2024-02-01T00:00:00Z"})]

    output = sync(sandbox, "email_open", state=states)
    appended = sync(sandbox, "email_open", to="append", state=states)

    (line,) = told(output, "email_open")
    assert "The stream starts from 2024-02-01T00:00:00Z." in line
    assert "GLOBAL" in refused(appended, "email_open")


def test_given_a_global_state_of_other_streams_beside_states_when_appended_then_nothing_is_said(
    sandbox: Sandbox, whole: Output
) -> None:
    states = [of_all(of_stream("elsewhere", {"a": 1}), of_stream("email_open", {})), *whole.state]

    output = sync(sandbox, "email_open", "campaigns", to="append", state=states)

    assert not output.errors
    assert not told(output, "email_open") + told(output, "campaigns")
    assert not output.records("email_open") + output.records("campaigns")


@pytest.mark.parametrize("in_global", [True, False])
def test_given_a_state_of_another_namespace_when_synced_then_it_is_reported_and_in_append_refused(
    sandbox: Sandbox, whole: Output, in_global: bool
) -> None:
    (saved,) = shared_states(whole, "email_open")
    there = of_stream("email_open", saved["stream"]["stream_state"], namespace="warehouse")
    states = [of_all(there)] if in_global else [there]

    output = sync(sandbox, "email_open", state=states)
    appended = sync(sandbox, "email_open", to="append", state=states)

    (line,) = told(output, "email_open")
    assert "is saved under another namespace" in line
    assert "is saved under another namespace" in refused(appended, "email_open")


def test_given_a_state_of_another_namespace_beside_its_own_when_appended_then_its_own_is_used(
    sandbox: Sandbox, whole: Output
) -> None:
    own = shared_states(whole, "email_open")
    states = [*own, of_stream("email_open", {"settled": "2024-01-05T00:00:00Z"}, namespace="warehouse")]

    output = sync(sandbox, "email_open", to="append", state=states)

    assert not output.errors
    assert not output.records("email_open")


# Catalogs that select a stream twice


@pytest.mark.parametrize("tables", [["email_open"], ["list_users"], ["channels", "email_open"], ["no_such_table"]])
@pytest.mark.parametrize("namespace", [None, "elsewhere"])
def test_given_a_catalog_with_a_stream_twice_when_read_then_it_is_refused_before_anything_is_asked_for(
    sandbox: Sandbox, tables: list[str], namespace: str | None
) -> None:
    catalog = configured(catalog_here(sandbox), ["channels", "email_open", "email_send", "list_users"])
    known = {one["stream"]["name"]: one for one in catalog["streams"]}
    for table in tables:
        one = known.get(table) or {**known["channels"], "stream": {**known["channels"]["stream"], "name": table}}
        again = {**one, "stream": {**one["stream"], "namespace": namespace}, "sync_mode": "full_refresh"}
        catalog["streams"] += [again] if table in known else [one, again]
    sandbox.forget_requests()

    with pytest.raises(AirbyteTracedException) as raised:
        list(
            SourceIterable().read(
                logging.getLogger("airbyte"), settings(sandbox), ConfiguredAirbyteCatalogSerializer.load(catalog), []
            )
        )

    assert str(raised.value.message).startswith(
        f"The configured catalog lists streams more than once: {', '.join(tables)}. Leave one entry for each stream"
    )
    assert raised.value.failure_type is not None
    assert raised.value.failure_type.value == "config_error"
    assert not sandbox.requests


def test_given_a_catalog_with_a_stream_twice_when_read_by_the_command_then_one_trace_says_so(sandbox: Sandbox) -> None:
    catalog = configured(catalog_here(sandbox), ["email_open", "channels"])
    catalog["streams"] += [catalog["streams"][1]]

    output = run_here(sandbox, "read", config=settings(sandbox), catalog=catalog)

    (trace,) = output.of("TRACE")
    assert trace["error"]["failure_type"] == "config_error"
    assert "more than once: email_open." in trace["error"]["message"]
    assert output.exit_code == 1
    assert not output.of("RECORD") + output.of("STATE")
    assert not output.stderr
    assert "defect" not in output.text
