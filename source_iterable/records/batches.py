"""Records as lines of the Airbyte protocol, made in batches.

The CDK handles each record as an object of its own, through five layers: about as much work as all that is
done for the record otherwise (docs/performance.md). A batch goes through these layers as one message and
carries the finished lines.
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
    """``count`` records of one stream, ready to be written.

    Attributes:
        lines: The records' messages, each ended by a line break.
        count: How many they are.
    """

    lines: bytes
    count: int


def batches(stream: str, records: Iterable[dict[str, Any]]) -> Iterator[Batch]:
    """Put ``records`` of ``stream`` into batches of some 256 kB, in order; the last may be smaller."""
    head = b'{"type":"RECORD","record":{"stream":' + orjson.dumps(stream) + b',"data":'
    parts: list[bytes] = []
    size = 0
    for record in records:
        data = json_text.dumps(record)
        parts.append(data)
        size += len(data)
        if size > BATCH_BYTES:
            yield _batch(stream, head, parts)
            parts = []
            size = 0
    if parts:
        yield _batch(stream, head, parts)


def _batch(stream: str, head: bytes, parts: list[bytes]) -> Batch:
    now = time.time_ns() // 1_000_000
    tail = b',"emitted_at":' + str(now).encode() + b"}}\n"
    return Batch(
        type=Type.RECORD,
        record=AirbyteRecordMessage(stream=stream, data={}, emitted_at=now),
        lines=head + (tail + head).join(parts) + tail,
        count=len(parts),
    )
