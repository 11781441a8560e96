"""How a read ends: which streams stopped before their end, why, and where the next attempt resumes."""

from __future__ import annotations

from collections.abc import Sequence

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.api.errors import StreamFailure
from source_iterable.streams import IterableStream

# The platform tries no more after a config_error, so this counts last: one stream that another try can help is enough.
PRECEDENCE = (FailureType.transient_error, FailureType.system_error, FailureType.config_error)

NOT_BEGUN = StreamFailure(
    "could not be begun. Report this with the log of the sync.", FailureType.system_error, "the same state"
)


def summary_of(streams: Sequence[IterableStream]) -> AirbyteTracedException | None:
    """The error of a read of ``streams``, each cause told once; None if all came to their end."""
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
    others = "; all others are complete" if number < len(streams) else ""
    told = "\n".join(f"{', '.join(names)}: {cause}" for cause, names in causes.items())
    return AirbyteTracedException(
        message=f"{number} of {len(streams)} streams stopped before the end{others}. "
        f"In parentheses: where the next attempt resumes.\n{told}",
        internal_message="streams stopped before their end",
        failure_type=next(kind for kind in PRECEDENCE if kind in kinds),
    )
