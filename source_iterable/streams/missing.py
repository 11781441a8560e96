"""A stream that the configured catalog selects and this version does not have."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteStream

from source_iterable import messages
from source_iterable.streams.base import IterableStream
from source_iterable.sync import Sync


class UnknownStream(IterableStream):
    """Its place in a read, so that it fails as other streams do."""

    endpoint = ""
    primary_key = None

    def __init__(self, sync: Sync, configured: ConfiguredAirbyteStream) -> None:
        self.name = configured.stream.name
        super().__init__(sync, configured)

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """What the catalog says of it."""
        return self.configured.stream.json_schema if self.configured else {}

    def require_readable(self) -> None:
        """Raise, whatever the catalog says."""
        raise messages.UNKNOWN_STREAM.error(self.name)
