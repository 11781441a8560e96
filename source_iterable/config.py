"""The settings of a connection, parsed once and frozen."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from source_iterable import messages, timestamps
from source_iterable.timestamps import system_time

HOSTS = {"US": "https://api.iterable.com", "EU": "https://api.eu.iterable.com"}
EVENT_KEYS = ("event_id", "email")
AUTOMATIC, DIRECT, JOBS = EXPORT_METHODS = ("automatic", "direct", "jobs")

_KEY = re.compile(r"[A-Za-z0-9_.-]+")
# What a value must look like to be quoted in an error: whatever else stands in a field may be a key.
_LIKE_DATE = re.compile(
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ]\d{1,2}(:\d{1,2}){0,2}(\.\d{1,6})?\s?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_LIKE_NUMBER = re.compile(r"[+-]?\d{1,8}([.,]\d{1,4})?", re.ASCII)
_LIKE_CHOICE = re.compile(r"[A-Za-z_.]{0,12}")
_MAX_QUOTE = 30


@dataclass(frozen=True)
class Config:
    """What a user may set (spec.json), and what only the environment sets.

    Attributes:
        api_key: A server-side key of the project.
        start_date: From when rows of the export streams are read, inclusive, UTC.
        end_date: Until when, exclusive, UTC; None for the present.
        window: The time span that an export request covers at first.
        lookback: How long Iterable may take to make an event exportable.
        event_key: The primary key that event streams declare: `event_id` or `email`.
        export_method: How windows are downloaded: `automatic`, `direct` or `jobs`.
        url: Scheme and host of the API, without a trailing slash.
        rate_scale: By what the request limits are multiplied; 1 but for tests.
        spool_bytes: How many bytes of bodies may lie on disk at once.
        region: Which data center holds the project, for messages: `US` or `EU`.
    """

    api_key: str = field(repr=False)
    start_date: datetime
    end_date: datetime | None
    window: timedelta
    lookback: timedelta
    event_key: str
    export_method: str
    url: str
    rate_scale: float
    spool_bytes: int
    region: str = field(default="US", compare=False)  # the address already distinguishes settings

    @classmethod
    def parse(cls, settings: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Config:
        """Read the settings of a connection.

        Raises:
            AirbyteTracedException: A config_error whose message names the field, if a setting is missing,
                of a wrong type, out of its bounds, or at odds with another.
        """
        start_date = _date(settings, "start_date")
        if start_date is None:
            raise messages.START_DATE_MISSING.error()
        end_date = _date(settings, "end_date")
        if start_date < timestamps.EPOCH:
            raise messages.START_DATE_TOO_EARLY.error()
        if start_date > system_time():
            raise messages.START_DATE_IN_FUTURE.error(date=settings["start_date"])
        if end_date is not None and end_date <= start_date:
            raise messages.END_DATE_TOO_EARLY.error()
        region = _choice(settings, "region", tuple(HOSTS), "US")
        return cls(
            api_key=_api_key(settings),
            start_date=start_date,
            end_date=end_date,
            window=timedelta(days=_integer(settings, "window_in_days", 30, 1, 365)),
            lookback=timedelta(minutes=_integer(settings, "lookback_window_in_minutes", 60, 0, 10080)),
            event_key=_choice(settings, "event_key", EVENT_KEYS, "event_id"),
            export_method=_choice(settings, "export_method", EXPORT_METHODS, EXPORT_METHODS[0]),
            url=_url(environment, HOSTS[region]),
            rate_scale=_positive(environment, "ITERABLE_RATE_SCALE", 1.0),
            spool_bytes=int(_positive(environment, "ITERABLE_SPOOL_MEGABYTES", 2048.0) * 1_000_000),
            region=region,
        )


def _api_key(settings: Mapping[str, Any]) -> str:
    key = settings.get("api_key")
    if key is None or key == "":
        raise messages.API_KEY_MISSING.error()
    if not isinstance(key, str):
        raise messages.API_KEY_NOT_TEXT.error()
    key = key.strip()
    if not _KEY.fullmatch(key):
        raise messages.API_KEY_CHARACTERS.error()
    return key


def _date(settings: Mapping[str, Any], name: str) -> datetime | None:
    value = settings.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise messages.NOT_A_DATE.error(setting=name, value=_quoted(value, _LIKE_DATE))
    try:
        return timestamps.from_setting(value.strip())
    except ValueError:
        raise messages.NO_SUCH_DATE.error(setting=name, value=_quoted(value, _LIKE_DATE)) from None


def _integer(settings: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = settings.get(name)
    if value is None:
        return default
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise messages.NOT_A_WHOLE_NUMBER.error(
            setting=name, least=least, most=most, value=_quoted(value, _LIKE_NUMBER)
        )
    if not least <= value <= most:
        raise messages.OUT_OF_BOUNDS.error(setting=name, least=least, most=most, value=_quoted(value, _LIKE_NUMBER))
    return value


def _choice(settings: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = settings.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or value not in choices:
        raise messages.NOT_A_CHOICE.error(setting=name, choices=", ".join(choices), value=_quoted(value, _LIKE_CHOICE))
    return value


def _url(environment: Mapping[str, str], default: str) -> str:
    url = environment.get("ITERABLE_API_URL") or default
    if not url.startswith(("https://", "http://")):
        raise messages.API_URL_SCHEME.error()
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and parts.port != 0 and not {"@", "?", "#"} & set(url)
    except ValueError:
        is_address = False
    if not is_address:
        raise messages.API_URL_UNUSABLE.error()
    return url.rstrip("/")


def _positive(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise messages.NOT_POSITIVE.error(variable=name, value=_quoted(text, _LIKE_NUMBER))
    return value


def _quoted(value: object, like: re.Pattern[str]) -> str:
    """``value`` if it is what was meant for its setting; otherwise what it is, without any of it."""
    if isinstance(value, str):
        is_safe = len(value) <= _MAX_QUOTE and like.fullmatch(value.strip())
        return repr(value) if is_safe else f"a text of {len(value)} characters"
    if isinstance(value, int | float):
        return json.dumps(value) if isinstance(value, bool) or like.fullmatch(str(value)) else "a number"
    return "a list" if isinstance(value, list) else "an object"
