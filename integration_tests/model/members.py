"""Members of lists: a copy of all of them may take several attempts of one sync, each with a state."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from integration_tests.model.truths import Row

MEMBERS = "list_users"
REFUSED = f"{MEMBERS}: the saved state is not used"


class Copy:
    """What all attempts at one copy must have brought together."""

    def __init__(self) -> None:
        """Begin a copy."""
        self.lasting: Counter[str] | None = None
        """The rows that were there all the time."""

    def see(self, rows: Iterable[Row]) -> None:
        """Take note of what is true at one time."""
        there = Counter(row.text for row in rows)
        self.lasting = there if self.lasting is None else self.lasting & there

    def wanted(self, unless: Collection[str]) -> Counter[str]:
        """What must have come, but for the rows with these texts."""
        return Counter({text: number for text, number in (self.lasting or {}).items() if text not in unless})


def goes_on(state: Mapping[str, Any], logs: Iterable[str]) -> bool:
    """Whether a sync that was given ``state`` went on with the copy that it is of."""
    return bool(state) and not any(REFUSED in line for line in logs)
