"""A list in a JSON object that is too large for memory, value by value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import ijson

_OPENS = ("start_map", "start_array")
_CLOSES = ("end_map", "end_array")


class UnexpectedJsonError(Exception):
    """A body that is not an object with a list under the name; its message says what it is."""


def array_in(body: IO[bytes], name: str) -> Iterator[Any]:
    """The values of the list under ``name`` of the object that ``body`` is, one of them in memory at a time.

    Raises:
        UnexpectedJsonError: If ``body`` is not a JSON object, or holds no such list; after its values, if what follows
            them is not JSON.
    """
    try:
        yield from _array_in(ijson.basic_parse(body, use_float=True), name)
    except ijson.JSONError as error:
        raise UnexpectedJsonError("no JSON object") from error


def _array_in(events: Iterator[tuple[str, Any]], name: str) -> Iterator[Any]:
    event, _ = next(events)
    if event != "start_map":
        raise UnexpectedJsonError("no JSON object")
    is_there = False
    for _, found in events:  # the names of the object, and its end
        if found is None:
            break
        event, value = next(events)
        if found == name:
            if event != "start_array":
                break
            is_there = True
            yield from _values(events)
        else:
            _value(events, event, value)
    if not is_there:
        raise UnexpectedJsonError(f"no list under '{name}'")
    for _ in events:  # nothing may follow
        pass


def _values(events: Iterator[tuple[str, Any]]) -> Iterator[Any]:
    """The values of the list that began."""
    for event, value in events:
        if event == "end_array":
            return
        yield value if event not in _OPENS else _value(events, event, value)


def _value(events: Iterator[tuple[str, Any]], event: str, value: Any) -> Any:
    """The whole value that begins with an event."""
    built = ijson.ObjectBuilder()
    depth = 0
    while True:
        built.event(event, value)
        depth += (event in _OPENS) - (event in _CLOSES)
        if depth == 0:
            return built.value
        event, value = next(events)
