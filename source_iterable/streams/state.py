"""Streams that save a state, and resume from it."""

from __future__ import annotations

from abc import ABC
from collections.abc import MutableMapping, Sequence
from functools import cached_property
from typing import Any

from airbyte_cdk.models import SyncMode

from source_iterable import messages
from source_iterable.streams.base import IterableStream


class StatefulStream(IterableStream, ABC):
    """A stream that saves a state."""

    @cached_property
    def _trouble(self) -> str:
        """Why the saved state cannot be used; empty if it can, or if none is used."""
        return self.sync.states.trouble(self.name, self.namespace, self.state_keys) if self.is_resumable else ""

    @property
    def state(self) -> MutableMapping[str, Any]:
        """What is saved; `state_keys` are its keys."""
        return self._state

    @state.setter
    def state(self, value: MutableMapping[str, Any]) -> None:
        self._state = value

    @property
    def state_keys(self) -> Sequence[str]:
        """The keys of the stream's state; a state with a value under none of them was not written by this stream."""
        return self._wrapped_cursor_field()

    def require_usable_state(self) -> None:
        """Raise if a saved state is not used and everything would be appended again."""
        if self._trouble and self.appends:
            raise messages.UNUSABLE_STATE.error(self.name, reason=self._trouble)

    def require_readable(self) -> None:
        """Raise also if the saved state cannot be used; warn where that costs no more than time."""
        super().require_readable()
        self.require_usable_state()
        if self._trouble:
            self.progress.remark(messages.STATE_NOT_USED, reason=self._trouble, start=self._resumption(self.state))

    def warn_of_future(self, saved: object) -> None:
        """Warn that the state ``saved`` is later than the present: there is nothing to read."""
        self.progress.remark(messages.STATE_IN_FUTURE, state=saved)

    def unreadable_state(self, found: str) -> messages.MessageError:
        """The error for a saved state that cannot be read."""
        return messages.UNREADABLE_STATE.error(self.name, found=found)


class NonResumableFullRefresh(StatefulStream, ABC):
    """A stream with a cursor whose full refresh, tried again, starts over."""

    @property
    def is_resumable(self) -> bool:  # type: ignore[override]
        """Only an incremental sync resumes from a state: a full refresh that is tried again starts over.

        The catalog says so, and the platform then discards what the first try wrote.
        """
        return self.configured is not None and self.configured.sync_mode is SyncMode.incremental
