"""Tables of the export endpoint: windowed and incremental.

`GET export/data.json` (https://api.iterable.com/api/docs#export_exportDataJson) answers with the rows of a
half-open span of time, unordered, one JSON object a line. State is two moments: the cursor, which is the
end of the last window delivered whole, and `settled`, before which no late row is expected; a sync starts
at the latter.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from airbyte_cdk.models import FailureType, SyncMode
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable import timestamps
from source_iterable.api import EXPORT_PATH
from source_iterable.backlogs import Grow, Piece, Windows
from source_iterable.config import AUTOMATIC
from source_iterable.errors import TRIES, TooMuchError, failure
from source_iterable.jobs import Jobs, NoJobError, Wanted
from source_iterable.rows import MalformedLineError, Row, check, parse
from source_iterable.spool import Spool
from source_iterable.streams.base import AheadStream, Slice
from source_iterable.streams.state import StatefulStream
from source_iterable.windows import Width, Window

SETTLED = "settled"
# Windows that ended so long ago may be exported by a job, which takes its time.
SETTLED_FOR_JOBS = timedelta(days=1)


class ExportStream(StatefulStream, AheadStream, ABC):
    """A table of `export/data.json`.

    Attributes:
        data_type: Iterable's name of the rows.
        cursor_field: The field whose moment the windows are cut by.
        awaits_late_rows: Whether plain append leaves the last lookback window to a later sync, so that
            nothing is appended twice.
        jobs: The export jobs of the sync; None where there shall be none.
        ends_open: Whether a full refresh ends with a window that is open towards the future, asked for when
            all others were delivered: what changes meanwhile moves there.
    """

    endpoint = EXPORT_PATH
    is_resumable = True
    data_type: ClassVar[str]
    cursor_field: ClassVar[str]
    awaits_late_rows = True
    jobs: Jobs | None = None
    ends_open = False

    @property
    def state_keys(self) -> Sequence[str]:
        """`{cursor_field: end of the last window delivered whole, "settled": ...}`."""
        return [*super().state_keys, SETTLED]

    def backlog(self, state: Mapping[str, Any]) -> Windows:
        """The windows from ``state`` to the present.

        Raises:
            AirbyteTracedException: A config_error if ``state`` cannot be read.
        """
        self._span = span = self.span(state)
        ends_open = self.ends_open and self._is_full_refresh and span is not None and not self.config.end_date
        last = self.open_window if ends_open else None
        return Windows(self.name, self.endpoint, span, Width(self.config.window), self.download, last)

    def span(self, state: Mapping[str, Any]) -> Window | None:
        """From where to where this sync reads; None for nothing.

        Raises:
            AirbyteTracedException: A config_error if ``state`` cannot be read.
        """
        now = self.api.clock.fixed()
        settled, cursor = self._saved(state)
        latest = max((moment for moment in (settled, cursor) if moment is not None), default=None)
        if latest is not None and latest > now:
            self.warn_of_future(timestamps.formatted(latest))
            return None
        start = timestamps.whole_second(max(self.config.start_date, settled or self.config.start_date))
        end = now - self.config.lookback if self.appends and self.awaits_late_rows else now
        if self.config.end_date is not None:
            end = min(end, self.config.end_date)
        return Window(start, end) if start < end else None

    def open_window(self) -> Window:
        """From the sync's present to beyond the real one: what changed since the sync began."""
        return Window(self.api.clock.fixed(), self.api.clock.now() + timedelta(days=1))

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[Slice]:
        """The windows, each when it was downloaded whole."""
        for piece in self.taken():
            self.progress.span = self._span
            yield {"window": str(piece.what), "piece": piece}

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Slice | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """The records of one downloaded window; the state moves when the last one has left."""
        if stream_slice is None:
            return
        piece: Piece[Window] = stream_slice["piece"]
        window, spool = piece.what, piece.body
        self._unparsed = 0
        before = self.progress.rows
        self.require_emittable(spool, window)
        yield from self.emitted(self.counted(self.records(spool.lines(), window)))
        rows = self.progress.rows - before
        if spool.malformed is not None:
            self.progress.remark(
                f"{window} holds lines that are no JSON ({self._unparsed}, the first is line {spool.malformed}); "
                "they are kept in dataFields, under 'unparsed'"
            )
        self._state = self._state_after(window)
        self.progress.window_done(window, rows, spool.size, piece.seconds)

    def require_emittable(self, spool: Spool, window: Window) -> None:
        """Raise if nothing of a window may be emitted; ``spool`` holds it whole."""

    def records(self, lines: Iterable[bytes], window: Window) -> Iterator[Row]:
        """The records of the ``lines`` of a window, but for rows on its end.

        These belong to the next window, whether or not the server sends them here too.
        """
        cursor, end = self.cursor_field, timestamps.for_export(window.end)
        record, added = self.columns.record, self.added
        for line in lines:
            try:
                row = parse(line)
            except MalformedLineError:
                self._unparsed += 1
                yield record({}, self.unparsed(line))
                continue
            if not timestamps.lies_in_second(row.get(cursor), end):
                yield record(row, added(row))

    def added(self, row: Row) -> Row:
        """The columns that the connector adds to a row."""
        return {}

    def unparsed(self, line: bytes) -> Row:
        """The columns of a line that is no JSON object, also after it was read again."""
        raise NotImplementedError

    def malformed(self, window: Window, line: int) -> Exception | None:
        """The error for a malformed line that persists; None where it is delivered as it is."""
        return None

    def download(self, window: Window, tries: int, grow: Grow) -> Spool:
        """The rows of ``window``, whole; called on a thread of the look-ahead.

        Raises:
            TooMuchError: If the server could not deliver it, met ``tries`` times.
            AirbyteTracedException: If asking for less would not help.
        """
        try:
            return self._download(window, tries, grow)
        except TooMuchError as error:
            if window.is_least:  # larger than all the room on disk
                raise failure(
                    self.name,
                    f"the export of {window} is larger than the room for spooled bodies. "
                    "Raise ITERABLE_SPOOL_MEGABYTES.",
                    str(error),
                    FailureType.config_error,
                ) from error
            self.logger.info("%s: %s could not be delivered at once: %s. Asking for less.", self.name, window, error)
            raise

    def _download(self, window: Window, tries: int, grow: Grow) -> Spool:
        spool = self._by_job(window, grow)
        if spool is not None and spool.malformed is not None:
            spool.close()  # its file holds that line, but another export may show it as it should be
            grow(-spool.size)
            spool = None if self.config.export_method == AUTOMATIC else self._by_job(window, grow)
        spool = spool or self._directly(window, tries, grow)
        if spool.malformed is not None and (refusal := self.malformed(window, spool.malformed)):
            spool.close()
            raise refusal
        return spool

    def _by_job(self, window: Window, grow: Grow) -> Spool | None:
        """The rows of ``window`` from an export job, if one is called for and to be had."""
        automatic = self.config.export_method == AUTOMATIC
        is_settled = window.end <= self.api.clock.fixed() - SETTLED_FOR_JOBS
        if self.jobs is None or (automatic and not is_settled):
            return None
        try:
            return self.jobs.export(Wanted(self.name, self.data_type, window, self.attempts), grow)
        except (NoJobError, TooMuchError) as error:
            if isinstance(error, TooMuchError) and not window.is_least:
                raise
            if automatic:
                return None
            raise failure(
                self.name,
                f"the export of {window} could not be made by a job: {error}. The setting 'export_method' asks for "
                "jobs: choose automatic, and what no job can export is asked for directly.",
                str(error),
                FailureType.config_error,
            ) from error

    def _directly(self, window: Window, tries: int, grow: Grow) -> Spool:
        params = {
            "dataTypeName": self.data_type,
            "startDateTime": timestamps.for_export(window.start),
            "endDateTime": timestamps.for_export(window.end),
        }
        attempts = self.attempts(
            f"the export of {window}",
            tries=TRIES if window.is_least else tries,
            give_up=None if window.is_least else TooMuchError,
            receive=lambda response: Spool.receive(response, check=check, grow=grow),
        )
        spool: Spool = self.api.get(self.endpoint, params, attempts, self.name).raw  # type: ignore[assignment]
        return spool

    def _resumption(self, state: Mapping[str, Any]) -> str:
        try:
            settled, _ = self._saved(state)
        except AirbyteTracedException:
            return "the same state"
        if settled is None:
            return "its beginning"
        return timestamps.formatted(timestamps.whole_second(max(self.config.start_date, settled)))

    @property
    def _is_full_refresh(self) -> bool:
        return self.configured is None or self.configured.sync_mode is SyncMode.full_refresh

    def _state_after(self, window: Window) -> MutableMapping[str, Any]:
        settled, _ = self._saved(self._state)
        now = self.api.clock.fixed()
        end = min(window.end, now)
        reached = min(end, now - self.config.lookback)
        return {
            self.cursor_field: timestamps.formatted(end),
            SETTLED: timestamps.formatted(max(reached, settled) if settled else reached),
        }

    def _saved(self, state: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
        """The settled moment and the cursor of ``state``; a state without the former, from elsewhere, is given one."""
        cursor = self._moment(state, self.cursor_field)
        settled = self._moment(state, SETTLED)
        if settled is None and cursor is not None:
            settled = cursor - min(self.config.lookback, cursor - timestamps.EPOCH, key=timedelta.total_seconds)
        return settled, cursor

    def _moment(self, state: Mapping[str, Any], key: str) -> datetime | None:
        if state.get(key) is None:
            return None
        try:
            return timestamps.moment(state[key])
        except ValueError:
            raise self.unreadable_state(f"no moment under '{key}'") from None
