"""What is requested one by one, and what is not documented, arrives exactly."""

import pytest

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.support.expected import assert_exact, merged
from integration_tests.support.listings import failure, sync, truth
from integration_tests.support.observed import EVER, remarks, requests_to
from integration_tests.support.sync import running_with
from integration_tests.support.sync import sync as sync_tables

# What is told one by one


@pytest.mark.parametrize("status", [400, 404])
def test_given_a_template_that_vanished_when_synced_then_it_is_left_out_and_said(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    gone = sandbox.truth("templates")[2]["templateId"]
    fault = Fault(kind="status", status=status, endpoint="templates/*/get", params={"templateId": str(gone)}, **EVER)
    sandbox.faults.add(fault)

    output = sync(sandbox, "template_content")

    wanted = [row for row in truth(sandbox, "template_content") if row["templateId"] != gone]
    assert_exact(output.records("template_content"), wanted)
    assert any(str(gone) in line for line in remarks(output, "template_content"))
    assert len(waits) <= 5


def test_given_templates_of_media_without_content_when_synced_then_they_are_left_out(
    sandbox: Sandbox, waits: list[float]
) -> None:
    web_push = {row["templateId"] for row in sandbox.truth("templates")} - {
        row["templateId"] for row in sandbox.truth("template_contents")
    }

    output = sync(sandbox, "template_content")

    assert len(web_push) == 2
    assert not web_push & {row["templateId"] for row in output.records("template_content")}
    assert not remarks(output, "template_content")
    assert sum(waits) <= 2 * len(web_push)


def test_given_a_content_that_cannot_be_had_when_synced_again_then_it_comes(
    sandbox: Sandbox, waits: list[float]
) -> None:
    one = sandbox.truth("templates")[20]["templateId"]
    fault = Fault(kind="status", status=500, endpoint="templates/*/get", params={"templateId": str(one)}, **EVER)
    sandbox.faults.add(fault)

    broken = sync_tables(sandbox, "template_content")
    sandbox.faults.clear()
    whole = sync(sandbox, "template_content", state=broken.state)

    failure(broken, "template_content")
    assert waits
    held = merged([broken.records("template_content"), whole.records("template_content")], ["templateId"])
    assert_exact(held, truth(sandbox, "template_content"))


def test_given_a_list_of_experiments_that_tells_their_number_alone_when_synced_then_all_arrive() -> None:
    with running_with(experiments_total_count=True, size=Size(experiments=250)) as sandbox:
        output = sync(sandbox, "experiments")

        assert_exact(output.records("experiments"), truth(sandbox, "experiments"))
        pages = [int(one["offset"]) for one in requests_to(sandbox, "experiments")]
        assert sorted(set(pages)) == [0, 100, 200]


@pytest.mark.parametrize("status", [400, 404])
def test_given_an_experiment_that_vanished_when_synced_then_what_the_listing_tells(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    gone = sandbox.truth("experiments")[3]
    sandbox.faults.add(Fault(kind="status", status=status, endpoint=f"experiments/{gone['id']}", **EVER))

    output = sync(sandbox, "experiments")

    arrived = {row["id"]: row for row in output.records("experiments")}
    wanted = [row for row in truth(sandbox, "experiments") if row["id"] != gone["id"]]
    assert_exact([row for one, row in arrived.items() if one != gone["id"]], wanted)
    assert {name for name, value in arrived[gone["id"]].items() if value is not None} == gone.keys()
    assert any(str(gone["id"]) in line for line in remarks(output, "experiments"))
    assert len(waits) <= 2


def test_given_a_catalog_that_vanished_when_synced_then_the_items_of_the_others(
    sandbox: Sandbox, waits: list[float]
) -> None:
    sandbox.faults.add(Fault(kind="status", status=404, endpoint="catalogs/store-locations/items", **EVER))

    output = sync(sandbox, "catalog_items")

    wanted = [row for row in truth(sandbox, "catalog_items") if row["catalogName"] == "Products"]
    assert_exact(output.records("catalog_items"), wanted)
    assert len(waits) <= 2


# The forgotten


@pytest.mark.parametrize("project_type", ["email", "userid", "hybrid"])
def test_given_a_project_of_any_type_when_synced_then_its_forgotten(project_type: str, waits: list[float]) -> None:
    with running_with(project_type=project_type) as sandbox:
        output = sync(sandbox, "forgotten_users")

        assert_exact(output.records("forgotten_users"), truth(sandbox, "forgotten_users"))
        assert len(output.records("forgotten_users")) == (6 if project_type == "hybrid" else 3)
    assert len(waits) <= 1


@pytest.mark.parametrize("status", [403, 404, 409])
def test_given_the_other_kind_refused_when_synced_then_this_kind_comes(
    sandbox: Sandbox, waits: list[float], status: int
) -> None:
    """Which status a project answers for an identifier that it does not use is not documented."""
    sandbox.faults.add(Fault(kind="status", status=status, endpoint="users/forgottenUserIds", **EVER))

    output = sync(sandbox, "forgotten_users")

    assert {record["identifier"] for record in output.records("forgotten_users")} == {"email"}
    assert waits == pytest.approx([5, 15, 40, 60] if status == 403 else [], abs=0.01), "a 403 may pass"


def test_given_a_key_that_may_see_none_when_synced_then_the_key_is_blamed(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.add(Fault(kind="status", status=403, endpoint="users/forgotten*", **EVER))

    output = sync_tables(sandbox, "forgotten_users")

    assert failure(output, "forgotten_users")["failure_type"] == "config_error"


def test_given_both_kinds_refused_when_synced_then_it_fails(sandbox: Sandbox, waits: list[float]) -> None:
    sandbox.faults.add(Fault(kind="status", status=400, endpoint="users/forgotten*", **EVER))

    output = sync_tables(sandbox, "forgotten_users")

    failure(output, "forgotten_users")
    assert len(waits) <= 2


def test_given_one_kind_that_fails_when_synced_then_it_fails(sandbox: Sandbox, waits: list[float]) -> None:
    """What is only half read must not pass for the whole."""
    sandbox.faults.add(Fault(kind="status", status=500, endpoint="users/forgotten", **EVER))

    output = sync_tables(sandbox, "forgotten_users")

    assert failure(output, "forgotten_users")["failure_type"] == "transient_error"
    assert waits


# What is not documented: right under either reading


@pytest.mark.parametrize("table", ["campaigns", "campaign_labels", "campaign_metrics"])
def test_given_archived_campaigns_that_only_their_own_listing_shows_when_synced_then_they_come(table: str) -> None:
    with running_with(archived_campaigns=False) as sandbox:
        output = sync(sandbox, table)
        wanted = truth(sandbox, table) if table != "campaigns" else None
        archived = {row["id"] for row in sandbox.project.campaigns if row["campaignState"] == "Archived"}
        everything = {row["id"] for row in sandbox.project.campaigns}

    assert archived
    if wanted is None:
        assert {record["id"] for record in output.records(table)} == everything
    else:
        assert_exact(output.records(table), wanted, table)


@pytest.mark.parametrize("table", ["journeys", "templates"])
def test_given_addresses_of_next_pages_without_filters_when_synced_then_the_same(table: str) -> None:
    records = []
    for bare in (False, True):
        with running_with(bare_next_pages=bare, size=Size(journeys=250, templates=4500)) as sandbox:
            records.append(sync(sandbox, table).records(table))
            assert "2" in {one.get("page") for one in requests_to(sandbox, table)}

    assert_exact(*records, table)


def test_given_a_next_page_of_another_scheme_when_synced_then_it_is_followed_on_this_one(sandbox: Sandbox) -> None:
    """A server behind a proxy may not know by which scheme it was requests_to."""
    host = sandbox.url.partition("://")[2]
    sandbox.faults.add(
        Fault(kind="next_page", endpoint="campaigns", location=f"https://{host}/api/campaigns?page=2", times=1)
    )

    output = sync(sandbox, "campaigns")

    assert len(output.records("campaigns")) == Size().campaigns
    assert [one.get("page") for one in requests_to(sandbox, "campaigns")].count("2") >= 1


def test_given_pages_without_rows_that_name_a_next_one_when_synced_then_it_ends(sandbox: Sandbox) -> None:
    empty = '{"campaigns":[],"nextPageUrl":"/api/campaigns?page=%d"}'
    sandbox.faults.add(Fault(kind="status", status=200, endpoint="campaigns", body=empty % 9, **EVER))

    output = sync(sandbox, "campaigns")

    assert output.records("campaigns") == []
    assert len(requests_to(sandbox, "campaigns")) <= 4


# No record leaves before all that it is made of is here


def test_given_a_day_of_several_requests_when_one_fails_then_none_of_that_day_left_before(waits: list[float]) -> None:
    with running_with(size=Size(campaigns=900)) as sandbox:
        sandbox.faults.add(Fault(kind="status", status=403, endpoint="campaigns/metrics", nth=120, **EVER))
        output = sync_tables(sandbox, "campaign_metrics_daily", to="append", start_date="2024-02-01")

    failure(output, "campaign_metrics_daily")
    days = {record["date"] for record in output.records("campaign_metrics_daily")}
    states = output.states("campaign_metrics_daily")
    assert len(days) > 1
    assert max(days) == states[-1]["date"]
    moving = [state["date"] for state in states]
    assert moving == sorted(set(moving))
