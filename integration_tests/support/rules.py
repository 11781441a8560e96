"""Rules that every stream obeys: one test for a rule, which names all streams that break it."""

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any


def for_each(argument: str, streams: Iterable[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a test of one stream, its ``argument``, one of all ``streams`` at once, whose failures come together."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def rule(**fixtures: Any) -> None:
            offenders = {}
            for stream in streams:
                try:
                    test(**fixtures, **{argument: stream})
                except AssertionError as error:  # noqa: PERF203 - some seventy times
                    offenders[stream] = str(error)
            assert not offenders, "\n\n".join(f"{stream}: {broken}" for stream, broken in offenders.items())

        signature = inspect.signature(test)
        others = [one for name, one in signature.parameters.items() if name != argument]
        rule.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return rule

    return decorate
