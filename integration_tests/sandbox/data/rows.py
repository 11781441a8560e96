"""What rows have in common: their type, and how their timestamps are written."""

from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
DAY = 86400


def wire_time(seconds: float) -> str:
    """A timestamp as exports write it: ``2021-04-14 16:41:09 +00:00``."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S +00:00")


def iso(seconds: float) -> str:
    """A timestamp as newer endpoints write it: ``2024-01-05T10:11:12.123Z``."""
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
