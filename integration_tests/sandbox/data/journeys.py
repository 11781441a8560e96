"""The journeys of a project, as ``GET journeys`` lists them."""

from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import DAY, Row

FIRST_JOURNEY = 90210
STEP = 3
ARCHIVED_EVERY = 4


def journeys(people: People, count: int, start: int, end: int) -> list[Row]:
    """Journeys in ascending order of id; times are epoch milliseconds."""
    return [journey(people, number, start, end) for number in range(count)]


def journey(people: People, number: int, start: int, end: int) -> Row:
    """A journey; the first has every field, each fourth is archived, some are but drafts."""
    rng = seeded(people, "journey", number)
    created = start + rng.randrange(max(1, (end - start) // 2))
    updated = min(end - 5, created + rng.randrange(1, 20 * DAY))
    archived = number % ARCHIVED_EVERY == ARCHIVED_EVERY - 1
    row: Row = {
        "id": FIRST_JOURNEY + number * STEP,
        "name": f"{people.word(rng).title()} journey {number}",
        "enabled": not archived and number % 3 != 2,
        "isArchived": archived,
        "journeyType": "Draft" if number % 5 == 4 else "Published",
        "createdAt": created * 1000 + rng.randrange(1000),
        "updatedAt": updated * 1000 + rng.randrange(1000),
    }
    if number % 2 == 0:
        row.update(
            {
                "description": f"For those who like {people.word(rng)}",
                "creatorUserId": people[number % 5].email,
                "lifetimeLimit": 1 + number,
                "simultaneousLimit": 1,
                "startTileId": 700_000 + number,
                "triggerEventNames": ["purchase", people.word(rng)],
                "timezone": "Europe/Zürich",
            }
        )
    if number % 3 == 0:
        row["draft"] = {
            "id": row["id"] + 1,
            "name": f"{row['name']} (draft)",
            "createdAt": row["updatedAt"] - 1000,
            "updatedAt": row["updatedAt"] + 1000,
            "creatorUserId": people[number % 5].email,
        }
    elif number % 3 == 1:
        row["draft"] = None
    return row
