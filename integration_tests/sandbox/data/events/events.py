"""What happened to the messages of a project, as the event exports send it."""

import hashlib
import re
from collections.abc import Iterator
from itertools import chain
from random import Random
from typing import Any

from integration_tests.sandbox.data.events import email, in_app, phone, push, tracked
from integration_tests.sandbox.data.events.common import Build
from integration_tests.sandbox.data.events.shapes import (
    DOTTED,
    FULL,
    NESTED,
    NO_EMAIL,
    NULL_EMAIL,
    NULLS,
    SHAPES,
    in_objects,
)
from integration_tests.sandbox.data.people import People, email_of
from integration_tests.sandbox.data.rows import DAY, Row, wire_time

GOLDEN = 0.6180339887498949
"""Multiples of it, without their whole part, spread evenly."""

LATER = {
    "profileUpdatedAt": 3,
    "eventUpdatedAt": 60,
    "expiresAt": 90 * DAY,
    "receivedAt": 0,
    "seenAt": 0,
    "sentAt": -600,
    "inboxSessionStart": -60,
    "inboxSessionEnd": 0,
    "session.start": -45,
    "session.end": 0,
}
"""The other timestamps in rows: how many seconds after the event itself."""
WITHOUT_MESSAGE = {
    "customEvent",
    "embeddedSession",
    "inboxSession",
    "journeyExit",
    "purchase",
    "smsReceived",
    "unknownSession",
    "whatsAppReceived",
    "whatsAppSeen",
}
"""The data types whose rows are about no message, or call it by another name."""
CHANNEL = re.compile("webPush|push|inApp|inbox|sms|rcs|embedded|whatsApp")


class Events:
    """Makes the rows of the event tables.

    Message *n* goes to the same person, in the same campaign, in every table, so that tables join.
    """

    def __init__(self, people: People, campaigns: list[Row], users: int) -> None:
        """Make events of the first ``users`` people and of ``campaigns``."""
        self._people = people
        self._campaigns = campaigns or [{"id": 2220229, "templateId": 3043605}]
        self._users = max(1, users)
        self._seen: dict[str, set[tuple[Any, ...]]] = {}

    def rows(self, data_type: str, numbers: range, start: int, end: int) -> Iterator[tuple[int, Row]]:
        """Rows ``numbers`` of a table, each with its time, somewhere in ``start <= time < end``.

        Messages come from the same numbers; no two rows are alike in all but what Iterable may revise.
        """
        build = DATA_TYPES[data_type]
        seen = self._seen.setdefault(data_type, set())
        span = max(1, end - start)
        for number in numbers:
            rng = Random(f"{self._people.seed}:{data_type}:{number}")
            sends = data_type.endswith("Send")
            message = number if sends else self._some_message(data_type, number, numbers, rng)
            sent = start + int((message * GOLDEN) % 1 * span)
            created = sent if sends else min(end - 1, sent + int(rng.expovariate(1 / 20_000)))
            created = self._on_an_edge(number, numbers, start, end) or created
            row = self._common(data_type, number, message, rng)
            row.update(build(self._people, number, self._people[message % self._users], rng))
            row = _shaped(data_type, row, number)
            created = _free(seen, row, created, start, end)
            row["createdAt"] = wire_time(created)
            row.update({name: wire_time(created + seconds) for name, seconds in LATER.items() if name in row})
            row = in_objects(row, number)
            row.update(_index_times(number, created))
            yield created, row

    def _some_message(self, data_type: str, number: int, numbers: range, rng: Random) -> int:
        """A message that the row is about; a few messages are opened and clicked many times."""
        if number == FULL:
            return 0
        popular = data_type in {"emailOpen", "emailClick"} and number % 2
        return numbers.start + rng.randrange(max(1, len(numbers) // (10 if popular else 1)))

    def _on_an_edge(self, number: int, numbers: range, start: int, end: int) -> int | None:
        """The times of a few rows lie on the edges of days: the first second, midnight, the last."""
        midnight = (start // DAY + 1) * DAY
        edges = {1: start, 2: midnight, 3: midnight - 1, 4: end - 1, 5: end // DAY * DAY}
        edge = edges.get(number - numbers.start) if len(numbers) > SHAPES else None
        return edge if edge is not None and start <= edge < end else None

    def _common(self, data_type: str, number: int, message: int, rng: Random) -> Row:
        person = self._people[message % self._users]
        campaign = self._campaigns[message % len(self._campaigns)]
        row: Row = {
            "email": person.email,
            "campaignId": campaign["id"],
            "templateId": campaign.get("templateId", 3043605),
            "messageId": hashlib.md5(
                f"{self._people.seed}:{_channel(data_type)}:{message}".encode(), usedforsecurity=False
            ).hexdigest(),
        }
        if person.user_id or number in {FULL, NO_EMAIL, NULL_EMAIL}:
            row["userId"] = person.user_id or f"u-{message}"
        if number % 2 == 0:
            row["itblUserId"] = person.itbl_user_id
        if self._people.project_type != "email":
            del row["email"]
            row |= email_of(person, number) | {"itblUserId": person.itbl_user_id}
        if number == FULL:
            row.update({"contentId": 12029221, "channelId": 39582, "messageTypeId": 47258, "experimentId": 77})
        named = data_type not in {"emailSend", "emailSendSkip"} and rng.random() < 0.3
        if named or number == FULL:
            row["eventName"] = data_type
        return row


def _channel(data_type: str) -> str:
    """What tells the messages of one channel from those of another; those of email are just messages."""
    found = CHANNEL.match(data_type)
    return found[0].replace("inbox", "inApp") if found else "message"


def _shaped(data_type: str, row: Row, number: int) -> Row:
    """Leave out or null what rows of this type and shape do without."""
    if data_type in WITHOUT_MESSAGE:
        del row["messageId"]
        for name in ("campaignId", "templateId") if number % 2 else ():
            del row[name]
    if row.get("unsubSource") == "Import" or ("signupSource" in row and number != FULL):
        for name in ("messageId", "campaignId", "templateId"):
            row.pop(name)
    shape = number % SHAPES
    if shape == NO_EMAIL:
        row.pop("email", None)
    elif shape == NULL_EMAIL:
        row["email"] = None
    if shape in {NO_EMAIL, NULL_EMAIL}:
        row.setdefault("userId", f"u-{number}")
    if shape == NULLS:
        row["templateId"] = None
    return row


def _free(seen: set[tuple[Any, ...]], row: Row, created: int, start: int, end: int) -> int:
    """The time nearest to ``created`` at which no row of the same person and message happened yet.

    Where all of ``start`` to ``end`` is taken, the row becomes one about a message of its own.
    """
    names = ("email", "userId", "messageId", "ip", "url", "unsubSource", "status")
    who = tuple(row.get(name) for name in names)
    for at in chain(range(created, start - 1, -1), range(created + 1, end)):
        if (*who, at) not in seen:
            seen.add((*who, at))
            return at
    row["messageId"] = hashlib.md5(f"{len(seen)}:{who}".encode(), usedforsecurity=False).hexdigest()
    seen.add((*who, created, len(seen)))
    return created


def _index_times(number: int, created: int) -> Row:
    """When Iterable indexed the row: a nested object, dotted keys, or nothing."""
    times = {
        "documentCreatedAt": wire_time(created + number % 20),
        "documentUpdatedAt": wire_time(created + number % 20),
    }
    if number % SHAPES in {NESTED, 7}:
        return {"itblInternal": times}
    if number % SHAPES in {DOTTED, 8}:
        return {f"itblInternal.{name}": value for name, value in times.items()}
    return {}


DATA_TYPES: dict[str, Build] = {
    **email.DATA_TYPES,
    **push.DATA_TYPES,
    **in_app.DATA_TYPES,
    **phone.DATA_TYPES,
    **tracked.DATA_TYPES,
}
"""Every event data type, with what makes its own fields; a new one needs a function and a line in one of these."""
