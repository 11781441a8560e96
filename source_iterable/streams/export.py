"""Streams of the export endpoint: windowed and incremental.

`GET export/data.json` (https://api.iterable.com/api/docs#export_exportDataJson) answers with the rows of a
half-open span of time, unordered, one JSON object a line. State is two timestamps: the cursor, which is the
end of the last window delivered whole, and `settled`, before which no late row is expected; a sync starts
at the latter.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from airbyte_cdk.utils import AirbyteTracedException

from source_iterable import messages, timestamps
from source_iterable.api.body import Body
from source_iterable.api.rate_limits import EXPORT_PATH
from source_iterable.prefetch import plans
from source_iterable.prefetch.window_plan import WindowPlan
from source_iterable.records.json_lines import MalformedLineError, Row, parse
from source_iterable.streams.base import HEARTBEAT, Slice, Turn
from source_iterable.streams.checkpoint import SETTLED, Checkpoint, UnreadableCheckpointError
from source_iterable.streams.prefetched import PrefetchedStream
from source_iterable.streams.state import StatefulStream
from source_iterable.streams.transports import transport_of
from source_iterable.windows import Width, Window

WIDTH = "width"
MOST_SECONDS = 366 * 86400


class ExportStream(StatefulStream, PrefetchedStream, ABC):
    """A stream of `export/data.json`.

    Attributes:
        data_type: Iterable's name of the rows.
        cursor_field: The field whose timestamp the windows are cut by.
        awaits_late_rows: Whether plain append leaves the last lookback window to a later sync, so that
            nothing is appended twice.
        ends_open: Whether a full refresh ends with a window that is open towards the future, requested when
            all others were delivered: what changes meanwhile moves there.
    """

    endpoint = EXPORT_PATH
    is_resumable = True
    data_type: ClassVar[str]
    cursor_field: ClassVar[str]
    awaits_late_rows = True
    ends_open = False

    @property
    def state_keys(self) -> Sequence[str]:
        """The end of the last window delivered whole, and the timestamp to resume from.

        A state may also hold `WIDTH`, in seconds, while Iterable cannot deliver windows as wide as the settings
        request. By itself it says nothing about what was read.
        """
        return [*super().state_keys, SETTLED]

    def turn(self, *, is_first_sync: bool) -> Turn:
        """Updates come before first syncs, which take longer."""
        return Turn.UPDATE if self.is_incremental and not is_first_sync else Turn.FIRST_SYNC

    def plan(self, state: Mapping[str, Any]) -> WindowPlan:
        """The windows from ``state`` to the present.

        Raises:
            AirbyteTracedException: A config_error if ``state`` cannot be read.
        """
        self._span = span = self.span(state)
        last = self.open_window if self._has_open_window else None
        self._width = Width(self.config.window, current=self._saved_width(state))
        return WindowPlan(
            self.name,
            self.endpoint,
            span,
            self._width,
            transport_of(self, self.data_type, self.malformed),
            last,
        )

    def span(self, state: Mapping[str, Any]) -> Window | None:
        """From where to where this sync reads; None for nothing.

        Raises:
            AirbyteTracedException: A config_error if ``state`` cannot be read.
        """
        now = self.api.clock.fixed()
        saved = self._checkpoint(state)
        settled = saved.settled
        latest = max((point for point in (settled, saved.cursor) if point is not None), default=None)
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

    def slices(self) -> Iterator[Slice]:
        """The windows, each when it was downloaded whole."""
        for slice_ in self.prefetched():
            if slice_ is None:
                yield HEARTBEAT
                continue
            self.progress.span = self._span
            yield {"window": str(slice_.partition), "slice": slice_}

    def records(self, stream_slice: Slice) -> Iterable[Row]:
        """The records of one downloaded window."""
        slice_: plans.Slice[Window] = stream_slice["slice"]
        self._unparsed = 0
        self.require_emittable(slice_.body, slice_.partition)
        yield from self.window_records(slice_.body.lines(), slice_.partition)

    def delivered(self, stream_slice: Slice, count: int) -> None:
        """Move the state to the end of the window."""
        slice_: plans.Slice[Window] = stream_slice["slice"]
        window, body = slice_.partition, slice_.body
        if body.malformed is not None:
            self.progress.remark(messages.UNPARSED_LINES, window=window, lines=self._unparsed, first=body.malformed)
        self._state = self._state_after(window)
        self.progress.window_done(window, count, body.size, slice_.seconds)

    def require_emittable(self, body: Body, window: Window) -> None:
        """Raise if nothing of a window may be emitted; ``body`` holds it whole."""

    def window_records(self, lines: Iterable[bytes], window: Window) -> Iterator[Row]:
        """The records of the ``lines`` of a window, but for rows on its end.

        These belong to the next window, whether or not the server sends them here too.
        """
        cursor, end = self.cursor_field, timestamps.for_export(window.end)
        record, added = self.selected_columns.record, self.added
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
        """The columns of a line that is not a JSON object, also after it was read again."""
        raise NotImplementedError

    def malformed(self, window: Window, line: int) -> Exception | None:
        """The error for a malformed line that persists; None where it is delivered as it is."""
        return None

    def _resumption(self, state: Mapping[str, Any]) -> str:
        try:
            settled = self._checkpoint(state).settled
        except AirbyteTracedException:
            return "the same state"
        if settled is None:
            return "its beginning"
        return timestamps.formatted(timestamps.whole_second(max(self.config.start_date, settled)))

    @property
    def _has_open_window(self) -> bool:
        """Whether this sync ends with a window that is open towards the future."""
        return self.ends_open and not self.is_incremental and self._span is not None and not self.config.end_date

    def _state_after(self, window: Window) -> MutableMapping[str, Any]:
        now = self.api.clock.fixed()
        end = min(window.end, now)
        reached = self._checkpoint(self._state).advanced(end, min(end, now - self.config.lookback))
        narrowed = self._width.current < self.config.window
        return {
            **reached.state(self.cursor_field, timestamps.formatted),
            **({WIDTH: int(self._width.current.total_seconds())} if narrowed else {}),
        }

    def _saved_width(self, state: Mapping[str, Any]) -> timedelta | None:
        """The width that Iterable could deliver at last; None where that is not saved, or not a number of seconds."""
        seconds = state.get(WIDTH)
        is_of_a_window = self._checkpoint(state) != Checkpoint()
        if not is_of_a_window or not isinstance(seconds, int) or isinstance(seconds, bool) or seconds <= 0:
            return None
        return timedelta(seconds=min(seconds, MOST_SECONDS))

    def _checkpoint(self, state: Mapping[str, Any]) -> Checkpoint[datetime]:
        def settle(cursor: datetime) -> datetime:
            return cursor - min(self.config.lookback, cursor - timestamps.EPOCH, key=timedelta.total_seconds)

        try:
            return Checkpoint.parse(state, self.cursor_field, timestamps.parse, settle)
        except UnreadableCheckpointError as error:
            raise self.unreadable_state(f"no timestamp under '{error.key}'") from None
