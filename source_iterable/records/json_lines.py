"""A line of a body, parsed to a row; and a row as a line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from source_iterable.records import json_text

DEEPEST = 500  # levels of nesting; Iterable's own store allows 20

Row = dict[str, Any]


class MalformedLineError(ValueError):
    """A line that is not a JSON object."""


class _Object(msgspec.Struct):
    """Any JSON object, none of whose fields is wanted."""


_AN_OBJECT = msgspec.json.Decoder(_Object)
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
        MalformedLineError: If the line is not a JSON object, or nests deeper than 500 levels.
    """
    row = _parsed(line)
    if _may_be_too_deep(line) and _is_too_deep(row):
        raise MalformedLineError("nested too deep")
    return row


def undump(line: bytes) -> Row:
    """The row that `dump` wrote: a level or two may have been put around what Iterable sent."""
    return _parsed(line)


def _parsed(line: bytes) -> Row:
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
    """``row`` as a line that `undump` reads back."""
    return json_text.dumps(row)


def as_text(value: Any) -> str:
    """``value`` if it is text, otherwise its JSON."""
    return value if isinstance(value, str) else json.dumps(value)
