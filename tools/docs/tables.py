"""The tables of the documentation: streams and columns as `discover` shows them, messages as the catalogue has them.

Writes docs/columns.md, and what stands between `<!-- NAME: made by make docs -->` and `<!-- end of NAME -->` in
README.md and docs/iterable.md. Nothing is requested: of a project, `discover` needs only the profile fields.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from source_iterable.api.body import Body
from source_iterable.api.client import Api
from source_iterable.api.rate_limits import EXPORT_PATH, MINUTE, REQUESTS_PER_MINUTE
from source_iterable.config import Config
from source_iterable.messages import CATALOGUE, Message
from source_iterable.records.columns import GENERATED
from source_iterable.streams import STREAMS
from source_iterable.sync import Sync

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "source_iterable"
README, PAGE, COLUMNS = ROOT / "README.md", ROOT / "docs" / "iterable.md", ROOT / "docs" / "columns.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"

# Profile fields by which a project is known to identify people by address, or otherwise.
PROJECTS: Sequence[Mapping[str, str]] = ({"emailListIds": "array"}, {"userListIds": "array"})

# What the troubleshooting page says about each group of messages.
MEANINGS = {
    "setup": "What to do",
    "streams": "What to do",
    "warnings": "What it means, and what to do",
    "notes": "What it means",
}

HEAD = """\
# Columns

<!-- Made by `make docs` from the classes of the streams: change these, not this page. -->

Every table with its columns, as `discover` shows them for a project without profile fields of its own; those of your \
project are further columns of `users`. Every column may be null. Times are RFC 3339 in UTC. Columns marked + are \
added by the connector; all others are what Iterable sends, under Iterable's names."""


@dataclass(frozen=True)
class Table:
    """What the documentation tells of a table.

    Attributes:
        name: Its name.
        row: What one row is: "one email that ...".
        keys: Its primary key in each of `PROJECTS`, without repetition.
        cursor: Its cursor, "" for none.
        endpoint: Where it comes from, below `/api/`.
        data_type: The type of what is exported, "" for tables that are no export.
        columns: Its columns.
        added: Those of them that the connector adds to what Iterable sends.
    """

    name: str
    row: str
    keys: Sequence[Sequence[str]]
    cursor: str
    endpoint: str
    data_type: str
    columns: Mapping[str, Mapping[str, Any]]
    added: frozenset[str]

    @property
    def key(self) -> str:
        """The primary key, as a cell."""
        return " or ".join(", ".join(f"`{name}`" for name in key) for key in self.keys)

    @property
    def source(self) -> str:
        """The endpoint and what is exported there."""
        return f"`{self.endpoint}`" + (f", `{self.data_type}`" if self.data_type else "")


class Offline(Api):
    """An API that answers every question with a project's profile fields."""

    def __init__(self, config: Config, fields: Mapping[str, str]) -> None:
        super().__init__(config)
        self._fields = fields

    def get(self, *args: Any, **kwargs: Any) -> Body:
        """The profile fields."""
        return Body.from_lines([json.dumps({"fields": self._fields}).encode()])


def tables() -> list[Table]:
    """Every table of the connector, in catalog order."""
    config = Config.parse({"api_key": "none", "start_date": "2024-01-01"}, {})
    projects = [Offline(config, fields) for fields in PROJECTS]
    found = []
    for table in STREAMS.values():
        streams = [table(Sync(config, api)).as_airbyte_stream() for api in projects]
        stream = streams[0]
        keys = [[".".join(path) for path in one.source_defined_primary_key or []] for one in streams]
        found.append(
            Table(
                name=stream.name,
                row=_lowered(str(stream.json_schema["description"])),
                keys=[key for at, key in enumerate(keys) if key not in keys[:at]],
                cursor=".".join(stream.default_cursor_field or []),
                endpoint=table.endpoint,
                data_type=getattr(table, "data_type", ""),
                columns=stream.json_schema["properties"],
                added=frozenset(name for name, column in table.columns.items() if column.get(GENERATED)),
            )
        )
    return found


def readme_tables(found: Sequence[Table]) -> str:
    """The table of tables in README."""
    rows = [[f"`{one.name}`", one.row, one.key, _code(one.cursor), one.source] for one in found]
    return markdown(["table", "a row is", "primary key", "cursor", "endpoint"], rows)


def page_tables(found: Sequence[Table]) -> str:
    """The table of streams on the connector's page."""
    rows = [
        [f"`{one.name}`", one.row, one.key, _code(one.cursor), one.source.replace("`", "`GET ", 1)] for one in found
    ]
    return markdown(["Stream", "A record is", "Primary key", "Cursor", "Iterable endpoint"], rows)


def page_costs(found: Sequence[Table]) -> str:
    """How many requests a sync costs in which nothing is new."""
    exports = [one for one in found if one.endpoint == EXPORT_PATH]
    emails = [one for one in exports if one.name.startswith("email_") or one.name == "users"]
    text = (
        "- A sync in which nothing is new costs one export request for each event stream that is selected, and one "
        f"for `users`: the {len(emails)} of the email streams and `users` take {_pace(len(emails))}"
    )
    if len(exports) > len(emails):
        text += f", those of all {len(exports)} exported streams {_pace(len(exports))}. Select what you need"
    return f"{text}."


def all_columns(found: Sequence[Table]) -> str:
    """The page of all columns."""
    parts = [HEAD]
    for one in found:
        cursor = f"cursor `{one.cursor}`" if one.cursor else "no cursor"
        rows = [
            [f"`{name}`{' +' if name in one.added else ''}", kind(column), _cell(str(column["description"]))]
            for name, column in one.columns.items()
        ]
        parts += [
            f"## {one.name}",
            f"{one.row[0].upper()}{one.row[1:]}. From {one.source}; primary key {one.key}, {cursor}.",
            markdown(["Column", "Type", "Meaning"], rows),
        ]
    return "\n\n".join(parts) + "\n"


def page_messages(group: Sequence[Message], meaning: str) -> str:
    """The table of a group of messages on the connector's page."""
    return markdown(["What you see", meaning], [[_cell(cell) for cell in one.row] for one in group])


def kind(column: Mapping[str, Any]) -> str:
    """The type of a column in Airbyte's words."""
    types = column.get("type", ["null", "any"])
    name = next(name for name in ([types] if isinstance(types, str) else types) if name != "null")
    if name == "string":
        return {"date-time": "timestamp_with_timezone", "date": "date"}.get(column.get("format", ""), "string")
    if name == "array" and column.get("items"):
        return f"array of {kind(column['items'])}"
    return str(name)


def markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(re.sub(r"\|  \|", "| |", f"| {' | '.join(line)} |") for line in lines)


def filled(text: str, name: str, content: str) -> str:
    """``text`` with ``content`` between the marks of ``name``.

    Raises:
        ValueError: If the marks are not there once.
    """
    begin, end = f"<!-- {name}: made by make docs -->", f"<!-- end of {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the marks of '{name}' must be there once: {begin} and {end}")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def modules() -> str:
    """The modules of the package, each with the first sentence of its docstring, package by package."""

    def place(path: Path) -> tuple[str, bool, str]:
        return path.parent.as_posix(), path.name != "__init__.py", path.name

    paths = sorted(PACKAGE.rglob("*.py"), key=place)
    rows = []
    for path in paths:
        summary = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n\n")[0]
        rows.append([f"`{path.relative_to(PACKAGE).as_posix()}`", _cell(" ".join(summary.split()).rstrip("."))])
    return markdown(["module", "what it is about"], rows)


def made() -> dict[Path, str]:
    """The files that this module writes, with what they must hold."""
    found = tables()
    page = filled(PAGE.read_text("utf-8"), "streams", page_tables(found))
    for group, messages in CATALOGUE.items():
        page = filled(page, f"messages of {group}", page_messages(messages, MEANINGS[group]))
    return {
        README: filled(README.read_text("utf-8"), "tables", readme_tables(found)),
        PAGE: filled(page, "costs", page_costs(found)),
        COLUMNS: all_columns(found),
        ARCHITECTURE: filled(ARCHITECTURE.read_text("utf-8"), "modules", modules()),
    }


def main() -> None:
    """Write them."""
    for path, text in made().items():
        path.write_text(text, "utf-8")


def _lowered(sentence: str) -> str:
    return _cell(sentence[0].lower() + sentence[1:].rstrip("."))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(name: str) -> str:
    return f"`{name}`" if name else ""


def _pace(requests_: int) -> str:
    """How long so many export requests take."""
    waits = (requests_ - 1) // REQUESTS_PER_MINUTE[EXPORT_PATH]
    minutes = round(waits * MINUTE.total_seconds() / 60)
    return f"about {minutes} minutes" if minutes > 1 else "a minute"


if __name__ == "__main__":
    main()
