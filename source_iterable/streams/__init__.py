"""Every table, once, in the order in which the catalog shows them."""

from __future__ import annotations

from source_iterable.streams.base import IterableStream
from source_iterable.streams.events import (
    EmailBounce,
    EmailClick,
    EmailComplaint,
    EmailOpen,
    EmailSend,
    EmailSendSkip,
    EmailSubscribe,
    EmailUnsubscribe,
)
from source_iterable.streams.list_users import ListUsers
from source_iterable.streams.listings import Campaigns, Channels, Lists, MessageTypes, Templates
from source_iterable.streams.metadata import Metadata
from source_iterable.streams.users import Users

STREAMS: tuple[type[IterableStream], ...] = (
    Campaigns,
    Channels,
    EmailBounce,
    EmailClick,
    EmailComplaint,
    EmailOpen,
    EmailSend,
    EmailSendSkip,
    EmailSubscribe,
    EmailUnsubscribe,
    ListUsers,
    Lists,
    MessageTypes,
    Metadata,
    Templates,
    Users,
)

__all__ = ["STREAMS", "IterableStream"]
