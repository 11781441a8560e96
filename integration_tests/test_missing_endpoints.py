"""Endpoints that a data center does not have: Iterable answers with an HTML page of its own, and the stream says so."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.expected import TRUTH_OF, assert_exact, expected
from integration_tests.support.observed import EVER
from integration_tests.support.sync import (
    NOW,
    START,
    Output,
    catalog_here,
    configured,
    connect,
    read_here,
    settings,
    sync,
)
from source_iterable import SourceIterable

PAGE = "<!DOCTYPE html>\n<html><head><title>{}</title></head><body><h1>oops</h1></body></html>\n"


@contextmanager
def without(*endpoints: str, **options: Any) -> Iterator[Sandbox]:
    """A data center that lacks ``endpoints``, which the connector asks also when it runs in this process."""
    with (
        Sandbox(start=START, now=NOW, rate_scale=10_000, missing_endpoints=endpoints, **options) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        connect(running, patch)
        yield running


def asked(sandbox: Sandbox, endpoint: str) -> int:
    return sum(request.endpoint == endpoint for request in sandbox.requests)


def error_of(output: Output, stream: str) -> dict[str, Any]:
    """The one error of a stream that did not come to its end."""
    assert output.statuses(stream)[-1] == "INCOMPLETE"
    (error,) = [error for error in output.errors if error["stream_descriptor"]["name"] == stream]
    return error


def assert_missing(output: Output, stream: str, endpoint: str, region: str = "US") -> None:
    error = error_of(output, stream)
    assert error["failure_type"] == "config_error"
    assert error["message"].startswith(
        f"{stream}: Iterable's {region} data center (127.0.0.1) does not have the endpoint {endpoint}. "
    )
    assert " Leave this stream out of the connection. Check the data center (region)" in error["message"]


ONE_REQUEST = [
    ("experiments", "experiments", "experiments"),
    ("experiment_metrics", "experiments/metrics", "experiments/metrics"),
    ("snippets", "snippets", "snippets"),
    ("journeys", "journeys", "journeys"),
    ("campaigns", "campaigns", "campaigns"),
    ("catalogs", "catalogs", "catalogs"),
    ("catalog_items", "catalogs/*/items", "catalogs/{name}/items"),
    ("template_content", "templates/email/get", "templates/email/get"),
    ("metadata", "metadata", "metadata"),
    ("metadata", "metadata/*/*", "metadata/{table}/{key}"),
    ("forgotten_users", "users/forgotten", "users/forgotten"),
    ("user_fields", "users/getFields", "users/getFields"),
    ("email_send", "export/data.json", "export/data.json"),
    ("users", "export/data.json", "export/data.json"),
]


@pytest.mark.parametrize(("stream", "missing", "named"), ONE_REQUEST)
def test_given_an_endpoint_that_is_not_there_when_synced_then_its_stream_fails_at_the_first_request(
    waits: list[float], stream: str, missing: str, named: str
) -> None:
    with without(missing) as sandbox:
        output = sync(sandbox, stream, "channels")

        assert_missing(output, stream, named)
        assert output.statuses("channels")[-1] == "COMPLETE"
        assert not waits
        if missing != "users/getFields":  # that one is also requested when the schema is discovered
            assert sum(request.status == 404 for request in sandbox.requests) == 1


def test_given_no_endpoint_for_list_members_when_synced_then_no_list_is_skipped(waits: list[float]) -> None:
    with without("lists/getUsers") as sandbox:
        output = sync(sandbox, "list_users", region="EU")

        assert_missing(output, "list_users", "lists/getUsers", "EU")
        assert "skipped" not in output.text
        assert not waits


@pytest.mark.parametrize("missing", ["export/start", "export/*/files"])
def test_given_no_endpoint_for_jobs_when_synced_then_rows_come_directly(waits: list[float], missing: str) -> None:
    with without(missing) as sandbox:
        output = sync(sandbox, "email_open", "email_send", "users", export_method="automatic", window_in_days=10)

        for stream in "email_open", "email_send", "users":
            assert output.statuses(stream)[-1] == "COMPLETE"
            (schema,) = [one["json_schema"] for one in catalog_here(sandbox)["streams"] if one["name"] == stream]
            assert_exact(output.records(stream), expected(stream, sandbox.truth(TRUTH_OF[stream]), schema), stream)
        assert sum(request.status == 404 for request in sandbox.requests) <= 2, "two jobs may be tried at a time"
        assert not waits


@pytest.mark.parametrize(
    ("missing", "named"), [("export/start", "export/start"), ("export/*/files", "export/{id}/files")]
)
def test_given_no_endpoint_for_jobs_when_only_they_are_allowed_then_the_stream_says_so(
    waits: list[float], missing: str, named: str
) -> None:
    with without(missing) as sandbox:
        output = sync(sandbox, "email_send", export_method="jobs")

        assert_missing(output, "email_send", named)
        assert not asked(sandbox, "export/data.json")
        assert not waits


def test_given_no_endpoint_for_embedded_templates_when_synced_then_it_is_remarked_once(waits: list[float]) -> None:
    with without("templates/embedded/get") as sandbox:
        output = sync(sandbox, "template_content")

        assert output.statuses("template_content")[-1] == "COMPLETE"
        listed = [template["templateId"] for template in sync(sandbox, "templates").records("templates")]
        assert 0 < len(output.records("template_content")) < len(listed)
        (remark,) = [line for line in output.logs if line.startswith("WARN template_content: ")]
        assert "does not have the endpoint templates/embedded/get" in remark
        assert asked(sandbox, "templates/embedded/get") == 1
        assert not waits


NOTATIONS = {
    "as recorded": PAGE.format("Action not found"),
    "in capitals": PAGE.format("ACTION NOT FOUND").replace("title", "TITLE"),
    "on several lines": PAGE.format("\n   Action\n  not   found\n"),
    "with an attribute": PAGE.format("Action not found").replace("<title>", '<title lang="en">'),
    "without a doctype": PAGE.format("Action not found").partition("\n")[2],
}


@pytest.mark.parametrize("page", NOTATIONS.values(), ids=NOTATIONS)
def test_given_any_notation_of_the_title_when_synced_then_the_page_is_iterables(
    sandbox: Sandbox, waits: list[float], page: str
) -> None:
    sandbox.faults.add(Fault(kind="status", status=404, endpoint="snippets", body=page, **EVER))

    output = sync(sandbox, "snippets")

    assert_missing(output, "snippets", "snippets")
    assert not waits


@pytest.mark.parametrize("status", [200, 403, 404])
@pytest.mark.parametrize("title", ["404 Not Found", "Action not found here", ""])
def test_given_another_page_when_synced_then_it_is_a_proxys(
    sandbox: Sandbox, waits: list[float], title: str, status: int
) -> None:
    sandbox.faults.add(Fault(kind="status", status=status, endpoint="snippets", body=PAGE.format(title), **EVER))

    error = error_of(sync(sandbox, "snippets"), "snippets")

    assert error["failure_type"] == "transient_error"
    assert "from a proxy or login page" in error["message"]
    assert len(waits) in {15, 35}, "for ten minutes, or half an hour where the stream cannot resume"


def test_given_an_answer_in_json_that_a_thing_is_not_there_when_synced_then_it_is_about_the_thing(
    sandbox: Sandbox, waits: list[float]
) -> None:
    body = '{"msg":"<title>Action not found</title>","code":"NotFound"}'
    sandbox.faults.add(Fault(kind="status", status=404, endpoint="lists/getUsers", list_id=949811, body=body, **EVER))

    output = sync(sandbox, "list_users")

    assert output.statuses("list_users")[-1] == "COMPLETE"
    assert any("list 949811 skipped" in line for line in output.logs)


# check and discover


@pytest.mark.parametrize("missing", ["channels", "export/data.json"])
def test_given_an_endpoint_that_is_not_there_when_checked_then_it_is_named(missing: str) -> None:
    with without(missing) as sandbox:
        answer = SourceIterable().check(logging.getLogger("airbyte"), settings(sandbox, region="EU"))

        assert answer.status.value == "FAILED"
        assert answer.message is not None
        assert f"Iterable's EU data center (127.0.0.1) does not have the endpoint {missing}" in answer.message
        assert answer.message.endswith(
            "Check the data center (region): US for app.iterable.com, EU for app.eu.iterable.com."
        )


@pytest.mark.parametrize("endpoint", ["channels", "export/data.json"])
@pytest.mark.parametrize("status", [200, 404])
def test_given_a_page_of_a_proxy_when_checked_then_it_is_not_taken_for_iterable(
    sandbox: Sandbox, endpoint: str, status: int
) -> None:
    body = PAGE.format("Please sign in")
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=endpoint, body=body, **EVER))

    answer = SourceIterable().check(logging.getLogger("airbyte"), settings(sandbox))

    assert answer.status.value == "FAILED"
    assert "is not Iterable's API" in (answer.message or "")


def test_given_no_endpoint_for_profile_fields_when_discovered_then_the_documented_columns_with_a_warning(
    caplog: pytest.LogCaptureFixture, waits: list[float]
) -> None:
    with without("users/getFields") as sandbox:
        catalog = catalog_here(sandbox)

        (users,) = [stream for stream in catalog["streams"] if stream["name"] == "users"]
        assert "firstName" not in users["json_schema"]["properties"]
        assert "signupDate" in users["json_schema"]["properties"]
        (warning,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("users: ")]
        assert "does not have the endpoint for the project's profile fields (users/getFields)" in warning
        assert "the key may not" not in warning
        output = read_here(sandbox, configured(catalog, ["users", "list_users"]))
        assert {output.statuses(stream)[-1] for stream in ("users", "list_users")} == {"COMPLETE"}
        assert not waits
