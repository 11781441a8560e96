"""Parsing and formatting of timestamps in Iterable's notations, always in UTC.

Iterable sends `2021-04-14 16:41:09 +00:00`, epoch milliseconds, ISO 8601 with and without fractions and, in custom
profile fields, whatever the customer's systems sent (https://support.iterable.com/hc/en-us/articles/208183076).
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import TypeGuard, cast

import pendulum

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

_BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SETTING_DATE = re.compile(r"(\d{2})/(\d{2})/(\d{4})")
_SETTING_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
# The forms seen in Iterable's responses: a date, a time with seconds or fractions, then Z, an offset or nothing.
_TIMESTAMP = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})[ T](?P<time>\d{2}:\d{2}:\d{2})"
    r"(?P<fraction>(?:\.\d+)*)\s?(?P<zone>Z|[+-]\d{2}:?\d{2})?",
)
_USUAL_OFFSET_AT = len("2021-04-14 16:41:09")
_USUAL_LENGTH = len("2021-04-14 16:41:09 +00:00")


def parse(value: object) -> datetime:
    """``value`` as an aware datetime in UTC, with its fraction of a second.

    Text without an offset is in UTC; a number is epoch milliseconds. A fraction with a second dot
    (`22:43:34.134105.000Z`, seen in exports) ends at that dot.

    Raises:
        ValueError: If ``value`` is in none of Iterable's notations, or the date or time does not exist.
    """
    if isinstance(value, str):
        match = _TIMESTAMP.fullmatch(value.strip())
        if not match:
            raise ValueError("no timestamp in one of Iterable's notations")
        fraction = match["fraction"].split(".")[1] if match["fraction"] else ""
        text = f"{match['day']}T{match['time']}{'.' + fraction[:6] if fraction else ''}{match['zone'] or 'Z'}"
        parsed = cast("datetime", pendulum.parse(text))  # text with a time has no other result
        try:
            # A plain datetime: arithmetic with pendulum's own class returns pendulum's classes.
            return datetime.fromisoformat(parsed.astimezone(timezone.utc).isoformat())
        except OverflowError as error:
            raise ValueError("no timestamp of the calendar") from error
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return EPOCH + timedelta(milliseconds=value)
        except OverflowError as error:
            raise ValueError("no timestamp of the calendar") from error
    raise ValueError("no timestamp in one of Iterable's notations")


def parse_or_none(value: object) -> datetime | None:
    """Like `parse`, but None if ``value`` is not a timestamp."""
    try:
        return parse(value)
    except ValueError:
        return None


def rfc3339(value: object) -> str | None:
    """``value`` in RFC 3339 (`2021-04-14T16:41:09Z`), with its fraction; None if it is not a timestamp.

    A date without a time is not a timestamp.
    """
    if _is_usual(value):
        try:
            return datetime.fromisoformat(value[:_USUAL_OFFSET_AT]).isoformat() + "Z"
        except ValueError:
            return None
    try:
        return formatted(parse(value))
    except ValueError:
        return None


def lies_in_second(value: object, second: str) -> bool:
    """Whether ``value`` is a timestamp within ``second``, a text that `for_export` returned."""
    if _is_usual(value):
        return value == second
    try:
        return for_export(parse(value)) == second
    except ValueError:
        return False


def _is_usual(value: object) -> TypeGuard[str]:
    """Whether ``value`` has the form of almost all timestamps, which is parsed without a regular expression."""
    return value.__class__ is str and value[_USUAL_OFFSET_AT:] == " +00:00" and len(value) == _USUAL_LENGTH


def formatted(when: datetime) -> str:
    """``when`` in RFC 3339, in UTC; with a fraction only if it has one."""
    return when.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def is_bare_date(value: object) -> bool:
    """Whether ``value`` is an existing date without a time (`2015-11-13`)."""
    if not (isinstance(value, str) and _BARE_DATE.fullmatch(value)):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def for_export(when: datetime) -> str:
    """``when`` as a parameter of `export/data.json`: `2024-01-31 00:00:00 +00:00`, rounded down to the second."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S +00:00")


def from_setting(text: str) -> datetime:
    """The timestamp of a date setting: `YYYY-MM-DD`, `YYYY-MM-DDTHH:MM:SSZ` or `MM/DD/YYYY`, in UTC.

    A date without a time means 00:00.

    Raises:
        ValueError: If ``text`` has another form, or the date or time does not exist.
    """
    if american := _SETTING_DATE.fullmatch(text):
        month, day, year = american.groups()
        text = f"{year}-{month}-{day}"
    if _BARE_DATE.fullmatch(text):
        text = f"{text}T00:00:00Z"
    if not _SETTING_TIMESTAMP.fullmatch(text):
        raise ValueError("not one of the three forms")
    return parse(text)


def whole_second(when: datetime) -> datetime:
    """``when`` rounded down to the second."""
    return when.replace(microsecond=0)


def system_time() -> datetime:
    """The current time by the clock of this machine, in UTC."""
    return datetime.now(timezone.utc)
