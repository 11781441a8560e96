"""`event_id`: the identity of an event, which Iterable's exports do not carry.

The id is a 128-bit BLAKE2b hash, in hex, of the data type, a line break and the row in a canonical form:
UTF-8 JSON without spaces, keys sorted, nested objects flattened to dotted keys (those inside arrays stay
nested). Nulls, empty lists and empty objects are left out, since Iterable sends the same event with and without
them; the elements of an array keep their places. Fields that Iterable derives and may revise are left out too, but
for rows whose fields the sender names, where `city` is the sender's. So the same row has the same id in any sync,
window, machine or version. A row in which a dotted name stands twice, nested and flat, is not flattened: the list of
its fields is hashed, under one key.

A purchase or custom event that carries `_id` is that `_id`, as text, and nothing else.

The form is pinned by `unit_tests/golden_event_ids.json`: changing it gives every event in every
warehouse a new id.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from source_iterable.records import json_text

INTERNAL = frozenset({"itblInternal"})
LEFT_OUT = INTERNAL | {"isBot", "city", "region", "country", "userAgentDevice", "proxySource"}
# Rows with fields that the sender names: of these Iterable derives none.
NAMED_BY_SENDER = frozenset({"customEvent", "emailSubscribe", "purchase"})

# Purchases and custom events may carry an id that the sender gave them; one sent again replaces the first.
OWN_ID = "_id"
CARRY_OWN_ID = frozenset({"purchase", "customEvent"})

CLASH = "\0clash"

_BITS = 128
_CONTAINERS = frozenset({dict, list})


def event_id(data_type: str, row: Mapping[str, Any]) -> str:
    """The identity of ``row``, an event as it was sent."""
    own = row.get(OWN_ID) if data_type in CARRY_OWN_ID else None
    if own.__class__ in (str, int, float) and own != "":
        return _hash(data_type, {OWN_ID: str(own)})
    left_out = INTERNAL if data_type in NAMED_BY_SENDER else LEFT_OUT
    return _hash(data_type, _canonical(row, left_out))


def line_id(data_type: str, line: bytes) -> str:
    """The identity of a line that is not a JSON object: the hash of its bytes."""
    return blake2b(data_type.encode() + b"\n" + line, digest_size=_BITS // 8).hexdigest()


@lru_cache(maxsize=10_000)
def _first_part(name: str) -> str:
    return name.partition(".")[0]


def _canonical(row: Mapping[str, Any], left_out: Set[str]) -> Mapping[str, Any]:
    covered = {name: value for name, value in row.items() if value is not None and _first_part(name) not in left_out}
    if not any(value.__class__ in _CONTAINERS for value in covered.values()):
        return covered  # most rows are such
    _prune(covered)
    flat: dict[str, Any] = {}
    pending: list[tuple[str, Any]] = list(covered.items())
    while pending:
        name, value = pending.pop()
        if value.__class__ is dict:
            pending += [(f"{name}.{key}", inner) for key, inner in value.items()]
        elif name in flat:
            return {CLASH: sorted([name, value] for name, value in covered.items())}
        else:
            flat[name] = value
    return flat


def _prune(row: dict[str, Any]) -> None:
    """Copy what is nested in ``row``, and leave out nulls, empty lists and empty objects wherever an object holds them.

    An object that holds nothing else is empty itself. The elements of a list keep their places, whatever they are.
    It works with a list of what is left to do: a row may nest deeper than Python's stack allows.
    """
    containers: list[Any] = [row]
    for container in containers:  # grows meanwhile
        for at, inner in container.items() if container.__class__ is dict else enumerate(container):
            if inner.__class__ is dict:
                copy: Any = {key: item for key, item in inner.items() if item is not None}
            elif inner.__class__ is list:
                copy = [*inner]
            else:
                continue
            container[at] = copy  # no key is new, so the iteration may continue
            containers.append(copy)
    for container in reversed(containers):  # what is inside first: it decides whether what is around it is empty
        if container.__class__ is dict:
            for name in [name for name, inner in container.items() if inner.__class__ in _CONTAINERS and not inner]:
                del container[name]


def _hash(data_type: str, canonical: Mapping[str, Any]) -> str:
    text = json_text.dumps(canonical, sort_keys=True)
    return blake2b(data_type.encode() + b"\n" + text, digest_size=_BITS // 8).hexdigest()
