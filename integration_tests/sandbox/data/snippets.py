"""The snippets of a project, as ``GET snippets`` sends them."""

from integration_tests.sandbox.data.ids import PROJECT_ID
from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import DAY, Row, iso

FIRST_SNIPPET = 4711


def snippets(people: People, count: int, start: int, end: int) -> list[Row]:
    """Snippets; every other one has a description."""
    rows = []
    for number in range(count):
        rng = seeded(people, "snippet", number)
        created = start + rng.randrange(max(1, (end - start) // 2)) + rng.randrange(1000) / 1000
        updated = min(end - 5.25, created + rng.randrange(1, 20 * DAY))
        word = people.word(rng)
        row: Row = {
            "id": FIRST_SNIPPET + number,
            "name": f"{word}-{number}",
            "content": f"<p>Grüße, {{{{firstName}}}}, from {word}</p>",
            "projectId": PROJECT_ID,
            "variables": [] if number % 3 == 2 else ["firstName", f"var{number}"],
            "createdAt": iso(created),
            "updatedAt": iso(updated),
            "createdBy": people[number % 5].email,
            "updatedBy": people[(number + 1) % 5].email,
        }
        if number % 2 == 0:
            row.update({"description": f"About {word}", "folderId": 12})
        rows.append(row)
    return rows
