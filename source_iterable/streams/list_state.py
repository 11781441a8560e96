"""Which lists a copy of all members has delivered: the state of `list_users`, a full refresh that resumes.

A list that is left out because an old state says that it was delivered would be missing in the warehouse, and
nothing would tell so. So a state is used only where the sync that wrote it is known to go on; when in doubt,
everything is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from airbyte_cdk.models import ConfiguredAirbyteStream, DestinationSyncMode

from source_iterable import timestamps
from source_iterable.prefetch.lists import spans

COMPLETE, SAVED, FINISHED, SYNC, SETTINGS, ENDED = "complete", "saved", "finished", "sync", "settings", "ended"
# Another attempt follows within minutes, as a rule; what is older belongs to a sync of its own.
RESUMABLE_FOR = timedelta(hours=24)
AHEAD = timedelta(hours=1)  # that a state may be of this clock, from another machine
# Runners that do not count their syncs send a constant: PyAirbyte 1, catalogs written by hand 0 or 1.
FIRST_COUNTED = 2
MOST_IN_A_SPAN = 1_000_000  # more lists than any project has: the state is not of this stream


@dataclass
class Run:
    """One copy of all lists, in as many attempts as it takes.

    Attributes:
        complete: The ids of the lists that were delivered.
        is_finished: Whether it came to its end in an earlier attempt of the same sync: there is nothing left.
        refusal: Why a saved state is not used; empty if it is, or if there is none.
        may_resume: Whether a state of this run can be used by another attempt.
    """

    sync: str
    settings: str
    may_resume: bool
    complete: set[int] = field(default_factory=set)
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
    ) -> Run:
        """The run that ``state`` belongs to, or a new one.

        Args:
            configured: The stream as it is selected; None outside a sync.
            settings: What decides what the records of a list are.
            state: What was saved for the stream.
            now: The present.
        """
        run = cls(_sync(configured), _fingerprint(settings), _may_resume(configured))
        if COMPLETE in state or FINISHED in state:
            run._resume(state, now)
        return run

    def state(self, now: datetime) -> MutableMapping[str, Any]:
        """The state after the last list that was delivered, or while another one is awaited."""
        saved = self.ended or timestamps.formatted(now)
        ended = {ENDED: True} if self.ended else {}
        return self._signed({COMPLETE: spans(self.complete), SAVED: saved, **ended})

    def end(self, now: datetime) -> None:
        """Lists are missing at the end: what this state is worth is counted from the first such end.

        Otherwise one list that fails for ever would let a runner without syncs read no other again.
        """
        self.ended = self.ended or timestamps.formatted(now)

    def finished(self, now: datetime) -> MutableMapping[str, Any]:
        """The state when nothing is missing: only the same sync has nothing left to do."""
        return self._signed({FINISHED: timestamps.formatted(now)})

    def _signed(self, state: Mapping[str, Any]) -> MutableMapping[str, Any]:
        return {**state, SETTINGS: self.settings, **({SYNC: self.sync} if self.sync else {})}

    def _resume(self, state: Mapping[str, Any], now: datetime) -> None:
        is_finished = FINISHED in state
        at = _moment(state.get(FINISHED if is_finished else SAVED))
        complete = _numbers(state.get(COMPLETE, []))
        if (state.get(SYNC) or "") != self.sync:
            self.refusal = "it is that of another sync"
        elif is_finished and not self.sync:
            self.refusal = "it is that of a sync that was finished"
        elif not self.may_resume:
            self.refusal = "in Overwrite, a sync without an id may not leave out what another attempt delivered"
        elif state.get(SETTINGS) != self.settings:
            self.refusal = "it was saved with other settings"
        elif at is None or complete is None:
            self.refusal = "it cannot be read"
        elif not -AHEAD <= now - at < RESUMABLE_FOR:
            self.refusal = "it is not of the last 24 hours"
        else:
            self.complete, self.is_finished = complete, is_finished
            self.ended = timestamps.formatted(at) if state.get(ENDED) else ""


def _sync(configured: ConfiguredAirbyteStream | None) -> str:
    """What tells the sync from any other, the same in all its attempts; empty where its runner does not count them."""
    if configured is None or configured.sync_id is None or configured.generation_id is None:
        return ""
    return f"{configured.generation_id}/{configured.sync_id}" if configured.sync_id >= FIRST_COUNTED else ""


def _may_resume(configured: ConfiguredAirbyteStream | None) -> bool:
    """Whether what an attempt delivered is still there when the next one begins."""
    if configured is None:
        return False
    return bool(_sync(configured)) or configured.destination_sync_mode is not DestinationSyncMode.overwrite


def _fingerprint(settings: Iterable[str]) -> str:
    """32 bits of a hash: enough to see that settings changed, and nothing to learn what they are."""
    return hashlib.sha256(orjson.dumps(list(settings))).hexdigest()[:8]


def _moment(value: object) -> datetime | None:
    try:
        return timestamps.moment(value)
    except ValueError:
        return None


def _numbers(saved: object) -> set[int] | None:
    """The numbers in ``saved``, as `spans` writes them; None if it holds anything else."""
    numbers: set[int] = set()
    for one in saved if isinstance(saved, list) else [saved]:
        bounds: list[Any] = one if isinstance(one, list) else [one, one]
        if len(bounds) != 2 or not all(type(bound) is int for bound in bounds):  # noqa: PLR2004 - first and last
            return None
        if not 0 <= bounds[1] - bounds[0] <= MOST_IN_A_SPAN:
            return None
        numbers.update(range(bounds[0], bounds[1] + 1))
    return numbers
