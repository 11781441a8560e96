"""What a project's own systems tell Iterable: purchases and custom events; and what becomes of journeys and visits."""

from random import Random
from typing import Any

from integration_tests.sandbox.data.events.common import Build, nothing
from integration_tests.sandbox.data.events.shapes import BARE, FULL, NULLS, SHAPES
from integration_tests.sandbox.data.people import People, Person
from integration_tests.sandbox.data.rows import Row

WITH_NUMBER, WITH_EMPTY = 9, 10
BY_FIELD = 1
"""Of eight purchases one has the fields of its items as lists."""


def own_id(kind: str, number: int) -> Row:
    """The `_id` of an event: mostly a text, or none; at times a number, an empty text or null."""
    shape = number % SHAPES
    odd: dict[int, Any] = {NULLS: None, WITH_NUMBER: 9_000_000_000 + number, WITH_EMPTY: ""}
    if shape in odd:
        return {"_id": odd[shape]}
    return {"_id": f"{kind}-{number}"} if shape % 3 == 0 else {}


def _purchase(people: People, number: int, _: Person, rng: Random) -> Row:
    items: list[Row] = [
        {
            "id": f"p-{rng.randrange(99)}",
            "sku": f"SKU-{rng.randrange(99)}",
            "name": people.word(rng),
            "description": f"{people.word(rng)} {people.word(rng)}",
            "categories": [people.word(rng)],
            "price": round(rng.uniform(1, 90), 2),
            "quantity": rng.randrange(1, 4),
            "imageUrl": "https://example.com/image.png",
            "url": "https://example.com/item",
            "colour": rng.choice(["red", None]),
        }
        for _ in range(1 + number % 3)
    ]
    total: Any = round(sum(item["price"] * item["quantity"] for item in items), 2)
    if number % SHAPES in {BARE, 11}:
        total = int(total)
    row: Row = {
        "eventName": "purchase",
        "total": f"{total}" if number % SHAPES == 13 else total,
        "couponCode": people.word(rng),
    }
    if number % 8 == BY_FIELD:
        row |= {f"shoppingCartItems.{name}": [item[name] for item in items] for name in items[0]}
        row["shoppingCartItems.categories"] = [one for item in items for one in item["categories"]]
        if len(items) == 1:
            row["shoppingCartItems.quantity"] = items[0]["quantity"]
    else:
        row["shoppingCartItems"] = [] if number % SHAPES == NULLS else items
    if number % 2 == 0:
        row["Gift Wrap"] = number % 4 == 0
    return row | own_id("order", number)


def _custom(people: People, number: int, _: Person, rng: Random) -> Row:
    """Events of four names, whose fields of the same name differ in type."""
    level: list[Row] = [
        {"eventName": "checkoutStarted", "total": round(rng.uniform(1, 90), 2), "step": 1, "items": [people.word(rng)]},
        {"eventName": "appOpened", "total": "none", "step": "first", "id": f"{rng.getrandbits(32):08x}"},
        {"eventName": "Survey Answered", "total": rng.random() < 0.5, "step": [1, 2], "Favorite Color": "red"},
        {"eventName": "wish.list changed", "total": {"amount": 3}, "step": None, "dataFields": {"a": rng.randrange(9)}},
    ]
    row = level[number % len(level)]
    if number % 5 == 0 or number == FULL:
        row["eventUpdatedAt"] = ""
    return row | own_id("custom", number)


DATA_TYPES: dict[str, Build] = {
    "purchase": _purchase,
    "customEvent": _custom,
    "journeyExit": nothing,
    "unknownSession": nothing,
}
