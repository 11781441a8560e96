"""The totals that list endpoints return, compared with the rows that they returned.

Whether a total respects the filters of a request (`campaignState`, `messageMedium` and so on) is not documented. So it
is right if it is the number of rows of the part that was requested, and also if it is that of all parts together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TOTAL = re.compile(r"total(?!Page)\w*Count", re.ASCII)
_NAMED = 5  # the totals that a message names


def total_of(body: Mapping[str, Any]) -> int | None:
    """The total that a page returns (`totalCampaignsCount` and similar, or in `pagination`); None without one."""
    pagination = body.get("pagination")
    found = [pagination.get("total")] if isinstance(pagination, dict) else []
    found += [value for name, value in body.items() if _TOTAL.fullmatch(name)]
    return next((value for value in found if isinstance(value, int) and not isinstance(value, bool)), None)


@dataclass(frozen=True)
class Claim:
    """The total of one part of a list, and how many rows that part returned."""

    part: str
    total: int
    rows: int

    def __str__(self) -> str:
        """`95 of 100 (campaignState=Archived)`."""
        return f"{self.rows:,} of {self.total:,}" + (f" ({self.part})" if self.part else "")


@dataclass(frozen=True)
class ListTotals:
    """The rows of a list, compared with its totals.

    Attributes:
        rows: How many distinct rows it returned.
        doubts: The totals that are neither the number of rows of their part nor that of all parts.
    """

    rows: int
    doubts: Sequence[Claim]


class Tally:
    """Counts the distinct rows of a list, each of whose parts is read in one or more passes."""

    def __init__(self) -> None:
        self._shown: dict[object, int] = {}  # by the key of a row, the number of the last pass that returned it
        self._pass = 0
        self._rows = 0
        self._last_passes: set[int] = set()
        self._claims: list[Claim] = []

    def begin_pass(self) -> None:
        """Begin to read a part, or read it again."""
        self._pass += 1
        self._rows = 0

    def add(self, key: object) -> bool:
        """Count a row of this pass; returns whether no earlier pass returned it."""
        last = self._shown.get(key)
        if last != self._pass:
            self._shown[key] = self._pass
            self._rows += 1
        return last is None

    def end_part(self, part: str, total: int | None) -> None:
        """Take the pass as the last one of ``part``, whose last page returned ``total``."""
        self._last_passes.add(self._pass)
        if total is not None:
            self._claims.append(Claim(part, total, self._rows))

    def result(self) -> ListTotals:
        """The rows and the doubts, once all parts are read."""
        # What was deleted between two passes was returned, but no total counts it any more.
        still_there = sum(1 for last in self._shown.values() if last in self._last_passes)
        whole = {len(self._shown), still_there}
        doubts = [claim for claim in self._claims if claim.total not in {claim.rows, *whole}]
        return ListTotals(len(self._shown), doubts)


def named(doubts: Sequence[Claim]) -> str:
    """The first of ``doubts``, for a message."""
    more = len(doubts) - _NAMED
    return ", ".join(map(str, doubts[:_NAMED])) + (f" and {more} others" if more > 0 else "")
