"""Every stream by its name, in the order in which the catalog shows them: that of the names.

A class that declares columns, in one of the modules in `MODULES`, is a stream of the catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType

from airbyte_cdk.sources.utils.casing import camel_to_snake

from source_iterable.streams import (
    campaigns,
    catalogs,
    experiments,
    forgotten_users,
    journeys,
    list_users,
    metadata,
    metrics,
    metrics_daily,
    project,
    snippets,
    templates,
    users,
)
from source_iterable.streams.base import IterableStream
from source_iterable.streams.events import email, embedded, in_app, phone, push, tracked

MODULES = (
    *(email, push, in_app, phone, embedded, tracked),
    *(users, forgotten_users, project, list_users),
    *(campaigns, metrics, metrics_daily, experiments, templates, snippets, journeys, catalogs, metadata),
)


def _declared(modules: Iterable[ModuleType]) -> Iterator[tuple[str, type[IterableStream]]]:
    for module in modules:
        for member in vars(module).values():
            is_own = isinstance(member, type) and member.__module__ == module.__name__
            if is_own and issubclass(member, IterableStream) and "columns" in vars(member):
                yield camel_to_snake(member.__name__), member


STREAMS: Mapping[str, type[IterableStream]] = dict(sorted(_declared(MODULES)))

__all__ = ["MODULES", "STREAMS", "IterableStream"]
