"""Errors that end the read of a stream, and the one that ends a sync."""

from source_iterable.messages.message import (
    CHECK_PROXY,
    CONFIG,
    FIX_PROXY,
    REGION,
    REPORT,
    SYSTEM,
    TRANSIENT,
    TRY_LATER,
    Message,
)
from source_iterable.messages.setup import KEY_CAUSES

_RAISE_LIMIT = "Raise ITERABLE_SPOOL_MEGABYTES."
_OUTAGE = "Iterable or the network on the way may be down. Try again later."
_LEAVE_OUT = "Report it with the log of the sync. Leave the stream out until then; the others do not depend on it."

STREAMS_STOPPED = Message(
    "streams_stopped",
    "{number} of {all} streams stopped before the end{others}",
    "In parentheses: where the next attempt resumes.\n{causes}",
    remedy="The last line of a failed sync. Each cause is followed by what to do about it.",
)
NOT_BEGUN = Message("not_begun", "could not be started", REPORT, SYSTEM)
DEFECT = Message("defect", "stopped by a defect of this connector ({error})", REPORT, SYSTEM, _LEAVE_OUT)
UNKNOWN_STREAM = Message(
    "unknown_stream",
    "there is no such stream in this version",
    "Refresh the source's schema, and leave this stream out.",
    CONFIG,
    "The connection was set up with another version, or by hand: refresh the source's schema, and leave the stream "
    "out.",
)
SCHEMA_NOT_AN_OBJECT = Message(
    "schema_not_an_object",
    "'properties' of this stream's json_schema in the configured catalog is not a JSON object",
    "Take the stream's schema from what `discover` prints.",
    CONFIG,
)

# The key

KEY_REFUSED_IN_SYNC = Message(
    "key_refused_in_sync",
    "not read: Iterable refused the API key ({answer})",
    KEY_CAUSES,
    CONFIG,
    "The key was revoked or replaced. Set the new one; nothing was lost.",
)
KEY_DENIED = Message(
    "key_denied",
    "Iterable refused the API key for this stream ({answer})",
    "The key must be of the type Server-side, which may export and read list members, and must belong to this project, "
    "in the data center (region) that is set. Create such a key in Iterable under Integrations > API Keys and set it "
    "here, or leave this stream out.",
    CONFIG,
    "A key that Iterable accepted before in the same sync was refused for two minutes. Create a key of the type "
    "Server-side, or leave this stream out.",
)

# Requests

RATE_LIMITED = Message(
    "rate_limited",
    "{subject} met Iterable's rate limit (HTTP 429): the connector waited {waited:.0f} s, and {limit}",
    "Other programs use this project's rate limit. Stop them during the sync, or sync at another time.",
    TRANSIENT,
)
RETRIES_EXHAUSTED = Message(
    "retries_exhausted",
    "{subject} failed {tries} times in {duration}; the last time {trouble}",
    "Iterable or the network on the way may be down. If the next attempt fails at the same place, report that to "
    "Iterable's support.",
    TRANSIENT,
    "Iterable or the network on the way was down for at least ten minutes, or half an hour for a stream that cannot "
    "resume: Airbyte tries again by itself. Where a web page came, a proxy or login page of your network answers in "
    "Iterable's place: let the connector through. If it fails at the same window or list every day: report that one to "
    "Iterable's support.",
)
ENDPOINT_MISSING = Message(
    "endpoint_missing",
    "Iterable's {data_center} does not have the endpoint {endpoint}",
    f"Leave this stream out of the connection. {REGION}",
    CONFIG,
    "Iterable's own page says so, for everybody: this data center does not offer what the stream needs. Leave the "
    "stream out of the connection. If the project is in the other data center, correct `region`.",
)
REQUEST_REFUSED = Message("request_refused", "{subject} was refused: {answer}", REPORT, SYSTEM)
NOT_REQUESTED = Message("not_requested", "{subject} could not be requested", REPORT, SYSTEM)
ANSWERS_DIFFER = Message(
    "answers_differ",
    "{subject} was answered {times} times, and no two answers in a row were the same, although nothing else shows "
    "whether one is whole: they came without a length, chunked encoding or compression",
    FIX_PROXY,
    TRANSIENT,
)
UNREADABLE_ANSWER = Message(
    "unreadable_answer",
    "{subject} cannot be read: {reason}",
    "If there is a proxy on the way, ask those who run it; otherwise report this with the log of the sync.",
    SYSTEM,
    "The answer is not one that Iterable sends: an unknown encoding, a line over 64 MB, a JSON answer over 256 MB, a "
    "body that inflates over 200 times. If there is a proxy on the way, ask those who run it; otherwise report it.",
)
REDIRECTED = Message(
    "redirected",
    "{subject} was answered with a redirect (HTTP {status}), which is not followed, so that the API key stays with "
    "Iterable",
    CHECK_PROXY,
    SYSTEM,
)
FOREIGN_PAGE = Message(
    "foreign_page",
    "Iterable's answer names a next page on another host, which the connector refuses, so that the API key "
    "stays with Iterable",
    CHECK_PROXY,
    SYSTEM,
)
UNEXPECTED_ANSWER = Message(
    "unexpected_answer", "Iterable's answer contains {found}, which is not as documented", REPORT, SYSTEM, _LEAVE_OUT
)
EMPTY_PAGES = Message(
    "empty_pages",
    "{pages} pages in a row have no rows, and yet Iterable names another one",
    TRY_LATER,
    SYSTEM,
)
NO_ROWS_BUT_TOTALS = Message(
    "no_rows_but_totals",
    "Iterable lists no rows, although its own totals are not 0 (listed: {totals}). Nothing was read, and the "
    "destination keeps its records",
    TRY_LATER,
    TRANSIENT,
    "Nothing was read, so that Overwrite does not empty the stream. Airbyte tries again by itself. If it stays so, "
    "report it with the log of the sync.",
)

# Disk

DISK_FULL = Message(
    "disk_full",
    "no disk space for an answer in {folder}: {reason}",
    "Free disk space there, or set $TMPDIR to another folder, or lower ITERABLE_SPOOL_MEGABYTES.",
    TRANSIENT,
    "Give the connector more disk for temporary files, or lower `ITERABLE_SPOOL_MEGABYTES` in its environment.",
)
WINDOW_OVER_LIMIT = Message(
    "window_over_limit",
    "the export of {window} is larger than the disk limit",
    _RAISE_LIMIT,
    CONFIG,
    "One second of the stream is larger than `ITERABLE_SPOOL_MEGABYTES`, by default 2048: raise it.",
)
LIST_OVER_LIMIT = Message(
    "list_over_limit",
    "list {list} is larger than the disk limit",
    _RAISE_LIMIT,
    CONFIG,
    "Raise `ITERABLE_SPOOL_MEGABYTES`: a list comes in one piece.",
)
LISTING_OVER_LIMIT = Message(
    "listing_over_limit",
    "the records that wait on disk are larger than the disk limit",
    _RAISE_LIMIT,
    CONFIG,
    "Raise `ITERABLE_SPOOL_MEGABYTES`, by default 2048: what a list endpoint returns waits until its last page is "
    "there, in `catalog_items` that of each catalog.",
)
ANSWER_OVER_LIMIT = Message(
    "answer_over_limit",
    "an answer is larger than the disk limit",
    _RAISE_LIMIT,
    CONFIG,
    "Raise `ITERABLE_SPOOL_MEGABYTES`, by default 2048: these answers come in one piece.",
)

# Exports

EXPORT_JOB_IMPOSSIBLE = Message(
    "export_job_impossible",
    "the export of {window} is not possible with an export job: {reason}",
    "The setting 'export_method' allows jobs only. Choose automatic: windows that no job can export are then "
    "requested directly.",
    CONFIG,
)
FILE_NOT_HTTPS = Message(
    "file_not_https",
    "Iterable names a file of an export at an address that is not HTTPS, which is refused",
    REPORT,
    SYSTEM,
    "Report it with the log of the sync; until then choose `direct` as export method.",
)
MALFORMED_LINE = Message(
    "malformed_line",
    "the export of {window} contains a line that is not JSON (line {line}), also in repeated responses. "
    "Nothing of this window "
    "was delivered",
    "Report the window and the line to Iterable's support.",
    SYSTEM,
    "Report the window and the line to Iterable's support: `users` cannot continue past a profile that has no key.",
)
RECORDS_WITHOUT_KEY = Message(
    "records_without_key",
    "no record of {window} has a value under the primary key '{key}' (records: {records:,}). Deduplication would keep "
    "one of them, so nothing of this window was delivered",
    "Refresh the source's schema: the key is chosen again by how the project identifies users. If it stays the same, "
    "choose a primary key in the configured catalog that this project's users have: email, userId or itblUserId.",
    CONFIG,
    "Refresh the source's schema: the key of `users` is `email` or `itblUserId`, by how the project identifies users. "
    "If it stays the same, write another column of this project's users as the stream's `primary_key` into the "
    "configured catalog: `email`, `userId` or `itblUserId`.",
)

# List members

NO_LIST_READ = Message(
    "no_list_read",
    "none of the {all} lists could be read; for the last one {reason}",
    "Ask Iterable's support about it, naming the endpoint lists/getUsers.",
    TRANSIENT,
    "Ask Iterable's support, naming `lists/getUsers` and a list. Leave the stream out until then.",
)
LISTS_MISSING = Message(
    "lists_missing",
    "lists are missing ({number} of {all}): {lists}. All others were delivered. The last one failed whenever it was "
    "requested: {reason}",
    "{advice}",
    TRANSIENT,
    "All other lists were delivered. Airbyte tries again by itself, and requests only these. If it stays so, report "
    "them to Iterable's support; until then, take the membership from `emailListIds` or `userListIds` of `users`.",
)
LISTS_UNAVAILABLE = Message(
    "lists_unavailable",
    "lists could not be read for {duration}; the last time {reason}. Lists are missing ({number} of {all}): {lists}",
    _OUTAGE,
    TRANSIENT,
    "Iterable or the network on the way was down for longer than the connector waits. The message names the lists that "
    "are missing: Airbyte tries again by itself, and requests only these.",
)
LISTING_UNAVAILABLE = Message(
    "listing_unavailable",
    "the list of lists could not be read for {duration}; the last time {reason}",
    _OUTAGE,
    TRANSIENT,
    "Iterable or the network on the way was down for longer than the connector waits. Nothing was delivered: Airbyte "
    "tries again by itself.",
)

# Saved states

UNUSABLE_STATE = Message(
    "unusable_state",
    "the saved state cannot be used: {reason}. In Append, everything would be appended again",
    "Correct the saved states. To start this stream from its beginning, clear its data in Airbyte, or take it out of "
    "the saved states.",
    CONFIG,
    "The message names the reason. A state of another connector or another form: see [Carrying a state over]"
    "(migration.md#carrying-a-state-over). A GLOBAL state beside others: pass STREAM states, or a single GLOBAL one. "
    "Another namespace: take `namespace` out of the state's `stream_descriptor`. To start the stream from its "
    "beginning, clear its data.",
)
UNREADABLE_STATE = Message(
    "unreadable_state",
    "the saved state contains {found}",
    "Clear this stream's data in Airbyte, or take it out of the saved states.",
    CONFIG,
    "The state was edited by hand. Correct it, or clear the stream's data.",
)
