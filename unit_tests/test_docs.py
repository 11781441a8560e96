"""What `make docs` makes is what is committed, and it makes it from the code."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from source_iterable.streams import STREAMS
from tools.docs import tables
from unit_tests.test_readme import PACKAGE, ROOT

PICTURE = ROOT / "docs" / "journey.svg"
MADE = tables.made()


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_committed_text_is_what_is_made(path: Path) -> None:
    assert path.read_text("utf-8") == MADE[path], f"{path.relative_to(ROOT)} is outdated: run `make docs`"


def test_every_stream_and_column_is_told() -> None:
    text = MADE[tables.COLUMNS]
    parts = dict(re.findall(r"(?ms)^## (\w+)$(.*?)(?=^## |\Z)", text))

    assert len(parts) == len(STREAMS)
    for name, part in parts.items():
        assert re.findall(r"(?m)^\| `([^`]+)`", part) == list(STREAMS[name].declared_schema()["properties"])


def test_columns_that_the_connector_adds_are_marked() -> None:
    event = next(table for table in tables.tables() if table.name == "email_open")

    assert event.added == {"event_id", "dataFields"}
    assert "| `event_id` + | string |" in MADE[tables.COLUMNS]
    assert "| `createdAt` | timestamp_with_timezone |" in MADE[tables.COLUMNS]


def test_key_that_depends_on_the_project_is_told_for_both_kinds() -> None:
    keys = {table.name: table.key for table in tables.tables()}

    assert keys["users"] == "`email` or `itblUserId`"
    assert keys["metadata"] == "`table`, `key`"


def test_text_around_the_marks_stays() -> None:
    text = "before\n<!-- x: made by make docs -->\nold\n<!-- end of x -->\nafter\n"

    once = tables.filled(text, "x", "new")

    assert once == "before\n<!-- x: made by make docs -->\n\nnew\n\n<!-- end of x -->\nafter\n"
    assert tables.filled(once, "x", "new") == once


@pytest.mark.parametrize("text", ["no marks", "<!-- x: made by make docs -->" * 2 + "<!-- end of x -->"])
def test_marks_that_are_missing_or_come_twice_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="'x'"):
        tables.filled(text, "x", "new")


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ({"type": ["null", "array"], "items": {"type": ["null", "integer"]}}, "array of integer"),
        ({"type": ["null", "array"], "items": {}}, "array"),
        ({"type": ["null", "string"], "format": "date"}, "date"),
        ({"type": "boolean"}, "boolean"),
    ],
)
def test_type_of_a_column(column: dict[str, object], kind: str) -> None:
    assert tables.kind(column) == kind


def test_the_journey_names_modules_that_exist() -> None:
    words = " ".join(ElementTree.parse(PICTURE).getroot().itertext())  # noqa: S314 - our own file
    named = set(re.findall(r"\w+\.py", words))

    assert len(named) > 5
    assert named - {path.name for path in PACKAGE.rglob("*.py")} == set()
