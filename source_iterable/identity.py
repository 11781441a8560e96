"""`event_id`: the identity of an event, which Iterable's exports do not carry.

The id is a 128-bit BLAKE2b hash, in hex, of the data type, a line break and the row in a canonical form:
UTF-8 JSON without spaces, keys sorted, nested objects flattened to dotted keys (those inside arrays stay
nested), nulls left out. Fields that Iterable derives and may revise are left out too, but for rows whose fields
the sender names, where `city` is the sender's. So the same row has the same id in any sync, window, machine or
version. A row in which a dotted name stands twice, nested and flat, is hashed as it is: the list of its fields
under one key.

A purchase or custom event that carries `_id` is that `_id`, as text, and nothing else.

The form is pinned by `unit_tests/golden_event_ids.json`: changing it gives every event in every
warehouse a new id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

INTERNAL = frozenset({"itblInternal"})
LEFT_OUT = INTERNAL | {"isBot", "city", "region", "country", "userAgentDevice", "proxySource"}
# Rows with fields that the sender names: of these Iterable derives none.
NAMED_BY_SENDER = frozenset({"customEvent", "emailSubscribe", "purchase"})

# Purchases and custom events may carry an id that the sender gave them; one sent again replaces the first.
OWN_ID = "_id"
CARRY_OWN_ID = frozenset({"purchase", "customEvent"})

CLASH = "\0clash"

_BITS = 128


def event_id(data_type: str, row: Mapping[str, Any]) -> str:
    """The identity of ``row``, an event as it was sent."""
    own = row.get(OWN_ID) if data_type in CARRY_OWN_ID else None
    if own.__class__ in (str, int, float) and own != "":
        return _hash(data_type, {OWN_ID: str(own)})
    left_out = INTERNAL if data_type in NAMED_BY_SENDER else LEFT_OUT
    return _hash(data_type, _canonical(row, left_out))


def line_id(data_type: str, line: bytes) -> str:
    """The identity of a line that is no JSON object: the hash of its bytes."""
    return blake2b(data_type.encode() + b"\n" + line, digest_size=_BITS // 8).hexdigest()


@lru_cache(maxsize=10_000)
def _first_part(name: str) -> str:
    return name.partition(".")[0]


def _canonical(row: Mapping[str, Any], left_out: Set[str]) -> Mapping[str, Any]:
    covered = {name: value for name, value in row.items() if value is not None and _first_part(name) not in left_out}
    sent = list(covered.items())
    for name, value in sent:
        kind = value.__class__
        if kind is list:
            covered[name] = [_element(item) for item in value]
        elif kind is dict:
            del covered[name]
            if not _flatten(name, value, covered):
                return {CLASH: sorted([name, value] for name, value in sent)}
    return covered


def _flatten(prefix: str, nested: Mapping[str, Any], into: dict[str, Any]) -> bool:
    """Put the fields of ``nested`` under dotted names; tell whether none of these was taken."""
    if not nested:
        return into.setdefault(prefix, nested) is nested
    for key, value in nested.items():
        name = f"{prefix}.{key}"
        if isinstance(value, dict):
            if not _flatten(name, value, into):
                return False
        elif value is not None:
            if name in into:
                return False
            into[name] = [_element(item) for item in value] if isinstance(value, list) else value
    return True


def _element(item: Any) -> Any:
    """An element of an array; an object among them keeps its fields, nested, without nulls."""
    if isinstance(item, dict):
        return {key: _element(value) for key, value in item.items() if value is not None}
    if isinstance(item, list):
        return [_element(inner) for inner in item]
    return item


def _hash(data_type: str, canonical: Mapping[str, Any]) -> str:
    try:
        text = orjson.dumps(canonical, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a lone surrogate, or nesting beyond what orjson writes
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()
    return blake2b(data_type.encode() + b"\n" + text, digest_size=_BITS // 8).hexdigest()
