"""Whether the tree can be released: its files agree on versions and dates, and the lock files fit pyproject.toml.

``python -m tools.release_check [--tag v1.2.3]`` names every disagreement and ends with exit code 1 if there is one.
It asks nothing of the network: a lock file fits if it holds every package that pyproject.toml requests, in a version
within its range.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import tomllib
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

CHANGELOG = "CHANGELOG.md"
PAGE = "docs/iterable.md"
UNRELEASED = "Unreleased"
"""The heading of what the next release will bring: until then it needs neither date nor row."""

RUNTIME, BUILD, DEVELOPMENT = "requirements/runtime.lock", "requirements/build.lock", "requirements/dev.lock"
CLIENTS, CLIENTS_ASKED = "requirements/clients.lock", "requirements/clients.in"
POETRY = "poetry.lock"

Project = Mapping[str, Any]
Pins = dict[str, set[str]]
"""The locked versions of each package: more than one where they differ between versions of Python."""


def problems(root: Path, tag: str | None = None) -> list[str]:
    """Every disagreement in the tree below ``root``, a sentence each; none if it can be released as ``tag``."""
    found = [*version_problems(root, tag), *changelog_problems(root), *lock_problems(root)]
    if re.search(rf"(?m)^## \[?{UNRELEASED}\b", read(root, CHANGELOG)):
        found.append(f"{CHANGELOG}: an entry is called {UNRELEASED}. Give it the version and a date.")
    return found


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
        f"{CHANGELOG}: the top entry": next(iter(entries(root)), ""),
        f"{PAGE}: the top row of the changelog": next(iter(rows(root)), ""),
    }
    if tag is not None:
        told["The tag"] = tag.removeprefix("v")
    for where, other in told.items():
        if other != version:
            yield f"{where} is {other or 'missing'}, and the version in pyproject.toml is {version}."
    stage = first(r"(?m)^ARG BASE_IMAGE=(\S+)", dockerfile)
    base = first(rf"(?m)^FROM (\S+) AS {re.escape(stage)}$", dockerfile)
    if base != metadata["connectorBuildOptions"]["baseImage"]:
        yield f"Dockerfile: the base image is {base or 'missing'}, and metadata.yaml names another baseImage."


def changelog_problems(root: Path) -> Iterator[str]:
    """Where one changelog lacks a version of the other, or tells no date of it, or another."""
    here, there = entries(root), rows(root)
    for version in here | there:
        if version not in there:
            yield f"{PAGE}: the changelog has no row for {version}, which has an entry in {CHANGELOG}."
        elif version not in here:
            yield f"{CHANGELOG}: there is no entry for {version}, which has a row in {PAGE}."
        elif is_day(here[version]) and is_day(there[version]) and here[version] != there[version]:
            yield f"{PAGE}: {version} is dated {there[version]}, and {CHANGELOG} dates it {here[version]}."
    for where, days in ((CHANGELOG, here), (PAGE, there)):
        for version, day in days.items():
            if not is_day(day):
                yield f"{where}: {version} has no date of the form 2026-01-31."


def entries(root: Path) -> dict[str, str]:
    """The versions of the changelog, the newest first, with their dates as they are written there."""
    found = dict(re.findall(r"(?m)^## \[?(.+?)\]?(?: - (\S+))?$", read(root, CHANGELOG)))
    found.pop(UNRELEASED, None)
    return found


def rows(root: Path) -> dict[str, str]:
    """The same of the changelog in the page for users."""
    _, _, below = read(root, PAGE).partition("\n## Changelog\n")
    return dict(re.findall(r"(?m)^\| *(\d[^| ]*) *\| *([^| ]*) *\|", below))


def is_day(text: str) -> bool:
    """Whether ``text`` is a day, as ISO 8601 spells it with hyphens."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


# Lock files


def lock_problems(root: Path) -> Iterator[str]:
    """Where a lock file lacks what pyproject.toml requests, is out of its range, or contradicts another lock file."""
    settings = project(root)
    runtime = settings["project"]["dependencies"]
    asked = {
        RUNTIME: runtime,
        BUILD: [*settings["build-system"]["requires"], *group(settings, "build")],
        DEVELOPMENT: [*runtime, *group(settings, "dev")],
        CLIENTS: [*runtime, *group(settings, "build"), *group(settings, "tests"), *listed(read(root, CLIENTS_ASKED))],
    }
    locks = {name: pins(read(root, name)) for name in asked}
    for name, requirements in asked.items():
        for requirement in map(Requirement, requirements):
            versions = locks[name].get(canonicalize_name(requirement.name), set())
            if not versions:
                yield f"{name}: {requirement.name} is missing, which pyproject.toml requests. Run `make lock`."
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
    if tomllib.loads(read(root, POETRY))["metadata"]["content-hash"] != poetrys_digest(settings):
        yield f"{POETRY}: it was made of other requirements than pyproject.toml has. Run `make lock`."
    by_poetry = poetrys_pins(read(root, POETRY))
    for package in sorted(by_poetry.keys() | locks[DEVELOPMENT].keys()):
        here, there = by_poetry.get(package, set()), locks[DEVELOPMENT].get(package, set())
        if here != there:
            yield (
                f"{POETRY}: {package} {', '.join(sorted(here)) or 'nothing'} is not what {DEVELOPMENT} has "
                f"({', '.join(sorted(there)) or 'nothing'}). Run `make lock`."
            )


def group(settings: Project, name: str) -> list[str]:
    """The requirements of a dependency group, with those of the groups that it includes."""
    found: list[str] = []
    for entry in settings["dependency-groups"][name]:
        found += [entry] if isinstance(entry, str) else group(settings, entry["include-group"])
    return found


def listed(text: str) -> list[str]:
    """The requirements of a file that lists one a line."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(lock: str) -> Pins:
    """The versions that a lock file holds, by the packages' canonical names."""
    found: Pins = {}
    for name, version in re.findall(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[.*?\])?==([^\s;\\]+)", lock):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def poetrys_pins(lock: str) -> Pins:
    """The same of Poetry's lock file."""
    found: Pins = {}
    for package in tomllib.loads(lock).get("package", []):
        found.setdefault(canonicalize_name(package["name"]), set()).add(package["version"])
    return found


def poetrys_digest(settings: Project) -> str:
    """What Poetry knows requirements by: it installs nothing from a lock file with another digest."""
    theirs = settings.get("tool", {}).get("poetry", {})
    asked = {
        "project": {
            key: settings["project"][key]
            for key in ("requires-python", "dependencies", "optional-dependencies")
            if key in settings["project"]
        },
        "dependency-groups": settings["dependency-groups"],
        "tool": {"poetry": {key: theirs[key] for key in ("dependencies", "group") if key in theirs}},
    }
    return sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


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
    parser = argparse.ArgumentParser(prog="python -m tools.release_check", description=__doc__)
    parser.add_argument("--tag", help="the tag that is to be released, such as v1.2.3")
    tag = parser.parse_args(arguments).tag
    found = problems(root, tag)
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    if not found:
        version, day = next(iter(entries(root).items()))
        sys.stdout.write(f"{version} of {day} can be released: versions, dates and lock files agree.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
