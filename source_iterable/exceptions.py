"""Exceptions that API clients and streams raise and that the prefetcher handles."""

from __future__ import annotations

from airbyte_cdk.utils import AirbyteTracedException


class TooLargeError(Exception):
    """The server failed to deliver what was requested; a smaller request may succeed."""


class DiskFullError(AirbyteTracedException):
    """The temporary folder is full."""
