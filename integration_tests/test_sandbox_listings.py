"""What the sandbox lists, in full, in pages and as CSV, as a client over HTTP sees it."""

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from integration_tests.sandbox import Fault, Sandbox, Size
from integration_tests.test_sandbox import NOW, START, get

FIRST = 2220229
"""The id of the first campaign; the next ones are 7 apart."""
DAY_MILLISECONDS = 86_400_000


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running_with() as running:
        yield running


def running_with(**options: Any) -> Sandbox:
    return Sandbox(start=START, now=NOW, **({"rate_scale": 10_000} | options))


def answer(sandbox: Sandbox, endpoint: str, **params: Any) -> Any:
    response = get(sandbox, endpoint, **params)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(sandbox: Sandbox, endpoint: str, **params: Any) -> tuple[int, str]:
    response = get(sandbox, endpoint, **params)
    return response.status_code, response.json()["code"]


def follow(sandbox: Sandbox, endpoint: str, key: str, **params: Any) -> list[list[dict[str, Any]]]:
    """The pages of a listing, each requested at the address that the one before tells."""
    body = answer(sandbox, endpoint, **params)
    pages = []
    while True:
        inner = body.get("params", body)
        pages.append(inner[key])
        if "nextPageUrl" not in inner:
            return pages
        assert inner["nextPageUrl"].startswith(f"{sandbox.url}/api/{endpoint}?")
        body = requests.get(inner["nextPageUrl"], headers={"Api-Key": sandbox.api_key}, timeout=10).json()


def joined(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for page in pages for row in page]


# Journeys


def test_journeys_come_ten_at_a_time_and_archived_ones_only_when_asked_for(sandbox: Sandbox) -> None:
    truth = sandbox.truth("journeys")
    in_use = [row for row in truth if not row["isArchived"]]
    archived = [row for row in truth if row["isArchived"]]

    pages = follow(sandbox, "journeys", "journeys")
    first = answer(sandbox, "journeys")

    assert [len(page) for page in pages] == [10, 1]
    assert joined(pages) == in_use
    assert (first["totalJourneysCount"], "previousPageUrl" in first) == (11, False)
    assert joined(follow(sandbox, "journeys", "journeys", state="Archived", pageSize=2)) == archived
    assert len(archived) == 3
    assert answer(sandbox, "journeys", page=2, pageSize=50)["journeys"] == []
    assert refusal(sandbox, "journeys", pageSize=51) == (400, "BadParams")


def test_journeys_have_drafts_and_times_in_milliseconds(sandbox: Sandbox) -> None:
    truth = sandbox.truth("journeys")

    drafts = [row["draft"] for row in truth if row.get("draft")]

    assert drafts
    assert drafts[0].keys() == {"id", "name", "createdAt", "updatedAt", "creatorUserId"}
    assert any("draft" in row and row["draft"] is None for row in truth)
    assert any("draft" not in row for row in truth)
    assert all(row["createdAt"] <= row["updatedAt"] for row in truth)
    assert {row["journeyType"] for row in truth} == {"Draft", "Published"}
    newest = answer(sandbox, "journeys", sort="-updatedAt", pageSize=50)["journeys"]
    times = [row["updatedAt"] for row in newest]
    assert times == sorted(times, reverse=True)


def test_journeys_change(sandbox: Sandbox) -> None:
    one, two, three = (row for row in sandbox.truth("journeys")[:3])
    now = sandbox.now.timestamp() * 1000

    edited = sandbox.edit_journey(one["id"])
    archived = sandbox.archive_journey(two["id"])
    silently = sandbox.archive_journey(three["id"], updates=False)
    added = sandbox.add_journey(description=None)

    in_use = joined(follow(sandbox, "journeys", "journeys"))
    away = joined(follow(sandbox, "journeys", "journeys", state="Archived"))
    assert edited == one | {"name": f"{one['name']} (edited)", "updatedAt": edited["updatedAt"]}
    assert min(edited["updatedAt"], archived["updatedAt"], added["createdAt"]) >= int(now)
    assert silently == three | {"isArchived": True, "enabled": False}
    assert edited in in_use
    assert added in in_use
    assert "description" not in added
    assert [archived in away, silently in away, archived in in_use, silently in in_use] == [True, True, False, False]


# Snippets


def test_snippets_come_whole_with_times_as_text(sandbox: Sandbox) -> None:
    before = answer(sandbox, "snippets", limit=1)["snippets"]
    edited = sandbox.edit_snippet(before[0]["id"])
    after = answer(sandbox, "snippets")["snippets"]

    assert len(before) == 5
    assert after == [edited, *before[1:]] == sandbox.truth("snippets")
    assert edited["content"] == f"{before[0]['content']} (edited)"
    assert datetime.fromisoformat(edited["updatedAt"]) >= datetime.fromisoformat(NOW)
    assert {row["createdAt"][-1] for row in after} == {"Z"}
    assert all(datetime.fromisoformat(row["createdAt"]) < datetime.fromisoformat(row["updatedAt"]) for row in after)


# Catalogs


def test_catalogs_are_wrapped_and_paged() -> None:
    with running_with(size=Size(catalogs=12)) as sandbox:
        body = answer(sandbox, "catalogs")
        pages = follow(sandbox, "catalogs", "catalogNames", page=1, pageSize=5)

        assert (body["msg"], body["code"]) == ("", "Success")
        assert (len(body["params"]["catalogNames"]), body["params"]["totalCatalogsCount"]) == (10, 12)
        assert joined(pages) == sandbox.truth("catalogs")
        assert [len(page) for page in pages] == [5, 5, 2]
        assert refusal(sandbox, "catalogs", pageSize=101) == (400, "BadParams")


def test_the_items_of_a_catalog_are_found_whatever_the_case_of_its_name(sandbox: Sandbox) -> None:
    truth = sandbox.truth("catalog_items")
    served = []
    for catalog in sandbox.truth("catalogs"):
        pages = follow(sandbox, f"catalogs/{catalog['name'].upper()}/items", "catalogItemsWithProperties")
        assert [len(page) for page in pages] == ([0] if catalog["name"] == "Empty" else [10, 2])
        served += joined(pages)

    assert served == truth
    assert len({row["itemId"] for row in truth}) < len(truth), "two catalogs share an item's id"
    assert {"0042", "null", "1e5"} <= {row["itemId"] for row in truth}
    assert {type(value) for row in truth for value in row["value"].values()} >= {str, float, int, bool, list, dict}
    assert refusal(sandbox, "catalogs/unknown/items") == (404, "NotFound")
    assert refusal(sandbox, "catalogs/Products/items", pageSize=1001) == (400, "BadParams")


def test_items_can_be_ordered_by_a_field(sandbox: Sandbox) -> None:
    def names(**params: Any) -> list[str]:
        items = answer(sandbox, "catalogs/Products/items", orderBy="name", pageSize=100, **params)["params"]
        return [row["value"]["name"] for row in items["catalogItemsWithProperties"]]

    assert names() == sorted(names(), reverse=True)
    assert names(sortAscending="true") == sorted(names())


def test_catalogs_are_plain_on_request() -> None:
    with running_with(wrapped_catalogs=False) as sandbox:
        catalogs = answer(sandbox, "catalogs")
        items = answer(sandbox, "catalogs/Products/items", pageSize=100)

        assert catalogs == {"catalogNames": sandbox.truth("catalogs"), "totalCatalogsCount": 3}
        assert items["catalogItemsWithProperties"] == [
            row for row in sandbox.truth("catalog_items") if row["catalogName"] == "Products"
        ]


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_next_page_elsewhere_is_named_where_this_endpoint_names_it(*, wrapped: bool) -> None:
    with running_with(wrapped_catalogs=wrapped) as sandbox:
        sandbox.faults.add(Fault(kind="next_page", endpoint="catalogs", location="http://elsewhere.example/"))

        body = answer(sandbox, "catalogs")

    assert (body["params"] if wrapped else body)["nextPageUrl"] == "http://elsewhere.example/"
    assert ("nextPageUrl" in body) is not wrapped


def test_items_change(sandbox: Sandbox) -> None:
    before = sandbox.truth("catalog_items")
    edited = sandbox.edit_catalog_item("Products", before[0]["itemId"])
    added = [sandbox.add_catalog_item("Products") for _ in range(2)]
    sandbox.delete_catalog_item("Products", before[1]["itemId"])

    served = answer(sandbox, "catalogs/Products/items", pageSize=100)["params"]["catalogItemsWithProperties"]

    assert served == [edited, *before[2:12], *added]
    assert edited["lastModified"] > before[0]["lastModified"]
    assert len({row["itemId"] for row in served}) == 13


# Experiments


def test_experiments_are_paged_by_offset(sandbox: Sandbox) -> None:
    truth = sandbox.truth("experiments")

    first = answer(sandbox, "experiments")
    last = answer(sandbox, "experiments", limit=20, offset=20)

    assert first == {"experiments": truth[:20], "pagination": {"limit": 20, "offset": 0, "total": 22}}
    assert last == {"experiments": truth[20:], "pagination": {"limit": 20, "offset": 20, "total": 22}}
    assert answer(sandbox, "experiments", limit=100)["experiments"] == truth
    assert answer(sandbox, "experiments", offset=22)["experiments"] == []
    for params in {"limit": 101}, {"limit": 0}, {"offset": -1}:
        assert refusal(sandbox, "experiments", **params) == (400, "BadParams")


def test_experiments_are_listed_as_the_official_client_reads_them() -> None:
    with Sandbox(start=START, now=NOW, rate_scale=10_000, experiments_total_count=True) as sandbox:
        truth = sandbox.truth("experiments")

        assert answer(sandbox, "experiments", limit=1000) == {"experiments": truth, "totalCount": 22}
        assert answer(sandbox, "experiments", offset=20) == {"experiments": truth[20:], "totalCount": 22}
        assert refusal(sandbox, "experiments", limit=1001) == (400, "BadParams")


def test_pages_are_smaller_than_asked_for_on_request() -> None:
    with running_with(largest_page=2, size=Size(journeys=5, experiments=5)) as sandbox:
        pages = follow(sandbox, "journeys", "journeys", page=1, pageSize=50)
        experiments = answer(sandbox, "experiments", limit=100)

    assert [len(page) for page in pages] == [2, 2]
    assert len(experiments["experiments"]) == experiments["pagination"]["limit"] == 2


def test_experiments_can_be_chosen(sandbox: Sandbox) -> None:
    truth = sandbox.truth("experiment_details")

    def ids(**params: Any) -> list[int]:
        return [row["id"] for row in answer(sandbox, "experiments", limit=100, **params)["experiments"]]

    assert ids(state=["draft", "ready"]) == [row["id"] for row in truth if row["status"] in {"draft", "ready"}]
    assert ids(campaignId=FIRST) == [row["id"] for row in truth if row["meta"]["campaignId"] == FIRST] != []
    assert ids(startDateTime="2025-01-01") == [row["id"] for row in truth if "startDate" not in row]


def test_an_experiment_in_full_has_times_in_milliseconds(sandbox: Sandbox) -> None:
    for listed, full in zip(sandbox.truth("experiments"), sandbox.truth("experiment_details"), strict=True):
        assert answer(sandbox, f"experiments/{full['id']}") == full
        assert listed["id"] == full["id"]
        assert listed["name"] == full["meta"]["name"]
        for name in "startDate", "finishDate":
            assert (name in listed) == (name in full)
            if name in full:
                assert datetime.fromisoformat(listed[name]).timestamp() * 1000 == pytest.approx(full[name])

    assert refusal(sandbox, "experiments/1") == (404, "NotFound")


def test_the_first_experiment_has_every_field(sandbox: Sandbox) -> None:
    full, *others = sandbox.truth("experiment_details")

    assert full.keys() >= {name for row in others for name in row}
    for part in "sizing", "meta", "constraints":
        assert all(value is not None for value in full[part].values()), part
    assert all(value is not None for value in full["variants"][0]["value"].values())
    assert full["variants"][0].keys() == {"id", "name", "value", "currentPercentage", "isWinner", "isControl"}
    assert {row["status"] for row in others} == {"draft", "ready", "running", "finished", "winner_found"}
    assert {row["channelType"] for row in others} == {"email", "push", "sms", "in_app", "web_push"}


# The numbers of experiments


def cells(response: requests.Response) -> list[list[str]]:
    assert response.status_code == 200, response.text
    return list(csv.reader(io.StringIO(response.content.decode(), newline="")))


def test_the_numbers_of_experiments_are_csv(sandbox: Sandbox) -> None:
    response = get(sandbox, "experiments/metrics")
    header, *rows = cells(response)
    truth = sandbox.truth("experiment_metrics")

    assert response.headers["Content-Type"].startswith("text/plain")
    assert response.content.count(b"\r\n") == len(rows)
    assert not response.content.endswith(b"\n")
    assert header[:3] == ["Campaign ID", "Experiment ID", "Template ID"]
    assert len(header) == 58
    assert rows == [[*(row[name] for name in header), *row.get("", [])] for row in truth]
    keys = [(row[1], row[2]) for row in rows]
    assert len(set(keys)) == len(keys)


def test_the_numbers_of_experiments_are_ragged_and_not_all_numbers(sandbox: Sandbox) -> None:
    header, *rows = cells(get(sandbox, "experiments/metrics"))

    assert {len(row) - len(header) for row in rows} == {0, 2}
    assert {"", "N/A", "NaN", "Infinity", "1.0E-4"} <= {cell for row in rows for cell in row}
    assert any(row[0] == "" for row in rows), "some belong to no campaign"
    assert {row[4] for row in rows} == {"Control", "Winner", "-"}
    assert any("\n" in row[8] for row in rows)
    assert any("," in row[3] and '"' in row[3] for row in rows)
    assert any(not any(row[11:58]) for row in rows), "what has not begun has no numbers"


def test_only_experiments_with_emails_have_numbers(sandbox: Sandbox) -> None:
    details = {str(row["id"]): row for row in sandbox.truth("experiment_details")}
    _, *rows = cells(get(sandbox, "experiments/metrics"))
    push = next(row["id"] for row in details.values() if row["channelType"] == "push")
    email = next(row["id"] for row in details.values() if row["channelType"] == "email")

    header, *chosen = cells(get(sandbox, "experiments/metrics", experimentId=[push, email, email]))

    assert {row[1] for row in rows} == {
        key for key, row in details.items() if row["channelType"] == "email" and row["status"] != "draft"
    }
    assert {row[1] for row in chosen} == {str(email)}
    assert cells(get(sandbox, "experiments/metrics", experimentId=push)) == [header]
    assert {row[0] for row in cells(get(sandbox, "experiments/metrics", campaignId=FIRST))[1:]} == {str(FIRST)}
    assert refusal(sandbox, "experiments/metrics", experimentId="x") == (400, "BadParams")


def test_the_end_bound_of_the_numbers_of_experiments_is_inclusive(sandbox: Sandbox) -> None:
    def sends(**bounds: str) -> int:
        _, *rows = cells(get(sandbox, "experiments/metrics", **bounds))
        return sum(int(row[11] or 0) for row in rows)

    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number) for number in range(71)]
    whole = sends()
    for day in days:  # a day on which something was sent: the seconds of that day decide
        known = sends(startDateTime=f"{day:%Y-%m-%d}", endDateTime=f"{day:%Y-%m-%d}T23:59:59Z")
        if known:
            break

    low, high = 0, 86_399
    while low < high:  # the first second up to which something was sent
        middle = (low + high) // 2
        if sends(startDateTime=f"{day:%Y-%m-%d}", endDateTime=(day + timedelta(seconds=middle)).isoformat()):
            high = middle
        else:
            low = middle + 1
    moment = (day + timedelta(seconds=low)).isoformat()
    assert sends(startDateTime=moment, endDateTime=moment) > 0
    assert sends(startDateTime="1970-01-01", endDateTime="2030-01-01") == whole


# The numbers of campaigns


def metrics(sandbox: Sandbox, ids: list[int], **bounds: str) -> dict[int, dict[str, str]]:
    """The cells of each campaign by column."""
    header, *rows = cells(get(sandbox, "campaigns/metrics", campaignId=ids, **bounds))
    assert header[0] == "id"
    return {int(row[0]): dict(zip(header, row, strict=True)) for row in rows}


def every(sandbox: Sandbox) -> list[int]:
    return [row["id"] for row in sandbox.truth("campaigns")]


def test_the_numbers_of_campaigns_are_csv_with_the_columns_of_their_media(sandbox: Sandbox) -> None:
    email, push, in_app, sms, web_push = (FIRST + 7 * number for number in range(5))
    together = metrics(sandbox, [email, push])
    alone = metrics(sandbox, [email])

    response = get(sandbox, "campaigns/metrics", campaignId=email)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.text.endswith("\n")
    assert "Total Email Sends" in alone[email]
    assert "Total Pushes Sent" not in alone[email]
    assert together[email]["Total Pushes Sent"] == together[push]["Total Email Sends"] == ""
    assert {name: cell for name, cell in together[email].items() if cell} == {
        name: cell for name, cell in alone[email].items() if cell
    }
    for one, column in (in_app, "Total In-App Sent"), (sms, "Total SMS Sent"), (web_push, "Total Web Pushes Sent"):
        assert int(metrics(sandbox, [one])[one][column]) > 0
    assert alone[email]["Total Emails Delivered"].endswith(".0")


def test_the_numbers_of_campaigns_are_the_truth(sandbox: Sandbox) -> None:
    served = metrics(sandbox, every(sandbox))

    truth = {int(row["id"]): row for row in sandbox.truth("campaign_metrics")}
    assert served.keys() == truth.keys()
    for one, row in truth.items():
        assert row == {name: cell for name, cell in served[one].items() if cell or name in row}
    silent = {"Draft", "Scheduled", "Recurring", "Ready"}
    assert truth.keys() == {row["id"] for row in sandbox.truth("campaigns") if row["campaignState"] not in silent}


def test_each_campaign_comes_once_and_unknown_ones_do_not(sandbox: Sandbox) -> None:
    response = get(sandbox, "campaigns/metrics", campaignId=[FIRST, 1, FIRST, FIRST + 7, FIRST])

    assert [row[0] for row in cells(response)] == ["id", str(FIRST), str(FIRST + 7)]


@pytest.mark.parametrize("ids", [[1], [FIRST + 5 * 7]], ids=["unknown", "a draft"])
def test_where_nothing_is_reported_there_is_only_a_header(sandbox: Sandbox, ids: list[int]) -> None:
    assert get(sandbox, "campaigns/metrics", campaignId=ids).content == b"id,\n"


@pytest.mark.parametrize(
    "params",
    [{}, {"campaignId": "all"}, {"campaignId": FIRST, "startDateTime": "yesterday"}],
    ids=["no campaign", "no number", "no date"],
)
def test_campaigns_metrics_without_what_it_needs_is_refused(sandbox: Sandbox, params: dict[str, Any]) -> None:
    assert refusal(sandbox, "campaigns/metrics", **params) == (400, "BadParams")


def test_more_campaigns_than_an_address_holds_are_refused(sandbox: Sandbox) -> None:
    response = get(sandbox, "campaigns/metrics", campaignId=[FIRST + number for number in range(110)])

    assert response.status_code == 414
    assert "URI length exceeds the configured limit" in response.text
    assert get(sandbox, "campaigns/metrics", campaignId=[FIRST + number for number in range(90)]).status_code == 200


def test_days_add_up_to_a_life(sandbox: Sandbox) -> None:
    ids = every(sandbox)
    life = metrics(sandbox, ids)
    summed: dict[tuple[int, str], float] = {}
    for number in range(71):
        day = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number)
        bounds = {"startDateTime": f"{day:%Y-%m-%d}", "endDateTime": f"{day + timedelta(days=1):%Y-%m-%d}"}
        for one, row in metrics(sandbox, ids, **bounds).items():
            for name, cell in row.items():
                if name.startswith(("Total", "Unique", "Revenue", "Sum")) and " / " not in name and cell:
                    summed[one, name] = summed.get((one, name), 0) + float(cell)

    counted = {
        (one, name): float(cell)
        for one, row in life.items()
        for name, cell in row.items()
        if name.startswith(("Total", "Unique", "Revenue", "Sum")) and " / " not in name and cell
    }
    assert len(counted) > 300
    assert summed == pytest.approx(counted)


def test_the_daily_truth_is_what_each_day_reports(sandbox: Sandbox) -> None:
    truth = sandbox.truth("campaign_metrics_daily")
    ids = every(sandbox)
    for day in ("2024-01-02", "2024-02-29", "2024-03-10"):
        after = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
        served = metrics(sandbox, ids, startDateTime=day, endDateTime=after)
        wanted = {int(row["id"]): row for row in truth if row["date"] == day}

        assert served.keys() == wanted.keys() != set()
        for one, row in wanted.items():
            expected = {name: cell for name, cell in row.items() if cell and name != "date"}
            assert {name: cell for name, cell in served[one].items() if cell} == expected


def test_a_campaign_has_numbers_from_its_start_and_on_single_days_long_after_its_end(
    sandbox: Sandbox,
) -> None:
    campaigns = {row["id"]: row for row in sandbox.truth("campaigns")}
    days: dict[int, list[float]] = {}
    for row in sandbox.truth("campaign_metrics_daily"):
        at = datetime.fromisoformat(row["date"]).replace(tzinfo=UTC).timestamp() * 1000
        days.setdefault(int(row["id"]), []).append(at)

    after_the_end = long_after = 0
    for one, moments in days.items():
        campaign = campaigns[one]
        assert min(moments) >= (campaign.get("startAt") or campaign["createdAt"]) - DAY_MILLISECONDS
        if "endedAt" in campaign:
            late = [one for one in moments if one > campaign["endedAt"] + 15 * DAY_MILLISECONDS]
            assert len(late) < len(moments) / 2
            after_the_end += max(moments) > campaign["endedAt"] + DAY_MILLISECONDS
            long_after += bool(late)
    assert after_the_end > 3
    assert long_after > 3
    assert len(days[FIRST + 7]) > 60, "one runs all the time"


def test_numbers_grow_with_time(sandbox: Sandbox) -> None:
    running = FIRST + 7
    before = metrics(sandbox, [running])[running]
    sandbox.advance(days=2)
    after = metrics(sandbox, [running])[running]
    known = metrics(sandbox, [running], endDateTime=NOW)[running]

    assert int(after["Total Pushes Sent"]) > int(before["Total Pushes Sent"])
    assert known == before


def test_half_of_the_numbers_is_late_on_request() -> None:
    day = {"startDateTime": "2024-03-08", "endDateTime": "2024-03-09"}
    running = FIRST + 7
    with running_with(late_metrics_in_days=4) as sandbox:
        early = metrics(sandbox, [running], **day)[running]
        sandbox.advance(days=4)
        late = metrics(sandbox, [running], **day)[running]

    whole = int(late["Total Pushes Sent"])
    assert int(early["Total Pushes Sent"]) == whole - whole // 2 > 0


def test_the_numbers_of_campaigns_are_odd_on_request() -> None:
    with running_with(odd_metrics=True) as sandbox:
        header, *rows = cells(get(sandbox, "campaigns/metrics", campaignId=every(sandbox)))
        plain = {row["id"]: row for row in sandbox.truth("campaign_metrics")}

    assert header[1::2] == header[2::2]
    assert len(set(header)) == (len(header) - 1) / 2 + 1
    for row in rows:
        assert row[1 : len(header) : 2] == row[2 : len(header) : 2]
        assert row[len(header) :] == plain[row[0]].get("", [])
    assert {len(row) - len(header) for row in rows} == {0, 3}


def test_a_campaign_without_numbers_has_zeros_on_request() -> None:
    draft = FIRST + 5 * 7
    with running_with(zero_metrics=True) as sandbox:
        row = metrics(sandbox, [draft])[draft]

    assert {cell for name, cell in row.items() if name != "id"} == {"0", "0.0", ""}
    assert row["Total Email Sends"] == "0"


# What is in templates

MEDIA = {"email": "Email", "push": "Push", "sms": "SMS", "inapp": "InApp"}


@pytest.mark.parametrize("medium", [*MEDIA, "embedded"])
def test_the_content_of_a_template_is_found_under_its_medium_alone(sandbox: Sandbox, medium: str) -> None:
    contents = {row["templateId"]: row for row in sandbox.truth("template_contents")}
    served = set()
    for template in sandbox.truth("templates"):
        one = template["templateId"]
        response = get(sandbox, f"templates/{medium}/get", templateId=one)
        if response.status_code == 200:
            served.add(one)
            assert response.json() == contents[one]
        else:
            assert response.status_code == 400
            assert response.json() == {
                "msg": f"Template ID: {one} does not exist for this project",
                "code": "BadParams",
                "params": None,
            }

    listed = sandbox.truth("templates")
    known = {row["templateId"] for row in listed if row["messageMedium"] == MEDIA.get(medium)}
    assert served == known if medium in MEDIA else served < known
    assert served


def test_the_content_of_an_email_has_its_times_in_the_metadata(sandbox: Sandbox) -> None:
    listed = sandbox.truth("templates")[0]
    content = answer(sandbox, "templates/email/get", templateId=listed["templateId"])

    assert content["metadata"]["updatedAt"] == listed["updatedAt"]
    assert not content.keys() & {"createdAt", "updatedAt"}
    assert {"subject", "html", "plainText", "ccEmails", "dataFeedIds", "linkParams", "locale"} <= content.keys()
    assert get(sandbox, "templates/email/get", templateId=listed["templateId"], locale="xx").status_code == 404
    assert get(sandbox, "templates/email/get").status_code == 400
    assert get(sandbox, "templates/fax/get", templateId=listed["templateId"]).status_code == 404


def test_an_edited_template_has_another_content(sandbox: Sandbox) -> None:
    one = sandbox.truth("templates")[0]["templateId"]
    before = answer(sandbox, "templates/email/get", templateId=one)
    sandbox.edit_template(one)
    after = answer(sandbox, "templates/email/get", templateId=one)

    assert after["name"] == f"{before['name']} (edited)"
    assert after["metadata"]["updatedAt"] > before["metadata"]["updatedAt"]
    assert after["html"] != before["html"]


# The forgotten


@pytest.mark.parametrize(
    ("project_type", "emails", "user_ids"), [("email", 200, 400), ("userid", 400, 200), ("hybrid", 200, 200)]
)
def test_the_forgotten_are_told_by_what_the_project_knows(project_type: str, emails: int, user_ids: int) -> None:
    with running_with(project_type=project_type) as sandbox:
        sandbox.forget("email", " Ann@Example.com ")
        answers = [get(sandbox, f"users/{endpoint}") for endpoint in ("forgotten", "forgottenUserIds")]
        truth = sandbox.truth("forgotten")

    assert [response.status_code for response in answers] == [emails, user_ids]
    by_email, by_user_id = (response.json() for response in answers)
    if emails == 200:
        assert by_email["hashedEmails"] == [row["hash"] for row in truth if row["identifier"] == "email"]
        assert by_email["hashedEmails"][-1] == hashlib.sha256(b"ann@example.com").hexdigest()
    else:
        assert by_email["code"] == "BadParams"
    if user_ids == 200:
        assert by_user_id["hashedUserIds"] == [row["hash"] for row in truth if row["identifier"] == "userId"]
        assert len(by_user_id["hashedUserIds"]) == 3
    else:
        assert by_user_id["code"] == "BadParams"


def test_profile_fields_are_told_with_their_types(sandbox: Sandbox) -> None:
    fields = answer(sandbox, "users/getFields")["fields"]

    assert [{"name": name, "type": kind} for name, kind in fields.items()] == sandbox.truth("user_fields")


# Campaigns


def test_campaigns_have_what_real_ones_have(sandbox: Sandbox) -> None:
    campaigns = sandbox.truth("campaigns")
    by_state: dict[str, list[dict[str, Any]]] = {}
    for row in campaigns:
        by_state.setdefault(row["campaignState"], []).append(row)

    assert by_state.keys() > {"Draft", "Scheduled", "Running", "Finished", "Recurring", "Archived"}
    assert "Recalled" in by_state, "a state that is not documented"
    assert not any("startAt" in row for row in by_state["Draft"])
    assert {"startAt" in row for row in by_state["Scheduled"]} == {True, False}
    (whole,) = (
        row for row in by_state["Running"] if row["startAt"] < datetime(2024, 1, 2, tzinfo=UTC).timestamp() * 1000
    )
    assert (whole["type"], "endedAt" in whole) == ("Triggered", False)
    recurring = {row["id"] for row in by_state["Recurring"]}
    children = [row for row in campaigns if row.get("recurringCampaignId") in recurring]
    assert len(children) > 3
    labels = [row["labels"] for row in campaigns if "labels" in row]
    assert [] in labels
    assert max(map(len, labels)) == 4
    assert any("labelIds" in row for row in campaigns)
    assert any("labels" in row and "labelIds" not in row for row in campaigns)


def test_campaigns_and_templates_are_added_and_deleted(sandbox: Sandbox) -> None:
    campaigns, templates = sandbox.truth("campaigns"), sandbox.truth("templates")
    added = [sandbox.add_campaign(campaignState="Running", name="new"), sandbox.add_campaign()]
    sandbox.delete_campaign(added[1]["id"])
    again = sandbox.add_campaign()
    sandbox.delete_campaign(campaigns[0]["id"])
    template = sandbox.add_template("Workflow", "Push")
    sandbox.delete_template(templates[0]["templateId"])

    served = answer(sandbox, "campaigns", page=1, pageSize=1000)
    pushes = answer(sandbox, "templates", templateType="Workflow", messageMedium="Push", page=1)["templates"]

    assert served["campaigns"] == [*campaigns[1:], added[0], again]
    assert served["totalCampaignsCount"] == 46
    assert (added[0]["name"], added[0]["campaignState"], again["campaignState"]) == ("new", "Running", "Draft")
    assert len({campaigns[-1]["id"], added[0]["id"], added[1]["id"], again["id"]}) == 4, "no id comes again"
    assert template in pushes
    assert templates[0]["templateId"] not in {row["templateId"] for row in sandbox.truth("templates")}
    with pytest.raises(LookupError):
        sandbox.delete_template(templates[0]["templateId"])


# Campaigns that tell nothing


def test_a_campaign_goes_on_without_a_word_in_its_times(sandbox: Sandbox) -> None:
    ready = next(row for row in sandbox.truth("campaigns") if row["campaignState"] == "Ready")

    seen = [sandbox.advance_campaign(ready["id"]) for _ in range(3)]

    assert seen == [ready | {"campaignState": state} for state in ("Running", "Finished", "Ready")]
    assert seen[-1] in joined(follow(sandbox, "campaigns", "campaigns", page=1))


def test_triggered_campaigns_tell_no_start_and_no_end_on_request() -> None:
    with running_with(silent_campaigns=True) as sandbox:
        triggered = [row for row in sandbox.truth("campaigns") if row["type"] == "Triggered"]
        running = next(row for row in triggered if row["campaignState"] == "Running")
        blast = next(row for row in sandbox.truth("campaigns") if row["type"] == "Blast" and "endedAt" not in row)

        assert not any(row.keys() & {"startAt", "endedAt"} for row in triggered)
        assert {row["campaignState"] for row in triggered} == {"Ready", "Running", "Finished", "Recurring"}
        assert sandbox.finish_campaign(running["id"]) == running | {"campaignState": "Finished"}
        assert "endedAt" in sandbox.finish_campaign(blast["id"])


# Totals, pages without rows, addresses of next pages


def test_totals_count_what_was_asked_for_or_everything(sandbox: Sandbox) -> None:
    asked = [
        ("campaigns", {"page": 1, "campaignState": "Archived"}, "totalCampaignsCount", 5, 45),
        ("journeys", {"state": "Archived"}, "totalJourneysCount", 3, 14),
        ("templates", {"page": 1, "templateType": "Blast", "messageMedium": "Email"}, "totalTemplatesCount", 32, 60),
    ]
    with running_with(unfiltered_totals=True) as other:
        for endpoint, params, name, filtered, everything in asked:
            assert answer(sandbox, endpoint, **params)[name] == filtered
            assert answer(other, endpoint, **params)[name] == everything


@pytest.mark.parametrize(
    ("endpoint", "key", "inner"),
    [("campaigns", "campaigns", None), ("catalogs", "catalogNames", "params"), ("experiments", "experiments", None)],
)
def test_a_page_has_no_rows_or_another_total_on_request(
    sandbox: Sandbox, endpoint: str, key: str, inner: str | None
) -> None:
    params = {} if endpoint == "experiments" else {"page": 1, "pageSize": 2}
    before = answer(sandbox, endpoint, **params)
    sandbox.faults.add(Fault(kind="empty_page", endpoint=endpoint))
    sandbox.faults.add(Fault(kind="total", endpoint=endpoint, total=7, nth=2))

    empty, counted, after = (answer(sandbox, endpoint, **params) for _ in range(3))

    whole = before[inner] if inner else before
    total = next(name for name in whole if name.startswith(("total", "pagination")))
    told = whole[total] | {"total": 7} if total == "pagination" else 7
    assert (empty[inner] if inner else empty) == whole | {key: []}
    assert (counted[inner] if inner else counted) == whole | {total: told}
    assert after == before


@pytest.mark.parametrize(
    ("next_pages", "told"),
    [
        ("absolute", "{url}/api/catalogs/Products/items?page=2&pageSize=10"),
        ("path", "/api/catalogs/Products/items?page=2&pageSize=10"),
        ("endpoint", "catalogs/Products/items?page=2&pageSize=10"),
        ("query", "?page=2&pageSize=10"),
    ],
)
def test_the_address_of_a_next_page_is_told_in_the_form_that_is_wanted(next_pages: str, told: str) -> None:
    with running_with(next_pages=next_pages) as sandbox:
        body = answer(sandbox, "catalogs/Products/items")

        assert body["params"]["nextPageUrl"] == told.format(url=sandbox.url)


def test_there_are_no_other_forms_of_a_next_page() -> None:
    with pytest.raises(ValueError, match="next_pages"):
        running_with(next_pages="none")


# Between pages


def test_a_listing_shifts_between_its_pages(sandbox: Sandbox) -> None:
    first = sandbox.truth("campaigns")[0]["id"]
    sandbox.between_pages("campaigns", lambda: sandbox.delete_campaign(first))

    shifted = follow(sandbox, "campaigns", "campaigns", page=1, pageSize=30)
    again = follow(sandbox, "campaigns", "campaigns", page=1, pageSize=30)

    assert [len(page) for page in shifted] == [30, 14]
    assert shifted[0][0]["id"] == first
    assert len({row["id"] for row in joined(shifted)}) == 44, "the one that moved up is on neither page"
    assert joined(again) == sandbox.truth("campaigns")


@pytest.mark.parametrize(
    ("endpoint", "params"),
    [
        ("templates", {"page": 1, "pageSize": 50}),
        ("journeys", {}),
        ("catalogs/Products/items", {}),
        ("experiments", {}),
    ],
)
def test_an_action_comes_once_after_the_first_of_several_pages(
    sandbox: Sandbox, endpoint: str, params: dict[str, Any]
) -> None:
    happened: list[str] = []
    sandbox.between_pages(endpoint, lambda: happened.append(endpoint))
    whole = (
        {"limit": 100} if endpoint == "experiments" else {"page": 1, "pageSize": 50 if endpoint == "journeys" else 100}
    )

    answer(sandbox, endpoint, **whole)
    assert not happened, "there is but one page"
    answer(sandbox, endpoint, **params)
    assert happened == [endpoint]
    answer(sandbox, endpoint, **params)
    assert happened == [endpoint]


def test_other_processes_change_listings(sandbox: Sandbox) -> None:
    journey, snippet = sandbox.truth("journeys")[0]["id"], sandbox.truth("snippets")[0]["id"]
    body = {"edit_journey": journey, "archive_journey": journey, "edit_snippet": snippet, "delete_campaign": FIRST}

    response = requests.post(f"{sandbox.url}/sandbox/change", json=body | {"add_campaigns": 2}, timeout=10)

    assert response.status_code == 200, response.text
    assert response.json()["archive_journey"]["name"].endswith("(edited)")
    assert len(sandbox.truth("campaigns")) == 46
    assert sandbox.truth("journeys")[0]["isArchived"]
    rows = requests.get(f"{sandbox.url}/sandbox/", timeout=10).json()["rows"]
    assert (rows["journeys"], rows["catalog_items"]) == (14, 24)
