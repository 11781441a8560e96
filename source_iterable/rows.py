"""A line of a body: parsed to a row, and fitted to the columns of its table.

Nothing that Iterable sends is dropped or passed off as something else: a field without a column, and a
value that does not fit its column's type, go unchanged into the object column `dataFields`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
import orjson

from source_iterable import json_text
from source_iterable.timestamps import is_bare_date, rfc3339

REST = "dataFields"
KNOWN = "x-columns"
ADDED = "x-added"
JSON_TEXT = "x-json-text"

DEEPEST = 500  # levels of nesting; Iterable's own store allows 20

Row = dict[str, Any]
Fit = Callable[[Any], Any]


class MalformedLineError(ValueError):
    """A line that is no JSON object."""


class _Object(msgspec.Struct):
    """Any JSON object, none of whose fields is wanted."""


_AN_OBJECT = msgspec.json.Decoder(_Object)
_UNFIT: Any = object()
_PLACED: Any = object()
_DIGITS = bytes(ord("0") if chr(byte).isdigit() else byte for byte in range(256))
# An integer of so many digits may be one that 64 bits cannot hold, which orjson rounds. Most lines have no
# such run of digits at all, and that is cheaper to see.
_LONG_RUN = b"0" * 19
_LONG_NUMBER = re.compile(rb"[\[:,]\s*-?\d{19}")
_LEAST, _MOST = -(2**63), 2**63 - 1


def parse(line: bytes) -> Row:
    """The row that ``line`` holds.

    Integers that 64 bits cannot hold, NaN and the infinities become text: no column could keep them.
    Lone surrogates, which only escapes can spell, are kept.

    Raises:
        MalformedLineError: If the line is no JSON object, or nests deeper than 500 levels.
    """
    try:
        if _LONG_RUN in line.translate(_DIGITS) and _LONG_NUMBER.search(line):
            row = _exactly(line)
        else:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                row = _exactly(line)
    except (ValueError, RecursionError) as error:
        raise MalformedLineError("no JSON") from error
    if row.__class__ is not dict:
        raise MalformedLineError("no JSON object")
    if _may_be_too_deep(line) and _is_too_deep(row):
        raise MalformedLineError("nested too deep")
    return row


def check(line: bytes) -> None:
    """Prove that `parse` can read ``line``, as cheaply as can be.

    Raises:
        MalformedLineError: If it cannot.
    """
    try:
        _AN_OBJECT.decode(line)  # reads past every field without making it
        str(line, "utf-8")
        plain = not _may_be_too_deep(line)
    except (ValueError, RecursionError):
        plain = False
    if not plain:
        parse(line)


def _may_be_too_deep(line: bytes) -> bool:
    return len(line) > 2 * DEEPEST and line.count(b"{") + line.count(b"[") > DEEPEST


def _is_too_deep(row: Row) -> bool:
    level: list[Any] = [row]
    for _ in range(DEEPEST):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _exactly(line: bytes) -> Any:
    return json.loads(line, parse_int=_integer, parse_float=_float, parse_constant=str)


def _integer(text: str) -> int | str:
    # longer than any 64-bit number: not converted at all, since Python refuses to beyond 4,300 digits
    if len(text) > len(str(_LEAST)):
        return text
    value = int(text)
    return value if _LEAST <= value <= _MOST else text


def _float(text: str) -> float | str:
    value = float(text)
    return value if abs(value) != float("inf") else text


def dump(row: Mapping[str, Any]) -> bytes:
    """``row`` as a line that `parse` reads back."""
    return json_text.dumps(row)


def as_text(value: Any) -> str:
    """``value`` if it is text, otherwise its JSON."""
    return value if isinstance(value, str) else json.dumps(value)


class Columns:
    """The columns that the records of a table may have, and what fits each.

    Args:
        properties: The columns by name, each with its JSON schema, as selected by the user.
        known: Every column that was on offer when the user selected; one that is known but not among
            ``properties`` was deselected, and its values are dropped.
    """

    def __init__(self, properties: Mapping[str, Mapping[str, Any]], known: Collection[str] = ()) -> None:
        self.names = frozenset(properties)
        self._keeps_rest = REST in properties
        received = {name: schema for name, schema in properties.items() if not schema.get(ADDED)}
        self._fits = {name: fit(schema) for name, schema in received.items()}
        self._kinds = {name: _KINDS[check] for name, check in self._fits.items() if check in _KINDS}
        self._dropped = frozenset(known) - frozenset(properties)
        self._parents = frozenset(
            name[:dot] for name in {*received, *self._dropped} for dot, sign in enumerate(name) if sign == "."
        ) - frozenset(received)

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
        if rest and self._keeps_rest:
            record[REST] = rest
        if added:
            for name, value in added.items():
                if name in self.names:
                    record[name] = value
        return record

    def _place(self, name: str, value: Any, row: Mapping[str, Any], record: Row) -> Any:
        """Put ``value`` into the column ``name``; return what is left for `dataFields`, or that nothing is.

        The fields of a nested object take their dotted names where those are columns; the rest stays nested.
        """
        check = self._fits.get(name)
        if check is not None:
            fitted = None if value is None else check(value)
            if fitted is _UNFIT:
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


def fit(schema: Mapping[str, Any]) -> Fit:
    """The function that brings a value into the type of ``schema``, or answers that it does not fit."""
    kinds = schema.get("type", [])
    kind = next((kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"), None)
    if kind == "string" and schema.get("format") == "date-time":
        return _moment
    if kind == "string" and schema.get("format") == "date":
        return _day
    if kind == "object" and schema.get(JSON_TEXT):
        return _object_in_text
    if kind == "array":
        items = schema.get("items")
        return _array(fit(items)) if items else _any_array
    return _FITS.get(kind, _anything)


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether ``value`` has the type of ``schema``."""
    return fit(schema)(value) is not _UNFIT


def _string(value: Any) -> Any:
    return value if value.__class__ is str else _UNFIT


def _whole(value: Any) -> Any:
    return value if value.__class__ is int else _UNFIT


def _number(value: Any) -> Any:
    return value if value.__class__ is float or value.__class__ is int else _UNFIT


def _boolean(value: Any) -> Any:
    return value if value.__class__ is bool else _UNFIT


def _object(value: Any) -> Any:
    return value if value.__class__ is dict else _UNFIT


def _object_in_text(value: Any) -> Any:
    """An object that was sent as JSON text (`transactionalData`), or as itself."""
    if value.__class__ is str:
        try:
            return parse(value.encode("utf-8", "surrogatepass"))
        except MalformedLineError:
            return _UNFIT
    return _object(value)


def _moment(value: Any) -> Any:
    text = rfc3339(value)
    return _UNFIT if text is None else text


def _day(value: Any) -> Any:
    return value if is_bare_date(value) else _UNFIT


def _any_array(value: Any) -> Any:
    return value if value.__class__ is list else _UNFIT


def _anything(value: Any) -> Any:
    return value


def _array(check: Fit) -> Fit:
    def array(value: Any) -> Any:
        if value.__class__ is not list:
            return _UNFIT
        fitted = [None if item is None else check(item) for item in value]
        return _UNFIT if any(item is _UNFIT for item in fitted) else fitted

    return array


_FITS: Mapping[str | None, Fit] = {
    "string": _string,
    "integer": _whole,
    "number": _number,
    "boolean": _boolean,
    "object": _object,
}

# Where the class of a value tells that it fits: `parse` makes no integer that 64 bits cannot hold.
_KINDS: Mapping[Fit, type] = {_string: str, _whole: int, _boolean: bool}

_OTHER = re.compile("[^a-z0-9]")


def destination_name(name: str) -> str:
    """``name`` as destinations compare columns: lower-cased, any other character than a-z and 0-9 as `_`."""
    return _OTHER.sub("_", name.lower())
