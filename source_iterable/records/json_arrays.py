"""Incremental reading of a list in a JSON object that does not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import ijson

_STARTS = ("start_map", "start_array")
_ENDS = ("end_map", "end_array")


class UnexpectedJsonError(Exception):
    """The body is not an object with the list; the message says what is wrong."""


def array_in(body: IO[bytes], name: str) -> Iterator[Any]:
    """The values of the list under ``name`` in the JSON object ``body``, with one value in memory at a time.

    Raises:
        UnexpectedJsonError: If ``body`` is not a JSON object or does not contain the list; also after the last value,
            if the text that follows is not JSON.
    """
    try:
        yield from _array_in(ijson.basic_parse(body, use_float=True), name)
    except ijson.JSONError as error:
        raise UnexpectedJsonError("no JSON object") from error


def _array_in(events: Iterator[tuple[str, Any]], name: str) -> Iterator[Any]:
    event, _ = next(events)
    if event != "start_map":
        raise UnexpectedJsonError("no JSON object")
    is_found = False
    for _, key in events:  # the keys of the object, then its end, which has no value
        if key is None:
            break
        event, value = next(events)
        if key == name:
            if event != "start_array":
                break
            is_found = True
            yield from _values(events)
        else:
            _value(events, event, value)
    if not is_found:
        raise UnexpectedJsonError(f"no list under '{name}'")
    for _ in events:  # raises if anything but the end follows
        pass


def _values(events: Iterator[tuple[str, Any]]) -> Iterator[Any]:
    """The values of the list whose start was the last event."""
    for event, value in events:
        if event == "end_array":
            return
        yield value if event not in _STARTS else _value(events, event, value)


def _value(events: Iterator[tuple[str, Any]], event: str, value: Any) -> Any:
    """The whole value whose first event is ``event``."""
    builder = ijson.ObjectBuilder()
    depth = 0
    while True:
        builder.event(event, value)
        depth += (event in _STARTS) - (event in _ENDS)
        if depth == 0:
            return builder.value
        event, value = next(events)
