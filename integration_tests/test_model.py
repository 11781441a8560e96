"""In whatever order syncs, kills, faults, late events and edits come, nothing is lost and nothing comes twice.

The examples of `make test` are always the same; `make soak` draws new ones for as long as one likes.
"""

from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import HealthCheck
from hypothesis import seed as with_seed
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from integration_tests.model import behaviours, breakage
from integration_tests.model.machine import Model
from integration_tests.model.signs import Tally
from integration_tests.sandbox import FaultKind, Options, Sandbox
from integration_tests.support.all_tables import TABLES

SEEDS = range(8)
EXAMPLES = 5
"""Of each seed."""


@pytest.mark.parametrize("seed", SEEDS)
def test_given_any_order_of_syncs_kills_faults_and_changes_when_synced_then_nothing_is_lost_or_twice(seed: int) -> None:
    """`Replica` compares after each sync; further examples of one seed are much like its first ones."""

    class Seeded(Model):
        tally = Tally()
        shift = 1_000_003 * seed

    how = hypothesis_settings(
        max_examples=EXAMPLES,
        stateful_step_count=14,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )

    run_state_machine_as_test(with_seed(seed)(Seeded), settings=how)

    assert Seeded.tally.syncs >= 2 * EXAMPLES
    assert Seeded.tally.compared


def test_given_the_sandbox_when_examples_are_drawn_then_each_option_and_fault_is_drawn_or_left_out_for_a_reason() -> (
    None
):
    drawn, left_out = behaviours.BEHAVIOURS, behaviours.NOT_DRAWN
    assert sorted([*drawn, *left_out]) == sorted(field.name for field in fields(Options))
    assert {kind["kind"] for kind in breakage.KINDS} | breakage.NOT_DRAWN.keys() == set(get_args(FaultKind))
    assert breakage.ENDPOINTS.keys() == set(TABLES)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in behaviours.BEHAVIOURS.items() for value in dict.fromkeys(values)],
)
def test_given_a_behaviour_when_drawn_then_the_sandbox_has_it(name: str, value: object) -> None:
    assert getattr(Sandbox(**{name: value}).options, name) == value
