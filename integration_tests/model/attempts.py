"""The attempts that a platform makes at a sync, and what it tells the connector of them."""

from collections.abc import Mapping
from typing import Any

MODES = {
    "append + deduped": ("incremental", "append_dedup"),
    "append": ("incremental", "append"),
    "full refresh": ("full_refresh", "overwrite"),
}
FIRST_SYNC = 2
"""Numbers below are those of runners that do not count."""


class Attempts:
    """A chain of syncs, each with so many attempts until one comes to its end."""

    def __init__(self, catalog: Mapping[str, Any], most: int | None, *, is_overwritten: bool) -> None:
        """Sync ``catalog``; ``most`` is None for a runner that does not count syncs."""
        self._catalog = catalog
        self._most = most
        self._is_overwritten = is_overwritten
        self._number = self._attempt = 0

    @property
    def catalog(self) -> dict[str, Any]:
        """What is configured, with the number of the sync where the platform counts them."""
        if self._most is None:
            return dict(self._catalog)
        generation = self._number if self._is_overwritten else 1
        number = {"generation_id": generation, "minimum_generation_id": generation if self._is_overwritten else 0}
        return {"streams": [stream | number | {"sync_id": self._number} for stream in self._catalog["streams"]]}

    def next(self) -> bool:
        """Begin another attempt; tells whether it is the first one at a new sync."""
        self._attempt += 1
        if self._attempt > 1 and (self._most is None or self._attempt <= self._most):
            return False
        self._number, self._attempt = max(self._number + 1, FIRST_SYNC), 1
        return True

    def ended(self) -> None:
        """The sync came to its end: the next attempt is at another one."""
        self._attempt = self._most or 0
