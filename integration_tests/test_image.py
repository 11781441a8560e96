"""The image answers as the source tree does: as its own user, and as any other in a read-only container.

Building and running need a Docker engine, or commands that stand in for it:

- SOURCE_ITERABLE_IMAGE_BUILD: called as ``COMMAND CONTEXT TAG``;
- SOURCE_ITERABLE_IMAGE_RUN: called as ``COMMAND TAG [OPTION]... ARGUMENT...`` with options of `docker run`,
  in this machine's network.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.support.all_tables import TABLES
from integration_tests.support.command import discover, run
from integration_tests.support.expected import assert_exact
from integration_tests.support.sync import NOW, ROOT, START, Output, configured, environment, settings

pytestmark = pytest.mark.image_tests

TAG = "source-iterable:image-test"
FOLDER = "/secrets"
USERS = {
    "as its own user": [],
    "as any user, with nothing to write to but /tmp": ["-u", "12345", "--read-only", "--tmpfs", "/tmp"],  # noqa: S108
}

InImage = Callable[..., Output]


def _has_engine() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "info"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return asked.returncode == 0


def _build() -> list[str]:
    named = os.environ.get("SOURCE_ITERABLE_IMAGE_BUILD")
    return [*shlex.split(named), str(ROOT), TAG] if named else ["docker", "build", "--tag", TAG, str(ROOT)]


def _run(options: list[str], arguments: list[str]) -> list[str]:
    named = os.environ.get("SOURCE_ITERABLE_IMAGE_RUN")
    if named:
        return [*shlex.split(named), TAG, *options, "--", *arguments]
    return ["docker", "run", "--rm", "--network", "host", *options, TAG, *arguments]


@pytest.fixture(scope="module", autouse=True)
def _image() -> None:
    named = [os.environ.get(f"SOURCE_ITERABLE_IMAGE_{what}") for what in ("BUILD", "RUN")]
    if not all(named) and not _has_engine():
        pytest.skip("no Docker engine answers, and SOURCE_ITERABLE_IMAGE_BUILD and _RUN name nothing in its place")
    subprocess.run(_build(), stdout=subprocess.DEVNULL, check=True)


@pytest.fixture(scope="module")
def project() -> Iterator[Sandbox]:
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        yield running


@pytest.fixture(scope="module")
def catalog(project: Sandbox) -> dict[str, Any]:
    return discover(project)


@pytest.fixture(scope="module")
def from_source(project: Sandbox, catalog: dict[str, Any]) -> Output:
    config = settings(project, export_method="automatic")
    return run(project, "read", config=config, catalog=configured(catalog, TABLES))


@pytest.fixture(params=USERS.values(), ids=USERS)
def in_image(project: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> InImage:
    """As `run`, but in the image."""

    def run_in_image(command: str, **documents: Any) -> Output:
        options = list(request.param)
        arguments = [command]
        for name, document in documents.items():
            file = tmp_path / f"{name}.json"
            file.write_text(json.dumps(document))
            options += ["-v", f"{file}:{FOLDER}/{name}.json:ro"]
            arguments += [f"--{name}", f"{FOLDER}/{name}.json"]
        for name, value in environment(project).items():
            options += ["-e", f"{name}={value}"]
        ran = subprocess.run(_run(options, arguments), capture_output=True, text=True, check=False)
        return Output(map(json.loads, ran.stdout.splitlines()), ran.returncode, ran.stderr)

    return run_in_image


def test_given_the_image_when_asked_for_the_spec_then_the_one_of_the_source(in_image: InImage) -> None:
    spec = json.loads((ROOT / "source_iterable" / "spec.json").read_text("utf-8"))

    output = in_image("spec")

    assert output.exit_code == 0, output.text
    assert [one["connectionSpecification"] for one in output.of("SPEC")] == [spec["connectionSpecification"]]


def test_given_the_image_when_checked_then_good_settings_succeed_and_a_wrong_key_fails(
    in_image: InImage, project: Sandbox
) -> None:
    good = in_image("check", config=settings(project))
    bad = in_image("check", config=settings(project, api_key="a-key-that-opens-nothing"))

    assert [one["status"] for one in good.of("CONNECTION_STATUS")] == ["SUCCEEDED"], good.text
    assert [one["status"] for one in bad.of("CONNECTION_STATUS")] == ["FAILED"], bad.text
    assert project.api_key not in good.text
    assert "a-key-that-opens-nothing" not in bad.text


def test_given_the_image_when_read_then_the_rows_and_states_of_the_source_tree(
    in_image: InImage, project: Sandbox, catalog: dict[str, Any], from_source: Output
) -> None:
    discovered = in_image("discover", config=settings(project)).of("CATALOG")

    config = settings(project, export_method="automatic")
    output = in_image("read", config=config, catalog=configured(discovered[0], TABLES))

    assert discovered == [catalog]
    assert output.exit_code == 0, output.stderr
    assert not output.errors
    assert [stream["name"] for stream in catalog["streams"]] == list(TABLES)
    for table in TABLES:
        assert output.statuses(table) == ["STARTED", "RUNNING", "COMPLETE"], table
        assert output.states(table)[-1].keys() == from_source.states(table)[-1].keys()
        assert from_source.records(table)
        assert_exact(output.records(table), from_source.records(table), table)


def test_given_the_image_when_looked_into_then_it_holds_no_tests_and_its_user_is_not_root() -> None:
    look = 'id -u; echo "$AIRBYTE_ENTRYPOINT"; find / -xdev -name unit_tests -o -xdev -name integration_tests'

    told = subprocess.run(_run(["--entrypoint", "sh"], ["-c", look]), capture_output=True, text=True, check=False)

    uid, entrypoint, *found = told.stdout.splitlines()
    assert uid != "0"
    assert entrypoint == "/opt/source-iterable/bin/source-iterable"
    assert not found
