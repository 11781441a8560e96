"""Columns and the JSON schema that a stream has of them: a column is nullable, typed and described."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from source_iterable.records.coercion import OBJECT_TEXT
from source_iterable.records.columns import GENERATED, JSON_TEXT, OFFERED_COLUMNS, OVERFLOW

Column = Mapping[str, Any]

# Types, for the items of an array
STRING: Column = {"type": ["null", "string"]}
INTEGER: Column = {"type": ["null", "integer"]}
NUMBER: Column = {"type": ["null", "number"]}
BOOLEAN: Column = {"type": ["null", "boolean"]}
OBJECT: Column = {"type": ["null", "object"], "additionalProperties": True}
TIMESTAMP: Column = {**STRING, "format": "date-time", "airbyte_type": "timestamp_with_timezone"}


def text(description: str) -> Column:
    """A column of text."""
    return {**STRING, "description": description}


def integer(description: str) -> Column:
    """A column of whole numbers of at most 64 bits."""
    return {**INTEGER, "description": description}


def number(description: str) -> Column:
    """A column of numbers."""
    return {**NUMBER, "description": description}


def boolean(description: str) -> Column:
    """A column of true and false."""
    return {**BOOLEAN, "description": description}


def timestamp(description: str) -> Column:
    """A column of timestamps, RFC 3339 in UTC in a record."""
    return {**TIMESTAMP, "description": description}


def day(description: str) -> Column:
    """A column of days."""
    return {**STRING, "format": "date", "description": description}


def array(items: Column, description: str) -> Column:
    """A column of lists whose items have one of the types above."""
    return {"type": ["null", "array"], "items": items, "description": description}


def json_object(description: str) -> Column:
    """A column of objects with any fields."""
    return {**OBJECT, "description": description}


def object_in_text(description: str) -> Column:
    """A column of objects that Iterable may send as JSON text."""
    return {**OBJECT, JSON_TEXT: True, "description": description}


def text_or_json(description: str) -> Column:
    """A column of text that holds the JSON text of an object, where Iterable sends one."""
    return {**STRING, OBJECT_TEXT: True, "description": description}


def generated(column: Column) -> Column:
    """A column that the connector adds; what Iterable sends under its name goes into `dataFields`."""
    return {**column, GENERATED: True}


class ColumnSet(Mapping[str, Column]):
    """Columns by name, in the order in which the schema shows them.

    ``{"reason": text("...")} | MESSAGE | EVENT`` is a set of the columns of all three.

    Raises:
        ValueError: If a column of one is in another one of them too.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = dict(columns)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __or__(self, other: Mapping[str, Column]) -> ColumnSet:
        if both := self.keys() & other.keys():
            raise ValueError(f"columns are declared twice: {', '.join(sorted(both))}")
        return ColumnSet({**self, **other})

    def __ror__(self, other: Mapping[str, Column]) -> ColumnSet:
        return ColumnSet(other) | self


def json_schema(description: str, columns: Mapping[str, Column]) -> dict[str, Any]:
    """The JSON schema that `discover` shows of ``columns``; ``description`` says what one record is.

    `dataFields` comes last and names all columns on offer, by which a read knows those that were deselected.
    """
    declared: dict[str, Column] = {name: _published(column) for name, column in columns.items()}
    if OVERFLOW in declared:
        rest = declared.pop(OVERFLOW)
        declared[OVERFLOW] = {**rest, OFFERED_COLUMNS: [*declared, OVERFLOW]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "description": description,
        "additionalProperties": True,
        "properties": declared,
    }


def _published(column: Column) -> Column:
    """``column`` without the marks that only the connector reads."""
    return {key: value for key, value in column.items() if not key.startswith("x-")}
