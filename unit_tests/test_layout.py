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
