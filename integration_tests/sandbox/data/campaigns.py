"""The campaigns of a project, and the channels and message types that they belong to."""

from integration_tests.sandbox.data.ids import CAMPAIGN_STEP, FIRST_CAMPAIGN, FIRST_LIST, FIRST_TEMPLATE
from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import DAY, Row

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
WHOLE_SPAN = 1
"""The number of the campaign that runs from the project's first timestamp on, and has not ended."""
RECURRING_CAMPAIGN = FIRST_CAMPAIGN + CAMPAIGN_STEP * STATES.index("Recurring")
LABELS = ["newsletter", "Q1", "Grüße, “neu”", "VIP / gold"]


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
