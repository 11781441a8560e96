"""Push and web push notifications, as the event exports send them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from integration_tests.sandbox.data.events.shapes import FULL
from integration_tests.sandbox.data.people import Person, Row

if TYPE_CHECKING:
    from integration_tests.sandbox.data.events.events import Build, Events


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


def nothing(_: Events, __: int, ___: Person, ____: Random) -> Row:
    """No fields but those that all events share."""
    return {}


def sent(_: Events, number: int, __: Person, ___: Random) -> Row:
    """A message of which no more is known than its content."""
    return counted(number)


def skipped(_: Events, __: int, ___: Person, rng: Random) -> Row:
    """A message that was not sent, and why."""
    reason = rng.choice(["UserUnsubscribed", "FrequencyCapped", "NoPushTokens"])
    return {"reason": reason, "channelId": 39583, "messageTypeId": 47261}


def delivered(events: Events, number: int, person: Person, rng: Random) -> Row:
    """What is told of a message that was sent: its content, the provider's id of it, and its data."""
    row: Row = {"channelId": 39583, "messageTypeId": 47261, "contentId": 12029300 + number % 3}
    row["messageBusId"] = f"SM{rng.getrandbits(64):016x}"
    return row | events.transactional_data(number, person, rng)


def bounced(_: Events, __: int, ___: Person, ____: Random) -> Row:
    """The channel of a message that did not arrive."""
    return {"channelId": 39583, "messageTypeId": 47261}


def _send(events: Events, number: int, person: Person, rng: Random) -> Row:
    row = counted(number) | {
        "platformEndpoint": f"arn:example:endpoint/{rng.getrandbits(32):08x}",
        "notificationsEnabled": number % 4 != 1,
    }
    return row | events.transactional_data(number, person, rng)


def _open(_: Events, number: int, __: Person, rng: Random) -> Row:
    row: Row = {"appAlreadyRunning": rng.random() < 0.5}
    if number % 2 == 0:
        row["sentAt"] = ""
    if number % 3 == 0 or number == FULL:
        row["actionIdentifier"] = rng.choice(["default", "button1", "dismissed"])
    return row


DATA_TYPES: dict[str, Build] = {
    "pushSend": _send,
    "pushOpen": _open,
    "pushUninstall": bounced,
    "pushBounce": bounced,
    "pushSendSkip": skipped,
    "webPushSend": sent,
    "webPushClick": delivered,
    "webPushSendSkip": skipped,
}
