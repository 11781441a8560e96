"""Lines of the log that look like trouble and are none."""

from source_iterable.messages.message import Message

WAITING_FOR_BUDGET = Message(
    "waiting_for_budget",
    "Waiting {seconds:.0f} s or more before the next request to {endpoint}: Iterable allows {number} a minute",
    remedy="The connector keeps to Iterable's limit.",
)
RETRYING = Message(
    "retrying",
    "requesting {subject} again in {seconds:.0f} s: {trouble}",
    remedy="A request failed, for the reason given, and is made again: for ten minutes, or half an hour for a stream "
    "that cannot resume. If no try succeeds, the stream's own message says so.",
)
WAITING_FOR_LIMIT = Message(
    "waiting_for_limit",
    "waiting {seconds:.0f} s for {subject}: Iterable answered HTTP 429, another program uses the limit ({waited:.0f} "
    "of at most {most:.0f} s)",
    remedy="It waits for its turn, ten minutes for one request at most.",
)
STILL_WAITING = Message(
    "still_waiting",
    "still waiting for what comes next ({what})",
    remedy="Iterable is preparing the answer; large ones may take many minutes, large lists an hour.",
)
REQUESTING_LESS = Message(
    "requesting_less",
    "{window} could not be delivered at once: {reason}",
    "Requesting less.",
    remedy="The window was too large for Iterable; it is requested in parts. If it happens often, lower "
    "`window_in_days`.",
)
KEY_VANISHED = Message(
    "key_vanished",
    "a key vanished while the stream was read",
    remedy="A metadata value was deleted in Iterable at this moment.",
)
CATALOG_VANISHED = Message(
    "catalog_vanished",
    "a catalog vanished while the stream was read",
    remedy="A catalog was deleted in Iterable at this moment.",
)
NO_MORE_JOBS = Message(
    "no_more_jobs",
    "no more export jobs in this sync: {reason}",
    remedy="Iterable would not prepare files, or three windows in a row could not be had from them, for the reason "
    "given. With `automatic`, what is left is requested directly; with `jobs`, the stream (or every stream, where the "
    'line says "All streams") stops.',
)
OLDER_PROFILES = Message(
    "older_profiles",
    "users: profiles last updated before {start} are not read",
    remedy="See Limitations: the start date.",
)
