"""The catalogs of a project and the items in them, as ``GET catalogs`` and ``catalogs/{name}/items`` send them."""

import json

from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import DAY, Row

NAMES = ["Products", "store-locations", "Empty"]
"""The first catalogs; the third has no items."""
ODD_ITEMS = ["0042", "1e5", "null", "A-b"]
"""Ids that look like something else; every catalog has them, so that ids alone are no key."""


def catalogs(count: int) -> list[Row]:
    """Catalogs, as the list names them; the first has a field that the documentation does not know."""
    rows: list[Row] = [
        {"name": NAMES[number] if number < len(NAMES) else f"catalog-{number}"} for number in range(count)
    ]
    for row in rows[:1]:
        row["isSystem"] = False
    return rows


def items(people: People, name: str, count: int, start: int, end: int) -> list[Row]:
    """The items of a catalog; `lastModified` is epoch milliseconds."""
    return [item(people, name, number, start, end) for number in range(0 if name == "Empty" else count)]


def item(people: People, name: str, number: int, start: int, end: int) -> Row:
    """An item whose value has fields of every type; the first has all of them."""
    rng = seeded(people, "catalog", name, number)
    word = people.word(rng)
    value: Row = {"name": f"{word} № {number}", "price": round(rng.uniform(1, 99), 2), "stock": rng.randrange(50)}
    if number % 2 == 0:
        value.update(
            {
                "onSale": rng.random() < 0.5,
                "tags": [word, people.word(rng)],
                "location": {"lat": round(rng.uniform(-90, 90), 5), "lon": round(rng.uniform(-180, 180), 5)},
                "Sold since": "2023-11-29 13:22:56 +00:00",
                "note": None,
            }
        )
    row: Row = {
        "catalogName": name,
        "itemId": ODD_ITEMS[number] if number < len(ODD_ITEMS) else f"item-{number}",
        "lastModified": (start + rng.randrange(min(end - start, 60 * DAY))) * 1000 + rng.randrange(1000),
        "size": size_of(value),
        "value": value,
    }
    if number % 3 == 0:
        row["revision"] = number + 1
    return row


def size_of(value: Row) -> int:
    """The size of an item's value in bytes."""
    return len(json.dumps(value, ensure_ascii=False).encode())
