"""A company's project in virtual time: the connector's own code reads it, attempt by attempt, from canned answers.

Streams, plans, prefetcher, rate limits, retries and export jobs are the real ones; time and Iterable are not
(virtual_time.py, canned.py). Prints requests, hours, attempts, memory and disk. `--source DIR` simulates another
version of the connector.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import requests
from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream, DestinationSyncMode, SyncMode

from tools.benchmarks import virtual_time
from tools.benchmarks.canned import Iterable, Project
from tools.benchmarks.virtual_time import WORLD, TimeUpError

ROOT = Path(__file__).resolve().parents[2]
HOUR, DAY = 3600.0, 86_400.0
READ_BYTES_A_SECOND = 2_300_000.0  # that the connector turns into records, at 20 microseconds a row
LISTED = ("lists", "list_users", "campaigns", "campaign_metrics", "campaign_metrics_daily", "templates",
          "template_content", "forgotten_users")  # fmt: skip


@dataclass
class Attempt:
    """How an attempt of a sync went, its times in hours since it began."""

    ended: str = "complete"
    hours: float = 0.0
    longest_silence: float = 0.0
    complete: dict[str, float] = field(default_factory=dict)
    requests: Mapping[str, int] = field(default_factory=dict)
    disk_megabytes: float = 0.0


def _spool() -> Any:
    """The class of bodies; versions differ in where it is."""
    try:
        module = import_module("source_iterable.api.body")
        return getattr(module, "Body", None) or module.Spool
    except ImportError:
        return import_module("source_iterable.spool").Body


class Disk:
    """The bytes that bodies count as, and the most that they were at once."""

    used = most = 0

    def take(self, size: int) -> None:
        """Take bytes, or with a negative ``size`` give them back."""
        self.used += size
        self.most = max(self.most, self.used)


class Simulation:
    """Syncs of a project by the connector that is found in ``source``, with settings of a whole year."""

    def __init__(self, project: Project, source: Path, streams: str, settings: Mapping[str, Any]) -> None:
        virtual_time.install()
        sys.path.insert(0, str(source))
        Body = _spool()  # noqa: N806 - a class
        from source_iterable.source import SourceIterable  # noqa: PLC0415 - virtual time comes first

        self._new = SourceIterable
        self._iterable = Iterable(project)
        self._disk = Disk()
        requests.adapters.HTTPAdapter.send = self._iterable.send  # type: ignore[method-assign,assignment]
        _weigh(Body, self._disk)
        self._config = {"api_key": "0123456789abcdef", "start_date": "2024-06-01", **settings}
        declared = re.search(r"maxSecondsBetweenMessages: (\d+)", (source / "metadata.yaml").read_text("utf-8"))
        self._silence = float(declared.group(1)) if declared else DAY
        self._catalog = self._configured(re.compile(streams))
        self._states: dict[str, Any] = {}

    def sync(self, most: int) -> Iterator[Attempt]:
        """The attempts until one is complete, ``most`` of them at most."""
        for _ in range(most):
            attempt = self._attempt()
            yield attempt
            if attempt.ended == "complete":
                return

    def _configured(self, chosen: re.Pattern[str]) -> ConfiguredAirbyteCatalog:
        configured = []
        for stream in self._new().streams(self._config):
            if not chosen.fullmatch(stream.name) or not (hasattr(stream, "data_type") or stream.name in LISTED):
                continue
            offered = stream.as_airbyte_stream()
            mode, written = SyncMode.full_refresh, DestinationSyncMode.overwrite
            if SyncMode.incremental in offered.supported_sync_modes:
                mode, written = SyncMode.incremental, DestinationSyncMode.append_dedup
            # A platform counts its syncs, all attempts of one alike.
            configured.append(ConfiguredAirbyteStream(offered, mode, written, generation_id=2, sync_id=2))
        return ConfiguredAirbyteCatalog(configured)

    def _attempt(self) -> Attempt:
        attempt, began, heard = Attempt(), WORLD.now, WORLD.now
        before = self._iterable.asked.copy()
        WORLD.ends = lambda: min(began + DAY, heard + self._silence)
        states = list(self._states.values()) or None
        try:
            for message in self._new().read(logging.getLogger("airbyte"), self._config, self._catalog, states):
                if message.state is not None and message.state.stream is not None:
                    self._states[message.state.stream.stream_descriptor.name] = message.state
                if message.state is not None or message.record is not None:
                    attempt.longest_silence = max(attempt.longest_silence, (WORLD.now - heard) / HOUR)
                    heard = WORLD.now
                status = message.trace.stream_status if message.trace else None
                if status is not None and status.status.value == "COMPLETE":
                    attempt.complete[status.stream_descriptor.name] = round((WORLD.now - began) / HOUR, 2)
        except TimeUpError:
            attempt.ended = "ended for its length" if WORLD.now >= began + DAY else "ended for its silence"
        except Exception as error:
            attempt.ended = f"failed: {getattr(error, 'message', error)}"
        WORLD.ends = lambda: float("inf")
        attempt.hours = round((WORLD.now - began) / HOUR, 2)
        attempt.longest_silence = round(max(attempt.longest_silence, (WORLD.now - heard) / HOUR), 2)
        attempt.requests = dict(self._iterable.asked - before)
        attempt.disk_megabytes, self._disk.most = round(self._disk.most / 1e6), self._disk.used
        return attempt


def _weigh(spool: Any, disk: Disk) -> None:
    """Have a class of spools count bytes as canned answers say, and take the time to read them."""
    close, lines = spool.close, spool.lines

    def write(self: Any, piece: bytes, *grow: Any) -> int:  # which bodies of older versions pass
        weight: int = getattr(piece, "weight", len(piece))
        if piece:
            (grow[0] if grow else self._reservation.grow)(weight)
            self._file.write(piece)
            disk.take(weight)
            self.weight = getattr(self, "weight", 0) + weight
        return weight

    def add(self: Any, response: Any, check: Any = None, **grow: Any) -> Any:
        self._file.seek(0, 2)  # where a part ends, not where it counts as ending
        self._copy(response, check, *grow.values())
        return self

    def weighed_lines(self: Any) -> Iterator[bytes]:
        WORLD.sleep(getattr(self, "weight", 0) / READ_BYTES_A_SECOND)
        yield from lines(self)

    def weighed_close(self: Any) -> None:
        disk.take(-getattr(self, "weight", 0))
        self.weight = 0
        close(self)

    spool._write, spool.add, spool.lines, spool.close = write, add, weighed_lines, weighed_close


def main() -> None:
    """Simulate a first sync and one after it, and print a JSON object for each attempt."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.company", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the project")
    parser.add_argument("--source", type=Path, default=ROOT, help="the connector's folder")
    parser.add_argument("--streams", default=".*", help="a regular expression of names")
    parser.add_argument("--job-seconds", type=float, default=60.0, help="before an export job's first file")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the connection")
    parser.add_argument("--attempts", type=int, default=8, help="the most that a sync may take")
    parser.add_argument("--log", action="store_true", help="the connector's log, too")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO if options.log else logging.ERROR)
    logging.getLogger("airbyte").setLevel(logging.INFO if options.log else logging.CRITICAL)
    project = Project(job_seconds=options.job_seconds).scaled(options.scale)
    settings = dict(one.split("=", 1) for one in options.setting)
    clock = time.perf_counter()
    simulation = Simulation(project, options.source.resolve(), options.streams, settings)
    for attempt in simulation.sync(options.attempts):
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        told = {
            **asdict(attempt),
            "memory_megabytes": round(memory),
            "real_seconds": round(time.perf_counter() - clock),
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
