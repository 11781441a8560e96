"""The simulation of a company's project, at a thousandth of its size: a process of its own, in virtual time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def simulated(*options: str) -> list[dict[str, Any]]:
    """The attempts of a sync."""
    command = [sys.executable, "-m", "tools.benchmarks.company", "--scale", "0.001", *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    (attempt,) = simulated()
    return attempt


def test_one_attempt_reads_every_stream(whole: dict[str, Any]) -> None:
    assert whole["ended"] == "complete"
    assert {"users", "email_send", "list_users", "campaign_metrics_daily", "template_content"} < set(whole["complete"])


def test_requests_are_those_of_the_project(whole: dict[str, Any]) -> None:
    assert whole["requests"]["lists/getUsers"] == 5
    assert whole["requests"]["templates/email/get"] == 50


def test_the_rate_limits_take_their_time() -> None:
    """Four export requests go at once, each following one when 62 s allow it."""
    (attempt,) = simulated("--streams", "email_.*", "--setting", "export_method=direct")

    requests = attempt["requests"]["export/data.json"]
    assert attempt["hours"] * 3600 == pytest.approx((requests // 4) * 62, abs=70)


def test_a_simulation_takes_the_same_turns_each_time(whole: dict[str, Any]) -> None:
    (again,) = simulated()

    assert {**again, "memory_megabytes": 0, "real_seconds": 0} == {**whole, "memory_megabytes": 0, "real_seconds": 0}
