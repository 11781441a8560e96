"""What the official client may find wrong with the sandbox is explained, and its lock file fits any registry."""

import json
from pathlib import Path

from integration_tests.clients.official.differences import FAULTS, UNKNOWN, WITHOUT_COUNTERPART

FOLDER = Path(__file__).parent.parent / "integration_tests" / "clients" / "official"


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]

    assert packages[""]["dependencies"] == wanted
    installed = {name: one for name, one in packages.items() if name}
    assert {name for name, one in installed.items() if not one.get("integrity")} == set()
    assert {name for name, one in installed.items() if "resolved" in one} == set()
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_every_difference_stands_once_and_says_why() -> None:
    for table in FAULTS, UNKNOWN:
        assert len({(one.method, one.text) for one in table}) == len(table)
        assert all(one.why.endswith(".") for one in table)
    assert all(WITHOUT_COUNTERPART.values())
