"""Answers that are not as documented: the stream says so in a sentence, its state stays, the others are read."""

import pytest

from integration_tests.sandbox import Fault, Sandbox
from integration_tests.support.sync import catalog_here, configured, read_here

ANSWERS = [
    ("channels", "channels", "[]", "no JSON object"),
    ("channels", "channels", "{", "no JSON object"),
    ("channels", "channels", "{}", "no list of objects under 'channels'"),
    ("channels", "channels", '{"channels":[{"name":"Marketing"}]}', "a row without a usable 'id'"),
    ("channels", "channels", '{"channels":[{"id":"seven"}]}', "a row without a usable 'id'"),
    ("channels", "channels", '{"channels":[1]}', "no list of objects under 'channels'"),
    ("campaigns", "campaigns", '{"campaigns":[{"name":"spring"}]}', "a row without a usable 'id'"),
    ("campaign_metrics", "campaigns", '{"campaigns":[{"id":"seven"}]}', "a row without a usable 'id'"),
    ("campaign_metrics", "campaigns/metrics", "", "no header with id"),
    ("campaign_metrics", "campaigns/metrics", "id,opens\nseven,1\n", "a row without id"),
    ("experiment_metrics", "experiments", '{"experiments":[{"id":"seven"}]}', "a row without a usable 'id'"),
    ("list_users", "lists", '{"lists":[{"id":"seven"}]}', "a list whose id is not a number"),
    ("user_fields", "users/getFields", '{"fields":[]}', "no object under 'fields'"),
    ("forgotten_users", "users/forgotten", '{"hashedEmails":7}', "no list under 'hashedEmails'"),
    ("metadata", "metadata", '{"results":[{}]}', "an object without 'name' under 'results'"),
    ("metadata", "metadata/*/*", '{"key":"another"}', "another key than the one that was requested"),
    ("metadata", "metadata", '{"results":[],"nextMarker":"on and on"}', "a next page that was read before"),
    (
        "snippets",
        "snippets",
        '{"snippets":[{"id":7}],"nextPageUrl":"/api/snippets?page=2"}',
        "a next page that was read before",
    ),
]


@pytest.mark.parametrize(("table", "endpoint", "body", "trouble"), ANSWERS)
def test_given_an_answer_that_is_not_documented_when_synced_then_the_stream_says_what_it_holds(
    sandbox: Sandbox, table: str, endpoint: str, body: str, trouble: str
) -> None:
    catalog = configured(catalog_here(sandbox), (table, "message_types"))
    sandbox.faults.add(Fault(kind="status", status=200, endpoint=endpoint, body=body, times=None))

    output = read_here(sandbox, catalog)

    (error,) = output.errors
    assert error["message"] == (
        f"{table}: Iterable's answer contains {trouble}, which is not as documented. "
        "The next attempt resumes from its beginning. Report this with the log of the sync."
    )
    assert error["failure_type"] == "system_error"
    assert output.records(table) == []
    assert output.statuses("message_types")[-1] == "COMPLETE"
