"""What may hold people's data before it stands in a log line or an error: their addresses, numbers and ids go."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MAX_QUOTE = 500
MAX_NAME = 60

# `@` as it is, in a URL (once or twice encoded), in JSON and in HTML.
_AT = r"(?:[@＠﹫]|%(?:25)*40|\\u0040|&#64;|&#x40;|&commat;)"  # noqa: RUF001 - they are meant
_ADDRESS = re.compile(
    # A name in quotes before an address in brackets, or quotes around what stands before the `@`.
    rf'(?:\\?"[^"\n]{{1,200}}"\s{{0,3}}(?=<[^\s<>]*{_AT})|\\?"[^"\n]{{1,200}}"{_AT}[^\s"<>,;:]*'
    # Attempts begin only where a word does, so that the time grows with the text and not with its square.
    rf'|(?<![^\s"<>,;:@])[^\s"<>,;:@]+?{_AT}[^\s"<>,;:]*)',
    re.IGNORECASE,
)
_USER_ID = re.compile(
    r"""(user[\s_-]?ids?\\?["']?\s{0,3}(?:[:=]\s{0,3}|(?=\\?["'])))(?:\\?"[^"\n]*|\\?'[^'\n]*|[^\s"',;&}]+)""",
    re.IGNORECASE,
)
# From ten digits on a number is no status, no count and no id of Iterable's.
_LONG_NUMBER = re.compile(r"(?:\+|%2B)?\d{10,}", re.IGNORECASE)
# Groups of digits with what people put between them; a `+` behind a time is that of its offset.
_GROUPED = re.compile(
    r"(?:(?:(?<!:\d\d)(?<!:\d\d )\+|%2B)\s?)?\(?(?<!\d)\d+(?:(?:[\s.()/\u00a0\u2010-\u2013-]|%20|%2D){1,3}\d+)*",
    re.IGNORECASE,
)
_DATE = re.compile(r"((?<!\d)(?:(?:19|20)\d\d([-/.])\d\d?\2\d\d?|\d\d?([-/.])\d\d?\3(?:19|20)\d\d)(?!\d))")
_SHORT_PHONE = re.compile(r"\d{3}[-.]\d{4}")
_IP_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_DIGIT = re.compile(r"\d")
_PHONE_DIGITS = 8
_SHORT_PHONE_DIGITS = 7  # where a `+` tells that it is one

_PLAIN = re.compile(r"[\w .:/-]+")
_JOINERS = frozenset("\u200c\u200d")  # that Persian and Indian words are written with
_DIGITS_IN_A_ROW = 4  # a year
_DIGITS_IN_ALL = 8  # a date


def masked(text: str) -> str:
    """``text`` without email addresses, phone numbers and what is named a user id, cut to a length fit for a log."""
    return unnamed(text)[:MAX_QUOTE]


def unnamed(text: str) -> str:
    """``text``, however long, without email addresses, phone numbers and what is named a user id.

    A number with fewer than eight digits (with a `+`, seven), a date and an IP address stay: statuses, counts and
    ids look like that.
    """
    text = _ADDRESS.sub(_without_address, text)
    text = _USER_ID.sub(r"\1***", text)
    text = _LONG_NUMBER.sub("***", text)
    return _GROUPED.sub(_without_phone, text)


@lru_cache(maxsize=4096)
def is_name(text: str) -> bool:
    """Whether ``text`` looks like the name that a program gives to something, and holds nothing about a person.

    That is up to sixty letters, digits, spaces and `_.:/-`, of any language, without a long number.
    """
    if not 0 < len(text) <= MAX_NAME or text.isspace():
        return False
    # Marks belong to the letters of many languages, but not to what a regular expression takes for a word.
    plain = "".join(letter for letter in text if not (unicodedata.category(letter)[0] == "M" or letter in _JOINERS))
    return (
        _PLAIN.fullmatch(plain) is not None
        and max(map(len, re.findall(r"\d+", plain)), default=0) <= _DIGITS_IN_A_ROW
        and len(_DIGIT.findall(plain)) <= _DIGITS_IN_ALL
        and unnamed(text) == text
    )


def _without_address(found: re.Match[str]) -> str:
    return '"***" ' if found[0].endswith('"') or found[0][-1:].isspace() else "***@***"


def _without_phone(found: re.Match[str]) -> str:
    number = found[0]
    if number[0] in "+%":
        return "***" if len(_DIGIT.findall(number)) >= _SHORT_PHONE_DIGITS else number
    dates = list(_DATE.finditer(number))
    if dates:
        starts, ends = [0, *(date.end() for date in dates)], [*(date.start() for date in dates), len(number)]
        between = [_GROUPED.sub(_without_phone, number[start:end]) for start, end in zip(starts, ends, strict=True)]
        return between[0] + "".join(date[0] + after for date, after in zip(dates, between[1:], strict=True))
    if _IP_ADDRESS.fullmatch(number):
        return number
    groups = re.findall(r"\d+", number)
    is_phone = _SHORT_PHONE.fullmatch(number) or (len(groups) > 1 and sum(map(len, groups)) >= _PHONE_DIGITS)
    return "***" if is_phone else number
