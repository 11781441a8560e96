import io
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml
from airbyte_cdk.models.connector_metadata import MetadataFile
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor

from source_iterable.output import Output
from source_iterable.records.batches import batches
from source_iterable.run import Entrypoint
from source_iterable.streams import STREAMS

ROOT = Path(__file__).parent.parent


def messages(*arguments: str) -> list[dict[str, Any]]:
    """What the connector prints for ``arguments``."""
    ran = subprocess.run(
        [sys.executable, ROOT / "main.py", *arguments], capture_output=True, check=False, timeout=60, cwd=ROOT
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_spec_is_one_message() -> None:
    specs = [message for message in messages("spec") if message["type"] == "SPEC"]

    assert len(specs) == 1
    assert set(specs[0]["spec"]["connectionSpecification"]["properties"]) >= {"api_key", "start_date", "window_in_days"}


def test_check_refuses_a_setting_by_its_name(tmp_path: Path, settings: dict[str, Any]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings | {"api_key": 1234567890}))

    printed = messages("check", "--config", str(config))

    statuses = [message["connectionStatus"] for message in printed if message["type"] == "CONNECTION_STATUS"]
    assert [status["status"] for status in statuses] == ["FAILED"]
    assert "'api_key'" in statuses[0]["message"]
    assert "1234567890" not in json.dumps(printed)


class Recorder(io.RawIOBase):
    """A stream that notes each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: Any) -> int:
        self.writes.append(bytes(data))
        return len(data)


def test_every_write_is_of_whole_lines() -> None:
    """Threads log to the same stream: a line written in two goes could be torn."""
    out = Recorder()

    Output(out).write([b'{"type":"RECORD",1}\n{"type":"RECORD",2}\n', b'{"type":"STATE"}\n'])  # type: ignore[arg-type]

    assert out.writes == [b'{"type":"RECORD",1}\n{"type":"RECORD",2}\n', b'{"type":"STATE"}\n']


def test_batches_hold_every_record_in_order() -> None:
    records = [{"number": number, "text": "Zoë \u2028 \ud83d" if number == 7 else "x" * 1000} for number in range(1000)]

    made = list(batches("users", iter(records)))

    lines = [json.loads(line) for batch in made for line in batch.lines.decode().split("\n")[:-1]]
    assert [line["record"]["data"] for line in lines] == records
    assert {(line["type"], line["record"]["stream"]) for line in lines} == {("RECORD", "users")}
    assert sum(batch.count for batch in made) == 1000
    assert len(made) > 2


def test_batches_are_counted_for_the_next_state() -> None:
    counts: Any = defaultdict(float)

    for batch in batches("users", [{"number": number} for number in range(42)]):
        Entrypoint.handle_record_counts(batch, counts)

    assert dict(counts) == {HashableStreamDescriptor(name="users"): 42.0}


def test_metadata_is_valid_and_agrees_with_the_project() -> None:
    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text())
    MetadataFile.model_validate(metadata)

    data = metadata["data"]
    assert f'version = "{data["dockerImageTag"]}"' in (ROOT / "pyproject.toml").read_text()
    assert f'io.airbyte.version="{data["dockerImageTag"]}"' in (ROOT / "Dockerfile").read_text()
    assert f"## [{data['dockerImageTag']}]" in (ROOT / "CHANGELOG.md").read_text()
    assert set(data["allowedHosts"]["hosts"]) == {"api.iterable.com", "api.eu.iterable.com", "*.amazonaws.com"}


def test_suggested_streams_exist() -> None:
    data = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]

    assert set(data["suggestedStreams"]["streams"]) <= set(STREAMS)
