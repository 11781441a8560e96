"""What a full refresh has delivered: the state with which another attempt resumes it.

What is left out because an old state says that it was delivered would be missing in the warehouse, unnoticed. So
a state is used only where the sync that wrote it is known to continue; when in doubt, everything is read
again.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

import orjson
from airbyte_cdk.models import ConfiguredAirbyteStream, DestinationSyncMode
from airbyte_cdk.sources.streams.checkpoint import CheckpointMode

from source_iterable import timestamps
from source_iterable.streams.state import StatefulStream

SAVED, FINISHED, SYNC, SETTINGS, ENDED = "saved", "finished", "sync", "settings", "ended"
# Another attempt follows within minutes, as a rule; what is older belongs to a sync of its own.
RESUMABLE_FOR = timedelta(hours=24)
AHEAD = timedelta(hours=1)  # that a state may be of this clock, from another machine
# Runners that do not count their syncs send a constant: PyAirbyte 1, catalogs written by hand 0 or 1.
FIRST_COUNTED = 2

Done = TypeVar("Done")


@dataclass
class Run(Generic[Done]):
    """One full refresh of a stream, in as many attempts as it takes.

    Attributes:
        key: The key of the state under which it says what was delivered.
        done: What attempts before this one delivered; None if there were none, or nothing is known of them.
        is_finished: Whether it came to its end in an earlier attempt of the same sync: there is nothing left.
        refusal: Why a saved state is not used; empty if it is, or if there is none.
        may_resume: Whether a state of this run can be used by another attempt.
    """

    key: str
    sync: str
    settings: str
    may_resume: bool
    done: Done | None = None
    is_finished: bool = False
    refusal: str = ""
    ended: str = ""

    @classmethod
    def begin(
        cls,
        configured: ConfiguredAirbyteStream | None,
        settings: Collection[str],
        state: Mapping[str, Any],
        now: datetime,
        key: str,
        parse: Callable[[object], Done | None],
    ) -> Run[Done]:
        """The run that ``state`` belongs to, or a new one.

        Args:
            configured: The stream as it is selected; None outside a sync.
            settings: What decides what the records are.
            state: What was saved for the stream.
            now: The present.
            key: The key of the state under which it says what was delivered.
            parse: What was delivered, as saved under ``key``; None if that cannot be read.
        """
        run = cls(key, _sync(configured), _fingerprint(settings), may_resume(configured))
        if key in state or FINISHED in state:
            run._resume(state, now, parse)
        return run

    def state(self, now: datetime, done: object) -> MutableMapping[str, Any]:
        """The state once ``done`` was delivered, or while more is awaited."""
        saved = self.ended or timestamps.formatted(now)
        ended = {ENDED: True} if self.ended else {}
        return self._signed({self.key: done, SAVED: saved, **ended})

    def end(self, now: datetime) -> None:
        """Something is missing at the end: what this state is worth is counted from the first such end.

        Otherwise, in a runner that does not count syncs, one part that always fails would keep all others from being
        read again.
        """
        self.ended = self.ended or timestamps.formatted(now)

    def finished(self, now: datetime) -> MutableMapping[str, Any]:
        """The state when nothing is missing: only the same sync has nothing left to do."""
        return self._signed({FINISHED: timestamps.formatted(now)})

    def _signed(self, state: Mapping[str, Any]) -> MutableMapping[str, Any]:
        return {**state, SETTINGS: self.settings, **({SYNC: self.sync} if self.sync else {})}

    def _resume(self, state: Mapping[str, Any], now: datetime, parse: Callable[[object], Done | None]) -> None:
        is_finished = FINISHED in state
        saved_at = timestamps.parse_or_none(state.get(FINISHED if is_finished else SAVED))
        done = None if is_finished else parse(state.get(self.key))
        if (state.get(SYNC) or "") != self.sync:
            self.refusal = "it is that of another sync"
        elif is_finished and not self.sync:
            self.refusal = "it is that of a sync that was finished"
        elif not self.may_resume:
            self.refusal = "in Overwrite, a sync without an id may not leave out what another attempt delivered"
        elif state.get(SETTINGS) != self.settings:
            self.refusal = "it was saved with other settings"
        elif saved_at is None or (done is None and not is_finished):
            self.refusal = "it cannot be read"
        elif not -AHEAD <= now - saved_at < RESUMABLE_FOR:
            self.refusal = "it is not of the last 24 hours"
        else:
            self.done, self.is_finished = done, is_finished
            self.ended = timestamps.formatted(saved_at) if state.get(ENDED) else ""


class ResumedStream(StatefulStream, ABC, Generic[Done]):
    """A stream whose full refresh is resumed.

    Attributes:
        done_key: The key of its state under which a full refresh says what it delivered.
        run: The full refresh that is read; None before it began, and in an incremental sync.
    """

    is_resumable = True
    # The CDK's own reader of resumable full refreshes knows pages, not parts: this one saves the state after each.
    _checkpoint_mode = CheckpointMode.INCREMENTAL
    done_key: ClassVar[str]
    run: Run[Done] | None = None

    @property
    def state_keys(self) -> Sequence[str]:
        """The cursor, if any; `done_key` in a full refresh that was cut short, or `{"finished": when ...}`."""
        return [*super().state_keys, self.done_key, FINISHED]

    @property
    def is_resumed(self) -> bool:
        """False for a full refresh whose delivered records may be gone."""
        return self.is_incremental or may_resume(self.configured)

    def begin_run(self, state: Mapping[str, Any]) -> Run[Done]:
        """Begin a full refresh, or continue with the one that wrote ``state``; say which, if there is one."""
        settings = [self.config.url, self.config.api_key, *sorted(self.selected_columns.names)]
        now = self.api.clock.now()
        self.run = run = Run.begin(self.configured, settings, state, now, self.done_key, self.parse_done)
        if run.refusal:
            self.logger.info("%s: the saved state is not used: %s. Everything is read.", self.name, run.refusal)
        elif run.is_finished:
            self.logger.info("%s: everything was delivered by an earlier attempt of this sync.", self.name)
        return run

    @abstractmethod
    def parse_done(self, saved: object) -> Done | None:
        """What was delivered, as saved under `done_key`; None if that cannot be read."""


def _sync(configured: ConfiguredAirbyteStream | None) -> str:
    """The id of the sync, the same in all its attempts; empty where its runner does not count them."""
    if configured is None or configured.sync_id is None or configured.generation_id is None:
        return ""
    return f"{configured.generation_id}/{configured.sync_id}" if configured.sync_id >= FIRST_COUNTED else ""


def may_resume(configured: ConfiguredAirbyteStream | None) -> bool:
    """Whether what an attempt delivered is still there when the next one begins."""
    if configured is None:
        return False
    return bool(_sync(configured)) or configured.destination_sync_mode is not DestinationSyncMode.overwrite


def _fingerprint(settings: Iterable[str]) -> str:
    """32 bits of a hash: enough to see that settings changed, and nothing to learn what they are."""
    return hashlib.sha256(orjson.dumps(list(settings))).hexdigest()[:8]
