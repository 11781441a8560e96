"""The workflows of .github run what there is: targets of the Makefile, versions of Python that are supported.

Their form is checked by `make lint`.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import tomllib
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / ".github/workflows").glob("*.yml")}
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", MAKEFILE))


def runs(workflow: Any) -> list[str]:
    """The commands of a workflow."""
    steps = [step for job in workflow["jobs"].values() for step in job.get("steps", [])]
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_calls_targets_that_exist(name: str) -> None:
    called = {target for run in runs(WORKFLOWS[name]) for target in re.findall(r"(?m)^make ([a-z-]+)", run)}

    assert called
    assert called <= TARGETS


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_the_repository_and_only_publishing_jobs_may_more(name: str) -> None:
    workflow = WORKFLOWS[name]

    more = {job for job, it in workflow["jobs"].items() if "permissions" in it}

    assert workflow["permissions"] == {"contents": "read"}
    assert more == ({"package", "image"} if name == "release" else set())


def test_tests_run_on_every_supported_version_of_python() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["classifiers"]
    supported = [one.rpartition(" ")[2] for one in classifiers if re.search(r":: 3\.\d+$", one)]
    jobs = WORKFLOWS["test"]["jobs"]

    tested = jobs["tests"]["strategy"]["matrix"]["python"]

    smoked = re.findall(r"SMOKE_PYTHON=python([\d.]+)", " ".join(runs(WORKFLOWS["test"])))
    assert [*smoked, *tested] == supported
    assert f"{'|'.join(tested)})" in MAKEFILE, "the versions that the Makefile takes"


def test_a_release_publishes_only_what_was_checked_and_tested() -> None:
    jobs = WORKFLOWS["release"]["jobs"]

    def before(job: str) -> set[str]:
        needs = jobs[job].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(before, direct))

    for job in ("package", "image"):
        assert before(job) == {"check", "tests", "images", "build"}
