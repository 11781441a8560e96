"""`make release-check` finds every disagreement, and names it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.release_check import ROOT, lock_problems, main, problems

FILES = {
    "pyproject.toml": """\
        [build-system]
        requires = ["hatchling>=1.27"]
        [project]
        version = "1.2.3"
        dependencies = ["orjson>=3.10,<4", "airbyte-cdk[sql]>=7"]
        [dependency-groups]
        build = ["editables>=0.5"]
        tests = ["PyYAML>=6"]
        dev = ["ruff", { include-group = "build" }, { include-group = "tests" }]
        """,
    "metadata.yaml": """\
        data:
          dockerImageTag: 1.2.3
          connectorBuildOptions: {baseImage: "example.org/base:1@sha256:abc"}
        """,
    "Dockerfile": """\
        ARG BASE_IMAGE=example.org/base:1@sha256:abc
        LABEL io.airbyte.name="airbyte/source-iterable" \\
              io.airbyte.version="1.2.3"
        """,
    "CHANGELOG.md": """\
        # Changelog

        ## [1.2.3] - 2026-01-31

        ## [1.2.2] - 2026-01-01
        """,
    "docs/iterable.md": """\
        # Iterable

        | `x` | 9.9.9 |

        ## Changelog

        | Version | Date | Pull Request | Subject |
        | --- | --- | --- | --- |
        | 1.2.3 | 2026-01-31 | | The newest |
        | 1.2.2 | 2026-01-01 | | The one before |
        """,
    "requirements.lock": """\
        airbyte-cdk==7.1.0 \\
            --hash=sha256:00
        orjson==3.10.1 ; python_full_version < '3.11' \\
            --hash=sha256:00
        orjson==3.11.0 ; python_full_version >= '3.11' \\
            --hash=sha256:00
        """,
    "requirements-build.lock": """\
        editables==0.5
        hatchling==1.27.0
        """,
    "requirements-dev.lock": """\
        airbyte-cdk==7.1.0
        editables==0.5
        hatchling==1.27.0
        orjson==3.10.1 ; python_full_version < '3.11'
        orjson==3.11.0 ; python_full_version >= '3.11'
        pyyaml==6.0.3
        ruff==0.17.6
        """,
}

Edit = Callable[[str, str, str], None]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that can be released."""
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"{line.removeprefix(' ' * 8)}\n" for line in text.splitlines()))
    return tmp_path


@pytest.fixture
def edit(tree: Path) -> Edit:
    """Replaces a text in a file of the tree, wherever it stands there."""

    def replace(name: str, old: str, new: str) -> None:
        text = (tree / name).read_text()
        assert old in text
        (tree / name).write_text(text.replace(old, new))

    return replace


def test_given_a_tree_in_which_all_agrees_when_checked_then_it_can_be_released(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--tag", "v1.2.3"], tree) == 0

    assert capsys.readouterr().out == "1.2.3 of 2026-01-31 can be released: versions, dates and lock files agree.\n"


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (
            "metadata.yaml",
            "1.2.3",
            "1.2.2",
            "metadata.yaml: dockerImageTag is 1.2.2, and the version in pyproject.toml is 1.2.3.",
        ),
        (
            "Dockerfile",
            'version="1.2.3"',
            'version="1.2.4"',
            "Dockerfile: the label io.airbyte.version is 1.2.4, and the version in pyproject.toml is 1.2.3.",
        ),
        (
            "Dockerfile",
            "io.airbyte.version",
            "version",
            "Dockerfile: the label io.airbyte.version is missing, and the version in pyproject.toml is 1.2.3.",
        ),
        (
            "CHANGELOG.md",
            "## [1.2.3] - 2026-01-31\n\n",
            "",
            "CHANGELOG.md: the top entry is 1.2.2, and the version in pyproject.toml is 1.2.3.",
        ),
        (
            "docs/iterable.md",
            "| 1.2.3 | 2026-01-31 | | The newest |\n",
            "",
            "docs/iterable.md: the top row of the changelog is 1.2.2, and the version in pyproject.toml is 1.2.3.",
        ),
        (
            "Dockerfile",
            "BASE_IMAGE=example.org/base:1",
            "BASE_IMAGE=example.org/base:2",
            "Dockerfile: BASE_IMAGE is example.org/base:2@sha256:abc, and metadata.yaml names another baseImage.",
        ),
        (
            "CHANGELOG.md",
            " - 2026-01-31",
            "",
            "CHANGELOG.md: the top entry of the changelog has no date of the form 2026-01-31.",
        ),
        (
            "CHANGELOG.md",
            "2026-01-31",
            "2026-02-30",
            "CHANGELOG.md: the top entry of the changelog has no date of the form 2026-01-31.",
        ),
        (
            "docs/iterable.md",
            "2026-01-31",
            "2026-01-30",
            "docs/iterable.md: the release is dated 2026-01-30, and CHANGELOG.md dates it 2026-01-31.",
        ),
        (
            "pyproject.toml",
            "orjson>=3.10,<4",
            "orjson>=3.11,<4",
            "requirements.lock: orjson 3.10.1 is not <4,>=3.11. Run `make lock`.",
        ),
        (
            "pyproject.toml",
            '"orjson>=3.10,<4", ',
            '"orjson>=3.10,<4", "msgspec>=0.19", ',
            "requirements.lock: msgspec is missing, which pyproject.toml asks for. Run `make lock`.",
        ),
        (
            "pyproject.toml",
            "hatchling>=1.27",
            "hatchling>=1.28",
            "requirements-build.lock: hatchling 1.27.0 is not >=1.28. Run `make lock`.",
        ),
        (
            "pyproject.toml",
            "PyYAML>=6",
            "PyYAML>=6.1",
            "requirements-dev.lock: PyYAML 6.0.3 is not >=6.1. Run `make lock`.",
        ),
        (
            "requirements-dev.lock",
            "airbyte-cdk==7.1.0",
            "airbyte-cdk==7.2.0",
            "requirements.lock: airbyte-cdk 7.1.0 is not what requirements-dev.lock has (7.2.0). Run `make lock`.",
        ),
    ],
)
def test_given_a_disagreement_when_checked_then_it_is_named(
    tree: Path, edit: Edit, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str, told: str
) -> None:
    edit(name, old, new)

    assert main([], tree) == 1

    assert told in capsys.readouterr().err.splitlines()


def test_given_another_tag_when_checked_then_it_is_named(tree: Path) -> None:
    assert problems(tree, "v1.2.4") == ["The tag is 1.2.4, and the version in pyproject.toml is 1.2.3."]


def test_given_an_entry_that_is_not_released_when_checked_then_it_is_named(tree: Path, edit: Edit) -> None:
    edit("CHANGELOG.md", "## [1.2.3]", "## [Unreleased]\n\n## [1.2.3]")

    assert problems(tree) == [
        "CHANGELOG.md: the top entry is Unreleased, and the version in pyproject.toml is 1.2.3.",
        "CHANGELOG.md: the top entry of the changelog has no date of the form 2026-01-31.",
    ]


def test_given_a_version_of_another_form_when_checked_then_it_is_named(tree: Path, edit: Edit) -> None:
    for name in ("pyproject.toml", "metadata.yaml", "Dockerfile", "CHANGELOG.md", "docs/iterable.md"):
        edit(name, "1.2.3", "1.2.3rc1")

    assert problems(tree) == ["pyproject.toml: the version is '1.2.3rc1', which is not of the form 1.2.3."]


def test_the_lock_files_of_this_tree_fit_its_pyproject() -> None:
    assert list(lock_problems(ROOT)) == []
