"""Errors before a sync: in settings, in the command and its files, and from `check`."""

from source_iterable.messages.message import CHECK_PROXY, CONFIG, REGION, TRANSIENT, Message

_DATES = "YYYY-MM-DD, YYYY-MM-DDTHH:MM:SSZ or MM/DD/YYYY"
_NEW_KEY = "Create a server-side key in Iterable under Integrations > API Keys"

# Settings

API_KEY_MISSING = Message("api_key_missing", "The setting 'api_key' is missing", f"{_NEW_KEY}.", CONFIG)
API_KEY_NOT_TEXT = Message(
    "api_key_not_text",
    "The setting 'api_key' must be text",
    "Put the value in quotation marks, if you write the settings by hand.",
    CONFIG,
)
API_KEY_CHARACTERS = Message(
    "api_key_characters",
    "The setting 'api_key' contains a space, a line break or another character that no key contains",
    "Copy the key again, without spaces and line breaks.",
    CONFIG,
)
START_DATE_MISSING = Message(
    "start_date_missing",
    "The setting 'start_date' is missing",
    f"Give the day from which to copy records, as {_DATES}.",
    CONFIG,
)
START_DATE_TOO_EARLY = Message(
    "start_date_too_early",
    "The setting 'start_date' is before 1970",
    "Give the day of the project's first data.",
    CONFIG,
)
START_DATE_IN_FUTURE = Message(
    "start_date_in_future",
    "The setting 'start_date' is in the future ({date})",
    "Give a past day, or today.",
    CONFIG,
)
END_DATE_TOO_EARLY = Message(
    "end_date_too_early",
    "The setting 'end_date' is not after start_date",
    "Give a later date, or leave it empty to read up to now.",
    CONFIG,
)
NOT_A_DATE = Message(
    "not_a_date",
    f"The setting '{{setting}}' must be text in the form {_DATES}, not {{value}}",
    "Write the date as 2024-01-31, in quotation marks.",
    CONFIG,
)
NO_SUCH_DATE = Message(
    "no_such_date",
    "The setting '{setting}' is not a date that exists: {value}",
    f"Use {_DATES}.",
    CONFIG,
    "Check the order: `2024-01-31` or, with slashes, month first: `01/31/2024`.",
)
NOT_A_WHOLE_NUMBER = Message(
    "not_a_whole_number",
    "The setting '{setting}' must be a whole number from {least} to {most}, not {value}",
    "Give a number without a decimal part.",
    CONFIG,
)
OUT_OF_BOUNDS = Message(
    "out_of_bounds",
    "The setting '{setting}' must lie between {least} and {most}, not {value}",
    "Give a number within these bounds.",
    CONFIG,
)
NOT_A_CHOICE = Message(
    "not_a_choice",
    "The setting '{setting}' must be one of {choices}, not {value}",
    "Choose one of these; upper and lower case matter.",
    CONFIG,
)
API_URL_SCHEME = Message(
    "api_url_scheme",
    "The environment variable 'ITERABLE_API_URL' must begin with https://",
    "Correct it, or remove it: it is for tests.",
    CONFIG,
)
API_URL_UNUSABLE = Message(
    "api_url_unusable",
    "The environment variable 'ITERABLE_API_URL' must be an address like https://127.0.0.1:8080, without user name, "
    "password or query",
    "Correct it, or remove it: it is for tests.",
    CONFIG,
)
NOT_POSITIVE = Message(
    "not_positive",
    "The environment variable '{variable}' must be a number above 0, not {value}",
    "Correct it, or remove it to use the default.",
    CONFIG,
)

# The command and its files

UNREADABLE_FILE = Message(
    "unreadable_file",
    "The file {path} does not hold {content}",
    "Name a file that does.",
    CONFIG,
    "Only by hand: name a file with the content that the message names, as JSON.",
)
NO_COMMAND = Message(
    "no_command",
    "No command was given",
    "Give one of spec, check, discover and read; --help describes each.",
    CONFIG,
    "Only by hand: add `spec`, `check`, `discover` or `read`, as README shows.",
)
NO_TEMPORARY_FOLDER = Message(
    "no_temporary_folder",
    "There is no temporary folder that can be written to",
    "Set $TMPDIR to one, with room for ITERABLE_SPOOL_MEGABYTES (2 GB by default).",
    CONFIG,
    "Only by hand, or in an environment of your own: let the connector write to `/tmp`, or set `TMPDIR`.",
)
STREAMS_REPEATED = Message(
    "streams_repeated",
    "The configured catalog lists streams more than once: {streams}",
    "Leave one entry for each stream; what needs two sync modes, or two destinations, needs two connections.",
    CONFIG,
)

# `check`

KEY_CAUSES = (
    "Three usual causes: the key was copied wrongly or deleted; the data center (region) is not the project's "
    "(US for app.iterable.com, EU for app.eu.iterable.com); the key is not of the type Server-side "
    "(Mobile, JavaScript and read-only keys do not work)."
)
KEY_REFUSED = Message("key_refused", "Iterable refused the API key ({answer})", KEY_CAUSES, CONFIG)
KEY_NOT_FOR_EXPORTS = Message(
    "key_not_for_exports",
    "Iterable accepts the API key, but not for exports ({answer})",
    "Read-only, Mobile and JavaScript keys may not export: create a key of the type Server-side in Iterable under "
    "Integrations > API Keys and set it here.",
    CONFIG,
)
EXPORT_LIMIT_IN_USE = Message(
    "export_limit_in_use",
    "The API key is accepted; export permission not proven: the limit is in use",
    "Nothing to do: another program is exporting, and the sync will wait for its turn.",
)
EXPORT_NOT_PROVEN = Message(
    "export_not_proven",
    "The API key is accepted; export permission not proven: Iterable answered {answer}",
    "Iterable may have a temporary problem. If the sync fails too, read its message.",
)
EXPORT_NOT_ANSWERED = Message(
    "export_not_answered",
    "The API key is accepted; export permission not proven: no answer within {seconds:.0f} s",
    "Nothing to do: the sync waits longer than this check does.",
)
UNREACHABLE = Message(
    "unreachable",
    "Iterable could not be reached at {host} ({reason})",
    "Check the data center (region), and that this machine may connect there; if both are right, try again later.",
    TRANSIENT,
    "Check the data center (`region`), and that the machine may connect to this address on port 443: firewall, proxy, "
    "name resolution.",
)
UNEXPECTED_STATUS = Message(
    "unexpected_status",
    "Iterable answered {answer} to a simple request",
    "Try again later. If it happens again, see status.iterable.com.",
    TRANSIENT,
)
REQUIRED_ENDPOINT_MISSING = Message(
    "required_endpoint_missing",
    "Iterable's {data_center} does not have the endpoint {endpoint}, which this connector requires",
    REGION,
    CONFIG,
    "Check the data center (`region`), and that nothing redirects the connector to another host.",
)
NOT_ITERABLE = Message(
    "not_iterable",
    "The server at {host} is not Iterable's API",
    CHECK_PROXY,
    CONFIG,
    "A proxy or a login page of your network answers in Iterable's place. Let the connector through.",
)
