"""How a read ends: which streams stopped before their end, why, and where the next attempt resumes."""

from __future__ import annotations

from collections.abc import Sequence

from airbyte_cdk.models import FailureType

from source_iterable import messages
from source_iterable.api.errors import StreamFailure
from source_iterable.streams import IterableStream

# The platform tries no more after a config_error, so this counts last: one stream that another try can help is enough.
PRECEDENCE = (FailureType.transient_error, FailureType.system_error, FailureType.config_error)

NOT_BEGUN = StreamFailure(messages.NOT_BEGUN.format(), FailureType.system_error, "the same state")


def summary_of(streams: Sequence[IterableStream]) -> messages.MessageError | None:
    """The error of a read of ``streams``, each cause once; None if all came to their end."""
    causes: dict[str, list[str]] = {}
    kinds: set[FailureType] = set()
    for stream in streams:
        stopped = stream.stopped or (None if stream.complete else NOT_BEGUN)
        if stopped is not None:
            causes.setdefault(stopped.cause, []).append(f"{stream.name} ({stopped.resumption})")
            kinds.add(stopped.kind)
    if not causes:
        return None
    number = sum(map(len, causes.values()))
    return messages.STREAMS_STOPPED.error(
        failure_type=next(kind for kind in PRECEDENCE if kind in kinds),
        number=number,
        all=len(streams),
        others="; all others are complete" if number < len(streams) else "",
        causes="\n".join(f"{', '.join(names)}: {cause}" for cause, names in causes.items()),
    )
