"""Writes the catalog and the state that acceptance-test-config.yml names: ``python -m tools.acceptance_files``.

They hold every table that `discover` shows, one a line.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from integration_tests.sandbox import Sandbox, Size
from integration_tests.support.all_tables import LOOKBACKS
from integration_tests.support.sync import discover

FOLDER = Path(__file__).resolve().parent.parent / "integration_tests"
FUTURE = datetime(2999, 1, 1, tzinfo=UTC)
KEPT = {"campaigns": {"campaignStates": {"Running": [2220236]}}}
"""What the states of some tables keep besides moments."""


def documents(catalog: Mapping[str, Any]) -> dict[str, str]:
    """The text of each file, for what `discover` shows."""
    streams = catalog["streams"]
    return {
        "configured_catalog.json": '{"streams": [\n' + _lines(map(_selected, streams)) + "\n]}\n",
        "abnormal_state.json": "[\n" + _lines(_future(streams)) + "\n]\n",
    }


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
    """Write the files; gives the exit code."""
    with Sandbox(size=Size.smallest()) as sandbox:
        catalog = discover(sandbox)
    for name, text in documents(catalog).items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
