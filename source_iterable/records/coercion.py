"""Coercion of a value to the type of its column.

A coercion is a function that returns the value as the column contains it, or `MISMATCH` if the value does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from source_iterable.records import json_text
from source_iterable.records.json_lines import MalformedLineError, parse
from source_iterable.timestamps import is_bare_date, rfc3339

# Keywords in the connector's own schemas, which are removed before a schema is published.
JSON_TEXT = "x-json-text"  # an object that may be sent as JSON text
OBJECT_TEXT = "x-object-text"  # text that may be sent as an object

MISMATCH: Any = object()

Coercion = Callable[[Any], Any]


def coercion_of(schema: Mapping[str, Any], lists_as_text: bool = False) -> Coercion:
    """The coercion to the type of ``schema``.

    If the schema has several types, the first that fits is used. Text is tried last, since it accepts the most.
    """
    types = sorted(signature(schema)[0], key=lambda name: (name == "string", name))
    coercions = [_coercion_to_type(name, schema, lists_as_text) for name in types]
    return _first_match(coercions) if len(coercions) > 1 else next(iter(coercions), _anything)


def _coercion_to_type(name: str, schema: Mapping[str, Any], lists_as_text: bool) -> Coercion:
    if name == "string":
        text_format = schema.get("format")
        if text_format in {"date-time", "date"}:
            return _timestamp if text_format == "date-time" else _date
        if schema.get(OBJECT_TEXT):
            return _text_or_json
        return _text_or_list if lists_as_text else _string
    if name == "object" and schema.get(JSON_TEXT):
        return _object_or_json_text
    if name == "array":
        items = schema.get("items")
        return _array(coercion_of(items)) if items and isinstance(items, Mapping) else _any_array
    return _COERCIONS.get(name, _anything)


def _first_match(coercions: Collection[Coercion]) -> Coercion:
    def first_match(value: Any) -> Any:
        return next((coerced for coerce in coercions if (coerced := coerce(value)) is not MISMATCH), MISMATCH)

    return first_match


def signature(schema: Mapping[str, Any]) -> tuple[frozenset[str], object, object]:
    """What decides whether a value fits ``schema``: its types except null, its format, the signature of its items."""
    types, items = schema.get("type") or (), schema.get("items")
    return (
        frozenset([types] if isinstance(types, str) else types) - {"null"},
        schema.get("format"),
        signature(items) if items and isinstance(items, Mapping) else None,
    )


def coercion_to_both(declared: Coercion, selected: Coercion, is_kept: bool) -> Coercion:
    """A coercion for a column whose type differs between this version and the user's catalog, made by another one.

    The value must fit ``declared``, the type of this version. The coerced value, or else the value as it was sent, must
    also fit ``selected``, the type in the catalog. If neither does and ``is_kept``, the coerced value is returned
    nevertheless: a key without a value would lose the record.
    """

    def to_both(value: Any) -> Any:
        coerced = declared(value)
        for candidate in (coerced, value):
            # Only this version's type decides whether a number is a timestamp.
            if candidate is not MISMATCH and not (selected is _timestamp and candidate.__class__ is not str):
                accepted = selected(candidate)
                if accepted is not MISMATCH:
                    return accepted
        if not is_kept or coerced is MISMATCH:
            return MISMATCH
        return str(coerced) if coerced.__class__ is int and selected("0") is not MISMATCH else coerced

    return to_both


def single_as_list(coerce: Coercion) -> Coercion:
    """Let ``coerce``, a coercion to a list, treat any other value as a list of one."""

    def single_as_list(value: Any) -> Any:
        return coerce(value if value.__class__ is list else [value])

    return single_as_list


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether ``value`` has the type of ``schema``."""
    return coercion_of(schema)(value) is not MISMATCH


def _string(value: Any) -> Any:
    return value if value.__class__ is str else MISMATCH


def _text_or_list(value: Any) -> Any:
    return json_text.dumps(value).decode() if value.__class__ is list else _string(value)


def _text_or_json(value: Any) -> Any:
    return json_text.dumps(value).decode() if value.__class__ in (list, dict) else _string(value)


def _integer(value: Any) -> Any:
    return value if value.__class__ is int else MISMATCH


def _number(value: Any) -> Any:
    return value if value.__class__ is float or value.__class__ is int else MISMATCH


def _boolean(value: Any) -> Any:
    return value if value.__class__ is bool else MISMATCH


def _object(value: Any) -> Any:
    return value if value.__class__ is dict else MISMATCH


def _object_or_json_text(value: Any) -> Any:
    """An object; one sent as JSON text (`transactionalData`) is parsed."""
    if value.__class__ is str:
        try:
            return parse(value.encode("utf-8", "surrogatepass"))
        except MalformedLineError:
            return MISMATCH
    return _object(value)


def _timestamp(value: Any) -> Any:
    text = rfc3339(value)
    return MISMATCH if text is None else text


def _date(value: Any) -> Any:
    return value if is_bare_date(value) else MISMATCH


def _any_array(value: Any) -> Any:
    return value if value.__class__ is list else MISMATCH


def _anything(value: Any) -> Any:
    return value


def _array(coerce: Coercion) -> Coercion:
    def array(value: Any) -> Any:
        if value.__class__ is not list:
            return MISMATCH
        coerced = [None if item is None else coerce(item) for item in value]
        return MISMATCH if any(item is MISMATCH for item in coerced) else coerced

    return array


_COERCIONS: Mapping[str, Coercion] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "object": _object,
}

# Values of these classes fit as they are, so that no call is needed: `parse` returns no integer beyond 64 bits.
UNCHANGED: Mapping[Coercion, type] = {
    _string: str,
    _text_or_list: str,
    _text_or_json: str,
    _integer: int,
    _boolean: bool,
}
