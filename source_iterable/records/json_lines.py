"""Parsing of a line of JSON to a row, and the reverse."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from source_iterable.records import json_text

MAX_NESTING = 500  # levels; Iterable itself stores up to 20

Row = dict[str, Any]


class MalformedLineError(ValueError):
    """A line that is not a JSON object."""


class _Object(msgspec.Struct):
    """Any JSON object; no field is decoded."""


_OBJECT_DECODER = msgspec.json.Decoder(_Object)
_DIGITS = bytes(ord("0") if chr(byte).isdigit() else byte for byte in range(256))
# An integer of 19 digits may be beyond 64 bits, and orjson would round it. Most lines have no such run of digits, not
# even in text: that is found faster than by the regular expression.
_LONG_RUN = b"0" * 19
_LONG_NUMBER = re.compile(rb"[\[:,]\s*-?\d{19}")
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1


def parse(line: bytes) -> Row:
    """The row in ``line``.

    Integers beyond 64 bits, NaN and the infinities are returned as text: destinations have no numbers for them. Lone
    surrogates, which only escape sequences can express, are kept.

    Raises:
        MalformedLineError: If the line is not a JSON object, or is nested more than 500 levels deep.
    """
    row = _parsed(line)
    if _may_be_too_deep(line) and _is_too_deep(row):
        raise MalformedLineError("nested too deep")
    return row


def undump(line: bytes) -> Row:
    """The row in a line of `dump`. It may exceed the nesting limit: the connector wraps rows in objects of its own."""
    return _parsed(line)


def _parsed(line: bytes) -> Row:
    try:
        if _LONG_RUN in line.translate(_DIGITS) and _LONG_NUMBER.search(line):
            row = _parsed_exactly(line)
        else:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                row = _parsed_exactly(line)
    except (ValueError, RecursionError) as error:
        raise MalformedLineError("no JSON") from error
    if row.__class__ is not dict:
        raise MalformedLineError("no JSON object")
    return row


def check(line: bytes) -> None:
    """Verify that `parse` can read ``line``, without decoding its fields if possible.

    Raises:
        MalformedLineError: If it cannot be read.
    """
    try:
        _OBJECT_DECODER.decode(line)  # skips every field without decoding it
        str(line, "utf-8")
        is_verified = not _may_be_too_deep(line)
    except (ValueError, RecursionError):
        is_verified = False
    if not is_verified:  # `parse` decides: it accepts some lines that msgspec refuses, such as NaN
        parse(line)


def _may_be_too_deep(line: bytes) -> bool:
    return len(line) > 2 * MAX_NESTING and line.count(b"{") + line.count(b"[") > MAX_NESTING


def _is_too_deep(row: Row) -> bool:
    level: list[Any] = [row]
    for _ in range(MAX_NESTING):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
    return bool(level)


def _parsed_exactly(line: bytes) -> Any:
    return json.loads(line, parse_int=_integer, parse_float=_float, parse_constant=str)


def _integer(text: str) -> int | str:
    # Text longer than any 64-bit integer is not converted: beyond 4,300 digits Python refuses to.
    if len(text) > len(str(_MIN_INTEGER)):
        return text
    value = int(text)
    return value if _MIN_INTEGER <= value <= _MAX_INTEGER else text


def _float(text: str) -> float | str:
    value = float(text)
    return value if abs(value) != float("inf") else text


def dump(row: Mapping[str, Any]) -> bytes:
    """``row`` as a line, which `undump` reads."""
    return json_text.dumps(row)


def as_text(value: Any) -> str:
    """``value`` itself if it is text, otherwise its JSON."""
    return value if isinstance(value, str) else json.dumps(value)
