"""What all streams share: reading by slices, and the columns of records."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from enum import IntEnum
from functools import cached_property
from typing import Any, ClassVar

from airbyte_cdk.models import (
    AirbyteMessage,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
    Type,
)
from airbyte_cdk.sources.connector_state_manager import ConnectorStateManager
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.utils.schema_helpers import InternalConfig
from airbyte_cdk.sources.utils.slice_logger import SliceLogger
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable import messages, timestamps
from source_iterable.api.errors import StreamFailure
from source_iterable.records.batches import batches
from source_iterable.records.columns import OFFERED_COLUMNS, OVERFLOW, Columns
from source_iterable.records.json_lines import Row
from source_iterable.streams.api_stream import ApiStream
from source_iterable.streams.schema import Column, json_schema

Slice = Mapping[str, Any]
# A slice of nothing: the state that is saved after it is a sign of life for the platform. Were it empty, and the
# first, the CDK would wait for the second one before it reads it.
HEARTBEAT: Slice = {"heartbeat": True}


class Turn(IntEnum):
    """When a stream is read, beside others: the sooner it is done or can be resumed, the earlier."""

    LIST_ENDPOINT = 1
    UPDATE = 2
    FIRST_SYNC = 3
    METRICS = 4
    DETAILS = 5
    NOT_RESUMABLE = 6
    MEMBERS = 7


class IterableStream(ApiStream, ABC):
    """A stream: an endpoint whose answer holds rows under one key.

    Attributes:
        records_key: The key of the answer that holds the rows.
        lists_as_text: Whether a list that arrives in a column of text is delivered there, as JSON text.
        stopped: Why a read of it stopped before its end; None if it did not.
        complete: Whether a read of it came to its end.
    """

    records_key: ClassVar[str] = ""
    lists_as_text: ClassVar[bool] = False
    stopped: StreamFailure | None = None
    complete = False

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Slice]:
        """As `slices`."""
        return self.slices()

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Slice | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """As `records`; nothing for a heartbeat."""
        if stream_slice is HEARTBEAT:
            return
        part = stream_slice or {}
        before = self.progress.records
        records = self.counted(self.records(part))
        yield from batches(self.name, records) if self.sync.in_batches else records
        self.delivered(part, self.progress.records - before)

    def slices(self) -> Iterable[Slice]:
        """The parts in which the stream is read, with a state after each; by default there is one."""
        return [{}]

    def records(self, stream_slice: Slice) -> Iterable[Row]:
        """The records of one slice."""
        return (self.selected_columns.record(row) for row in self.rows())

    def delivered(self, stream_slice: Slice, count: int) -> None:
        """Called when all records of a slice, so many, have left: move the state on."""

    def counted(self, records: Iterable[Row]) -> Iterator[Row]:
        """``records``, counted for the summary."""
        for record in records:
            self.progress.records += 1
            yield record

    def rows(self) -> Iterable[Row]:
        """The rows of the endpoint, as they were sent; one answer holds them all."""
        answer = self.request(self.endpoint, {}, self.retry_policy("the listing", rejects=self.rejects))
        return self.keyed(self.objects(answer, self.records_key), *self.key_names)

    def read(
        self,
        configured_stream: ConfiguredAirbyteStream,
        logger: Any,
        slice_logger: SliceLogger,
        stream_state: MutableMapping[str, Any],
        state_manager: ConnectorStateManager,
        internal_config: InternalConfig,
    ) -> Iterator[StreamData | AirbyteMessage]:
        """Read the stream as the CDK does, and log a summary at the end."""
        self.progress.begin()
        resumption = self._resumption(stream_state)
        try:
            self.require_readable()
            for message in super().read(
                configured_stream, logger, slice_logger, stream_state, state_manager, internal_config
            ):
                if isinstance(message, AirbyteMessage) and message.type is Type.STATE:
                    resumption = self._resumption(self._state)
                yield message
            self.complete = True
        except AirbyteTracedException as error:
            self._stop(error, resumption)
            raise
        except Exception as error:
            defect = messages.DEFECT.error(self.name, error=type(error).__name__)
            self._stop(defect, resumption)
            raise defect from error
        finally:
            self.conclude()
            self.progress.summary("" if self.complete else resumption)

    def conclude(self) -> None:
        """Log what only the whole read shows; called before its summary."""

    def _stop(self, error: AirbyteTracedException, resumption: str) -> None:
        cause = str(error.message).removeprefix(f"{self.name}: ")
        self.stopped = StreamFailure(cause, error.failure_type, resumption)
        saved = f"The next attempt resumes from {resumption}."
        if isinstance(error, messages.MessageError):
            error.message = f"{self.name}: {error.what} {saved} {error.advice}"
        else:
            error.message = f"{error.message} {saved}"

    def _resumption(self, state: Mapping[str, Any]) -> str:
        """From where the next attempt resumes, by ``state``."""
        names = ("settled", *self._wrapped_cursor_field()) if self.is_resumable else ()
        saved = next((state[name] for name in names if state.get(name) is not None), None)
        if saved is None:
            return "its beginning"
        try:
            return str(saved) if timestamps.is_bare_date(saved) else timestamps.formatted(timestamps.parse(saved))
        except ValueError:
            return "the same state"

    def turn(self, *, is_first_sync: bool) -> Turn:
        """When the stream is read, beside others."""
        return Turn.LIST_ENDPOINT

    def require_readable(self) -> None:
        """Raise if the stream cannot be read as the configured catalog has it."""
        properties = self.configured.stream.json_schema.get("properties") if self.configured else None
        if properties is not None and not isinstance(properties, Mapping):
            raise messages.SCHEMA_NOT_AN_OBJECT.error(self.name)

    @property
    def is_incremental(self) -> bool:
        """Whether an incremental sync is read; PyAirbyte configures one also for streams without a cursor."""
        is_configured = self.configured is not None and self.configured.sync_mode is SyncMode.incremental
        return is_configured and self.supports_incremental

    @property
    def appends(self) -> bool:
        """Whether the destination merges nothing: what is emitted twice is there twice."""
        return (
            self.configured is not None
            and self.configured.sync_mode is SyncMode.incremental
            and self.configured.destination_sync_mode is DestinationSyncMode.append
        )

    def get_json_schema(self) -> Mapping[str, Any]:  # type: ignore[override] # the CDK's is cached as well
        """The stream's columns."""
        return self.schema

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of the stream."""
        return self.declared_schema()

    @classmethod
    def declared_schema(cls, profile_columns: Mapping[str, Column] | None = None) -> Mapping[str, Any]:
        """The JSON schema of the columns that the class declares, and of a project's own ``profile_columns``."""
        return json_schema(cls.description(), {**cls.columns, **(profile_columns or {})})

    @classmethod
    def description(cls) -> str:
        """What one record is: the first paragraph of the docstring, which `discover` and the documentation show."""
        return " ".join(inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].split())

    @cached_property
    def selected_columns(self) -> Columns:
        """The columns that records may have: the selected ones, always the key and the cursor among them."""
        own = self.columns
        selected = self.configured.stream.json_schema.get("properties") if self.configured else None
        if not selected:
            return Columns(own, lists_as_text=self.lists_as_text)
        chosen: dict[str, Any] = {
            name: column if isinstance(column, Mapping) else {} for name, column in selected.items()
        }
        known = chosen.get(OVERFLOW, {}).get(OFFERED_COLUMNS)
        known = [name for name in known if isinstance(name, str)] if isinstance(known, list) else []
        needed = [name for name in (*self.key_names, *self._wrapped_cursor_field()) if name in own]
        chosen = {name: own[name] for name in needed} | chosen
        return Columns(chosen, known, own, needed, self.lists_as_text)
