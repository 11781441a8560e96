"""`event_id`: the identity of an event, which Iterable's exports do not carry.

The id is a 128-bit BLAKE2b hash, in hex, of the data type and the row in a canonical form: UTF-8 JSON,
keys sorted, nested objects flattened to dotted keys, nulls left out. Fields that Iterable derives and
may revise are left out too. So the same row has the same id in any sync, window, machine or version.

The form is pinned by `unit_tests/golden_event_ids.json`: changing it gives every event in every
warehouse a new id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

REVISED = frozenset({"isBot", "city", "region", "country", "userAgentDevice", "proxySource"})
INTERNAL = "itblInternal"

_BITS = 128


def event_id(data_type: str, row: Mapping[str, Any]) -> str:
    """The identity of ``row``, an event as it was sent."""
    return _hash(data_type, _canonical(row))


def line_id(data_type: str, line: bytes) -> str:
    """The identity of a line that is no JSON object: the hash of its bytes."""
    return blake2b(data_type.encode() + b"\n" + line, digest_size=_BITS // 8).hexdigest()


@lru_cache(maxsize=10_000)
def is_covered(name: str) -> bool:
    """Whether the id covers the field ``name``."""
    return name not in REVISED and name.partition(".")[0] != INTERNAL


def _canonical(row: Mapping[str, Any]) -> dict[str, Any]:
    covered: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or not is_covered(name):
            continue
        kind = value.__class__
        if kind is dict:
            _flatten(name, value, covered)
        elif kind is list:
            covered[name] = [_element(item) for item in value]
        else:
            covered[name] = value
    return covered


def _flatten(prefix: str, nested: Mapping[str, Any], into: dict[str, Any]) -> None:
    for key, value in nested.items():
        name = f"{prefix}.{key}"
        if isinstance(value, dict):
            _flatten(name, value, into)
        elif value is not None:
            into[name] = [_element(item) for item in value] if isinstance(value, list) else value


def _element(item: Any) -> Any:
    if isinstance(item, dict):
        flat: dict[str, Any] = {}
        _flatten("", item, flat)
        return flat
    if isinstance(item, list):
        return [_element(inner) for inner in item]
    return item


def _hash(data_type: str, canonical: Mapping[str, Any]) -> str:
    try:
        text = orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a lone surrogate, or nesting beyond what orjson writes
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()
    return blake2b(data_type.encode() + b"\n" + text, digest_size=_BITS // 8).hexdigest()
