"""Batches of records, serialized as lines of the Airbyte protocol.

The CDK passes each record through five layers, which costs about as much time as everything else that is done for the
record (docs/performance.md). A batch passes through these layers as one message that contains the serialized lines.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, Type

from source_iterable.records import json_text

BATCH_BYTES = 1 << 18


@dataclass(kw_only=True)
class Batch(AirbyteMessage):
    """Records of one stream, ready to be written.

    Attributes:
        lines: The messages of the records, each followed by a line break.
        count: How many records there are.
    """

    lines: bytes
    count: int


def batches(stream: str, records: Iterable[dict[str, Any]]) -> Iterator[Batch]:
    """The ``records`` of ``stream`` in batches of about 256 kB, in order; the last one may be smaller."""
    head = b'{"type":"RECORD","record":{"stream":' + orjson.dumps(stream) + b',"data":'
    serialized: list[bytes] = []
    size = 0
    for record in records:
        data = json_text.dumps(record)
        serialized.append(data)
        size += len(data)
        if size > BATCH_BYTES:
            yield _batch(stream, head, serialized)
            serialized = []
            size = 0
    if serialized:
        yield _batch(stream, head, serialized)


def _batch(stream: str, head: bytes, serialized: list[bytes]) -> Batch:
    now = time.time_ns() // 1_000_000
    tail = b',"emitted_at":' + str(now).encode() + b"}}\n"
    return Batch(
        type=Type.RECORD,
        record=AirbyteRecordMessage(stream=stream, data={}, emitted_at=now),
        lines=head + (tail + head).join(serialized) + tail,
        count=len(serialized),
    )
