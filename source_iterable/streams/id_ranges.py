"""Ids as a state saves them: in order, consecutive ones as `[first, last]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MAX_RANGE = 1_000_000  # more ids than any project has: the state is not one of these


def ranges(ids: Iterable[int]) -> list[int | list[int]]:
    """``ids`` in order, consecutive ones as `[first, last]`."""
    found: list[list[int]] = []
    for number in sorted(ids):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return [first if first == last else [first, last] for first, last in found]


def parse_ranges(saved: object) -> set[int] | None:
    """The ids in ``saved``, as `ranges` writes them; None if it contains anything else."""
    ids: set[int] = set()
    for entry in saved if isinstance(saved, list) else [saved]:
        bounds: list[Any] = entry if isinstance(entry, list) else [entry, entry]
        if len(bounds) != 2 or not all(type(bound) is int for bound in bounds):  # noqa: PLR2004 - first and last
            return None
        if not 0 <= bounds[1] - bounds[0] <= MAX_RANGE:
            return None
        ids.update(range(bounds[0], bounds[1] + 1))
    return ids


def in_words(ids: Iterable[int]) -> str:
    """``ids`` in a message: `3, 5 to 9`."""
    return ", ".join(str(part) if isinstance(part, int) else f"{part[0]} to {part[1]}" for part in ranges(ids))
