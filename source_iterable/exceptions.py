"""What the engine and the API have in common when something does not fit: raised by those who fetch."""

from __future__ import annotations

from airbyte_cdk.utils import AirbyteTracedException


class TooLargeError(Exception):
    """The server could not deliver what was requested at once; less of it might come."""


class DiskFullError(AirbyteTracedException):
    """The error for a temporary folder that takes no more."""
