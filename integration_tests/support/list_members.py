"""What tests of the members of lists share."""

from typing import Any

from integration_tests.sandbox import Sandbox
from integration_tests.support.observed import LISTS, truth

BAD = 949811


def requested(sandbox: Sandbox) -> list[int]:
    """The ids of the lists that were requested, in their order."""
    return [int(one.params["listId"]) for one in sandbox.requests if one.endpoint == LISTS]


def ids(sandbox: Sandbox) -> list[int]:
    """The ids of all lists."""
    return sorted(int(row["id"]) for row in sandbox.truth("lists"))


def members(sandbox: Sandbox, *without: int) -> list[dict[str, Any]]:
    """The records of all lists but some."""
    return [record for record in truth(sandbox, "list_users") if record["listId"] not in without]


def numbers(complete: list[Any]) -> list[int]:
    """The ids in a saved state."""
    return [n for one in complete for n in (range(one[0], one[1] + 1) if isinstance(one, list) else [one])]
