"""Warnings, after which the sync continues."""

from source_iterable.messages.message import FIX_PROXY, Message

STATE_IN_FUTURE = Message(
    "state_in_future",
    "the saved state ({state}) is in the future: nothing is read",
    "Clear this stream's data in Airbyte, if its state was set by hand.",
    remedy="Nothing is read until then. Clear the stream's data, if the state was set by hand; otherwise set the clock "
    "of the machine that wrote it.",
)
STATE_NOT_USED = Message(
    "state_not_used",
    "the saved state is not used: {reason}. The stream starts from {start}",
    "If that is not intended, correct the saved states.",
    remedy="The stream starts from the timestamp that the message names, mostly from its beginning: records that the "
    "destination holds already come again, and are merged. If that should not be, correct the saved states, as above. "
    "In Append this is an error.",
)
REPEATED_PROFILES = Message(
    "repeated_profiles",
    "profiles that appear twice: {profiles}. They changed during this sync, and Overwrite merges nothing",
    "Choose Full refresh | Overwrite + Deduped or Incremental | Append + Deduped: both keep the later one. Or read "
    "only the record with the latest {cursor} of each {key}.",
    remedy="Choose one of the sync modes that the message names, if your queries must not see both versions. See "
    "Limitations.",
)
KEYLESS_RECORDS = Message(
    "keyless_records",
    "records without a value under the primary key '{key}': {records:,}. Where the destination deduplicates, one of "
    "them remains, or none",
    "Refresh the source's schema, which chooses the key by how the project identifies users, or choose another primary "
    "key.",
    remedy="These users were delivered, but a destination that deduplicates keeps one of them, or drops them all. "
    "Refresh the source's schema: the key of `users` follows from how the project identifies users.",
)
UNPARSED_LINES = Message(
    "unparsed_lines",
    "{window} contains lines that are not JSON ({lines}, the first is line {first}); they are kept in "
    "dataFields, under "
    "'unparsed'",
    remedy="The lines are kept in `dataFields`, under `unparsed`. Report the window to Iterable's support.",
)
UNFRAMED_ANSWERS = Message(
    "unframed_answers",
    "answers came without a length, chunked encoding or compression, so that a lost connection looks like their end: "
    "each was requested until two responses in a row were identical",
    FIX_PROXY,
    remedy="The rows are there, at twice the requests. A proxy on the way probably takes away what shows where an "
    "answer ends: let the connector's requests pass it unchanged, or ask those who run it.",
)
LIST_SKIPPED = Message(
    "list_skipped",
    "list {list} skipped: {reason}, also when requested again after all others",
    remedy="See Limitations.",
)
LISTS_SKIPPED = Message(
    "lists_skipped",
    "lists {lists} skipped: {reason}, also when requested again after all others",
    remedy="See Limitations.",
)
LISTS_PAUSED = Message(
    "lists_paused",
    "Iterable is not available ({reason})",
    "Waiting up to {seconds:.0f} s; running downloads continue.",
    remedy="Several lists failed one after the other, so it is not a list's fault. The connector waits up to half an "
    "hour, and then reports the outcome.",
)
TEMPLATE_SKIPPED = Message(
    "template_skipped",
    "template {template} skipped: Iterable answers {answer}",
    remedy="Iterable lists the template, but does not show its content. Open it in Iterable; if it opens there, report "
    "it to Iterable's support.",
)
NO_EMBEDDED_TEMPLATES = Message(
    "no_embedded_templates",
    "templates without a listed medium are left out: Iterable's {data_center} does not have the endpoint {endpoint}",
    remedy="Nothing: this data center does not offer the content of embedded templates.",
)
EXPERIMENT_INCOMPLETE = Message(
    "experiment_incomplete",
    "experiment {experiment}: read only from the list of experiments, Iterable answers {answer}",
    remedy="The record is there, without the columns that only the experiment itself contains. Usually it was deleted "
    "during the sync.",
)
UNREQUESTABLE_NAME = Message(
    "unrequestable_name",
    "a name that consists of one or two dots is left out: no URL can contain it",
    remedy="Give the stream or key of the metadata store another name.",
)
LISTING_CHANGED = Message(
    "listing_changed",
    "it changed each time it was requested; the next sync reads the latest changes",
    remedy="Nothing: somebody was editing in Iterable.",
)
TOTALS_DISAGREE = Message(
    "totals_disagree",
    "Iterable's own totals disagree with what it listed, so rows may be missing: {totals}",
    "If it happens again, report this with the log of the sync.",
    remedy="The numbers are those of rows listed and of rows that Iterable counts, with the filters of the request. "
    "Check whether rows are missing. If it happens in the next syncs too, report it with the log.",
)
PAGE_TAKEN_FOR_END = Message(
    "page_taken_for_end",
    "a page without rows named a next page that was read before, and was taken for the end",
    remedy="Check whether rows are missing. If it happens in the next syncs too, report it with the log.",
)
TEMPLATES_POSTPONED = Message(
    "templates_postponed",
    "{number:,} created while templates were listed: left to the next sync",
    remedy="Nothing: the next sync brings them, with their types, media and contents.",
)
PROFILE_FIELDS_DENIED = Message(
    "profile_fields_denied",
    "the key may not request the project's profile fields ({endpoint}): only the documented columns are offered, the "
    "project's own fields arrive in dataFields",
    remedy="Use a key of the type Server-side, and refresh the schema, if you want columns for them.",
)
PROFILE_FIELDS_MISSING = Message(
    "profile_fields_missing",
    "Iterable's {data_center} does not have the endpoint for the project's profile fields ({endpoint}): only the "
    "documented columns are offered, the project's own fields arrive in dataFields",
    "Check the data center (region).",
    remedy="Check the data center (`region`). If it is right, nothing: the fields are in `dataFields`.",
)
NO_SERVER_TIME = Message(
    "no_server_time",
    "Iterable's time could not be requested ({reason}): this machine's clock is used",
    remedy="Nothing, if the machine's clock is right.",
)
CLOCK_IS_OFF = Message(
    "clock_is_off",
    "This machine's clock is {seconds:.0f} s {direction} Iterable's",
    "The earlier time is used. Correct this machine's clock.",
    remedy="Correct the machine's clock. The earlier time is used, so nothing is missed.",
)
TERMINATED = Message(
    "terminated",
    "The sync received SIGTERM: it was cancelled, or took longer than it may",
    "The states in the STATE messages are saved, and the next attempt resumes from there.",
    remedy="If you did not cancel it: look for a time-out of the platform, or for too little memory or disk. The next "
    "attempt resumes from what was saved.",
)
