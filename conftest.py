"""Airbyte's own tests (`airbyte_cdk.test.standard_tests`): their options and scenarios, and what they read from.

They run from `unit_tests/test_standard.py`, and from a file that `airbyte-cdk connector test` writes. Both
find the settings in acceptance-test-config.yml, whose key opens the sandbox that is started here for them.

Where the environment variable CI is set, a test of an image, Airbyte's or ours, fails if it finds no Docker engine.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import pytest
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase
from airbyte_cdk.utils import docker
from pyrate_limiter.abstracts import BucketFactory

from integration_tests.sandbox import Sandbox
from integration_tests.support.sync import NOW, START, environment

pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]


def pytest_configure() -> None:
    """Start no thread for each rate limit.

    The library beneath the CDK's budget starts one that forgets old requests, and that lives as long as its process.
    The processes of the tests make ten thousand limits, and so many threads take all of a machine's time.
    """
    BucketFactory.schedule_leak = lambda *_: None


@pytest.fixture(scope="session")
def airbytes_sandbox() -> Iterator[Sandbox]:
    """The sandbox that Airbyte's tests read from, one for each process that runs tests."""
    with Sandbox(start=START, now=NOW, rate_scale=10_000) as running:
        yield running


@pytest.fixture(autouse=True)
def _airbytes_tests_ask_the_sandbox(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the connector ask the sandbox, in Airbyte's tests and in no others."""
    if request.cls is not None and issubclass(request.cls, SourceTestSuiteBase):
        variables = environment(request.getfixturevalue("airbytes_sandbox"))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        if request.node.get_closest_marker("image_tests"):
            _containers_ask_it_too(variables, monkeypatch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test of an image that would be skipped before it begins, where CI is set."""
    try:
        yield
    except pytest.skip.Exception as skipped:
        if os.environ.get("CI") and item.get_closest_marker("image_tests"):
            raise pytest.fail.Exception(str(skipped), pytrace=False) from None
        raise


def _containers_ask_it_too(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the containers that Airbyte's tests start ask the sandbox, in this machine's network."""
    run = docker.run_docker_command
    options = ["--network=host", *(f"--env={name}={value}" for name, value in variables.items())]

    def run_beside_the_sandbox(command: Sequence[str], *others: Any, **more: Any) -> Any:
        start = ["docker", "run", "--rm"]
        within = [*start, *options, *command[3:]] if list(command[:3]) == start else command
        return run(within, *others, **more)

    monkeypatch.setattr(docker, "run_docker_command", run_beside_the_sandbox)
