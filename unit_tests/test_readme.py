"""The documentation says what the code does: its streams, settings and examples are compared with it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from source_iterable.api.client import Api
from source_iterable.config import Config
from source_iterable.streams import STREAMS, IterableStream
from source_iterable.streams.export import ExportStream
from source_iterable.streams.users import Users
from source_iterable.sync import Sync

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "source_iterable"
SPEC = json.loads((PACKAGE / "spec.json").read_text("utf-8"))["connectionSpecification"]
README, PAGE, ARCHITECTURE, CONTRIBUTING = (
    (ROOT / name).read_text("utf-8")
    for name in ("README.md", "docs/iterable.md", "docs/architecture.md", "CONTRIBUTING.md")
)
HEADINGS = [
    "# Iterable",
    "## Prerequisites",
    "## Setup guide",
    "## Set up Iterable",
    "### For Airbyte Cloud:",
    "### For Airbyte Open Source:",
    "## Supported sync modes",
    "## Supported Streams",
    "### Performance considerations",
    "## Data type map",
    "## Limitations & Troubleshooting",
    "## IP allow list",
    "## Changelog",
]

Row = Mapping[str, str]


def section(text: str, heading: str) -> str:
    """What stands below ``heading``, up to the next one of its rank or a higher one."""
    rank = len(heading) - len(heading.lstrip("#"))
    _, _, below = text.partition(f"\n{heading}\n")
    assert below, f"no heading {heading!r}"
    return re.split(rf"(?m)^#{{1,{rank}}} ", below)[0]


def rows(text: str, heading: str, key: str) -> dict[str, Row]:
    """The rows of the table below ``heading`` whose first column is ``key``, by their first cell's code."""
    lines = [line for line in section(text, heading).splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    start = next(number for number, row in enumerate(cells) if row[0] == key)
    columns = [column.lower() for column in cells[start]]
    found: dict[str, Row] = {}
    for row in cells[start + 2 :]:
        if not row[0].startswith("`"):
            break
        assert len(row) == len(columns), row
        assert codes(row[0])[0] not in found, row
        found[codes(row[0])[0]] = dict(zip(columns, row, strict=True))
    return found


def codes(cell: str) -> list[str]:
    """What stands in back quotes in a cell."""
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize(
    ("text", "heading", "key"),
    [(README, "## Streams", "table"), (PAGE, "## Supported Streams", "Stream")],
    ids=["README", "page"],
)
def test_every_stream_is_listed_in_catalog_order_with_key_cursor_and_endpoint(
    text: str, heading: str, key: str, api: Api, config: Config
) -> None:
    listed = rows(text, heading, key)

    told = {name: (codes(row["primary key"]), codes(row["cursor"]), endpoint(row)) for name, row in listed.items()}
    assert list(told) == list(STREAMS)
    assert told == {name: facts(stream(Sync(config, api))) for name, stream in STREAMS.items()}
    assert [name for name, row in listed.items() if "one " not in list(row.values())[1]] == []


def facts(stream: IterableStream) -> tuple[list[str], list[str], list[str]]:
    """Key, cursor, endpoint and data type of a stream."""
    key = ["email", "itblUserId"] if isinstance(stream, Users) else list(stream.key_names)  # depends on the project
    data_type = [stream.data_type] if isinstance(stream, ExportStream) else []
    cursor = stream.as_airbyte_stream().default_cursor_field or []
    return key, cursor, [stream.endpoint, *data_type]


def endpoint(row: Row) -> list[str]:
    """What a row says about where its stream comes from: the endpoint, and the data type of an export."""
    return [code.removeprefix("GET ") for code in codes(list(row.values())[-1])]


@pytest.mark.parametrize(
    ("text", "heading", "key"),
    [(README, "## Settings", "setting"), (PAGE, "### Settings", "Setting")],
    ids=["README", "page"],
)
class TestSettings:
    def test_lists_every_setting_in_the_order_of_the_form(self, text: str, heading: str, key: str) -> None:
        form = sorted(SPEC["properties"], key=lambda name: SPEC["properties"][name]["order"])

        assert list(rows(text, heading, key)) == form

    @pytest.mark.parametrize("name", SPEC["properties"])
    def test_tells_default_and_bounds(self, text: str, heading: str, key: str, name: str) -> None:
        row, setting = rows(text, heading, key)[name], SPEC["properties"][name]

        assert row["default"] == default(name, setting)
        assert row["values"] == values(setting)
        assert row.get("form title", setting["title"]) == setting["title"]


def default(name: str, setting: Mapping[str, Any]) -> str:
    if name in SPEC["required"]:
        return "required"
    return f"`{setting['default']}`" if "default" in setting else "none"


def values(setting: Mapping[str, Any]) -> str:
    if "enum" in setting:
        return ", ".join(f"`{value}`" for value in setting["enum"])
    if "minimum" in setting:
        return f"{setting['minimum']} to {setting['maximum']}"
    return "a date" if "pattern" in setting else "text"


def test_readme_lists_every_environment_variable_with_its_default() -> None:
    source = (PACKAGE / "config.py").read_text("utf-8")
    used = set(re.findall(r'"(ITERABLE_[A-Z_]+)"', source))
    told = rows(README, "## Settings", "variable")

    assert set(told) == used | {"TMPDIR"}
    config = Config.parse({"api_key": "k", "start_date": "2024-01-01"}, {})
    assert float(codes(told["ITERABLE_SPOOL_MEGABYTES"]["default"])[0]) * 1_000_000 == config.spool_bytes
    assert float(codes(told["ITERABLE_RATE_SCALE"]["default"])[0]) == config.rate_scale


def test_page_has_airbytes_headings_in_order() -> None:
    lines = PAGE.splitlines()

    assert [line for line in lines if line in HEADINGS] == HEADINGS


@pytest.mark.parametrize("field", SPEC["required"])
def test_page_names_every_required_field_among_the_prerequisites(field: str) -> None:
    assert f"**{SPEC['properties'][field]['title']}** (`{field}`)" in section(PAGE, "## Prerequisites")


def test_examples_of_contributing_are_the_code_that_they_name() -> None:
    code = re.findall(r"```python\n(.*?)```", CONTRIBUTING, re.DOTALL)[0]

    assert unindented(code) in (PACKAGE / "streams" / "events" / "email.py").read_text("utf-8")


def unindented(text: str) -> str:
    return "\n".join(line.removeprefix("   ") for line in text.rstrip().splitlines())


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        ".github/SECURITY.md",
        "integration_tests/replay/README.md",
        "integration_tests/sandbox/README.md",
        *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")),
    ],
)
def test_links_lead_to_files(name: str) -> None:
    path = ROOT / name
    links = re.findall(r"\]\(([^)#]+)", path.read_text("utf-8"))

    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []
