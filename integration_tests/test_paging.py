"""All pages of a listing arrive exactly, whatever changes between them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import assert_exact, canonical
from integration_tests.support.expected_listings import KEYS
from integration_tests.support.listings import FIRST, failure, sync, truth
from integration_tests.support.observed import EVER, requests_to
from integration_tests.support.sync import NOW, START, running_with
from integration_tests.support.sync import sync as sync_tables

# Pages


PAGED: dict[str, tuple[Size, str, list[dict[str, str]]]] = {
    "campaign_labels": (
        Size(campaigns=1005),
        "campaigns",
        [{"page": str(number), "pageSize": "1000", "sort": "id"} for number in (1, 2)]
        + [{"page": "1", "pageSize": "1000", "sort": "id", "campaignState": "Archived"}],
    ),
    "catalogs": (
        Size(catalogs=205),
        "catalogs",
        [{"page": str(number), "pageSize": "100"} for number in (1, 2, 3)],
    ),
    "catalog_items": (
        Size(catalogs=1, catalog_items=2001),
        "catalogs/Products/items",
        [{"page": str(number), "pageSize": "1000"} for number in (1, 2, 3)],
    ),
    "experiments": (
        Size(experiments=201),
        "experiments",
        [{"limit": "100", "offset": str(offset)} for offset in (0, 100, 200)],
    ),
    "journeys": (
        Size(journeys=204),
        "journeys",
        [{"page": str(number), "pageSize": "50", "sort": "id"} for number in (1, 2, 3, 4)]
        + [{"page": str(number), "pageSize": "50", "sort": "id", "state": "Archived"} for number in (1, 2)],
    ),
}


@pytest.mark.parametrize("table", PAGED)
def test_given_several_pages_when_synced_then_each_page_is_asked_for_and_exactly_the_rows(table: str) -> None:
    size, endpoint, pages = PAGED[table]
    with running_with(size=size) as sandbox:
        output = sync(sandbox, table)
        requests = requests_to(sandbox, endpoint)
        wanted = truth(sandbox, table)

    assert set(map(_text, pages)) == set(map(_text, requests))
    assert_exact(output.records(table), wanted, table)


def _text(params: dict[str, str]) -> str:
    return json.dumps(params, sort_keys=True)


SHIFTS: dict[str, tuple[Size, str, Callable[[Sandbox], Any], Callable[[Sandbox], Any]]] = {
    "campaign_labels": (
        Size(campaigns=1005),
        "campaigns",
        lambda sandbox: sandbox.delete_campaign(FIRST),
        lambda sandbox: sandbox.add_campaign(labels=["new"]),
    ),
    "campaigns": (
        Size(campaigns=1005),
        "campaigns",
        lambda sandbox: sandbox.delete_campaign(FIRST),
        lambda sandbox: sandbox.add_campaign(labels=["new"]),
    ),
    "catalog_items": (
        Size(catalogs=1, catalog_items=1005),
        "catalogs/Products/items",
        lambda sandbox: sandbox.delete_catalog_item("Products", "0042"),
        lambda sandbox: sandbox.add_catalog_item("Products"),
    ),
    "experiments": (
        Size(experiments=105),
        "experiments",
        lambda sandbox: sandbox.delete_experiment(51200),
        lambda sandbox: sandbox.add_experiment(),
    ),
    "journeys": (
        Size(journeys=75),
        "journeys",
        lambda sandbox: sandbox.delete_journey(90210),
        lambda sandbox: sandbox.add_journey(),
    ),
}


@pytest.mark.parametrize("change", ["one deleted", "one added", "one deleted and one added"])
@pytest.mark.parametrize("table", SHIFTS)
@pytest.mark.usefixtures("waits")  # before a detail that is gone is believed to be gone
def test_given_a_listing_that_changes_between_pages_when_synced_then_no_row_is_lost_and_none_comes_twice(
    table: str, change: str
) -> None:
    size, endpoint, delete, add = SHIFTS[table]
    with running_with(size=size) as sandbox:

        def shift() -> None:
            if "deleted" in change:
                delete(sandbox)
            if "added" in change:
                add(sandbox)

        before = truth(sandbox, table)
        sandbox.between_pages(endpoint, shift)
        output = sync(sandbox, table)
        after = truth(sandbox, table)

    arrived = output.records(table)
    keys = [_key(table, row) for row in arrived]
    lost = set(map(canonical, before)) & set(map(canonical, after)) - set(map(canonical, arrived))
    assert len(before) != len(after) or change == "one deleted and one added"
    assert not lost, f"{len(lost)} of {len(after)} rows"
    assert len(set(keys)) == len(keys)
    assert set(keys) <= {_key(table, row) for row in before + after}


def _key(table: str, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS.get(table, ["id"]))


@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "plain"])
@pytest.mark.parametrize("table", ["catalogs", "catalog_items"])
def test_given_either_form_of_answers_when_synced_then_the_catalogs(table: str, *, wrapped: bool) -> None:
    with running_with(wrapped_catalogs=wrapped) as sandbox:
        output = sync(sandbox, table)

        assert_exact(output.records(table), truth(sandbox, table), table)


@pytest.mark.parametrize(
    ("table", "endpoint"),
    [
        ("campaign_labels", "campaigns"),
        ("catalogs", "catalogs"),
        ("catalog_items", "catalogs/Products/items"),
        ("journeys", "journeys"),
        ("template_content", "templates"),
    ],
)
def test_given_a_next_page_on_another_host_when_synced_then_it_is_refused_and_the_key_stays(
    sandbox: Sandbox, table: str, endpoint: str
) -> None:
    with Sandbox(start=START, now=NOW, size=Size.smallest(), api_key=sandbox.api_key) as thief:
        location = f"{thief.url}/api/{endpoint}?page=2&pageSize=50"
        sandbox.faults.add(Fault(kind="next_page", endpoint=endpoint, location=location, **EVER))

        output = sync_tables(sandbox, table)

        assert failure(output, table)["failure_type"] == "system_error"
        assert not thief.requests


# A gateway's page in the place of an answer


@pytest.mark.parametrize(
    ("table", "endpoint"),
    [
        ("catalog_items", "catalogs/*/items"),
        ("list_users", "lists/getUsers"),
        ("metadata", "metadata/*/*"),
        ("template_content", "templates/email/get"),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_given_web_pages_in_the_place_of_answers_when_synced_then_no_row_is_missing(
    sandbox: Sandbox, waits: list[float], table: str, endpoint: str, status: int
) -> None:
    """Iterable's own refusals are about one thing, which is skipped; a page of somebody else's is about nothing."""
    undisturbed = sync_tables(sandbox, table).records(table)
    page = sandbox.faults.add(
        Fault(kind="status", status=status, endpoint=endpoint, body="<html>Not here</html>", times=3)
    )

    output = sync_tables(sandbox, table)

    assert sandbox.faults.struck(page) == 3
    assert_exact(output.records(table), undisturbed, table)
    assert output.statuses(table)[-1] == "COMPLETE"


# Changes that a listing tells in other places, or while it is made


def test_given_a_campaign_that_is_edited_while_it_is_listed_when_synced_then_it_waits_for_the_next_sync(
    sandbox: Sandbox,
) -> None:
    """It has a start and an end before the listing began, and waits for the next sync all the same."""
    (first, *_) = [row["id"] for row in sandbox.project.campaigns if row.get("endedAt")]
    state = [
        {
            "type": "STREAM",
            "stream": {
                "stream_descriptor": {"name": "campaigns"},
                "stream_state": {"updatedAt": sandbox.start_date.isoformat()},
            },
        }
    ]
    with sandbox.project.lock:
        row = next(row for row in sandbox.project.campaigns if row["id"] == first)
        row["updatedAt"] = int(sandbox.now.timestamp() * 1000) + 3_600_000

    output = sync_tables(sandbox, "campaigns", state=state, to="append")

    assert first not in {record["id"] for record in output.records("campaigns")}
