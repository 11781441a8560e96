"""What a sandbox can be told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

DEFAULT_API_KEY = "sandbox-key-0123456789abcdef"
DEFAULT_SPAN_IN_DAYS = 90

PROJECT_TYPES = ("email",)
"""How a project identifies people; projects by user id and hybrid ones are not generated yet."""


@dataclass(frozen=True)
class Size:
    """How much a project holds.

    Any number may be zero. From `Size.smallest()` upwards every field of every table is filled in at
    least one row.
    """

    events: int = 60
    """Rows of each event table."""
    users: int = 30
    """Profiles."""
    lists: int = 6
    """Lists of users; every fifth is empty."""
    users_per_list: int = 12
    """Lines of the body of a list that is not empty."""
    campaigns: int = 45
    """Campaigns; more than 20 need a second page at the default page size."""
    templates: int = 60
    """Templates; half of them are blast templates for e-mail, so that this combination needs pages too."""
    metadata_keys: int = 12
    """Keys of the first metadata table; the second one holds two."""
    bulk: Mapping[str, int] = field(default_factory=dict)
    """Further rows by data type name, made while they are sent and never held in memory."""

    @classmethod
    def smallest(cls) -> "Size":
        """The smallest project in which every field of every table is filled."""
        return cls(events=4, users=4, lists=2, users_per_list=4, campaigns=2, templates=4, metadata_keys=2)


@dataclass(frozen=True)
class Options:
    """How a sandbox behaves, apart from its size."""

    seed: int = 1
    """Same seed, size and moments: same project."""
    project_type: str = "email"
    api_key: str = DEFAULT_API_KEY
    read_only_key: bool = False
    """The key may not export nor read the members of lists."""
    rate_scale: float = 1.0
    """Multiplies the documented requests a minute."""
    rate_window: float = 60.0
    """Seconds of the moving window in which requests are counted; the limit shrinks with it."""
    retry_after: bool = False
    """Whether a 429 carries a ``Retry-After`` header."""
    inclusive_end: bool = False
    """Whether exports read the end bound inclusively."""
    delay_in_seconds: float = 0.0
    """How long after it happened an event becomes exportable."""
    metadata_page: int = 5
    """Keys on one page of a metadata table."""
    blank_lines: bool = True
    """Whether exports hold a blank line here and there."""


def moment(value: "str | datetime | float") -> datetime:
    """The moment that an ISO 8601 text, a datetime or a Unix time names; without an offset, UTC."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    parsed = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
