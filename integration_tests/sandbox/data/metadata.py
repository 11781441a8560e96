"""The metadata tables of a project."""

import json

from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import DAY, Row


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
