"""An Airbyte source connector that copies an Iterable project into a warehouse."""

from source_iterable.source import SourceIterable

__all__ = ["SourceIterable"]
