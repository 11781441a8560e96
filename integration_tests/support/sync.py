"""Read a sandbox with the connector, in this process, and look at its messages."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
    Type,
)
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.entrypoint_wrapper import ExpectedOutcome

from integration_tests.sandbox import Sandbox
from integration_tests.support.expected import TABLES
from source_iterable import SourceIterable

ROOT = Path(__file__).parents[2]
START, NOW = "2024-01-01T00:00:00Z", "2024-03-10T12:00:00Z"

PLATFORM = {"generation_id": 7, "minimum_generation_id": 7, "sync_id": 4711}
NEXT_SYNC = {"generation_id": 8, "minimum_generation_id": 8, "sync_id": 4712}
"""The numbers by which the platform tells syncs apart, in a configured catalog."""

State = list[dict[str, Any]]


class Output:
    """What a run of the connector wrote."""

    def __init__(self, messages: Iterable[Mapping[str, Any]], exit_code: int = 0, stderr: str = "") -> None:
        """Keep ``messages`` in their order."""
        self.messages = list(messages)
        self.exit_code = exit_code
        self.stderr = stderr

    def of(self, kind: str) -> list[Any]:
        """The content of all messages of a type: "RECORD", "STATE", "LOG" ..."""
        names = {"CONNECTION_STATUS": "connectionStatus"}
        return [message[names.get(kind, kind.lower())] for message in self.messages if message["type"] == kind]

    def records(self, table: str) -> list[dict[str, Any]]:
        """The records of a stream."""
        return list(self._records[table])

    @cached_property
    def _records(self) -> dict[str, list[dict[str, Any]]]:
        records = defaultdict[str, list[dict[str, Any]]](list)
        for record in self.of("RECORD"):
            records[record["stream"]].append(record["data"])
        return records

    def states(self, table: str) -> list[dict[str, Any]]:
        """The states of a stream, in the order in which they came."""
        streams = [state["stream"] for state in self.of("STATE")]
        return [one["stream_state"] for one in streams if one["stream_descriptor"]["name"] == table]

    @property
    def state(self) -> State:
        """The last state of each stream, as the platform hands it to the next sync."""
        last = {state["stream"]["stream_descriptor"]["name"]: state for state in self.of("STATE")}
        return [{"type": "STREAM", "stream": state["stream"]} for state in last.values()]

    def statuses(self, table: str) -> list[str]:
        """The statuses of a stream, in their order."""
        told = [trace["stream_status"] for trace in self.of("TRACE") if trace["type"] == "STREAM_STATUS"]
        return [one["status"] for one in told if one["stream_descriptor"]["name"] == table]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors that are about a stream."""
        told = [trace["error"] for trace in self.of("TRACE") if trace["type"] == "ERROR"]
        return [error for error in told if error.get("stream_descriptor")]

    @property
    def logs(self) -> list[str]:
        """The log lines, each with its level."""
        return [f"{log['level']} {log['message']}" for log in self.of("LOG")]

    @property
    def text(self) -> str:
        """Everything that was written, in one string."""
        return json.dumps(self.messages) + self.stderr


def settings(sandbox: Sandbox, **others: Any) -> dict[str, Any]:
    """Settings with which the sandbox can be read from its first timestamp, by direct exports unless told otherwise."""
    start = f"{sandbox.start_date:%Y-%m-%dT%H:%M:%SZ}"
    return {"api_key": sandbox.api_key, "start_date": start, "export_method": "direct", **others}


def environment(sandbox: Sandbox) -> dict[str, str]:
    """The environment in which the connector asks the sandbox instead of Iterable."""
    return {"ITERABLE_API_URL": sandbox.url, "ITERABLE_RATE_SCALE": str(sandbox.options.rate_scale)}


def connect(sandbox: Sandbox, patch: pytest.MonkeyPatch) -> None:
    """Have the connector ask ``sandbox`` also when it runs in this process."""
    for name, value in environment(sandbox).items():
        patch.setenv(name, value)


@contextmanager
def running_with(**options: Any) -> Iterator[Sandbox]:
    """A sandbox that the connector asks also when it runs in this process."""
    with (
        Sandbox(start=START, now=NOW, **({"rate_scale": 10_000} | options)) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        connect(running, patch)
        yield running


def configured(
    catalog: Mapping[str, Any], tables: Iterable[str] = TABLES, mode: str = "incremental", to: str = "append_dedup"
) -> dict[str, Any]:
    """A configured catalog of some ``streams``: in this mode those that can, the others in full refresh."""
    streams = []
    for stream in catalog["streams"]:
        if stream["name"] in tables:
            chosen = mode if mode in stream["supported_sync_modes"] else "full_refresh"
            selected = {"stream": stream, "sync_mode": chosen, "destination_sync_mode": to}
            selected["primary_key"] = stream.get("source_defined_primary_key")
            if chosen == "incremental":
                selected["cursor_field"] = stream["default_cursor_field"]
            streams.append(selected)
    return {"streams": streams}


def _plain(message: AirbyteMessage) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(AirbyteMessageSerializer.dump(message), default=str))
    return plain


# The environment must name the sandbox


def catalog_here(sandbox: Sandbox, **others: Any) -> dict[str, Any]:
    """The catalog that `discover` shows."""
    catalog = SourceIterable().discover(logging.getLogger("airbyte"), settings(sandbox, **others))
    message = AirbyteMessage(type=Type.CATALOG, catalog=catalog)
    dumped: dict[str, Any] = _plain(message)["catalog"]
    return dumped


def read_here(sandbox: Sandbox, catalog: Mapping[str, Any], state: State | None = None, **others: Any) -> Output:
    """Read what ``catalog`` configures."""
    output = entrypoint_wrapper.read(
        SourceIterable(),
        settings(sandbox, **others),
        ConfiguredAirbyteCatalogSerializer.load(dict(catalog)),
        [AirbyteStateMessageSerializer.load(one) for one in state] if state else None,
        expected_outcome=ExpectedOutcome.ALLOW_ANY,
    )
    return Output(map(_plain, output.get_message_iterator()))


def sync(
    sandbox: Sandbox,
    *tables: str,
    state: State | None = None,
    mode: str = "incremental",
    to: str = "append_dedup",
    **others: Any,
) -> Output:
    """Read some streams, or all, in this process."""
    event_key = {"event_key": others["event_key"]} if "event_key" in others else {}
    catalog = configured(catalog_here(sandbox, **event_key), tables or TABLES, mode, to)
    return read_here(sandbox, catalog, state, **others)
