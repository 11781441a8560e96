"""List endpoints whose rows have a timestamp of their last change."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import datetime
from typing import Any

from source_iterable import timestamps
from source_iterable.records.json_lines import Row
from source_iterable.streams.paged import PagedStream
from source_iterable.streams.state import NonResumableFullRefresh


class ChangingStream(NonResumableFullRefresh, PagedStream):
    """A list of which an incremental sync emits the rows that changed.

    Its state is `{"updatedAt": when the last read began}`.
    """

    cursor_field = "updatedAt"

    _since: datetime | None = None
    _began = timestamps.EPOCH

    def begin(self) -> bool:
        """Choose what to emit: everything, or in an incremental sync what changed from the saved state until now."""
        self._began = self.api.clock.now()
        self._since = self.saved() if self.is_incremental else None
        if self._since is not None and self._since > self._began:
            self.warn_of_future(timestamps.formatted(self._since))
            return False
        return True

    def end(self) -> None:
        """Move the state to when the read began."""
        self._state = self.state_after()

    def state_after(self) -> MutableMapping[str, Any]:
        """The state once the whole list has left."""
        return {self.cursor_field: timestamps.formatted(self._began)}

    def is_wanted(self, row: Row) -> bool:
        """Whether it changed in the half-open span; a row without a timestamp always did."""
        changed = self.changed(row, self._began)
        if not self.is_incremental or changed is None:
            return True
        return changed < self._began and (self._since is None or self._since <= changed)

    def reached(self, end: datetime) -> None:
        """Move the state on: all rows that changed before ``end`` have left."""
        self._state = {self.cursor_field: timestamps.formatted(end)}

    def position(self, row: Row) -> datetime:
        """When ``row`` changed; rows without a timestamp come last, and every sync emits them."""
        return self.changed(row, self._began) or self._began

    def changed(self, row: Row, before: datetime) -> datetime | None:
        """When ``row`` last changed; None if it has no timestamp."""
        return timestamps.parse_or_none(row.get(self.cursor_field))

    def saved(self) -> datetime | None:
        """The timestamp since which changes are emitted; None without a saved state.

        Raises:
            AirbyteTracedException: A config_error if the saved state cannot be read.
        """
        saved = self._state.get(self.cursor_field)
        if saved is None:
            return None
        try:
            return timestamps.parse(saved)
        except ValueError:
            raise self.unreadable_state(f"no timestamp under '{self.cursor_field}'") from None
