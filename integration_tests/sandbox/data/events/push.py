"""Push and web push notifications, as the event exports send them."""

from random import Random

from integration_tests.sandbox.data.events.common import (
    Build,
    bounced,
    counted,
    delivered,
    sent,
    skipped,
    transactional_data,
)
from integration_tests.sandbox.data.events.shapes import FULL
from integration_tests.sandbox.data.people import People, Person
from integration_tests.sandbox.data.rows import Row


def _send(people: People, number: int, person: Person, rng: Random) -> Row:
    row = counted(number) | {
        "platformEndpoint": f"arn:example:endpoint/{rng.getrandbits(32):08x}",
        "notificationsEnabled": number % 4 != 1,
    }
    return row | transactional_data(people, number, person, rng)


def _open(_: People, number: int, __: Person, rng: Random) -> Row:
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
