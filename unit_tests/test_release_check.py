"""`make release-check` finds every disagreement, and names it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.release_check import ROOT, changelog_problems, lock_problems, main, problems, version_problems

LOCKED_BY_POETRY = (
    ("airbyte-cdk", "7.1.0"),
    ("editables", "0.5"),
    ("hatchling", "1.27.0"),
    ("orjson", "3.10.1"),
    ("orjson", "3.11.0"),
    ("PyYAML", "6.0.3"),
    ("ruff", "0.17.6"),
)
POETRY_LOCK = (
    "".join(f'[[package]]\nname = "{name}"\nversion = "{version}"\n' for name, version in LOCKED_BY_POETRY)
    + '[metadata]\ncontent-hash = "1a1a7b10d3053dda932db612c73cd88a7049486a01e3b42c9ff31ff0b42e03b8"\n'
)

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
        ARG BASE_IMAGE=a-base
        FROM example.org/base:1@sha256:abc AS a-base
        FROM ${BASE_IMAGE}
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
    "requirements/runtime.lock": """\
        airbyte-cdk==7.1.0 \\
            --hash=sha256:00
        orjson==3.10.1 ; python_full_version < '3.11' \\
            --hash=sha256:00
        orjson==3.11.0 ; python_full_version >= '3.11' \\
            --hash=sha256:00
        """,
    "requirements/build.lock": """\
        editables==0.5
        hatchling==1.27.0
        """,
    "requirements/dev.lock": """\
        airbyte-cdk==7.1.0
        editables==0.5
        hatchling==1.27.0
        orjson==3.10.1 ; python_full_version < '3.11'
        orjson==3.11.0 ; python_full_version >= '3.11'
        pyyaml==6.0.3
        ruff==0.17.6
        """,
    "requirements/clients.lock": """\
        airbyte==0.71.3
        airbyte-cdk==7.3.0
        editables==0.5
        hatchling==1.27.0
        orjson==3.11.0
        pyyaml==6.0.1
        """,
    "requirements/clients.in": """\
        # PyAirbyte
        airbyte>=0.71 ; python_version < '3.13'
        """,
    "poetry.lock": POETRY_LOCK,
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
            "FROM example.org/base:1",
            "FROM example.org/base:2",
            "Dockerfile: the base image is example.org/base:2@sha256:abc, and metadata.yaml names another baseImage.",
        ),
        (
            "Dockerfile",
            "ARG BASE_IMAGE=a-base",
            "ARG BASE_IMAGE=example.org/base:1@sha256:abc",
            "Dockerfile: the base image is missing, and metadata.yaml names another baseImage.",
        ),
        (
            "metadata.yaml",
            "base:1@sha256:abc",
            "base:1@sha256:abd",
            "Dockerfile: the base image is example.org/base:1@sha256:abc, and metadata.yaml names another baseImage.",
        ),
        ("CHANGELOG.md", " - 2026-01-31", "", "CHANGELOG.md: 1.2.3 has no date of the form 2026-01-31."),
        ("CHANGELOG.md", "2026-01-31", "2026-02-30", "CHANGELOG.md: 1.2.3 has no date of the form 2026-01-31."),
        ("docs/iterable.md", "2026-01-01", "", "docs/iterable.md: 1.2.2 has no date of the form 2026-01-31."),
        (
            "docs/iterable.md",
            "2026-01-31",
            "2026-01-30",
            "docs/iterable.md: 1.2.3 is dated 2026-01-30, and CHANGELOG.md dates it 2026-01-31.",
        ),
        (
            "docs/iterable.md",
            "2026-01-01",
            "2026-01-02",
            "docs/iterable.md: 1.2.2 is dated 2026-01-02, and CHANGELOG.md dates it 2026-01-01.",
        ),
        (
            "CHANGELOG.md",
            "## [1.2.2]",
            "## [0.0.9] - 2026-11-01\n\n## [1.2.2]",
            "docs/iterable.md: the changelog has no row for 0.0.9, which has an entry in CHANGELOG.md.",
        ),
        (
            "CHANGELOG.md",
            "## [1.2.2] - 2026-01-01\n",
            "",
            "CHANGELOG.md: there is no entry for 1.2.2, which has a row in docs/iterable.md.",
        ),
        (
            "pyproject.toml",
            "orjson>=3.10,<4",
            "orjson>=3.11,<4",
            "requirements/runtime.lock: orjson 3.10.1 is not <4,>=3.11. Run `make lock`.",
        ),
        (
            "pyproject.toml",
            '"orjson>=3.10,<4", ',
            '"orjson>=3.10,<4", "msgspec>=0.19", ',
            "requirements/runtime.lock: msgspec is missing, which pyproject.toml requests. Run `make lock`.",
        ),
        (
            "pyproject.toml",
            "hatchling>=1.27",
            "hatchling>=1.28",
            "requirements/build.lock: hatchling 1.27.0 is not >=1.28. Run `make lock`.",
        ),
        (
            "pyproject.toml",
            "PyYAML>=6",
            "PyYAML>=6.1",
            "requirements/dev.lock: PyYAML 6.0.3 is not >=6.1. Run `make lock`.",
        ),
        (
            "requirements/clients.lock",
            "airbyte==0.71.3",
            "airbyte==0.70.0",
            "requirements/clients.lock: airbyte 0.70.0 is not >=0.71. Run `make lock`.",
        ),
        (
            "requirements/clients.lock",
            "orjson==3.11.0",
            "orjson==4.0.0",
            "requirements/clients.lock: orjson 4.0.0 is not <4,>=3.10. Run `make lock`.",
        ),
        (
            "poetry.lock",
            '"3.11.0"',
            '"3.12.0"',
            (
                "poetry.lock: orjson 3.10.1, 3.12.0 is not what requirements/dev.lock has (3.10.1, 3.11.0). "
                "Run `make lock`."
            ),
        ),
        (
            "poetry.lock",
            '"ruff"',
            '"rust"',
            "poetry.lock: ruff nothing is not what requirements/dev.lock has (0.17.6). Run `make lock`.",
        ),
        (
            "pyproject.toml",
            '"ruff"',
            '"ruff>=0.17"',
            "poetry.lock: it was made of other requirements than pyproject.toml has. Run `make lock`.",
        ),
        (
            "requirements/dev.lock",
            "airbyte-cdk==7.1.0",
            "airbyte-cdk==7.2.0",
            (
                "requirements/runtime.lock: airbyte-cdk 7.1.0 is not what requirements/dev.lock has (7.2.0). "
                "Run `make lock`."
            ),
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


def test_given_an_entry_that_is_not_released_when_checked_then_only_a_release_minds(tree: Path, edit: Edit) -> None:
    edit("CHANGELOG.md", "## [1.2.3]", "## [Unreleased]\n\n## [1.2.3]")

    assert problems(tree) == ["CHANGELOG.md: an entry is called Unreleased. Give it the version and a date."]
    assert [*version_problems(tree), *changelog_problems(tree)] == []


def test_given_a_version_of_another_form_when_checked_then_it_is_named(tree: Path, edit: Edit) -> None:
    for name in ("pyproject.toml", "metadata.yaml", "Dockerfile", "CHANGELOG.md", "docs/iterable.md"):
        edit(name, "1.2.3", "1.2.3rc1")

    assert problems(tree) == ["pyproject.toml: the version is '1.2.3rc1', which is not of the form 1.2.3."]


@pytest.mark.parametrize("found", [version_problems, changelog_problems, lock_problems])
def test_this_tree_has_no(found: Callable[[Path], Iterator[str]]) -> None:
    assert list(found(ROOT)) == []
