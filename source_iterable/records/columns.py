"""A row, fitted to the columns of its stream.

Nothing that Iterable sends is dropped or passed off as something else: a field without a column, and a
value that does not fit its column's type, go unchanged into the object column `dataFields`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from source_iterable.records import json_text
from source_iterable.records.coercion import (
    JSON_TEXT,
    KINDS,
    MISMATCH,
    Coercion,
    coercion_of,
    fit_of_both,
    fits,
    one_as_list,
    signature,
)
from source_iterable.records.json_lines import MalformedLineError, Row, as_text, check, dump, parse

__all__ = [
    "GENERATED",
    "IN_TWO_SHAPES",
    "JSON_TEXT",
    "OFFERED_COLUMNS",
    "OVERFLOW",
    "Columns",
    "MalformedLineError",
    "Row",
    "as_text",
    "check",
    "destination_name",
    "dump",
    "fits",
    "parse",
]

OVERFLOW = "dataFields"
OFFERED_COLUMNS = "x-columns"
GENERATED = "x-added"  # a mark of the connector's own schemas, which is not published

# Objects and arrays of objects that Iterable sends in one of two shapes: whole (`devices: [{"token": ...}]`), or
# as a list for each field (`devices.token: [...]`). The lists are not put together into objects: nothing says that
# their elements stand in the same order, and without gaps.
IN_TWO_SHAPES = frozenset({"devices", "phoneNumberDetails", "shoppingCartItems"})

_PLACED: Any = object()


class Columns:
    """The columns that the records of a stream may have, and what fits each.

    Args:
        properties: The columns by name, each with its JSON schema, as selected by the user.
        known: Every column that was on offer when the user selected; one that is known but not among
            ``properties`` was deselected, and its values are dropped.
        own: The columns as this version declares them. The user's catalog may be of another version: a value is
            brought into its own type, and then must fit the type that the catalog declares.
        needed: The columns of the key and the cursor, which are never left empty for their type's sake.
        lists_as_text: Whether a list in a column of text is delivered as JSON text.
    """

    def __init__(
        self,
        properties: Mapping[str, Mapping[str, Any]],
        known: Collection[str] = (),
        own: Mapping[str, Mapping[str, Any]] | None = None,
        needed: Collection[str] = (),
        lists_as_text: bool = False,
    ) -> None:
        self.names = frozenset(properties)
        self._own = own or {}
        self._lists_as_text = lists_as_text
        self._keeps_rest = OVERFLOW in properties
        self._rest_is_text = signature(properties.get(OVERFLOW, {}))[0] == {"string"}
        marked = {name: self._own.get(name, schema) for name, schema in properties.items()}
        received = {name: schema for name, schema in properties.items() if not marked[name].get(GENERATED)}
        # Where nothing takes the rest, a value of another type stays in its column.
        kept = properties if self._own and OVERFLOW not in self._own else needed
        self._fits = {name: self._fit(name, schema, name in kept) for name, schema in received.items()}
        self._kinds = {name: KINDS[check] for name, check in self._fits.items() if check in KINDS}
        self._added = {
            name: self._fit(name, schema, name in kept)
            for name, schema in properties.items()
            if name not in received and name != OVERFLOW and not self._is_as_declared(name, schema)
        }
        self._dropped = frozenset(known) - frozenset(properties)
        self._parents = frozenset(
            name[:dot] for name in {*received, *self._dropped} for dot, sign in enumerate(name) if sign == "."
        ) - frozenset(received)

    def _fit(self, name: str, schema: Mapping[str, Any], is_kept: bool) -> Coercion:
        own = self._own.get(name, schema)
        check = coercion_of(own, self._lists_as_text)
        if not self._is_as_declared(name, schema):
            check = fit_of_both(check, coercion_of(schema, self._lists_as_text), is_kept)
        else:
            schema = own
        first, dot, _ = name.partition(".")
        return one_as_list(check) if dot and first in IN_TWO_SHAPES and "array" in signature(schema)[0] else check

    def _is_as_declared(self, name: str, schema: Mapping[str, Any]) -> bool:
        """Whether the catalog's ``schema`` of a column says the same as this version's, or nothing."""
        own = self._own.get(name, schema)
        return not signature(schema)[0] or signature(schema) == signature(own)

    def record(self, row: Mapping[str, Any], added: Mapping[str, Any] | None = None) -> Row:
        """The record of ``row``: its columns, and in `dataFields` whatever else was sent.

        ``added`` are the columns that the connector itself gives the record; one that the user did not
        select is left out.
        """
        kinds = self._kinds
        record: Row = {}
        rest: Row = {}
        for name, value in row.items():
            if name in kinds and (value.__class__ is kinds[name] or value is None):
                record[name] = value  # most values are such
            elif (left := self._place(name, value, row, record)) is not _PLACED:
                rest[name] = left
        if added:
            for name, value in added.items():
                if name == OVERFLOW:
                    rest |= value
                elif name in self._added and value is not None:
                    fitted = self._added[name](value)
                    record[name] = None if fitted is MISMATCH else fitted
                    if fitted is MISMATCH:
                        rest.setdefault(name, value)
                elif name in self.names:
                    record[name] = value
        if rest and self._keeps_rest:
            record[OVERFLOW] = json_text.dumps(rest).decode() if self._rest_is_text else rest
        return record

    def _place(self, name: str, value: Any, row: Mapping[str, Any], record: Row) -> Any:
        """Put ``value`` into the column ``name``; return what is left for `dataFields`, or that nothing is.

        The fields of a nested object take their dotted names where those are columns; the rest stays nested.
        """
        check = self._fits.get(name)
        if check is not None:
            fitted = None if value is None else check(value)
            if fitted is MISMATCH:
                record[name] = None
                return value
            record[name] = fitted
            return _PLACED
        if name in self._dropped:
            return _PLACED
        if not (value and name in self._parents and value.__class__ is dict):
            return value
        left: Row = {}
        for key, inner in value.items():
            dotted = f"{name}.{key}"
            remains = inner if dotted in row else self._place(dotted, inner, row, record)
            if remains is not _PLACED:
                left[key] = remains
        return left or _PLACED


_OTHER = re.compile("[^a-z0-9]")


def destination_name(name: str) -> str:
    """``name`` as destinations compare columns: lower-cased, any other character than a-z and 0-9 as `_`."""
    return _OTHER.sub("_", name.lower())
