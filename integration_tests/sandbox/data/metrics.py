"""Cells of reports in CSV, and the numbers that they are computed from."""

from collections.abc import Mapping
from typing import Any

Cells = dict[str, Any]
"""Texts by column; those beyond the last column are a list under the empty name."""
SURPLUS = ""
ATTRIBUTION_IN_DAYS = 15
"""From so long after its end on, a campaign gathers numbers on single days only."""
MONEY = {"Revenue", "Sum of Custom Conversions"}
"""Counted in hundredths."""
Ratio = tuple[str, str, float]


def ratio(counts: Mapping[str, int], parts: Ratio, missing: str) -> str:
    """One number divided by another, or ``missing``."""
    above, below, factor = parts
    if not counts[below]:
        return missing
    return str(round(factor * counts[above] / (100 if above in MONEY else 1) / counts[below], 4))
