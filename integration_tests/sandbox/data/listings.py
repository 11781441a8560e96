"""What a project lists besides events and profiles: campaigns, templates, lists, metadata ..."""

import json
from datetime import UTC, datetime
from random import Random

from integration_tests.sandbox.data.people import People, Row

DAY = 86400
STATES = [
    "Finished",
    "Running",
    "Archived",
    "Aborted",
    "Recalled",
    "Draft",
    "Scheduled",
    "Recurring",
    "Ready",
]
"""The states of campaigns, in turn; Recalled is one that the documentation does not name."""
MEDIA = ["Email", "Push", "InApp", "SMS", "WebPush"]
LIST_TYPES = ["Suppression", "Standard", "Dynamic", "Internal", "Standard"]
TEMPLATE_TYPES = ("Base", "Blast", "Triggered", "Workflow")
TEMPLATE_MEDIA = ("Email", "Push", "InApp", "SMS")
"""What ``GET templates`` takes for ``messageMedium``; templates of other media exist all the same."""

FIRST_CAMPAIGN = 2220229
CAMPAIGN_STEP = 7
WHOLE_SPAN = 1
"""The number of the campaign that runs from the project's first timestamp on, and has not ended."""
RECURRING_CAMPAIGN = FIRST_CAMPAIGN + CAMPAIGN_STEP * STATES.index("Recurring")
LABELS = ["newsletter", "Q1", "Grüße, “neu”", "VIP / gold"]
FIRST_TEMPLATE = 3043605
FIRST_LIST = 949810
EMPTY_LIST = 4
"""Of every five lists the one without members."""
ODD_MEMBERS = ["12345", "None", "null", "u-0", "1e5", "TRUE", "007"]
"""User ids that look like something else."""


def seeded(people: People, *what: object) -> Random:
    """The dice with which one thing of a project is made, whenever it is made."""
    return Random(":".join(map(str, (people.seed, *what))))


def iso(seconds: float) -> str:
    """A timestamp as newer endpoints write it: ``2024-01-05T10:11:12.123Z``."""
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def campaigns(people: People, count: int, start: int, end: int, *, silent: bool = False) -> list[Row]:
    """Campaigns in ascending order of id; times are epoch milliseconds.

    Those that finished ended after their last update, by up to two days; with ``silent``, those that are triggered tell
    neither a start nor an end, and some are ready, some running, some finished.
    """
    made = [campaign(people, number, start, end) for number in range(count)]
    for number, row in enumerate(made):
        if silent and row["type"] == "Triggered":
            row.pop("startAt", None)
            row.pop("endedAt", None)
            another = {"Recalled": "Ready", "Running": "Finished" if number % 2 == 0 else "Running"}
            row["campaignState"] = another.get(row["campaignState"], row["campaignState"])
    return made


def campaign(people: People, number: int, start: int, end: int) -> Row:
    """A campaign; number `WHOLE_SPAN` is triggered by single people, and runs from ``start`` on without an end."""
    rng = seeded(people, "campaign", number)
    created = start + (0 if number == WHOLE_SPAN else rng.randrange(max(1, (end - start) // 2)))
    updated = min(end - 5, created + rng.randrange(1, 20 * DAY))
    state = STATES[number % len(STATES)]
    row: Row = {
        "id": FIRST_CAMPAIGN + number * CAMPAIGN_STEP,
        "createdAt": created * 1000 + rng.randrange(1000),
        "updatedAt": updated * 1000 + rng.randrange(1000),
        "name": f"{people.word(rng).title()} {people.word(rng)} #{number}",
        "messageMedium": MEDIA[number % len(MEDIA)],
        "createdByUserId": people[number].email,
        "campaignState": state,
        "type": "Triggered" if number % 3 == 1 else "Blast",
        "templateId": FIRST_TEMPLATE + number,
    }
    if state in {"Finished", "Running", "Archived", "Recalled"}:
        row["startAt"] = row["createdAt"] if number == WHOLE_SPAN else updated * 1000 + rng.randrange(1000)
    if state == "Scheduled" and number % 2 == 0:
        row["startAt"] = (end + 30 * DAY) * 1000
    if state in {"Finished", "Archived"}:
        row["endedAt"] = min((end - 1) * 1000, row["startAt"] + rng.randrange(900, 2 * DAY * 1000))
    if number % 2 == 0:
        row.update({"updatedByUserId": people[number + 1].email, "listIds": [FIRST_LIST]})
        row.update({"suppressionListIds": [FIRST_LIST + 1], "sendSize": rng.randrange(10**6)})
        labels = LABELS[: 2 + number // 2 % 3]
        row["labels"] = labels
        if number % 4 == 0:
            row["labelIds"] = [11 + at for at in range(len(labels))]
    elif number % 5 == 0:
        row["labels"] = []
    if number % 4 == 0:
        row.update({"recurringCampaignId": RECURRING_CAMPAIGN, "workflowId": 88000 + number})
        row["campaignGoal"] = "awareness"
    return row


def channels() -> list[Row]:
    """All channels; the first has a field that the documentation does not know."""
    media = ["Email", "Email", "Push", "SMS", "InApp", "WebPush"]
    rows: list[Row] = [
        {
            "id": 39582 + number,
            "name": f"{'Transactional' if number == 1 else 'Marketing'} channel, {medium}",
            "channelType": "Transactional" if number == 1 else "Marketing",
            "messageMedium": medium,
        }
        for number, medium in enumerate(media)
    ]
    rows[0]["isDefault"] = True
    return rows


def message_types(people: People, start: int) -> list[Row]:
    """All message types; the first has every field."""
    rows: list[Row] = []
    for number in range(7):
        rng = seeded(people, "message type", number)
        created = (start + rng.randrange(DAY)) * 1000 + 7
        row: Row = {
            "id": 47258 + number,
            "name": f"{people.word(rng).title()} news",
            "channelId": 39582 + number % 6,
            "createdAt": created,
            "updatedAt": created + rng.randrange(10**8),
            "subscriptionPolicy": "OptIn" if number % 2 else "OptOut",
        }
        if number % 3 == 0:
            row.update({"rateLimitPerMinute": 600, "frequencyCap": {"days": 7, "messages": 3}})
            row["isHidden"] = False
        rows.append(row)
    return rows


def lists(people: People, count: int, start: int, end: int) -> list[Row]:
    """Lists of every type; the first, a suppression list, has every field."""
    rows: list[Row] = []
    for number in range(count):
        rng = seeded(people, "list", number)
        row: Row = {
            "id": FIRST_LIST + number,
            "name": f"{people.word(rng).title()}, list {number}",
            "createdAt": (start + rng.randrange(max(1, end - start))) * 1000,
            "listType": LIST_TYPES[number % len(LIST_TYPES)],
        }
        if row["listType"] == "Suppression":
            row["isGlobalSuppressionEnabled"] = number == 0
        if number % 2 == 0:
            row.update({"description": f"About {people.word(rng)}", "folderId": 5 + number})
        rows.append(row)
    return rows


def members(people: People, number: int, users: int, count: int, *, prefer_user_id: bool = False) -> list[str]:
    """The lines of a list's body: email addresses, or user ids; in the first list also user ids that look odd."""
    if number % len(LIST_TYPES) == EMPTY_LIST or not count:
        return []
    odd = ODD_MEMBERS[: max(1, min(len(ODD_MEMBERS), count // 2))] if number == 0 else []
    known = [people[person].member(prefer_user_id=prefer_user_id) for person in range(min(users, count - len(odd)))]
    odd = [line for line in odd if line not in known]
    name = "member.{}.{}@example.org" if people.project_type == "email" else "member-{}-{}"
    more = [name.format(number, line) for line in range(count - len(odd) - len(known))]
    lines = odd + known + more
    seeded(people, "members", number).shuffle(lines)
    return lines


def templates(people: People, count: int, start: int, end: int) -> list[tuple[Row, str, str]]:
    """Templates with the type and the medium that each is listed under."""
    combinations = [("Triggered", "WebPush"), ("Blast", "Embedded")]
    combinations += [(kind, medium) for kind in TEMPLATE_TYPES for medium in TEMPLATE_MEDIA]
    rows = []
    for number in range(count):
        kind, medium = ("Blast", "Email") if number % 2 == 0 else combinations[number // 2 % len(combinations)]
        rows.append((template(people, number, start, end), kind, medium))
    return rows


def template(people: People, number: int, start: int, end: int) -> Row:
    """A template, as the listing sends it."""
    rng = seeded(people, "template", number)
    created = start + rng.randrange(max(1, (end - start) // 2))
    row: Row = {
        "templateId": FIRST_TEMPLATE + number,
        "createdAt": created * 1000 + rng.randrange(1000),
        "updatedAt": min(end - 1, created + rng.randrange(30 * DAY)) * 1000 + rng.randrange(1000),
        "name": f"{people.word(rng).title()} template",
        "creatorUserId": people[number % 5].email,
        "messageTypeId": 47258 + number % 7,
    }
    if number % 2 == 0:
        row["campaignId"] = FIRST_CAMPAIGN + number * CAMPAIGN_STEP
    if number % 4 == 0:
        row.update({"clientTemplateId": f"client-{number}", "folderId": 3})
    return row


def metadata(people: People, keys: int, start: int) -> list[Row]:
    """Entries of two metadata tables that share a key; keys hold what URLs must escape."""
    named = ["Main Street", "a/b", "50% off", "naïve?#&", "MAIN STREET"]
    first = [named[number] if number < len(named) else f"store{number}" for number in range(keys)]
    second = ["Main Street", "plan-b"] if keys else []
    rows = []
    for table, names in (("stores", first), ("plans", second)):
        for number, key in enumerate(names):
            rng = seeded(people, table, number)
            value: Row = {
                "title": people.word(rng),
                "open": number % 2 == 0,
                "price": round(rng.uniform(1, 9), 2),
            }
            value["nested"] = {"tags": [people.word(rng)], "Grüße": None}
            row: Row = {
                "table": table,
                "key": key,
                "size": len(json.dumps(value)),
                "lastModified": (start + rng.randrange(10 * DAY)) * 1000 + 123,
                "value": value,
            }
            if number % 2 == 0:
                row["revision"] = number + 1
            rows.append(row)
    return rows
