"""What the state of `campaigns` keeps of campaigns is compact, and the same for the same campaigns."""

import json

import pytest

from source_iterable.streams.campaign_states import compact, parse


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        ({}, {}),
        ({9: "Running", 7: "Ready", 8: "Running"}, {"Ready": [7], "Running": [8, 9]}),
        ({7: ""}, {"": [7]}),
    ],
)
def test_states_are_kept_by_name_in_order_and_read_back(states: dict[int, str], kept: dict[str, list[int]]) -> None:
    assert json.dumps(compact(states)) == json.dumps(kept)
    assert parse(compact(states)) == states


def test_nothing_is_kept_by_a_state_of_an_older_version() -> None:
    assert parse(None) == {}


def test_many_campaigns_take_little_room() -> None:
    states = {2_000_000 + number * 7: "Draft" if number % 2 else "Running" for number in range(50_000)}

    assert len(json.dumps(compact(states))) < 10 * len(states)
