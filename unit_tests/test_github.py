"""The workflows of .github run all that there is: the Makefile's tests, on the versions of Python that are supported.

Their form is checked by `make lint`.
"""

import re
import subprocess
import sys
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


def makes(commands: list[str]) -> list[str]:
    """The targets of the Makefile that the commands make."""
    return [target for command in commands for target in re.findall(r"(?m)^make ([a-z-]+)", command)]


def step(job: Any, action: str) -> Any:
    """The settings of the job's step that uses an action."""
    return next(each["with"] for each in job["steps"] if each.get("uses", "").startswith(f"{action}@"))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_calls_targets_that_exist(name: str) -> None:
    called = set(makes(runs(WORKFLOWS[name])))

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


def test_every_test_of_the_makefile_runs_for_a_pull_request_and_before_a_release() -> None:
    tests = {"smoke"} | {target for target in TARGETS if target.startswith("test")}
    jobs = WORKFLOWS["release"]["jobs"].values()

    called = [WORKFLOWS[Path(job["uses"]).stem] for job in jobs if "uses" in job]

    assert {target for workflow in called for target in makes(runs(workflow))} == {*tests, "image"}
    for workflow in called:
        assert "pull_request" in workflow[True], "YAML reads `on` as true"


def test_newest_tests_both_environments_whose_locks_it_renews() -> None:
    assert makes(runs(WORKFLOWS["newest"])) == ["upgrade", "test", "test-clients"]


def test_pyairbyte_is_read_with_on_the_versions_of_python_that_the_makefile_takes() -> None:
    taken = re.search(r"(?m)^clients-python:\n.*\n\s*([\d.|]+)\)", MAKEFILE)
    jobs = [WORKFLOWS["test"]["jobs"]["clients"], WORKFLOWS["newest"]["jobs"]["newest"]]

    tested = [step(job, "actions/setup-python")["python-version"] for job in jobs]

    assert taken
    assert tested == taken[1].split("|")


def test_airbytes_tests_of_an_image_find_the_connector_and_its_image() -> None:
    repository = yaml.safe_load((ROOT / "metadata.yaml").read_text("utf-8"))["data"]["dockerRepository"]
    job = WORKFLOWS["image"]["jobs"]["image"]
    tag = re.search(r"(?m)^IMAGE \?= (\S+)$", MAKEFILE)

    folder = step(job, "actions/checkout")["path"]

    assert tag
    assert tag[1].rpartition(":")[0] == repository
    assert folder == job["defaults"]["run"]["working-directory"] == repository.rpartition("/")[2]
    assert runs(WORKFLOWS["image"])[-1] == f"make image\n.venv/bin/airbyte-cdk image test --image {tag[1]}\n"


@pytest.mark.parametrize(("ci", "exit_code", "outcome"), [("", 0, "skipped"), ("true", 1, "errors")])
def test_given_no_docker_engine_when_the_image_is_tested_then_only_a_workflow_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, exit_code: int, outcome: str
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SOURCE_ITERABLE_IMAGE_BUILD", raising=False)
    monkeypatch.delenv("SOURCE_ITERABLE_IMAGE_RUN", raising=False)
    tests = [sys.executable, "-m", "pytest", "-m", "image_tests", "integration_tests/test_image.py"]

    ran = subprocess.run(tests, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == exit_code, ran.stdout
    assert re.search(rf"=== \d+ {outcome} in .* ===", ran.stdout), ran.stdout
    assert "no Docker engine answers" in ran.stdout
