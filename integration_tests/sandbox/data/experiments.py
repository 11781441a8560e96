"""The experiments of a project: as they are listed, each in full, and their numbers as CSV."""

from random import Random

from integration_tests.sandbox.data.ids import CAMPAIGN_STEP, FIRST_CAMPAIGN, FIRST_TEMPLATE, PROJECT_ID
from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import DAY, Row, iso

FIRST_EXPERIMENT = 51200
STEP = 5
STATUSES = ["winner_found", "running", "finished", "draft", "ready"]
CHANNELS = ["email", "email", "push", "email", "sms", "email", "in_app", "email", "web_push"]
TYPES = ["SubjectLine", "PreheaderText", "FromNameAndSender", "EmailBody", "WholeEmail"]
ALLOCATIONS = ["winner_takes_all", "even_split", "multi_armed_bandit"]


def experiments(people: People, count: int, start: int, end: int) -> list[Row]:
    """Experiments in full, in ascending order of id; times are epoch milliseconds."""
    return [experiment(people, number, start, end) for number in range(count)]


def experiment(people: People, number: int, start: int, end: int) -> Row:
    """An experiment in full; the first has every field, drafts have not started."""
    rng = seeded(people, "experiment", number)
    created = (start + rng.randrange(max(1, (end - start) // 2))) * 1000 + rng.randrange(1000)
    status, full = STATUSES[number % len(STATUSES)], number % 4 == 0
    row: Row = {
        "id": FIRST_EXPERIMENT + number * STEP,
        "status": status,
        "creationDate": created,
        "channelType": CHANNELS[number % len(CHANNELS)],
        "experimentType": TYPES[number % len(TYPES)],
        "allocationMode": ALLOCATIONS[number % len(ALLOCATIONS)],
        "sizing": _sizing(rng, full=full),
        "meta": {
            "name": f"{people.word(rng).title()}, or {people.word(rng)}? ({number})",
            "campaignId": None if number % 6 in {4, 5} else FIRST_CAMPAIGN + number % 40 * CAMPAIGN_STEP,
            "projectId": PROJECT_ID,
            "orgId": 901,
            "conversionMetrics": ["opens", "clicks"] if full else [],
            "customConversionId": 33 + number if full else None,
        },
        "variants": _variants(number, status, created),
    }
    if number % 6 in {0, 4}:
        row["campaignId"] = FIRST_CAMPAIGN + number % 40 * CAMPAIGN_STEP
    if status not in {"draft", "ready"}:
        row["startDate"] = created + 3_600_000
    if status in {"finished", "winner_found"}:
        row["finishDate"] = min((end - 2) * 1000, row["startDate"] + rng.randrange(9 * DAY) * 1000)
    if full:
        row["constraints"] = {"targetSegment": "loyal", "suppressionListIds": [949810]}
        row["holdoutListId"] = 949811
    elif number % 4 == 1:
        row["constraints"] = None
    return row


def _sizing(rng: Random, *, full: bool) -> Row:
    names = ["holdoutPercentage", "perVariantPercentage", "testGroupPercentage", "winnerGroupPercentage"]
    sizing: Row = {name: rng.randrange(1, 50) + (0.5 if full else 0) for name in names}
    rest = {"testDurationMinutes": 240, "sendsPerVariant": 1000, "attributionPeriodHours": 72}
    return sizing | (rest if full else dict.fromkeys(rest))


def _variants(number: int, status: str, created: int) -> list[Row]:
    count = 2 + number % 2
    return [
        {
            "id": 610_000 + number * 10 + at,
            "name": "Control" if at == 0 else f'Variation {at}, "bold"',
            "value": {
                "templateId": FIRST_TEMPLATE + number * 3 + at,
                "sendTime": iso(created / 1000 + DAY) if number % 4 == 0 else None,
                "stoGroup": "early" if number % 4 == 0 else None,
            },
            "currentPercentage": round(100 / count, 1),
            "isWinner": status == "winner_found" and at == 1,
            "isControl": at == 0,
        }
        for at in range(count)
    ]


def listed(people: People, full: Row) -> Row:
    """An experiment as the list endpoint shows it."""
    dates = {name: iso(full[name] / 1000) for name in ("startDate", "finishDate") if full.get(name)}
    return {
        "id": full["id"],
        "name": full["meta"]["name"],
        "status": full["status"],
        "channelType": full["channelType"],
        "author": people[full["id"] % 5].email,
        **dates,
    }
