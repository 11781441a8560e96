"""What the state of `campaigns` keeps beside its cursor: the `campaignState` of each campaign that has not ended.

A triggered campaign goes from Ready to Running to Finished without a change of its timestamps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from source_iterable.records.json_lines import Row, as_text


def campaign_state(row: Row) -> str:
    """The `campaignState` of a campaign as the state keeps it; empty if the campaign has none."""
    value = row.get("campaignState")
    return "" if value is None else as_text(value)


def parse(saved: Any) -> dict[int, str]:
    """The `campaignState` of campaigns by their ids, from `{"Running": [ids], ...}`; none from None.

    Raises:
        ValueError: If ``saved`` has another form.
    """
    states: dict[int, str] = {}
    if saved is None:
        return states
    if not isinstance(saved, Mapping):
        raise ValueError("campaign states that are not an object")  # noqa: TRY004 - the form of a value
    for name, ids in saved.items():
        if not isinstance(ids, list) or not all(type(campaign_id) is int for campaign_id in ids):
            raise ValueError("campaign states without a list of ids")
        for campaign_id in ids:
            if states.setdefault(campaign_id, name) != name:
                raise ValueError("a campaign in two states")
    return states


def compact(states: Mapping[int, str]) -> dict[str, list[int]]:
    """``states`` in the form that `parse` takes, always in the same order: a project may have 50,000 campaigns."""
    grouped: dict[str, list[int]] = {}
    for campaign_id in sorted(states):
        grouped.setdefault(states[campaign_id], []).append(campaign_id)
    return dict(sorted(grouped.items()))
