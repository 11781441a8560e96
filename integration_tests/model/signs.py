"""What a sync says, as far as a destination or a platform heeds it, and what a number of syncs came to."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from airbyte_cdk.models import AirbyteMessage, Type

from integration_tests.model.truths import Row


@dataclass
class Tally:
    """What a number of syncs came to."""

    syncs: int = 0
    killed: int = 0
    incomplete: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    streams: Counter[str] = field(default_factory=Counter)
    """How often each stream was read to its end."""
    emitted: int = 0
    compared: int = 0
    lost: int = 0
    twice: int = 0
    waited: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        mine, theirs = vars(self), vars(other)
        return Tally(**{name: value + theirs[name] for name, value in mine.items()})


@dataclass(frozen=True)
class Sign:
    """A message as far as a destination or a platform heeds it: a record, a state, or a status of a stream."""

    table: str
    record: Mapping[str, Any] | None = None
    state: Mapping[str, Any] | None = None
    status: str = ""

    @classmethod
    def of(cls, messages: Iterable[Mapping[str, Any]]) -> Iterator["Sign"]:
        """The signs among messages of a process."""
        for message in messages:
            if message["type"] == "RECORD":
                yield cls(message["record"]["stream"], record=message["record"]["data"])
            elif message["type"] == "STATE":
                stream = message["state"]["stream"]
                yield cls(stream["stream_descriptor"]["name"], state=stream["stream_state"])
            elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
                status = message["trace"]["stream_status"]
                yield cls(status["stream_descriptor"]["name"], status=status["status"])

    @classmethod
    def here(cls, messages: Iterable[AirbyteMessage]) -> Iterator["Sign | None"]:
        """The signs among messages of this process, None for any other message."""
        for message in messages:
            if message.type is Type.RECORD and message.record:
                yield cls(message.record.stream, record=message.record.data)
            elif message.type is Type.STATE and message.state and message.state.stream:
                stream = message.state.stream
                yield cls(stream.stream_descriptor.name, state=dict(vars(stream.stream_state)))
            elif message.type is Type.TRACE and message.trace and message.trace.stream_status:
                status = message.trace.stream_status
                yield cls(status.stream_descriptor.name, status=status.status.value if status.status else "")
            else:
                yield None


class Skipped:
    """What a sync says that Iterable would not give: lists, templates, experiments, rows that its totals count."""

    SAID: ClassVar = {
        "list_users": (r"lists? ([\d, to]+) skipped", 1),
        "template_content": (r"template (\d+) skipped", 0),
        "experiments": (r"experiment (\d+): read only from the list of experiments", 0),
    }
    """What is said of a row of each stream, and where in its key the number is that is named."""

    def __init__(self, logs: Iterable[str]) -> None:
        """Take it from the log."""
        lines = list(logs)
        self._named = {
            table: {one for line in lines if (found := re.search(pattern, line)) for one in _numbers_of(found[1])}
            for table, (pattern, _) in self.SAID.items()
        }
        doubts = (re.search(r"(\w+): Iterable's own totals disagree", line) for line in lines)
        self._doubtful = {found[1] for found in doubts if found}

    def is_doubtful(self, table: str) -> bool:
        """Whether Iterable's own totals say that rows may be missing."""
        return table in self._doubtful

    def has(self, table: str, row: Row) -> bool:
        """Whether ``row`` is one of what could not be had, or perhaps could not."""
        if self.is_doubtful(table):
            return True
        return table in self.SAID and row.key[self.SAID[table][1]] in self._named[table]


def _numbers_of(text: str) -> Iterator[int]:
    """The numbers that a line of the log names: `3, 5 to 9`."""
    for span in text.split(", "):
        first, _, last = span.partition(" to ")
        yield from range(int(first), int(last or first) + 1)
