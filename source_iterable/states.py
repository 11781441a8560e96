"""The saved states that a sync starts from, and why one of them may not be used.

The CDK uses a single GLOBAL state, or otherwise the STREAM states, of each stream the last. A GLOBAL state
beside any other state is ignored, and so is a state of another namespace, both silently.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping, Sequence
from typing import Any

from airbyte_cdk.models import AirbyteStateMessage, AirbyteStreamState
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.streams.checkpoint.checkpoint_reader import FULL_REFRESH_COMPLETE_STATE
from airbyte_cdk.sources.streams.core import NO_CURSOR_STATE_KEY

# What the CDK saves for a full refresh: there is nothing to resume.
SENTINELS = frozenset({NO_CURSOR_STATE_KEY, *FULL_REFRESH_COMPLETE_STATE})


class SavedStates:
    """The states of one sync."""

    def __init__(self, states: Sequence[AirbyteStateMessage] | None) -> None:
        self._used = ConnectorStateManager(list(states or ()))
        told = [(state.global_, [state.stream] if state.stream else []) for state in states or ()]
        self._of_streams = [one for shared, streams in told for one in (shared.stream_states if shared else streams)]
        self._ignored = [one for shared, _ in told if shared and len(told) > 1 for one in shared.stream_states]

    def of(self, stream: str, namespace: str | None) -> MutableMapping[str, Any]:
        """The state that ``stream`` starts from; empty if there is none."""
        return self._used.get_stream_state(stream, namespace)

    def trouble(self, stream: str, namespace: str | None, keys: Collection[str]) -> str:
        """Why what was saved for ``stream`` is not used, or not all of it; empty if all is well.

        Args:
            stream: The stream's name.
            namespace: Its namespace.
            keys: The keys of its state; it starts from its beginning where none of them has a value.
        """
        if any(_entries(self._ignored, stream)):
            return "it is part of a GLOBAL state, and other states stand beside that one, so the GLOBAL one is ignored"
        state = self.of(stream, namespace)
        if state:
            is_known = set(state) <= SENTINELS or any(state.get(key) is not None for key in keys)
            return "" if is_known else f"it has no value under {' or '.join(map(repr, keys))}"
        if any(_entries(self._of_streams, stream)):
            return "it is saved under another namespace than the stream's, which has none"
        return ""


def _entries(states: Sequence[AirbyteStreamState], stream: str) -> Iterator[AirbyteStreamState]:
    """Those of ``states`` that hold something of ``stream``."""
    for state in states:
        content = vars(state.stream_state) if state.stream_state else {}
        if state.stream_descriptor.name == stream and not set(content) <= SENTINELS:
            yield state
