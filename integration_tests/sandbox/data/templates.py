"""The templates of a project, as ``GET templates`` lists them."""

from integration_tests.sandbox.data.ids import CAMPAIGN_STEP, FIRST_CAMPAIGN, FIRST_TEMPLATE
from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import DAY, Row

TEMPLATE_TYPES = ("Base", "Blast", "Triggered", "Workflow")
TEMPLATE_MEDIA = ("Email", "Push", "InApp", "SMS")
"""What ``GET templates`` takes for ``messageMedium``; templates of other media exist all the same."""


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
    """A template, as the list endpoint sends it."""
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
