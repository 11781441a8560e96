"""`event_id`: the identity of an event, which Iterable's exports do not contain.

The id is a 128-bit BLAKE2b hash, in hex, of the data type, a line break and the row in a canonical form: UTF-8 JSON
without spaces, with sorted keys and with nested objects flattened to dotted keys (objects inside arrays stay nested).
Nulls, empty lists and empty objects are left out, since Iterable sends the same event with and without them; the
elements of an array keep their positions. Fields that Iterable derives and may revise are left out too, except in data
types whose fields the sender names: there, `city` is a value of the sender. So the same row has the same id in any
sync, window, machine or version. A row that contains the same dotted name both nested and flat is not flattened: the
list of its fields is hashed, under one key.

The id of a purchase or custom event with an `_id` is a hash of the data type and this `_id`, as text, alone.

`unit_tests/golden_event_ids.json` pins the canonical form: changing it gives every event in every warehouse a new id.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from source_iterable.records import json_text

INTERNAL = frozenset({"itblInternal"})
DERIVED = INTERNAL | {"isBot", "city", "region", "country", "userAgentDevice", "proxySource"}
# Data types whose fields the sender names; Iterable derives none of them but the internal ones.
NAMED_BY_SENDER = frozenset({"customEvent", "emailSubscribe", "purchase"})

# Purchases and custom events may have an id that the sender assigned; an event sent again replaces the first one.
SENDER_ID = "_id"
WITH_SENDER_ID = frozenset({"purchase", "customEvent"})

CLASH = "\0clash"  # the key under which a row that cannot be flattened is hashed

_BITS = 128
_CONTAINERS = frozenset({dict, list})


def event_id(data_type: str, row: Mapping[str, Any]) -> str:
    """The identity of ``row``, an event as Iterable sent it."""
    sender_id = row.get(SENDER_ID) if data_type in WITH_SENDER_ID else None
    if sender_id.__class__ in (str, int, float) and sender_id != "":
        return _hash(data_type, {SENDER_ID: str(sender_id)})
    excluded = INTERNAL if data_type in NAMED_BY_SENDER else DERIVED
    return _hash(data_type, _canonical(row, excluded))


def line_id(data_type: str, line: bytes) -> str:
    """The identity of a line that is not a JSON object: the hash of its bytes."""
    return blake2b(data_type.encode() + b"\n" + line, digest_size=_BITS // 8).hexdigest()


@lru_cache(maxsize=10_000)
def _first_part(name: str) -> str:
    return name.partition(".")[0]


def _canonical(row: Mapping[str, Any], excluded: Set[str]) -> Mapping[str, Any]:
    covered = {name: value for name, value in row.items() if value is not None and _first_part(name) not in excluded}
    if not any(value.__class__ in _CONTAINERS for value in covered.values()):
        return covered  # the usual case
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
    """Copy what is nested in ``row``, and remove nulls, empty lists and empty objects from all objects.

    An object that contains nothing else is empty itself. The elements of a list stay where they are, empty or not.
    There is no recursion: a row may be nested more deeply than Python's stack allows.
    """
    containers: list[Any] = [row]
    for container in containers:  # the list grows during the iteration
        for place, inner in container.items() if container.__class__ is dict else enumerate(container):
            if inner.__class__ is dict:
                copy: Any = {key: item for key, item in inner.items() if item is not None}
            elif inner.__class__ is list:
                copy = [*inner]
            else:
                continue
            container[place] = copy  # adds no key, so the iteration may continue
            containers.append(copy)
    for container in reversed(containers):  # inner ones first, since an outer one may become empty
        if container.__class__ is dict:
            for name in [name for name, inner in container.items() if inner.__class__ in _CONTAINERS and not inner]:
                del container[name]


def _hash(data_type: str, canonical: Mapping[str, Any]) -> str:
    text = json_text.dumps(canonical, sort_keys=True)
    return blake2b(data_type.encode() + b"\n" + text, digest_size=_BITS // 8).hexdigest()
