"""Writes what tests keep of the catalog that `discover` shows for the sandbox's project; `make docs` runs it.

These are the catalog itself, a line for each column, so that a change to a schema is a diff to review, and the
configured catalog and the abnormal state that acceptance-test-config.yml names, a line for each stream.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.all_tables import LOOKBACKS
from integration_tests.support.command import discover

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "integration_tests"
SNAPSHOT = ROOT / "unit_tests" / "snapshots" / "catalog.json"
FUTURE = datetime(2999, 1, 1, tzinfo=UTC)
KEPT = {"campaigns": {"campaignStates": {"Running": [2220236]}}}
"""What the states of some tables keep besides timestamps."""


def documents(catalog: Mapping[str, Any]) -> dict[Path, str]:
    """The text of each file, for what `discover` shows."""
    streams = catalog["streams"]
    return {
        HERE / "configured_catalog.json": '{"streams": [\n' + _lines(map(_selected, streams)) + "\n]}\n",
        HERE / "abnormal_state.json": "[\n" + _lines(_future(streams)) + "\n]\n",
        SNAPSHOT: snapshot(catalog),
    }


def snapshot(catalog: Mapping[str, Any]) -> str:
    """``catalog`` as JSON in the order in which `discover` prints it, with a line for each column."""
    return '{"streams": [\n' + ",\n".join(map(_stream, catalog["streams"])) + "\n]}\n"


def _stream(stream: Mapping[str, Any]) -> str:
    schema = stream["json_schema"]
    properties = {"properties": _object(schema["properties"])}
    facts = {name: json.dumps(value) for name, value in schema.items()} | properties
    return _joined({name: json.dumps(value) for name, value in stream.items()} | {"json_schema": _joined(facts)})


def _object(values: Mapping[str, Any]) -> str:
    return _joined({name: json.dumps(value) for name, value in values.items()})


def _joined(values: Mapping[str, str]) -> str:
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {value}" for name, value in values.items()) + "\n}"


def _selected(stream: Mapping[str, Any]) -> dict[str, Any]:
    """A table as it is best synced; its schema is left to whoever reads the file."""
    key = {"primary_key": stream["source_defined_primary_key"]}
    shown = {"stream": {**stream, "json_schema": {}}}
    if "incremental" in stream["supported_sync_modes"]:
        cursor = {"cursor_field": stream["default_cursor_field"]}
        return {**shown, "sync_mode": "incremental", "destination_sync_mode": "append_dedup", **cursor, **key}
    return {**shown, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite", **key}


def _future(streams: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each table with a cursor, a state that no sync can have left yet."""
    for stream in streams:
        for cursor in stream.get("default_cursor_field") or []:
            by_day = stream["json_schema"]["properties"][cursor]["format"] == "date"
            state: dict[str, Any] = {cursor: _text(FUTURE, by_day=by_day)}
            if stream["name"] in LOOKBACKS:
                state["settled"] = _text(FUTURE - LOOKBACKS[stream["name"]], by_day=by_day)
            state |= KEPT.get(stream["name"], {})
            yield {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": stream["name"]}, "stream_state": state},
            }


def _text(moment: datetime, *, by_day: bool) -> str:
    return f"{moment:%Y-%m-%d}" if by_day else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _lines(entries: Iterable[Mapping[str, Any]]) -> str:
    return ",\n".join(f"  {json.dumps(entry)}" for entry in entries)


def main() -> int:
    """Write the files; returns the exit code."""
    with Sandbox(size=Size.smallest()) as sandbox:
        catalog = discover(sandbox)
    for path, text in documents(catalog).items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
