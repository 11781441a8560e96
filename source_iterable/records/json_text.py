"""JSON as text, of any value that `json.loads` can return, however deep it nests."""

from __future__ import annotations

import json
from typing import Any

import orjson


def dumps(value: Any, *, sort_keys: bool = False) -> bytes:
    """``value`` as compact JSON in UTF-8, with sorted keys if requested.

    A value that orjson refuses (a lone surrogate, more than 254 levels) is spelled in ASCII, as `json.dumps`
    spells it, without its recursion: how deep a value may nest must not depend on the caller's own depth.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        return _spelled(value, sort_keys).encode("ascii")


def _spelled(value: Any, sort_keys: bool) -> str:
    parts: list[str] = []
    pending: list[tuple[bool, Any]] = [(False, value)]  # what is left to spell, in reverse; True: it is spelled
    while pending:
        is_spelled, one = pending.pop()
        if is_spelled:
            parts.append(one)
        elif isinstance(one, dict):
            parts.append("{")
            pending.append((True, "}"))
            comma = ""
            inner: list[tuple[bool, Any]] = []
            for key in sorted(one) if sort_keys else one:
                inner += (True, f"{comma}{json.dumps(key)}:"), (False, one[key])
                comma = ","
            pending += reversed(inner)
        elif isinstance(one, list | tuple):
            parts.append("[")
            pending.append((True, "]"))
            inner = []
            for at, item in enumerate(one):
                inner += (True, "," if at else ""), (False, item)
            pending += reversed(inner)
        else:
            parts.append(json.dumps(one))
    return "".join(parts)
