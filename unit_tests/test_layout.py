"""Imports run one way: between the packages of the connector and of the sandbox, and from tests to what they share."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = [
    path
    for folder in ("tools", "integration_tests", "unit_tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.name.startswith("test_") and path.name != "conftest.py"
]


def imported(path: Path) -> set[str]:
    """The modules that a file imports, and the names that it takes from them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_tests_import_tests() -> None:
    offenders = {
        str(path.relative_to(ROOT)): name
        for path in SHARED
        for name in imported(path)
        if name.startswith(("unit_tests", "integration_tests", "conftest"))
        and any(part.startswith("test_") or part == "conftest" for part in name.split("."))
    }

    assert offenders == {}


GROUND = {"config", "exceptions", "masking", "messages", "reservation", "timestamps", "windows"}
MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
    "messages": set(),
    **dict.fromkeys(("records", "prefetch", "states", "progress", "output"), GROUND),
    "api": GROUND | {"records"},
    "sync": GROUND | {"api", "prefetch", "states"},
    "streams": GROUND | {"api", "prefetch", "records", "sync", "states", "progress"},
    "failures": GROUND | {"api", "streams"},
    "source": GROUND | {"api", "failures", "prefetch", "states", "streams", "sync"},
    "run": GROUND | {"output", "records", "source"},
}
"""By package, or module of the root, which others it may import: imports run one way."""


def test_imports_run_one_way_between_packages() -> None:
    package = ROOT / "source_iterable"
    offenders = [
        f"{path.relative_to(package)} imports {other}"
        for path in sorted(package.rglob("*.py"))
        if (own := path.relative_to(package).parts[0].removesuffix(".py")) != "__init__"
        for other in sorted(_packages(path) - {own} - MAY_IMPORT[own])
    ]
    assert not offenders


def _packages(path: Path) -> set[str]:
    """The packages, and modules of the root, that the file at ``path`` imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "source_iterable":
            inside = node.module.split(".")[1:]
            found |= {inside[0]} if inside else {alias.name for alias in node.names}
    return found


SANDBOX = ROOT / "integration_tests" / "sandbox"
SANDBOX_MAY_IMPORT = {
    "data": set(),
    "project": {"data"},
    "faults": {"project"},
    "http": {"data", "project", "faults"},
    "sandbox": {"data", "project", "faults", "http"},
}


def test_imports_run_one_way_between_the_packages_of_the_sandbox() -> None:
    offenders = [
        f"{module} imports {other}"
        for module, others in _modules(SANDBOX).items()
        if (own := module.split(".")[0]) in SANDBOX_MAY_IMPORT
        for other in sorted(others)
        if other.split(".")[0] not in SANDBOX_MAY_IMPORT[own] | {own}
    ]
    assert not offenders


def test_the_sandbox_imports_nothing_else_of_the_repository() -> None:
    offenders = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted(SANDBOX.rglob("*.py"))
        for name in sorted(imported(path))
        if name.startswith(("source_iterable", "tools", "unit_tests", "integration_tests"))
        and not name.startswith("integration_tests.sandbox.")
    ]
    assert not offenders


@pytest.mark.parametrize("package", [SANDBOX, ROOT / "source_iterable"], ids=lambda path: path.name)
def test_no_modules_import_each_other(package: Path) -> None:
    TopologicalSorter(_modules(package)).prepare()  # raises CycleError, which names them


def _modules(package: Path) -> dict[str, set[str]]:
    """The modules of a package, by their names in it, and those of them that each imports."""
    prefix = ".".join(package.relative_to(ROOT).parts) + "."
    names = {
        path: ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        for path in package.rglob("*.py")
    }
    found: dict[str, set[str]] = {name: set() for name in names.values()}
    for path, name in names.items():
        for one in imported(path):
            if one.startswith(prefix):
                inside = one.removeprefix(prefix)
                module = next((name for name in (inside, inside.rpartition(".")[0]) if name in found), "__init__")
                found[name].add(module)
    return found
