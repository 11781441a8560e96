"""In-app messages, the inbox of an app and embedded messages, as the event exports send them."""

from random import Random

from integration_tests.sandbox.data.events.common import Build, counted, nothing, skipped
from integration_tests.sandbox.data.events.shapes import FULL
from integration_tests.sandbox.data.people import People, Person
from integration_tests.sandbox.data.rows import Row


def _device(number: int, rng: Random) -> Row:
    platform = ["iOS", "Android", "Web"][number % 3]
    return {
        "deviceInfo.deviceId": f"{rng.getrandbits(64):016x}",
        "deviceInfo.platform": platform,
        "deviceInfo.appPackageName": "com.example.app",
    }


def _context(number: int) -> Row:
    return {
        "messageContext.saveToInbox": number % 2 == 0,
        "messageContext.silentInbox": number % 4 == 0,
        "messageContext.location": "inbox" if number % 3 == 0 else "in-app",
    }


def _shown(_: People, number: int, __: Person, rng: Random) -> Row:
    expiry: Row = {"expiresAt": ""} if number % 3 == 0 else {}
    return _device(number, rng) | _context(number) | expiry


def _send(_: People, number: int, __: Person, ___: Random) -> Row:
    return counted(number) | _context(number) | {"expiresAt": "", "priorityLevel": [100.5, 300, 400][number % 3]}


def _click(people: People, number: int, person: Person, rng: Random) -> Row:
    url = f"https://example.com/{people.word(rng)}" if number % 2 == 0 else "action://dismiss"
    return _shown(people, number, person, rng) | {"clickedUrl": url, "sentAt": ""}


def _close(people: People, number: int, person: Person, rng: Random) -> Row:
    row = _shown(people, number, person, rng) | {"closeAction": "link" if number % 2 == 0 else "back"}
    if number % 2 == 0:
        row["clickedUrl"] = f"https://example.com/{people.word(rng)}"
    if number % 3 == 0:
        row["inboxSessionId"] = f"{rng.getrandbits(128):032x}"
    return row


def _delete(people: People, number: int, person: Person, rng: Random) -> Row:
    action = "inbox-swipe" if number % 2 == 0 else "delete-button"
    return _shown(people, number, person, rng) | {"deleteAction": action}


def _received(_: People, number: int, __: Person, rng: Random) -> Row:
    return _device(number, rng)


def _embedded_click(people: People, number: int, _: Person, rng: Random) -> Row:
    row = _device(number, rng) | {"targetUrl": f"https://example.com/{people.word(rng)}"}
    return row | ({"buttonIdentifier": f"button-{rng.randrange(3)}"} if number % 2 == 0 else {})


def _session(_: People, number: int, __: Person, rng: Random) -> Row:
    impressions: list[Row] = [
        {
            "messageId": f"{rng.getrandbits(128):032x}",
            "placementId": 400 + one,
            "displayCount": rng.randrange(1, 5),
            "displayDuration": round(rng.uniform(0.5, 60), 2),
        }
        for one in range(1 if number == FULL else number % 4)
    ]
    return {
        "session.id": f"{rng.getrandbits(128):032x}",
        "session.start": "",
        "session.end": "",
        "impressions": impressions,
    }


def _inbox_session(people: People, number: int, person: Person, rng: Random) -> Row:
    shown = 1 if number == FULL else number % 3
    impressions = [{"messageId": f"{rng.getrandbits(128):032x}"} | _on_view(rng) for _ in range(shown)]
    return _device(number, rng) | {
        "inboxSessionId": f"{rng.getrandbits(128):032x}",
        "inboxSessionStart": "",
        "inboxSessionEnd": "",
        "startTotalMessageCount": 3 + number % 4,
        "startUnreadMessageCount": number % 4,
        "endTotalMessageCount": 3,
        "endUnreadMessageCount": 0,
        "impressions": impressions,
    }


def _inbox_impression(_: People, __: int, ___: Person, rng: Random) -> Row:
    return {"inboxSessionId": f"{rng.getrandbits(128):032x}"} | _on_view(rng)


def _on_view(rng: Random) -> Row:
    return {
        "silentInbox": rng.random() < 0.5,
        "displayCount": rng.randrange(1, 5),
        "displayDuration": round(rng.uniform(0.5, 60), 2),
    }


DATA_TYPES: dict[str, Build] = {
    "inAppSend": _send,
    "inAppOpen": _shown,
    "inAppClick": _click,
    "inAppClose": _close,
    "inAppDelete": _delete,
    "inAppDelivery": _shown,
    "inAppSendSkip": skipped,
    "inAppRecall": nothing,
    "inboxSession": _inbox_session,
    "inboxMessageImpression": _inbox_impression,
    "embeddedSend": nothing,
    "embeddedSendSkip": skipped,
    "embeddedClick": _embedded_click,
    "embeddedReceived": _received,
    "embeddedImpression": _session,
    "embeddedSession": _session,
}
