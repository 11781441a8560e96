"""The JSON schemas of the tables: composed from `schemas/`, and widened by a project's own profile fields."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from source_iterable.rows import IN_TWO_SHAPES, KNOWN, REST, destination_name

Schema = Mapping[str, Any]

MOMENT: Schema = {
    "type": ["null", "string"],
    "format": "date-time",
    "airbyte_type": "timestamp_with_timezone",
}
OBJECTS: Schema = {
    "type": ["null", "array"],
    "items": {"type": ["null", "object"], "additionalProperties": True},
}
# The types that users/getFields tells, as JSON schema has them. Of a field that holds lists it tells the type of the
# elements; `array` is named by an older help article alone.
PROFILE_TYPES: Mapping[str, Schema] = {
    "string": {"type": ["null", "string"]},
    "long": {"type": ["null", "integer"]},
    "double": {"type": ["null", "number"]},
    "boolean": {"type": ["null", "boolean"]},
    "date": MOMENT,
    "object": {"type": ["null", "object"], "additionalProperties": True},
    "geo_location": {"type": ["null", "object"], "additionalProperties": True},
    "nested": OBJECTS,
    "array": {"type": ["null", "array"], "items": {}},
}


@cache
def properties(table: str) -> Mapping[str, Schema]:
    """The columns of ``table`` that this version declares, its own first, then the sets it includes."""
    own = _read(f"{table}.json")
    merged: dict[str, Schema] = dict(own["properties"])
    for name in own.get("include", []):
        merged |= _read(f"shared/{name}.json")["properties"]
    return merged


def schema(table: str, profile_fields: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON schema of ``table`` as `discover` shows it.

    Args:
        table: The table's name.
        profile_fields: The project's own profile fields and their types; columns of `users`.
    """
    declared = {name: _published(column) for name, column in properties(table).items()}
    declared |= profile_columns(profile_fields or {}, fixed=declared)
    if REST in declared:
        rest = declared.pop(REST)
        declared[REST] = {**rest, KNOWN: [*declared, REST]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "description": _read(f"{table}.json")["description"],
        "additionalProperties": True,
        "properties": declared,
    }


def profile_columns(fields: Mapping[str, str], fixed: Collection[str]) -> dict[str, Schema]:
    """The columns for a project's own profile ``fields``.

    A destination lower-cases names and replaces what is no letter or digit: fields that it would take for
    the same column, or for one of the ``fixed``, get none and stay in `dataFields`. An object whose fields
    are told one by one (`address`, `address.city`) is declared by those alone; the fields inside an array
    of objects or a location are part of that column. What Iterable sends in one of two shapes (`devices`) has
    columns for both. A type that Iterable adds later stays in `dataFields` as well.
    """
    taken = {destination_name(name) for name in fixed}
    parents = {name[:at] for name in fields for at, character in enumerate(name) if character == "."}
    whole = {name for name, kind in fields.items() if kind in {"nested", "array", "geo_location"}} - IN_TWO_SHAPES
    wanted = {
        name: _profile_column(name, kind)
        for name, kind in fields.items()
        if kind in PROFILE_TYPES
        and (name in IN_TWO_SHAPES or not (kind == "object" and name in parents))
        and not any(name.startswith(f"{parent}.") for parent in whole)
    }
    wanted |= {name: OBJECTS for name in IN_TWO_SHAPES & parents if name not in fields}
    counts = Counter(destination_name(name) for name in wanted)
    return {
        name: {**wanted[name], "description": "A profile field of this project."}
        for name in sorted(wanted)
        if counts[destination_name(name)] == 1 and destination_name(name) not in taken
    }


def _profile_column(name: str, kind: str) -> Schema:
    """The type of the column of a profile field, which Iterable tells as ``kind``."""
    parent, dot, _ = name.partition(".")
    if parent not in IN_TWO_SHAPES:
        return PROFILE_TYPES[kind]
    if dot and kind not in {"array", "nested"}:
        return {"type": ["null", "array"], "items": PROFILE_TYPES[kind]}
    return OBJECTS if kind == "object" else PROFILE_TYPES[kind]


def _published(column: Schema) -> Schema:
    """``column`` without the marks that only the connector reads."""
    return {key: value for key, value in column.items() if not key.startswith("x-")}


@cache
def _read(path: str) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((files("source_iterable") / "schemas" / path).read_text("utf-8"))
    return content
