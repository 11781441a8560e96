"""The catalogue of messages: errors, warnings and log lines.

`make docs` generates the tables under Troubleshooting in docs/iterable.md from it.
"""

from collections.abc import Mapping, Sequence

from source_iterable.messages import notes, setup, streams, warnings
from source_iterable.messages.message import Message as Message
from source_iterable.messages.message import MessageError as MessageError
from source_iterable.messages.notes import *  # noqa: F403
from source_iterable.messages.setup import *  # noqa: F403
from source_iterable.messages.streams import *  # noqa: F403
from source_iterable.messages.warnings import *  # noqa: F403

CATALOGUE: Mapping[str, Sequence[Message]] = {
    group.__name__.rpartition(".")[2]: [entry for entry in vars(group).values() if isinstance(entry, Message)]
    for group in (setup, streams, warnings, notes)
}
"""All messages, grouped as on the page."""
