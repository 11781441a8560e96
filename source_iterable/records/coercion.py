"""What fits the type of a column, and how it is brought into it.

A check is a function that answers with the value as the column has it, or with `MISMATCH`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from source_iterable.records import json_text
from source_iterable.records.json_lines import MalformedLineError, parse
from source_iterable.timestamps import is_bare_date, rfc3339

# Marks of the connector's own schemas, which are not published.
JSON_TEXT = "x-json-text"  # an object that may be sent as JSON text
OBJECT_TEXT = "x-object-text"  # a text that may be sent as an object

MISMATCH: Any = object()

Coercion = Callable[[Any], Any]


def coercion_of(schema: Mapping[str, Any], lists_as_text: bool = False) -> Coercion:
    """The function that brings a value into the type of ``schema``, or answers that it does not fit.

    Of a type that is several, the first that fits counts; text, which takes the most, comes last.
    """
    kinds = sorted(signature(schema)[0], key=lambda kind: (kind == "string", kind))
    checks = [_fit_of(kind, schema, lists_as_text) for kind in kinds]
    return _any_of(checks) if len(checks) > 1 else next(iter(checks), _anything)


def _fit_of(kind: str, schema: Mapping[str, Any], lists_as_text: bool) -> Coercion:
    if kind == "string":
        form = schema.get("format")
        if form in {"date-time", "date"}:
            return _moment if form == "date-time" else _day
        if schema.get(OBJECT_TEXT):
            return _text_or_json
        return _text_or_list if lists_as_text else _string
    if kind == "object" and schema.get(JSON_TEXT):
        return _object_in_text
    if kind == "array":
        items = schema.get("items")
        return _array(coercion_of(items)) if items and isinstance(items, Mapping) else _any_array
    return _FITS.get(kind, _anything)


def _any_of(checks: Collection[Coercion]) -> Coercion:
    def any_of(value: Any) -> Any:
        return next((fitted for check in checks if (fitted := check(value)) is not MISMATCH), MISMATCH)

    return any_of


def signature(schema: Mapping[str, Any]) -> tuple[frozenset[str], object, object]:
    """What ``schema`` says of a value: its types but null, its format, and the same of the items of an array."""
    told, items = schema.get("type") or (), schema.get("items")
    return (
        frozenset([told] if isinstance(told, str) else told) - {"null"},
        schema.get("format"),
        signature(items) if items and isinstance(items, Mapping) else None,
    )


def fit_of_both(own: Coercion, catalogs: Coercion, is_kept: bool) -> Coercion:
    """A check for a column that this version declares otherwise than the user's catalog, which another one made.

    A value is read as this version reads it, and must then, or as it was sent, fit the type of the catalog. One that
    ``is_kept`` and does not is delivered nevertheless: a key that is null would lose the record.
    """

    def both(value: Any) -> Any:
        fitted = own(value)
        for one in (fitted, value):
            # Only this version's own type tells whether a number is a timestamp.
            if one is not MISMATCH and not (catalogs is _moment and one.__class__ is not str):
                taken = catalogs(one)
                if taken is not MISMATCH:
                    return taken
        if not is_kept or fitted is MISMATCH:
            return MISMATCH
        return str(fitted) if fitted.__class__ is int and catalogs("0") is not MISMATCH else fitted

    return both


def one_as_list(check: Coercion) -> Coercion:
    """A single value counts as a list of one."""

    def one_as_list(value: Any) -> Any:
        return check(value if value.__class__ is list else [value])

    return one_as_list


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether ``value`` has the type of ``schema``."""
    return coercion_of(schema)(value) is not MISMATCH


def _string(value: Any) -> Any:
    return value if value.__class__ is str else MISMATCH


def _text_or_list(value: Any) -> Any:
    return json_text.dumps(value).decode() if value.__class__ is list else _string(value)


def _text_or_json(value: Any) -> Any:
    return json_text.dumps(value).decode() if value.__class__ in (list, dict) else _string(value)


def _whole(value: Any) -> Any:
    return value if value.__class__ is int else MISMATCH


def _number(value: Any) -> Any:
    return value if value.__class__ is float or value.__class__ is int else MISMATCH


def _boolean(value: Any) -> Any:
    return value if value.__class__ is bool else MISMATCH


def _object(value: Any) -> Any:
    return value if value.__class__ is dict else MISMATCH


def _object_in_text(value: Any) -> Any:
    """An object that was sent as JSON text (`transactionalData`), or as itself."""
    if value.__class__ is str:
        try:
            return parse(value.encode("utf-8", "surrogatepass"))
        except MalformedLineError:
            return MISMATCH
    return _object(value)


def _moment(value: Any) -> Any:
    text = rfc3339(value)
    return MISMATCH if text is None else text


def _day(value: Any) -> Any:
    return value if is_bare_date(value) else MISMATCH


def _any_array(value: Any) -> Any:
    return value if value.__class__ is list else MISMATCH


def _anything(value: Any) -> Any:
    return value


def _array(check: Coercion) -> Coercion:
    def array(value: Any) -> Any:
        if value.__class__ is not list:
            return MISMATCH
        fitted = [None if item is None else check(item) for item in value]
        return MISMATCH if any(item is MISMATCH for item in fitted) else fitted

    return array


_FITS: Mapping[str, Coercion] = {
    "integer": _whole,
    "number": _number,
    "boolean": _boolean,
    "object": _object,
}

# Where the class of a value tells that it fits: `parse` makes no integer that 64 bits cannot hold.
KINDS: Mapping[Coercion, type] = {_string: str, _text_or_list: str, _text_or_json: str, _whole: int, _boolean: bool}
