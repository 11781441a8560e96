"""Emails, as the event exports send them."""

from random import Random

from integration_tests.sandbox.data.events.common import Build, transactional_data
from integration_tests.sandbox.data.events.shapes import FULL, NULLS, PLAIN, SHAPES
from integration_tests.sandbox.data.people import People, Person
from integration_tests.sandbox.data.rows import Row


def _send(people: People, number: int, person: Person, rng: Random) -> Row:
    row = {
        "messageBusId": f"0100018d-{rng.getrandbits(32):08x}-000000",
        "channelId": 39582,
        "messageTypeId": 47258,
        "contentId": 12029221 + number % 3,
        "catalogLookupCount": 0,
        "catalogCollectionCount": number % 2,
        "productRecommendationCount": 0,
        "espName": "Sandbox ESP",
    }
    return row | transactional_data(people, number, person, rng)


def _open(_: People, number: int, person: Person, rng: Random) -> Row:
    row: Row = {
        "ip": person.ip if number % 2 else f"198.51.100.{rng.randrange(256)}",
        "city": person.city,
        "region": person.region,
        "country": person.country,
        "userAgent": person.user_agent,
        "userAgentDevice": person.device,
    }
    if number % 3 == 0:
        row.update({"proxySource": rng.choice(["Gmail", "Apple"]), "isBot": rng.random() < 0.2})
    if number % 5 == 0:
        row.update({"contentId": 12029221, "device": person.device})
    if number % SHAPES == NULLS:
        row.update({"city": None, "region": None})
    if number % SHAPES == PLAIN:
        row = {"ip": row["ip"], "userAgent": row["userAgent"]}
    return row


def _click(people: People, number: int, person: Person, rng: Random) -> Row:
    link = rng.randrange(5)
    url = f"https://example.com/{people.word(rng)}?utm_source=mail&n={link}"
    return _open(people, number, person, rng) | {
        "url": url,
        "hrefIndex": link,
        "contentId": 12029221,
        "isBot": link == 4,
    }


def _hosted_unsubscribe_click(people: People, number: int, person: Person, rng: Random) -> Row:
    told = _open(people, number, person, rng)
    row = {name: value for name, value in told.items() if name not in {"proxySource", "isBot", "contentId"}}
    return row | {"url": f"https://example.com/unsubscribe/{people.word(rng)}"}


def _bounce(_: People, number: int, __: Person, rng: Random) -> Row:
    return {
        "recipientState": "SoftBounce" if number % 3 else "HardBounce",
        "status": rng.choice(["5.1.1", "4.2.2"]),
    }


def _complaint(_: People, number: int, __: Person, ___: Random) -> Row:
    return {"recipientState": "Complaint" if number % 4 else "SpamComplaint"}


def _send_skip(people: People, number: int, person: Person, rng: Random) -> Row:
    reason = rng.choice(["UserUnsubscribed", "FrequencyCapped", "Duplicate", "CampaignNotActive"])
    row: Row = {"reason": reason, "contentId": 12029221, "channelId": 39582, "messageTypeId": 47258}
    return row | transactional_data(people, number, person, rng)


def _subscribe(_: People, number: int, person: Person, rng: Random) -> Row:
    row: Row = {
        "emailListIds": [949810 + rng.randrange(4)],
        "channelIds": [39582] if number % 2 == 0 else [],
        "messageTypeIds": [47258, 47259] if number % 3 == 0 else [],
        "signupSource": rng.choice(["ListAPI", "Import", "API"]),
        "profileUpdatedAt": "",
    }
    if number % 4 == 0:
        row.update({"emailListId": 949810, "workflowId": 88000 + number % 7})
    if number % 2 == 0:
        row.update({"firstName": person.first_name, "lastName": person.last_name, "isFoobar": number % 4 == 0})
        row.update({"someDate": "2015-11-13", "Favorite Color": "red"})
    return row


def _unsubscribe(_: People, number: int, __: Person, rng: Random) -> Row:
    lists: Row = {"channelIds": [], "emailListIds": [949810], "messageTypeIds": []}
    message: Row = {"channelId": 39582, "emailListId": 949810, "workflowId": 88000}
    bounce: Row = {
        "recipientState": "HardBounce",
        "status": "5.1.1",
        "bounceMessage": "550 5.1.1 no such user: Käthe",
    }
    if number == FULL:
        return (
            {
                "unsubSource": "HardBounce",
                "channelIds": [39582],
                "emailListIds": [949810],
                "messageTypeIds": [47258],
            }
            | message
            | bounce
        )
    if number % 4 == 1:
        return {"unsubSource": "Import"} | lists
    if number % 4 == 2:
        return {"unsubSource": "HardBounce"} | lists | bounce
    return {
        "unsubSource": rng.choice(["EmailLink", "Preferences", "Complaint"]),
        "channelIds": [39582 + number % 2],
    }


DATA_TYPES: dict[str, Build] = {
    "emailBounce": _bounce,
    "emailClick": _click,
    "emailComplaint": _complaint,
    "emailOpen": _open,
    "emailSend": _send,
    "emailSendSkip": _send_skip,
    "emailSubscribe": _subscribe,
    "emailUnSubscribe": _unsubscribe,
    "hostedUnsubscribeClick": _hosted_unsubscribe_click,
}
