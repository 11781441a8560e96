"""Serialization to JSON of any value that `json.loads` can return, however deeply nested."""

from __future__ import annotations

import json
from typing import Any

import orjson


def dumps(value: Any, *, sort_keys: bool = False) -> bytes:
    """``value`` as compact JSON in UTF-8, with sorted keys if requested.

    A value that orjson refuses (a lone surrogate, more than 254 levels) is written in ASCII, as by `json.dumps` but
    without recursion: how deeply a value may be nested must not depend on how deep the caller's stack is.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        return _dumps_ascii(value, sort_keys).encode("ascii")


def _dumps_ascii(value: Any, sort_keys: bool) -> str:
    written: list[str] = []
    pending: list[tuple[bool, Any]] = [(False, value)]  # what is left to write, last first; True: it is JSON already
    while pending:
        is_json, item = pending.pop()
        if is_json:
            written.append(item)
        elif isinstance(item, dict):
            written.append("{")
            pending.append((True, "}"))
            comma = ""
            inner: list[tuple[bool, Any]] = []
            for key in sorted(item) if sort_keys else item:
                inner += (True, f"{comma}{json.dumps(key)}:"), (False, item[key])
                comma = ","
            pending += reversed(inner)
        elif isinstance(item, list | tuple):
            written.append("[")
            pending.append((True, "]"))
            inner = []
            for index, element in enumerate(item):
                inner += (True, "," if index else ""), (False, element)
            pending += reversed(inner)
        else:
            written.append(json.dumps(item))
    return "".join(written)
