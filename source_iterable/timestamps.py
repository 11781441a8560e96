"""Iterable's notations of a timestamp, in and out, always UTC.

Iterable sends `2021-04-14 16:41:09 +00:00`, epoch milliseconds, ISO 8601 with and without
fractions, and, for custom profile fields, whatever a customer once sent
(https://support.iterable.com/hc/en-us/articles/208183076).
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
# What Iterable is seen to send: a date, a time to the second or finer, then Z, an offset or nothing.
_TIMESTAMP = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})[ T](?P<time>\d{2}:\d{2}:\d{2})"
    r"(?P<fraction>(?:\.\d+)*)\s?(?P<zone>Z|[+-]\d{2}:?\d{2})?",
)
_USUAL_OFFSET = len("2021-04-14 16:41:09")
_USUAL_LENGTH = len("2021-04-14 16:41:09 +00:00")


def parse(value: object) -> datetime:
    """The timestamp that ``value`` is: an aware datetime in UTC, as fine as it was given.

    Text without an offset is UTC; a number is epoch milliseconds. A fraction that repeats its dot
    (`22:43:34.134105.000Z`, seen in exports) counts up to the second dot.

    Raises:
        ValueError: If ``value`` is none of Iterable's notations, or is not a timestamp of the calendar.
    """
    if isinstance(value, str):
        found = _TIMESTAMP.fullmatch(value.strip())
        if not found:
            raise ValueError("no timestamp in one of Iterable's notations")
        fraction = found["fraction"].split(".")[1] if found["fraction"] else ""
        text = f"{found['day']}T{found['time']}{'.' + fraction[:6] if fraction else ''}{found['zone'] or 'Z'}"
        parsed = cast("datetime", pendulum.parse(text))  # a text with a time gives nothing else
        try:
            # A plain datetime: pendulum's own does arithmetic in classes of its own.
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
    """As `parse`; None if ``value`` is no timestamp."""
    try:
        return parse(value)
    except ValueError:
        return None


def rfc3339(value: object) -> str | None:
    """``value`` as `2021-04-14T16:41:09Z`, its fraction kept; None where it tells no timestamp.

    A bare date is not a timestamp and gives None.
    """
    if _is_usual(value):
        try:
            return datetime.fromisoformat(value[:_USUAL_OFFSET]).isoformat() + "Z"
        except ValueError:
            return None
    try:
        return formatted(parse(value))
    except ValueError:
        return None


def lies_in_second(value: object, second: str) -> bool:
    """Whether ``value``, cut to the whole second, is the timestamp that `for_export` gives as ``second``."""
    if _is_usual(value):
        return value == second
    try:
        return for_export(parse(value)) == second
    except ValueError:
        return False


def _is_usual(value: object) -> TypeGuard[str]:
    """Whether ``value`` has the form of nearly every row, which is read without a regular expression."""
    return value.__class__ is str and value[_USUAL_OFFSET:] == " +00:00" and len(value) == _USUAL_LENGTH


def formatted(when: datetime) -> str:
    """``when`` in RFC 3339 with `Z`; a fraction only where there is one."""
    return when.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def is_bare_date(value: object) -> bool:
    """Whether ``value`` is a calendar day without a time (`2015-11-13`)."""
    if not (isinstance(value, str) and _BARE_DATE.fullmatch(value)):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def for_export(when: datetime) -> str:
    """``when`` as `export/data.json` takes it: `2024-01-31 00:00:00 +00:00`, cut to the whole second."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S +00:00")


def from_setting(text: str) -> datetime:
    """The timestamp of a date setting: `YYYY-MM-DD`, `YYYY-MM-DDTHH:MM:SSZ` or `MM/DD/YYYY`, in UTC.

    A bare day means its 00:00.

    Raises:
        ValueError: If ``text`` has another form or names a day or time that does not exist.
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
    """``when`` cut to the second that it lies in."""
    return when.replace(microsecond=0)


def system_time() -> datetime:
    """This machine's clock, in UTC."""
    return datetime.now(timezone.utc)
