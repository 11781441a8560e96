"""What the events of several media have in common."""

import json
from collections.abc import Callable
from random import Random

from integration_tests.sandbox.data.events.shapes import BARE, PLAIN, SHAPES
from integration_tests.sandbox.data.people import People, Person
from integration_tests.sandbox.data.rows import Row


def counted(number: int) -> Row:
    """What every message tells of its content, and of what filling it took."""
    return {
        "channelId": 39583,
        "messageTypeId": 47261,
        "contentId": 12029300 + number % 3,
        "catalogLookupCount": number % 2,
        "catalogCollectionCount": 0,
        "productRecommendationCount": number % 3,
    }


def nothing(_: People, __: int, ___: Person, ____: Random) -> Row:
    """No fields but those that all events share."""
    return {}


def sent(_: People, number: int, __: Person, ___: Random) -> Row:
    """A message of which no more is known than its content."""
    return counted(number)


def skipped(_: People, __: int, ___: Person, rng: Random) -> Row:
    """A message that was not sent, and why."""
    reason = rng.choice(["UserUnsubscribed", "FrequencyCapped", "NoPushTokens"])
    return {"reason": reason, "channelId": 39583, "messageTypeId": 47261}


def delivered(people: People, number: int, person: Person, rng: Random) -> Row:
    """What is told of a message that was sent: its content, the provider's id of it, and its data."""
    row: Row = {"channelId": 39583, "messageTypeId": 47261, "contentId": 12029300 + number % 3}
    row["messageBusId"] = f"SM{rng.getrandbits(64):016x}"
    return row | transactional_data(people, number, person, rng)


def bounced(_: People, __: int, ___: Person, ____: Random) -> Row:
    """The channel of a message that did not arrive."""
    return {"channelId": 39583, "messageTypeId": 47261}


Build = Callable[[People, int, Person, Random], Row]


def transactional_data(people: People, number: int, person: Person, rng: Random) -> Row:
    """A JSON text as a rule; at times null, absent, an array, or no JSON at all."""
    text: str | None = json.dumps(
        {
            "sku": f"A{rng.randrange(100)}",
            "greeting": f"Grüße an {person.first_name} \U0001f389",
            "items": [{"name": people.word(rng), "price": round(rng.uniform(1, 99), 2)}],
        },
        ensure_ascii=bool(number % 2),
    )
    shape = number % SHAPES
    if shape in {BARE, PLAIN, 11, 12}:
        return {}
    odd: dict[int, str | None] = {1: None, 3: "{}", 9: '["a", 1]', 10: "no JSON {"}
    return {"transactionalData": odd.get(shape, text)}
