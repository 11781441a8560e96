"""The stream of user profiles, with the project's own fields as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import cached_property
from typing import Any

from airbyte_cdk.models import DestinationSyncMode, FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable import messages
from source_iterable.api.body import Body
from source_iterable.api.errors import MissingEndpointError
from source_iterable.prefetch.window_plan import WindowPlan
from source_iterable.records.json_lines import Row
from source_iterable.streams.columns.common import DATA_FIELDS
from source_iterable.streams.columns.profile import PROFILE, profile_columns
from source_iterable.streams.export import ExportStream
from source_iterable.streams.profile_fields import FIELDS_PATH, identifies_by_email, profile_fields
from source_iterable.streams.repeats import Repeats
from source_iterable.windows import Window

NO_KEY = (None, "")


class Users(ExportStream):
    """One user's profile, in its current state."""

    data_type = "user"
    cursor_field = "profileUpdatedAt"
    columns = PROFILE | DATA_FIELDS
    # An export shows a profile's present version only: one that changes often would never settle.
    awaits_late_rows = False
    ends_open = True
    # `users/getFields` returns the type of a list's elements as that of the field.
    lists_as_text = True
    _keyless = 0
    _repeats: Repeats | None = None

    @property
    def primary_key(self) -> str:
        """`email`, or `itblUserId` in projects that do not identify users by email."""
        if self.configured is not None:
            selected = self.configured.primary_key or self.configured.stream.source_defined_primary_key
            return selected[0][0] if selected and selected[0] else "email"
        return "email" if identifies_by_email(self.fields) else "itblUserId"

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The documented columns and the project's own; in a read, those that were discovered."""
        if self.configured is None:
            return self.declared_schema(profile_columns(self.fields, fixed=self.columns))
        discovered: Mapping[str, Any] = self.configured.stream.json_schema
        return discovered if discovered.get("properties") else self.declared_schema()

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """The project's profile fields and their types; none, with a warning, where they cannot be requested."""
        try:
            return profile_fields(self)
        except MissingEndpointError:
            warning = messages.PROFILE_FIELDS_MISSING.format(data_center=self.api.data_center, endpoint=FIELDS_PATH)
            self.logger.warning("%s: %s", self.name, warning)
            return {}
        except AirbyteTracedException as error:
            if error.failure_type is not FailureType.config_error or self.api.key_refusal:
                raise
            warning = messages.PROFILE_FIELDS_DENIED.format(endpoint=FIELDS_PATH)
            self.logger.warning("%s: %s", self.name, warning)
            return {}

    def plan(self, state: Mapping[str, Any]) -> WindowPlan:
        """The windows; where nothing merges what the open one repeats, that is counted."""
        plan = super().plan(state)
        overwrites = self.configured and self.configured.destination_sync_mode is DestinationSyncMode.overwrite
        if overwrites and self._has_open_window:
            self._repeats = Repeats(is_complete=not state)
        return plan

    def require_emittable(self, body: Body, window: Window) -> None:
        """Raise if ``window`` has records and none of them has a key: then the key is wrong, not a record.

        One record is looked at, as a rule: the first that has a key ends the search.
        """
        (key,) = self.key_names
        keyless = 0
        with closing(body.preview()) as lines:
            for record in super().window_records(lines, window):
                if record.get(key) not in NO_KEY:
                    return
                keyless += 1
        if keyless:
            raise messages.RECORDS_WITHOUT_KEY.error(self.name, window=window, key=key, records=keyless)

    def window_records(self, lines: Iterable[bytes], window: Window) -> Iterator[Row]:
        """The records; those without a key, and those whose key came before, counted."""
        (key,) = self.key_names
        repeats = self._repeats
        # A profile moves to the open window when it changes; other windows have no profile in common.
        may_repeat = window.end > self.api.clock.fixed()
        for record in super().window_records(lines, window):
            value = record.get(key)
            if value in NO_KEY:
                self._keyless += 1
            elif repeats is not None:
                repeats.emitted(value, may_repeat=may_repeat)
            yield record

    def conclude(self) -> None:
        """Report the profiles that came twice, and the records without a key."""
        if self._repeats is not None and self._repeats.keys:
            number = f"{'' if self._repeats.is_complete else 'at least '}{len(self._repeats.keys):,}"
            self.progress.remark(
                messages.REPEATED_PROFILES, profiles=number, cursor=self.cursor_field, key=self.key_names[0]
            )
        if self._keyless:
            self.progress.remark(messages.KEYLESS_RECORDS, key=self.key_names[0], records=self._keyless)

    def malformed(self, window: Window, line: int) -> Exception:
        """A profile that cannot be read cannot be keyed: the stream stops before it."""
        return messages.MALFORMED_LINE.error(self.name, window=window, line=line)
