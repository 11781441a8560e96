"""Totals of list endpoints: which pages return one, and when one is in doubt."""

from typing import Any

import pytest

from source_iterable.streams.totals import Claim, Tally, named, total_of


@pytest.mark.parametrize(
    ("body", "total"),
    [
        ({"totalPageCount": 1, "totalCampaignsCount": 3}, 3),
        ({"totalPagesCount": 1}, None),
        ({}, None),
        ({"totalCampaignsCount": 0}, 0),
        ({"totalTemplatesCount": 7}, 7),
        ({"totalJourneysCount": 7}, 7),
        ({"totalCatalogsCount": 7}, 7),
        ({"totalItemsCount": 7}, 7),
        ({"totalCount": 7}, 7),
        ({"pagination": {"limit": 100, "offset": 0, "total": 7}, "totalCount": 8}, 7),
        ({"pagination": {"limit": 100}, "totalCount": 8}, 8),
        ({"pagination": None}, None),
        ({"totalCampaignsCount": None}, None),
        ({"totalCampaignsCount": True}, None),
        ({"totalCampaignsCount": "7"}, None),
        ({"total": 7, "subtotalCount": 7}, None),
    ],
)
def test_total_of(body: dict[str, Any], total: int | None) -> None:
    assert total_of(body) == total


def listing(*parts: tuple[str, int | None, list[str]]) -> Tally:
    """A listing of parts: their names, their totals, and the keys that each pass shows."""
    tally = Tally()
    for part, total, passes in parts:
        for shown in passes:
            tally.begin_pass()
            for key in shown:
                tally.add(key)
        tally.end_part(part, total)
    return tally


@pytest.mark.parametrize(
    ("parts", "doubts"),
    [
        ([("", 3, ["abc"]), ("x", 1, ["c"])], []),
        ([("", 3, ["abc"]), ("x", 3, ["c"])], []),
        ([("", 3, ["ab"]), ("x", 3, ["c"])], []),
        ([("", 3, ["abc"]), ("x", 3, [""])], []),
        ([("", None, ["abc"]), ("x", None, [""])], []),
        ([("", 3, ["abc"]), ("x", 2, ["c"])], ["1 of 2 (x)"]),
        ([("", 4, ["abc"])], ["3 of 4"]),
        ([("", 1000, [""])], ["0 of 1,000"]),
        ([("", 3, ["abb"])], ["2 of 3"]),
        ([("", 2, ["abc", "bc", "bc"])], []),
        ([("", 2, ["abc", "bc", "bc"]), ("x", 2, [""])], []),
        ([("", 4, ["abc", "bcd", "bcd"])], []),
    ],
    ids=[
        "totals of what was requested",
        "totals of everything",
        "totals of everything, parts apart",
        "a part without rows",
        "no totals",
        "a total of nothing known",
        "one row less",
        "no row",
        "a row that comes twice is one row",
        "one deleted between passes",
        "one deleted between passes, totals of everything",
        "one deleted, one added",
    ],
)
def test_a_total_is_in_doubt_only_if_no_reading_explains_it(
    parts: list[tuple[str, int | None, list[str]]], doubts: list[str]
) -> None:
    assert [str(one) for one in listing(*parts).result().doubts] == doubts


def test_a_message_names_some_doubts() -> None:
    doubts = [Claim(f"part={number}", 2, 1) for number in range(7)]

    assert named(doubts[:2]) == "1 of 2 (part=0), 1 of 2 (part=1)"
    assert named(doubts).endswith("1 of 2 (part=4) and 2 others")
