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
    """What the streams of one run share.

    Attributes:
        config: The settings.
        api: The client of Iterable's API, with its rate limits.
        states: The saved states that the sync starts from.
        prefetcher: The prefetcher of all streams; None if a stream is read by itself.
        jobs: The export jobs; None if none may be started.
        in_batches: Whether streams return batches of serialized records, which `run` can write, or single records.
    """

    config: Config
    api: Api
    states: SavedStates = field(default_factory=lambda: SavedStates(None))
    prefetcher: Prefetcher | None = None
    jobs: ExportJobs | None = None
    in_batches: bool = False
