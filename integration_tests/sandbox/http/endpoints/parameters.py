"""Parameters of calls, read as Iterable reads them."""

import re
from datetime import UTC, datetime

from aiohttp import web

from integration_tests.sandbox.http.answers import bad_params


def number(text: str) -> int | None:
    """A number from 1 on; None if ``text`` is none."""
    return int(text) if re.fullmatch(r"[1-9]\d{0,17}", text) else None


def numbers(request: web.Request, name: str) -> list[int]:
    """The numbers of a parameter that may be repeated, each once.

    Raises:
        ApiError: If one is not a number.
    """
    found = []
    for text in request.query.getall(name, []):
        one = number(text)
        if one is None:
            raise bad_params(f"Invalid {name}: {text}")
        found.append(one)
    return list(dict.fromkeys(found))


def timestamp(request: web.Request, name: str, default: float) -> float:
    """A parameter in ISO 8601, a day or a timestamp, as Unix time; without an offset it is UTC.

    Raises:
        ApiError: If it is not a timestamp.
    """
    text = request.query.get(name)
    if text is None:
        return default
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise bad_params(f"Invalid {name}: {text}") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def bound(text: str | None, name: str) -> int | None:
    """A parameter ``yyyy-MM-dd[ HH:mm:ss[ +HH:mm]]`` as Unix time; None if it is not given."""
    if text is None:
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d( ?([+-]\d\d:?\d\d|Z))?)?", text):
        try:
            parsed = datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", ""))
        except ValueError:
            pass
        else:
            return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())
    raise bad_params(f"Invalid {name}: {text}")


def one_of(request: web.Request, name: str, values: tuple[str, ...]) -> str | None:
    """A parameter that is one of ``values``; None if it is not given.

    Raises:
        ApiError: If it is another.
    """
    text = request.query.get(name)
    if text is not None and text not in values:
        raise bad_params(f"Invalid {name}: {text}")
    return text


def bound_of(request: web.Request, name: str) -> int | None:
    """The parameter ``name`` of a call, as `bound` reads it."""
    return bound(request.query.get(name), name)
