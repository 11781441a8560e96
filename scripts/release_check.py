"""Whether the tree can be released: its files tell one version, and the lock files fit pyproject.toml.

``python -m scripts.release_check [--tag v1.2.3]`` names every disagreement and ends with exit code 1 if there is one.
It asks nothing of the network: a lock file fits if it holds every package that pyproject.toml asks for, in a version
within its range.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import tomllib
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

CHANGELOG = "CHANGELOG.md"
PAGE = "docs/iterable.md"
RUNTIME, BUILD, DEVELOPMENT = "requirements.lock", "requirements-build.lock", "requirements-dev.lock"

Project = Mapping[str, Any]
Pins = dict[str, set[str]]
"""The locked versions of each package: more than one where they differ between versions of Python."""


def problems(root: Path, tag: str | None = None) -> list[str]:
    """Every disagreement in the tree below ``root``, a sentence each; none if it can be released as ``tag``."""
    return [*version_problems(root, tag), *changelog_problems(root), *lock_problems(root)]


# Versions


def version_problems(root: Path, tag: str | None = None) -> Iterator[str]:
    """Where a file, or ``tag``, tells another version than pyproject.toml."""
    version = project(root)["project"]["version"]
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"pyproject.toml: the version is {version!r}, which is not of the form 1.2.3."
    metadata = yaml.safe_load(read(root, "metadata.yaml"))["data"]
    dockerfile = read(root, "Dockerfile")
    told = {
        "metadata.yaml: dockerImageTag": str(metadata["dockerImageTag"]),
        "Dockerfile: the label io.airbyte.version": first(r'io\.airbyte\.version="(.*?)"', dockerfile),
        f"{CHANGELOG}: the top entry": top_of_changelog(root)[0],
        f"{PAGE}: the top row of the changelog": top_of_page(root)[0],
    }
    if tag is not None:
        told["The tag"] = tag.removeprefix("v")
    for where, other in told.items():
        if other != version:
            yield f"{where} is {other or 'missing'}, and the version in pyproject.toml is {version}."
    base = first(r"(?m)^ARG BASE_IMAGE=(\S+)", dockerfile)
    if base != metadata["connectorBuildOptions"]["baseImage"]:
        yield f"Dockerfile: BASE_IMAGE is {base or 'missing'}, and metadata.yaml names another baseImage."


def changelog_problems(root: Path) -> Iterator[str]:
    """Where the changelogs tell no date of the release, or two."""
    here, there = top_of_changelog(root)[1], top_of_page(root)[1]
    for where, day in ((CHANGELOG, here), (PAGE, there)):
        if not is_day(day):
            yield f"{where}: the top entry of the changelog has no date of the form 2026-01-31."
    if is_day(here) and is_day(there) and here != there:
        yield f"{PAGE}: the release is dated {there}, and {CHANGELOG} dates it {here}."


def top_of_changelog(root: Path) -> tuple[str, str]:
    """Version and date of the first entry of the changelog, as they are written there."""
    heading = re.search(r"(?m)^## \[(.+?)\](?: - (\S+))?", read(root, CHANGELOG))
    return (heading[1], heading[2] or "") if heading else ("", "")


def top_of_page(root: Path) -> tuple[str, str]:
    """Version and date of the first row of the changelog in the page for users."""
    _, _, below = read(root, PAGE).partition("\n## Changelog\n")
    row = re.search(r"(?m)^\| *(\d[^| ]*) *\| *([^| ]*) *\|", below)
    return (row[1], row[2]) if row else ("", "")


def is_day(text: str) -> bool:
    """Whether ``text`` is a day, as ISO 8601 spells it with hyphens."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


# Lock files


def lock_problems(root: Path) -> Iterator[str]:
    """Where a lock file lacks what pyproject.toml asks for, is out of its range, or contradicts another lock file."""
    settings = project(root)
    runtime = settings["project"]["dependencies"]
    asked = {
        RUNTIME: runtime,
        BUILD: [*settings["build-system"]["requires"], *group(settings, "build")],
        DEVELOPMENT: [*runtime, *group(settings, "dev")],
    }
    locks = {name: pins(read(root, name)) for name in asked}
    for name, requirements in asked.items():
        for requirement in map(Requirement, requirements):
            versions = locks[name].get(canonicalize_name(requirement.name), set())
            if not versions:
                yield f"{name}: {requirement.name} is missing, which pyproject.toml asks for. Run `make lock`."
            for version in sorted(versions):
                if not requirement.specifier.contains(version, prereleases=True):
                    yield f"{name}: {requirement.name} {version} is not {requirement.specifier}. Run `make lock`."
    for name in (RUNTIME, BUILD):
        for package, versions in locks[name].items():
            tested = locks[DEVELOPMENT].get(package, set())
            if tested != versions:
                yield (
                    f"{name}: {package} {', '.join(sorted(versions))} is not what {DEVELOPMENT} has "
                    f"({', '.join(sorted(tested)) or 'nothing'}). Run `make lock`."
                )


def group(settings: Project, name: str) -> list[str]:
    """The requirements of a dependency group, with those of the groups that it includes."""
    found: list[str] = []
    for entry in settings["dependency-groups"][name]:
        found += [entry] if isinstance(entry, str) else group(settings, entry["include-group"])
    return found


def pins(lock: str) -> Pins:
    """The versions that a lock file holds, by the packages' canonical names."""
    found: Pins = {}
    for name, version in re.findall(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[.*?\])?==([^\s;\\]+)", lock):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


# Files


def project(root: Path) -> Project:
    """What pyproject.toml says."""
    return tomllib.loads(read(root, "pyproject.toml"))


def read(root: Path, name: str) -> str:
    """The text of a file of the tree."""
    return (root / name).read_text("utf-8")


def first(pattern: str, text: str) -> str:
    """The first group of the first match, or nothing."""
    found = re.search(pattern, text)
    return found[1] if found else ""


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Tell what disagrees; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.release_check", description=__doc__)
    parser.add_argument("--tag", help="the tag that is to be released, such as v1.2.3")
    tag = parser.parse_args(arguments).tag
    found = problems(root, tag)
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    if not found:
        version, day = top_of_changelog(root)
        sys.stdout.write(f"{version} of {day} can be released: versions, dates and lock files agree.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
