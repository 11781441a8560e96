"""The saved states that a sync starts from, and why one of them cannot be used.

The CDK uses the GLOBAL state if it is the only one. Otherwise it uses the STREAM states, the last one of each stream.
It silently ignores a GLOBAL state beside other states, and a state of another namespace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping, Sequence
from typing import Any

from airbyte_cdk.models import AirbyteStateMessage, AirbyteStreamState
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.streams.checkpoint.checkpoint_reader import FULL_REFRESH_COMPLETE_STATE
from airbyte_cdk.sources.streams.core import NO_CURSOR_STATE_KEY

# The CDK saves these keys for a full refresh that has nothing to resume.
SENTINELS = frozenset({NO_CURSOR_STATE_KEY, *FULL_REFRESH_COMPLETE_STATE})


class SavedStates:
    """The saved states of one sync."""

    def __init__(self, states: Sequence[AirbyteStateMessage] | None) -> None:
        self._used = ConnectorStateManager(list(states or ()))
        self._of_streams: list[AirbyteStreamState] = []
        self._ignored: list[AirbyteStreamState] = []
        for state in states or ():
            if state.global_:
                self._of_streams += state.global_.stream_states
                self._ignored += state.global_.stream_states if len(states or ()) > 1 else ()
            elif state.stream:
                self._of_streams.append(state.stream)

    def of(self, stream: str, namespace: str | None) -> MutableMapping[str, Any]:
        """The state that ``stream`` starts from; empty if none was saved."""
        return self._used.get_stream_state(stream, namespace)

    def trouble(self, stream: str, namespace: str | None, keys: Collection[str]) -> str:
        """Why the state that was saved for ``stream`` is ignored, or a part of it; empty if it is used.

        Args:
            stream: The name of the stream.
            namespace: The namespace of the stream.
            keys: The keys of the stream's state. If none has a value, the stream starts from its beginning.
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
    """Those of ``states`` from which ``stream`` could resume."""
    for state in states:
        content = vars(state.stream_state) if state.stream_state else {}
        if state.stream_descriptor.name == stream and not set(content) <= SENTINELS:
            yield state
