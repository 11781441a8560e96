"""The columns of a stream, and the record that a row becomes in them.

Everything that Iterable sends is kept, and as it was sent: a field without a column, and a value that does not fit the
type of its column, are put unchanged into the object column `dataFields`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from source_iterable.records import json_text
from source_iterable.records.coercion import (
    JSON_TEXT,
    MISMATCH,
    UNCHANGED,
    Coercion,
    coercion_of,
    coercion_to_both,
    fits,
    signature,
    single_as_list,
)
from source_iterable.records.json_lines import Row

__all__ = [
    "GENERATED",
    "IN_TWO_SHAPES",
    "JSON_TEXT",
    "OFFERED_COLUMNS",
    "OVERFLOW",
    "Columns",
    "destination_name",
    "fits",
]

OVERFLOW = "dataFields"
OFFERED_COLUMNS = "x-columns"
GENERATED = "x-added"  # a keyword in the connector's own schemas, removed before a schema is published

# Objects and arrays of objects that Iterable sends in one of two shapes: whole (`devices: [{"token": ...}]`), or as a
# list for each field (`devices.token: [...]`). The lists are not merged into objects: nothing guarantees that their
# elements are in the same order and complete.
IN_TWO_SHAPES = frozenset({"devices", "phoneNumberDetails", "shoppingCartItems"})

_PLACED: Any = object()


class Columns:
    """The columns that the records of a stream may have, and the coercion to each.

    Args:
        properties: The selected columns by name, each with its JSON schema.
        offered: All columns in the catalog from which the user selected. One that is not in ``properties`` was
            deselected, and its values are dropped.
        declared: The columns as this version declares them. The user's catalog may be of another version: a value is
            coerced to the type declared here, and then must fit the type in the catalog.
        required: The columns of the key and the cursor, which are not set to null because of their type.
        lists_as_text: Whether a list in a text column is delivered as JSON text.
    """

    def __init__(
        self,
        properties: Mapping[str, Mapping[str, Any]],
        offered: Collection[str] = (),
        declared: Mapping[str, Mapping[str, Any]] | None = None,
        required: Collection[str] = (),
        lists_as_text: bool = False,
    ) -> None:
        self.names = frozenset(properties)
        self._declared = declared or {}
        self._lists_as_text = lists_as_text
        self._has_overflow = OVERFLOW in properties
        self._overflow_is_text = signature(properties.get(OVERFLOW, {}))[0] == {"string"}
        own_schemas = {name: self._declared.get(name, schema) for name, schema in properties.items()}
        sent = {name: schema for name, schema in properties.items() if not own_schemas[name].get(GENERATED)}
        # Without an overflow column, a value of another type stays in its column.
        kept = properties if self._declared and OVERFLOW not in self._declared else required
        self._coercions = {name: self._coercion(name, schema, name in kept) for name, schema in sent.items()}
        self._unchanged = {name: UNCHANGED[coerce] for name, coerce in self._coercions.items() if coerce in UNCHANGED}
        self._generated = {
            name: self._coercion(name, schema, name in kept)
            for name, schema in properties.items()
            if name not in sent and name != OVERFLOW and not self._is_as_declared(name, schema)
        }
        self._deselected = frozenset(offered) - frozenset(properties)
        self._parents = frozenset(
            name[:at] for name in {*sent, *self._deselected} for at, character in enumerate(name) if character == "."
        ) - frozenset(sent)

    def _coercion(self, name: str, schema: Mapping[str, Any], is_kept: bool) -> Coercion:
        declared = self._declared.get(name, schema)
        coerce = coercion_of(declared, self._lists_as_text)
        if not self._is_as_declared(name, schema):
            coerce = coercion_to_both(coerce, coercion_of(schema, self._lists_as_text), is_kept)
        else:
            schema = declared
        first, dot, _ = name.partition(".")
        return single_as_list(coerce) if dot and first in IN_TWO_SHAPES and "array" in signature(schema)[0] else coerce

    def _is_as_declared(self, name: str, schema: Mapping[str, Any]) -> bool:
        """Whether the catalog's ``schema`` of a column has no type, or the type that this version declares."""
        declared = self._declared.get(name, schema)
        return not signature(schema)[0] or signature(schema) == signature(declared)

    def record(self, row: Mapping[str, Any], generated: Mapping[str, Any] | None = None) -> Row:
        """The record of ``row``: its columns, and in `dataFields` everything else that was sent.

        ``generated`` are the values of columns that the connector adds to the record; those of columns that the user
        did not select are left out.
        """
        unchanged = self._unchanged
        record: Row = {}
        overflow: Row = {}
        for name, value in row.items():
            if name in unchanged and (value.__class__ is unchanged[name] or value is None):
                record[name] = value  # the usual case, without a call
            elif (left := self._place(name, value, row, record)) is not _PLACED:
                overflow[name] = left
        if generated:
            for name, value in generated.items():
                if name == OVERFLOW:
                    overflow |= value
                elif name in self._generated and value is not None:
                    coerced = self._generated[name](value)
                    record[name] = None if coerced is MISMATCH else coerced
                    if coerced is MISMATCH:
                        overflow.setdefault(name, value)
                elif name in self.names:
                    record[name] = value
        if overflow and self._has_overflow:
            record[OVERFLOW] = json_text.dumps(overflow).decode() if self._overflow_is_text else overflow
        return record

    def _place(self, name: str, value: Any, row: Mapping[str, Any], record: Row) -> Any:
        """Put ``value`` into the column ``name``; return what is left for `dataFields`, or `_PLACED` if nothing is.

        A field of a nested object goes into the column with its dotted name, if there is one; the others stay nested.
        """
        coerce = self._coercions.get(name)
        if coerce is not None:
            coerced = None if value is None else coerce(value)
            if coerced is MISMATCH:
                record[name] = None
                return value
            record[name] = coerced
            return _PLACED
        if name in self._deselected:
            return _PLACED
        if not (value and name in self._parents and value.__class__ is dict):
            return value
        left: Row = {}
        for key, inner in value.items():
            dotted = f"{name}.{key}"
            inner_left = inner if dotted in row else self._place(dotted, inner, row, record)
            if inner_left is not _PLACED:
                left[key] = inner_left
        return left or _PLACED


_REPLACED = re.compile("[^a-z0-9]")


def destination_name(name: str) -> str:
    """``name`` as destinations compare column names: in lower case, with `_` for any other character than a-z, 0-9."""
    return _REPLACED.sub("_", name.lower())
