"""The lists of a project, and the lines of their members."""

from integration_tests.sandbox.data.ids import FIRST_LIST
from integration_tests.sandbox.data.people import People, seeded
from integration_tests.sandbox.data.rows import Row

LIST_TYPES = ["Suppression", "Standard", "Dynamic", "Internal", "Standard"]
EMPTY_LIST = 4
"""Of every five lists the one without members."""
ODD_MEMBERS = ["12345", "None", "null", "u-0", "1e5", "TRUE", "007"]
"""User ids that look like something else."""


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
