"""What the streams of one run share."""

from __future__ import annotations

from dataclasses import dataclass, field

from source_iterable.api.client import Api
from source_iterable.api.export_jobs import ExportJobs
from source_iterable.config import Config
from source_iterable.prefetch.prefetcher import Prefetcher
from source_iterable.states import SavedStates


@dataclass(frozen=True)
class Sync:
    """What the streams of one run are given.

    Attributes:
        config: The settings.
        api: Iterable's API, with the budget of requests.
        states: The states that the sync starts from.
        prefetcher: What downloads ahead of the reader; None where a stream is read by itself.
        jobs: The export jobs; None where there shall be none.
        in_batches: Whether records leave as lines in batches, as the command writes them, or one by one.
    """

    config: Config
    api: Api
    states: SavedStates = field(default_factory=lambda: SavedStates(None))
    prefetcher: Prefetcher | None = None
    jobs: ExportJobs | None = None
    in_batches: bool = False
