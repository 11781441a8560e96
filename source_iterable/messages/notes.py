"""Log lines that are not problems, although they may look like it."""

from source_iterable.messages.message import Message

WAITING_FOR_BUDGET = Message(
    "waiting_for_budget",
    "Waiting {seconds:.0f} s or more before the next request to {endpoint}: Iterable allows {number} a minute",
    remedy="The connector keeps to Iterable's limit.",
)
RETRYING = Message(
    "retrying",
    "requesting {subject} again in {seconds:.0f} s: {trouble}",
    remedy="A request failed, for the reason given, and is repeated: for ten minutes, or half an hour for a stream "
    "that cannot resume. If no attempt succeeds, the stream's own message says so.",
)
WAITING_FOR_LIMIT = Message(
    "waiting_for_limit",
    "waiting {seconds:.0f} s for {subject}: Iterable answered HTTP 429, another program uses the limit ({waited:.0f} "
    "of at most {most:.0f} s)",
    remedy="Nothing: the request is repeated for up to ten minutes.",
)
STILL_WAITING = Message(
    "still_waiting",
    "still waiting for the next response ({what})",
    remedy="Iterable is preparing the answer; large ones may take many minutes, large lists an hour.",
)
REQUESTING_LESS = Message(
    "requesting_less",
    "{window} could not be exported in one request: {reason}",
    "Requesting less.",
    remedy="The window was probably too large; it is requested in parts. If it happens often, lower `window_in_days`.",
)
KEY_VANISHED = Message(
    "key_vanished",
    "a key was deleted while the stream was read",
    remedy="Nothing: somebody deleted a metadata value in Iterable during the sync.",
)
CATALOG_VANISHED = Message(
    "catalog_vanished",
    "a catalog was deleted while the stream was read",
    remedy="Nothing: somebody deleted a catalog in Iterable during the sync.",
)
NO_MORE_JOBS = Message(
    "no_more_jobs",
    "no more export jobs in this sync: {reason}",
    remedy="Iterable did not start an export job, or jobs failed for three windows in a row, for the reason "
    "given. With `automatic`, the remaining windows are requested directly; with `jobs`, the stream (or every "
    "stream, where the "
    'line says "All streams") stops.',
)
OLDER_PROFILES = Message(
    "older_profiles",
    "users: profiles last updated before {start} are not read",
    remedy="See Limitations: the start date.",
)
