"""Timestamps as tests and the control endpoint give them."""

from datetime import UTC, datetime, timedelta

Timestamp = str | datetime | float
FOR_EVER = float("inf")


def timestamp(value: Timestamp) -> datetime:
    """The timestamp that an ISO 8601 text, a datetime or a Unix time names; without an offset, UTC."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    parsed = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def default_start(now: datetime, days: int) -> datetime:
    """The midnight so many days before ``now``."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
