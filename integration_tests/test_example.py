"""The queries of docs/example/ answer what Python counts from the sandbox's truth."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.expected import TRUTH_OF, event_id
from integration_tests.support.sync import NOW, START, catalog_here, configured, connect, read_here
from tools.demo import Database
from tools.example import answers
from tools.example.plots import PICTURES, draw

TABLES = (
    "campaigns", "channels", "lists", "message_types",
    "email_bounce", "email_click", "email_open", "email_send", "email_subscribe", "email_unsubscribe",
)  # fmt: skip
SIZE = Size(events=300, users=40, lists=5, users_per_list=4, campaigns=12, templates=12)
DAY = timedelta(days=1)
FOUR_DIGITS = 6e-5
"""Within what a rate of four digits is right, however its last one was rounded."""

Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def project() -> Iterable[Sandbox]:
    with Sandbox(size=SIZE, start=START, now=NOW, rate_scale=10_000) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def replica(project: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the project, as `make demo` makes one."""
    folder = tmp_path_factory.mktemp("example")
    with pytest.MonkeyPatch.context() as patch:
        connect(project, patch)
        catalog = configured(catalog_here(project), TABLES)
        output = read_here(project, catalog)
    database = Database(folder / "iterable.duckdb", [one["stream"] for one in catalog["streams"]])
    for table in TABLES:
        database.merge(table, output.records(table), folder)
    database.close()
    return folder / "iterable.duckdb"


@pytest.fixture(scope="module")
def truth(project: Sandbox) -> dict[str, list[Row]]:
    """What the project holds: each event once."""
    rows = {}
    for table in TABLES:
        name = TRUTH_OF[table]
        sent: list[Row] = project.truth(name)
        rows[table] = list({event_id(name, row): row for row in sent}.values()) if "email" in table else sent
    return rows


def answer(replica: Path, query: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(replica), read_only=True) as connection:
        found = answers.answer(connection, query)
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def moment(row: Row) -> datetime:
    return datetime.strptime(row["createdAt"], "%Y-%m-%d %H:%M:%S %z")


def of_people(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.get("isBot") is not True]


def share(part: int, whole: int) -> Any:
    return pytest.approx(part / whole, abs=FOUR_DIGITS)


def test_every_query_is_tested() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}

    assert set(answers.QUERIES) <= tested
    assert set(PICTURES) <= set(answers.QUERIES)


def test_campaigns(replica: Path, truth: Mapping[str, list[Row]]) -> None:
    opens = Counter(row["messageId"] for row in of_people(truth["email_open"]))
    clicks = Counter(row["messageId"] for row in of_people(truth["email_click"]))
    names = {row["id"]: row["name"] for row in truth["campaigns"]}
    messages = defaultdict(list)
    for row in truth["email_send"]:
        messages[row["campaignId"]].append(row["messageId"])
    wanted = [
        {
            "campaign_id": campaign,
            "campaign": names[campaign],
            "sends": len(ids),
            "opens": sum(opens[one] for one in ids),
            "opened": sum(one in opens for one in ids),
            "clicks": sum(clicks[one] for one in ids),
            "clicked": sum(one in clicks for one in ids),
            "open_rate": share(sum(one in opens for one in ids), len(ids)),
            "click_rate": share(sum(one in clicks for one in ids), len(ids)),
        }
        for campaign, ids in messages.items()
        if campaign in names
    ]

    assert len(wanted) == SIZE.campaigns
    assert any(row["opens"] > row["opened"] > 0 for row in wanted)
    assert answer(replica, "campaigns") == sorted(
        wanted, key=lambda row: (-row["opened"] / row["sends"], row["campaign_id"])
    )


def test_bounces_by_domain(replica: Path, truth: Mapping[str, list[Row]]) -> None:
    states = defaultdict(set)
    for row in truth["email_bounce"]:
        states[row["messageId"]].add(row["recipientState"])
    messages = defaultdict(list)
    for row in truth["email_send"]:
        if row.get("email"):
            messages[row["email"].split("@")[1].lower()].append(row["messageId"])
    wanted = []
    for domain, ids in sorted(messages.items(), key=lambda item: (-len(item[1]), item[0])):
        bounced = sum(one in states for one in ids)
        hard = sum("HardBounce" in states.get(one, ()) for one in ids)
        wanted.append(
            {
                "domain": domain,
                "sends": len(ids),
                "bounced": bounced,
                "hard_bounced": hard,
                "bounce_rate": share(bounced, len(ids)),
            }
        )

    assert 0 < sum(row["hard_bounced"] for row in wanted) < sum(row["bounced"] for row in wanted)
    assert answer(replica, "bounces_by_domain") == wanted


def test_list_growth(replica: Path, truth: Mapping[str, list[Row]]) -> None:
    gained, lost = Counter[date](), Counter[date]()
    for counter, table in ((gained, "email_subscribe"), (lost, "email_unsubscribe")):
        for row in truth[table]:
            if row.get("emailListIds"):
                counter[moment(row).date()] += len(row["emailListIds"])
    days = sorted({*gained, *lost})
    so_far = accumulate(gained[day] - lost[day] for day in days)

    assert lost
    assert answer(replica, "list_growth") == [
        {
            "day": day,
            "subscribed": gained[day],
            "unsubscribed": lost[day],
            "net": gained[day] - lost[day],
            "net_so_far": total,
        }
        for day, total in zip(days, so_far, strict=True)
    ]


def test_unsubscribes(replica: Path, truth: Mapping[str, list[Row]]) -> None:
    tables = {"channel": "channels", "message type": "message_types", "list": "lists"}
    names = {(kind, row["id"]): row["name"] for kind, table in tables.items() for row in truth[table]}
    rows = defaultdict(list)
    for row in truth["email_unsubscribe"]:
        channels = {*(row.get("channelIds") or []), row.get("channelId")} - {None}
        for kind, ids in (
            ("channel", channels),
            ("message type", row.get("messageTypeIds") or []),
            ("list", row.get("emailListIds") or []),
        ):
            for one in ids:
                rows[kind, one].append(row)
    wanted = [
        {
            "kind": kind,
            "id": one,
            "name": names.get((kind, one)),
            "unsubscribes": len(found),
            "people": len({row.get("email") or row.get("userId") for row in found} - {None}),
            "by_hard_bounce": sum(row["unsubSource"] == "HardBounce" for row in found),
        }
        for (kind, one), found in rows.items()
    ]

    assert {row["kind"] for row in wanted} == set(tables)
    assert answer(replica, "unsubscribes") == sorted(
        wanted, key=lambda row: (-row["unsubscribes"], row["kind"], row["id"])
    )


def test_best_hour(replica: Path, truth: Mapping[str, list[Row]]) -> None:
    firsts: dict[str, datetime] = {}
    for row in of_people(truth["email_open"]):
        firsts[row["messageId"]] = min(moment(row), firsts.get(row["messageId"], moment(row)))
    end = max(map(moment, truth["email_open"])) - DAY
    sends, opened = Counter[int](), Counter[int]()
    for row in truth["email_send"]:
        if moment(row) <= end:
            sends[moment(row).hour] += 1
            first = firsts.get(row["messageId"])
            opened[moment(row).hour] += first is not None and first - moment(row) < DAY
    hours = sorted(sends, key=lambda hour: (-opened[hour] / sends[hour], hour))

    assert 0 < opened.total() < sends.total()
    assert answer(replica, "best_hour") == [
        {
            "hour": hour,
            "sends": sends[hour],
            "opened_within_a_day": opened[hour],
            "open_rate": share(opened[hour], sends[hour]),
        }
        for hour in hours
    ]


def test_funnel(replica: Path, truth: Mapping[str, list[Row]]) -> None:
    sent = {row["messageId"] for row in truth["email_send"]}
    clicked = {row["messageId"] for row in of_people(truth["email_click"])} & sent
    opened = {row["messageId"] for row in of_people(truth["email_open"])} & sent | clicked
    counts = [
        ("sent", len(sent), len(sent)),
        ("opened", len(opened), len(sent)),
        ("clicked", len(clicked), len(opened)),
    ]

    assert len(clicked) < len(opened) < len(sent)
    assert answer(replica, "funnel") == [
        {
            "step": step,
            "name": name,
            "messages": messages,
            "of_sent": share(messages, len(sent)),
            "of_step_before": share(messages, before),
        }
        for step, (name, messages, before) in enumerate(counts, start=1)
    ]


def test_pictures_are_drawn(replica: Path, tmp_path: Path) -> None:
    written = draw(replica, tmp_path)

    assert [path.name for path in written] == [f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")]
    assert [path.read_bytes()[:4] for path in written] == [b"\x89PNG", b"<?xm"] * len(PICTURES)
