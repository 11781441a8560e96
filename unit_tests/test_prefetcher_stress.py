"""The prefetcher under stress, with seeds from 0 on. `PREFETCHER_SEEDS` sets how many are tried."""

import os
import sys
from collections.abc import Iterator

import pytest

from unit_tests.prefetcher_stress import try_one

SEEDS = range(int(os.environ.get("PREFETCHER_SEEDS", "80")))


@pytest.fixture(autouse=True)
def _busy_threads() -> Iterator[None]:
    """Have threads take turns far more often than usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.parametrize("block", range(10))
def test_given_any_server_when_downloaded_then_all_comes_in_order_and_nothing_hangs(block: int) -> None:
    for seed in SEEDS[block::10]:
        try_one(seed)
