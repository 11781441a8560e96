"""Pages without rows, totals that disagree, next pages in any form: no row of a listing is lost silently."""

import json
from typing import Any

import pytest

from integration_tests.sandbox import NEXT_PAGES, Fault, Sandbox, Size
from integration_tests.support.expected import assert_exact
from integration_tests.support.expected_listings import KEYS
from integration_tests.support.listings import failure, sync, without_nulls
from integration_tests.support.listings import truth as truth_of_listing
from integration_tests.support.observed import EVER, remarks, requests_to
from integration_tests.support.sync import Output, running_with
from integration_tests.support.sync import sync as sync_tables

LISTED: dict[str, tuple[str, Size]] = {
    "campaign_labels": ("campaigns", Size(campaigns=1005)),
    "campaign_metrics": ("campaigns", Size(campaigns=1005)),
    "campaigns": ("campaigns", Size(campaigns=1005)),
    "catalog_items": ("catalogs/Products/items", Size(catalogs=1, catalog_items=1005)),
    "catalogs": ("catalogs", Size(catalogs=105)),
    "experiment_metrics": ("experiments", Size(experiments=105)),
    "experiments": ("experiments", Size(experiments=105)),
    "journeys": ("journeys", Size(journeys=75)),
    "template_content": ("templates", Size(templates=2100)),
    "templates": ("templates", Size(templates=2100)),
}
"""Streams that list by pages: the endpoint that they list, and a project for which it has two pages."""
FILTERED = (
    "campaign_labels",
    "campaign_metrics",
    "campaign_metrics_daily",
    "campaigns",
    "journeys",
    "template_content",
    "templates",
)
KEY = {"campaigns": "id", "templates": "templateId"}


def first_page(endpoint: str) -> dict[str, str]:
    """The parameter that requests the first page, of email templates where it is about templates."""
    if endpoint == "experiments":
        return {"offset": "0"}
    return {"page": "1"} | ({"messageMedium": "Email", "templateType": "Blast"} if endpoint == "templates" else {})


def assert_all(output: Output, sandbox: Sandbox, table: str) -> None:
    """Everything that the project has arrived, once."""
    if table in KEY:
        wanted = {row[KEY[table]] for row in sandbox.truth(table)}
        assert sorted(row[KEY[table]] for row in output.records(table)) == sorted(wanted), table
    else:
        assert_exact(without_nulls(output.records(table)), without_nulls(truth_of_listing(sandbox, table)), table)


# Pages without rows


@pytest.mark.parametrize("table", LISTED)
def test_given_a_first_page_without_rows_when_synced_then_the_next_ones_are_read_and_nothing_is_lost(
    table: str,
) -> None:
    """It was empty for a timestamp: the next pass over the pages shows its rows."""
    endpoint, size = LISTED[table]
    with running_with(size=size) as sandbox:
        fault = sandbox.faults.add(Fault(kind="empty_page", endpoint=endpoint, params=first_page(endpoint)))

        output = sync(sandbox, table)

        assert sandbox.faults.struck(fault)
        assert_all(output, sandbox, table)
    assert not remarks(output, table)


@pytest.mark.parametrize("table", LISTED)
def test_given_a_page_that_stays_without_rows_when_synced_then_the_summary_names_both_numbers(table: str) -> None:
    endpoint, size = LISTED[table]
    with running_with(size=size) as sandbox:
        sandbox.faults.add(Fault(kind="empty_page", endpoint=endpoint, params=first_page(endpoint), **EVER))

        output = sync(sandbox, table)

    assert output.records(table)
    (summary,) = [line for line in output.logs if line.startswith(f"INFO {table}: complete")]
    numbers = {"catalogs": "5 of 105", "experiments": "5 of 105", "journeys": "7 of 57", "templates": "108 of 1,108"}
    wanted = numbers.get(endpoint, "5 of 1,005")
    assert f"totals disagree with what it listed, so rows may be missing: {wanted}" in summary


@pytest.mark.parametrize("number", [1, 250])
def test_given_pages_without_rows_before_the_first_one_with_rows_when_synced_then_its_rows_come(number: int) -> None:
    with running_with(size=Size(campaigns=2)) as sandbox:
        rows = sandbox.truth("campaigns")
        _leading_to(sandbox, number, json.dumps({"campaigns": rows}))

        output = sync(sandbox, "campaigns")

        assert_all(output, sandbox, "campaigns")


def test_given_pages_without_rows_and_without_an_end_when_synced_then_it_fails_after_some_hundreds() -> None:
    with running_with(size=Size(campaigns=0)) as sandbox:
        _leading_to(sandbox, 400, '{"campaigns":[]}')

        output = sync_tables(sandbox, "campaigns", "channels")

        assert len(requests_to(sandbox, "campaigns")) == 300
    error = failure(output, "campaigns")
    assert error["failure_type"] == "system_error"
    assert "300 pages in a row have no rows" in error["message"]
    assert output.statuses("channels")[-1] == "COMPLETE"


def _leading_to(sandbox: Sandbox, empty: int, last: str) -> None:
    """Answer the first pages of campaigns without rows, the one after them with ``last``."""
    for page in range(1, empty + 2):
        body = f'{{"campaigns":[],"nextPageUrl":"/api/campaigns?page={page + 1}"}}' if page <= empty else last
        params = {"page": str(page)}
        sandbox.faults.add(Fault(kind="status", status=200, endpoint="campaigns", params=params, body=body, **EVER))


# Totals


@pytest.mark.parametrize("table", [*LISTED, "campaign_metrics_daily"])
def test_given_no_rows_although_the_total_is_not_0_when_synced_then_the_stream_fails_and_keeps_its_state(
    table: str,
) -> None:
    endpoint, _ = LISTED.get(table, ("campaigns", Size()))
    with running_with(size=Size(catalogs=1)) as sandbox:
        before = sync(sandbox, table)
        sandbox.faults.add(Fault(kind="empty_page", endpoint=endpoint, **EVER))
        mode = "incremental" if before.states(table) else "full_refresh"

        output = sync_tables(sandbox, table, "channels", state=before.state, mode=mode)

    error = failure(output, table)
    assert error["failure_type"] == "transient_error"
    assert "lists no rows, although its own totals are not 0 (listed: 0 of " in error["message"]
    assert "Try again later" in error["message"]
    assert not output.records(table)
    assert output.states(table) in ([], before.states(table)[-1:])
    assert output.statuses("channels")[-1] == "COMPLETE"


@pytest.mark.parametrize("archived", [True, False], ids=["archived listed too", "archived apart"])
@pytest.mark.parametrize("unfiltered", [True, False], ids=["totals of everything", "totals of what was requested"])
@pytest.mark.parametrize("size", [Size(), Size(campaigns=2, journeys=3, templates=1)], ids=["usual", "parts empty"])
def test_given_totals_of_either_reading_when_synced_then_all_rows_and_no_doubt(
    size: Size, *, unfiltered: bool, archived: bool
) -> None:
    """It is not documented whether a total heeds filters; a part without rows is healthy under both."""
    with running_with(size=size, unfiltered_totals=unfiltered, archived_campaigns=archived) as sandbox:
        output = sync(sandbox, *FILTERED)

        for table in FILTERED:
            assert_all(output, sandbox, table)
    assert {table: remarks(output, table) for table in FILTERED} == {table: [] for table in FILTERED}


@pytest.mark.parametrize(
    ("table", "params", "told"),
    [
        ("campaigns", {"campaignState": "Archived"}, "5 of 6 (campaignState=Archived)"),
        ("campaign_labels", {"campaignState": "Archived"}, "5 of 6 (campaignState=Archived)"),
        ("campaign_metrics", {"campaignState": "Archived"}, "5 of 6 (campaignState=Archived)"),
        ("journeys", {"state": "Archived"}, "3 of 6 (state=Archived)"),
        (
            "templates",
            {"messageMedium": "InApp", "templateType": "Base"},
            "of 6 (templateType=Base, messageMedium=InApp",
        ),
        ("catalogs", {}, "3 of 6"),
        ("experiments", {}, "22 of 6"),
        ("experiment_metrics", {}, "22 of 6"),
    ],
)
def test_given_a_total_that_no_reading_explains_when_synced_then_the_rows_come_and_the_summary_names_the_numbers(
    sandbox: Sandbox, table: str, params: dict[str, str], told: str
) -> None:
    sandbox.faults.add(Fault(kind="total", endpoint=LISTED[table][0], params=params, total=6, **EVER))

    output = sync(sandbox, table)

    assert_all(output, sandbox, table)
    (remark,) = remarks(output, table)
    assert told in remark


def test_given_items_of_one_catalog_that_are_missing_when_synced_then_the_others_come_and_it_is_said(
    sandbox: Sandbox,
) -> None:
    sandbox.faults.add(Fault(kind="empty_page", endpoint="catalogs/store-locations/items", **EVER))

    output = sync(sandbox, "catalog_items")

    assert {row["catalogName"] for row in output.records("catalog_items")} == {"Products"}
    (remark,) = remarks(output, "catalog_items")
    assert "0 of 12" in remark
    assert "store-locations" not in remark


@pytest.mark.parametrize("total", [None, "6", True, {"value": 6}], ids=str)
def test_given_a_total_that_is_no_number_when_synced_then_it_says_nothing(sandbox: Sandbox, total: Any) -> None:
    body = json.dumps({"campaigns": [], "totalCampaignsCount": total})
    sandbox.faults.add(Fault(kind="status", status=200, endpoint="campaigns", body=body, **EVER))

    output = sync(sandbox, "campaigns")

    assert output.statuses("campaigns")[-1] == "COMPLETE"
    assert not remarks(output, "campaigns")


def test_given_experiments_with_the_other_notation_of_a_total_when_synced_then_all_and_no_doubt(
    sandbox: Sandbox,
) -> None:
    rows = sandbox.truth("experiments")
    body = json.dumps({"experiments": rows, "totalCount": len(rows)})
    sandbox.faults.add(Fault(kind="status", status=200, endpoint="experiments", body=body, **EVER))

    output = sync(sandbox, "experiments")

    assert_all(output, sandbox, "experiments")
    assert len(requests_to(sandbox, "experiments")) == 1
    assert not remarks(output, "experiments")


def test_given_a_total_that_is_smaller_than_the_list_when_synced_then_a_full_page_is_not_taken_for_the_last() -> None:
    """Offsets continue while pages are full: whether the total counts this page alone is not documented."""
    with running_with(size=Size(experiments=105)) as sandbox:
        sandbox.faults.add(Fault(kind="total", endpoint="experiments", total=100, **EVER))

        output = sync(sandbox, "experiments")

        assert_all(output, sandbox, "experiments")
    (remark,) = remarks(output, "experiments")
    assert "105 of 100" in remark


@pytest.mark.parametrize("table", ["campaigns", "catalog_items", "journeys"])
def test_given_a_row_that_is_deleted_between_pages_when_synced_then_the_total_is_not_in_doubt(table: str) -> None:
    endpoint, size = LISTED[table]
    with running_with(size=size) as sandbox:
        deletions = {
            "campaigns": lambda: sandbox.delete_campaign(2220229),
            "catalog_items": lambda: sandbox.delete_catalog_item("Products", "0042"),
            "journeys": lambda: sandbox.delete_journey(90210),
        }
        sandbox.between_pages(endpoint, deletions[table])

        output = sync(sandbox, table)

    assert output.records(table)
    assert not remarks(output, table)


# Addresses of next pages


@pytest.mark.parametrize("next_pages", NEXT_PAGES)
@pytest.mark.parametrize(
    "table", ["campaign_labels", "campaigns", "catalog_items", "catalogs", "journeys", "templates"]
)
def test_given_addresses_of_next_pages_in_any_form_when_synced_then_all_pages_are_read(
    table: str, next_pages: str
) -> None:
    endpoint, size = LISTED[table]
    with running_with(size=size, next_pages=next_pages) as sandbox:
        output = sync(sandbox, table)

        assert "2" in {one.get("page") for one in requests_to(sandbox, endpoint)}
        assert_all(output, sandbox, table)


@pytest.mark.parametrize(
    ("location", "trouble"),
    [
        ("/api/campaigns", "a next page without parameters"),
        ("/api/campaigns/2", "a next page without parameters"),
        ("http://[/api/campaigns?page=2", "a next page whose address cannot be read"),
        ("https://127.0.0.1:port/api/campaigns?page=2", "a next page whose address cannot be read"),
    ],
)
def test_given_an_address_that_names_no_page_when_synced_then_the_listing_does_not_pass_for_whole(
    sandbox: Sandbox, location: str, trouble: str
) -> None:
    sandbox.faults.add(Fault(kind="next_page", endpoint="campaigns", location=location, **EVER))

    output = sync_tables(sandbox, "campaigns")

    error = failure(output, "campaigns")
    assert error["failure_type"] == "system_error"
    assert trouble in error["message"]
    assert not output.records("campaigns")


def test_every_stream_that_lists_by_pages_is_here() -> None:
    assert {table for table in KEYS if table not in {"campaign_metrics_daily", "forgotten_users", "user_fields"}} <= {
        *LISTED,
        "snippets",
    }
