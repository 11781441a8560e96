"""Masking of personal data (email addresses, phone numbers, user ids) in text for log lines and errors."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MAX_QUOTE = 500
MAX_NAME = 60

# `@` in plain text, in a URL (encoded once or twice), in JSON and in HTML.
_AT = r"(?:[@＠﹫]|%(?:25)*40|\\u0040|&#64;|&#x40;|&commat;)"  # noqa: RUF001 - full-width forms of `@`
_ADDRESS = re.compile(
    # A quoted name before an address in brackets, or a quoted text before the `@`.
    rf'(?:\\?"[^"\n]{{1,200}}"\s{{0,3}}(?=<[^\s<>]*{_AT})|\\?"[^"\n]{{1,200}}"{_AT}[^\s"<>,;:]*'
    # A match may start only at the start of a word: otherwise the time would be quadratic in the length.
    rf'|(?<![^\s"<>,;:@])[^\s"<>,;:@]+?{_AT}[^\s"<>,;:]*)',
    re.IGNORECASE,
)
_USER_ID = re.compile(
    r"""(user[\s_-]?ids?\\?["']?\s{0,3}(?:[:=]\s{0,3}|(?=\\?["'])))(?:\\?"[^"\n]*|\\?'[^'\n]*|[^\s"',;&}]+)""",
    re.IGNORECASE,
)
# Statuses, counts and Iterable's ids have less than ten digits.
_LONG_NUMBER = re.compile(r"(?:\+|%2B)?\d{10,}", re.IGNORECASE)
# Groups of digits and the usual separators of phone numbers; a `+` after a time belongs to its offset.
_GROUPED = re.compile(
    r"(?:(?:(?<!:\d\d)(?<!:\d\d )\+|%2B)\s?)?\(?(?<!\d)\d+(?:(?:[\s.()/\u00a0\u2010-\u2013-]|%20|%2D){1,3}\d+)*",
    re.IGNORECASE,
)
_DATE = re.compile(r"((?<!\d)(?:(?:19|20)\d\d([-/.])\d\d?\2\d\d?|\d\d?([-/.])\d\d?\3(?:19|20)\d\d)(?!\d))")
_SHORT_PHONE = re.compile(r"\d{3}[-.]\d{4}")
_IP_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_DIGIT = re.compile(r"\d")
_PHONE_DIGITS = 8
_PHONE_DIGITS_AFTER_PLUS = 7

_PLAIN = re.compile(r"[\w .:/-]+")
_JOINERS = frozenset("\u200c\u200d")  # invisible characters inside Persian and Indian words
_MAX_DIGITS_IN_A_ROW = 4  # those of a year
_MAX_DIGITS = 8  # those of a date


def masked(text: str) -> str:
    """``text`` without personal data, as `unnamed` removes it, cut to `MAX_QUOTE` characters."""
    return unnamed(text)[:MAX_QUOTE]


def unnamed(text: str) -> str:
    """``text`` with `***` in place of email addresses, phone numbers and values that are labelled as a user id.

    Dates, IP addresses and numbers with fewer than eight digits (seven after a `+`) stay: they may be statuses, counts
    or ids of campaigns and the like.
    """
    text = _ADDRESS.sub(_without_address, text)
    text = _USER_ID.sub(r"\1***", text)
    text = _LONG_NUMBER.sub("***", text)
    return _GROUPED.sub(_without_phone, text)


@lru_cache(maxsize=4096)
def is_name(text: str) -> bool:
    """Whether ``text`` looks like a name that a developer chose, for an event say, and contains no personal data.

    Such a name has up to sixty letters of any language, digits, spaces and `_.:/-`, and no long number.
    """
    if not 0 < len(text) <= MAX_NAME or text.isspace():
        return False
    # Combining marks are parts of letters in many languages, but `\w` does not match them.
    plain = "".join(char for char in text if not (unicodedata.category(char)[0] == "M" or char in _JOINERS))
    return (
        _PLAIN.fullmatch(plain) is not None
        and max(map(len, re.findall(r"\d+", plain)), default=0) <= _MAX_DIGITS_IN_A_ROW
        and len(_DIGIT.findall(plain)) <= _MAX_DIGITS
        and unnamed(text) == text
    )


def _without_address(match: re.Match[str]) -> str:
    return '"***" ' if match[0].endswith('"') or match[0][-1:].isspace() else "***@***"


def _without_phone(match: re.Match[str]) -> str:
    number = match[0]
    if number[0] in "+%":
        return "***" if len(_DIGIT.findall(number)) >= _PHONE_DIGITS_AFTER_PLUS else number
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
