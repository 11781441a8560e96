"""What programs and tests share is in packages that are no tests: nothing but a test imports one."""

import ast
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


@pytest.mark.parametrize("word", ["test_", "conftest"])
def test_only_tests_import_tests(word: str) -> None:
    offenders = {
        str(path.relative_to(ROOT)): name
        for path in SHARED
        for name in imported(path)
        if name.startswith(("unit_tests", "integration_tests")) and f".{word}" in name
    }

    assert offenders == {}


GROUND = {"config", "exceptions", "masking", "timestamps", "windows"}
MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
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
