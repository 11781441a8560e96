"""The oracle: from what the sandbox holds and what was discovered, the records that must arrive.

It is written from the design alone and shares no code with the connector, so that an error there is an
error once.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any

Row = Mapping[str, Any]
Record = dict[str, Any]

DOCUMENTED = {
    "campaigns": "campaigns",
    "channels": "channels",
    "email_bounce": "emailBounce",
    "email_click": "emailClick",
    "email_complaint": "emailComplaint",
    "email_open": "emailOpen",
    "email_send": "emailSend",
    "email_send_skip": "emailSendSkip",
    "email_subscribe": "emailSubscribe",
    "email_unsubscribe": "emailUnSubscribe",
    "list_users": "list_users",
    "lists": "lists",
    "message_types": "messageTypes",
    "metadata": "metadata",
    "templates": "templates",
    "users": "user",
}
"""The sixteen streams of the published documentation, each with what the sandbox calls it."""

TABLES = tuple(DOCUMENTED)
EVENTS = tuple(table for table in TABLES if table.startswith("email_"))
EXPORTS = (*EVENTS, "users")

FURTHER_EVENTS = {
    "custom_event": "customEvent",
    "embedded_click": "embeddedClick",
    "embedded_impression": "embeddedImpression",
    "embedded_received": "embeddedReceived",
    "embedded_send": "embeddedSend",
    "embedded_send_skip": "embeddedSendSkip",
    "embedded_session": "embeddedSession",
    "hosted_unsubscribe_click": "hostedUnsubscribeClick",
    "in_app_click": "inAppClick",
    "in_app_close": "inAppClose",
    "in_app_delete": "inAppDelete",
    "in_app_delivery": "inAppDelivery",
    "in_app_open": "inAppOpen",
    "in_app_recall": "inAppRecall",
    "in_app_send": "inAppSend",
    "in_app_send_skip": "inAppSendSkip",
    "inbox_message_impression": "inboxMessageImpression",
    "inbox_session": "inboxSession",
    "journey_exit": "journeyExit",
    "purchase": "purchase",
    "push_bounce": "pushBounce",
    "push_open": "pushOpen",
    "push_send": "pushSend",
    "push_send_skip": "pushSendSkip",
    "push_uninstall": "pushUninstall",
    "rcs_send": "rcsSend",
    "rcs_send_skip": "rcsSendSkip",
    "sms_bounce": "smsBounce",
    "sms_click": "smsClick",
    "sms_received": "smsReceived",
    "sms_send": "smsSend",
    "sms_send_skip": "smsSendSkip",
    "sms_usage_info": "smsUsageInfo",
    "unknown_session": "unknownSession",
    "web_push_click": "webPushClick",
    "web_push_send": "webPushSend",
    "web_push_send_skip": "webPushSendSkip",
    "whats_app_bounce": "whatsAppBounce",
    "whats_app_click": "whatsAppClick",
    "whats_app_received": "whatsAppReceived",
    "whats_app_seen": "whatsAppSeen",
    "whats_app_send": "whatsAppSend",
    "whats_app_send_skip": "whatsAppSendSkip",
    "whats_app_usage_info": "whatsAppUsageInfo",
}
"""The streams of the export's other data types."""

TRUTH_OF = {**DOCUMENTED, **FURTHER_EVENTS}
EVENT_TABLES = (*EVENTS, *FURTHER_EVENTS)
ALL_EXPORTS = (*EVENT_TABLES, "users")

KEYS = {
    "campaigns": ["id"],
    "channels": ["id"],
    **{table: ["event_id"] for table in EVENT_TABLES},
    "list_users": ["email", "listId"],
    "lists": ["id"],
    "message_types": ["id"],
    "metadata": ["table", "key"],
    "templates": ["templateId"],
    "users": ["email"],
}
CURSORS = {
    "campaigns": "updatedAt",
    "templates": "updatedAt",
    "users": "profileUpdatedAt",
    **dict.fromkeys(EVENT_TABLES, "createdAt"),
}

GENERATED = {"event_id", "dataFields", "templateType", "messageMedium", "userId", "listId"}
ADDED_TO = {
    **{table: {"event_id", "dataFields"} for table in EVENT_TABLES},
    "users": {"dataFields"},
    "templates": {"templateType", "messageMedium", "dataFields"},
    "list_users": {"userId", "listId"},
}
"""The columns that the connector adds; a sent field of such a name goes into `dataFields`."""

FIELD_BY_FIELD = ("devices.", "phoneNumberDetails.", "shoppingCartItems.")
"""What may come as a list for each field; a single value is a list of one."""

OBJECTS_OR_TEXTS = {"profile", "itblDS.predictiveGoals"}
"""Text columns of `users` that hold the JSON of an object, where Iterable sends one."""

DERIVED = {"isBot", "city", "region", "country", "userAgentDevice", "proxySource"}
LEAST, MOST = -(2**63), 2**63 - 1


def expected(table: str, rows: Iterable[Row], schema: Mapping[str, Any]) -> list[Record]:
    """The records of ``stream`` for rows as the sandbox tells them, with the columns of a (configured) schema."""
    return [record(table, row, schema) for row in rows]


def record(table: str, row: Row, schema: Mapping[str, Any]) -> Record:
    """The record that a row must become."""
    properties = schema["properties"]
    if table == "list_users":
        line = row["line"]
        return _selected({"email": line, "userId": None if "@" in line else line, "listId": row["listId"]}, properties)
    sent = dict(row)
    added: Record = {}
    if table == "templates":
        added = {name: sent.pop(name) for name in ("templateType", "messageMedium")}
    if table in EVENT_TABLES:
        added = {"event_id": event_id(TRUTH_OF[table], sent)}
    own = {name: column for name, column in properties.items() if name not in ADDED_TO.get(table, {"dataFields"})}
    known = properties.get("dataFields", {}).get("x-columns", [])
    columns = _Columns(own, deselected=set(known) - set(properties), lists_are_texts=table == "users")
    cells, rest = columns.cells(sent)
    if rest and "dataFields" in properties:
        cells["dataFields"] = rest
    return cells | _selected(added, properties)


def _selected(cells: Record, properties: Mapping[str, Any]) -> Record:
    return {name: value for name, value in cells.items() if name in properties}


class _Columns:
    """The columns that take what Iterable sends."""

    def __init__(self, columns: Mapping[str, Any], deselected: set[str], *, lists_are_texts: bool) -> None:
        self._columns = columns
        self._deselected = deselected
        self._lists_are_texts = lists_are_texts

    def cells(self, sent: Row) -> tuple[Record, Record]:
        """What goes into columns, and what goes into `dataFields`."""
        cells: Record = {}
        rest: Record = {}
        for name, value in sent.items():
            if name in self._columns:
                self._put(name, value, cells, rest, name)
            elif name in self._deselected:
                continue
            elif isinstance(value, dict) and self._has_below(name):
                left = self._nested(name, value, sent, cells)
                if left:
                    rest[name] = left
            else:
                rest[name] = value
        return cells, rest

    def _nested(self, prefix: str, value: Row, sent: Row, cells: Record) -> Record:
        """A nested object gives its dotted columns theirs; what has no column stays nested."""
        left: Record = {}
        for key, inner in value.items():
            name = f"{prefix}.{key}"
            if name in self._columns and name not in sent:
                self._put(name, inner, cells, left, key)
            elif name in self._deselected:
                continue
            elif isinstance(inner, dict) and self._has_below(name):
                deeper = self._nested(name, inner, sent, cells)
                if deeper:
                    left[key] = deeper
            else:
                left[key] = inner
        return left

    def _put(self, name: str, value: Any, cells: Record, rest: Record, rest_name: str) -> None:
        column, shown = self._columns[name], value
        if self._lists_are_texts and "string" in column["type"] and "format" not in column:
            texts = (list, dict) if name in OBJECTS_OR_TEXTS else list
            shown = compact(value) if isinstance(value, texts) else value
        if "array" in column["type"] and name.startswith(FIELD_BY_FIELD) and not isinstance(value, list):
            shown = value if value is None else [value]
        try:
            cells[name] = None if shown is None else typed(shown, column, name)
        except UnfitError:
            cells[name] = None
            rest[rest_name] = value

    def _has_below(self, name: str) -> bool:
        return any(other.startswith(f"{name}.") for other in {*self._columns, *self._deselected})


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class UnfitError(ValueError):
    """A value that does not fit its column's type."""


def typed(value: Any, column: Mapping[str, Any], name: str = "") -> Any:
    """``value`` in the type of a column.

    Raises:
        UnfitError: If it has another type.
    """
    (kind,) = [kind for kind in column["type"] if kind != "null"]
    if column.get("format") == "date-time":
        return rfc3339(value)
    if column.get("format") == "date":
        return _bare_date(value)
    if name == "transactionalData" and isinstance(value, str):
        value = _json_object(value)
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": _is_integer(value),
        "number": _is_integer(value) or isinstance(value, float),
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
    }
    if not fits[kind]:
        raise UnfitError
    if kind == "array" and column.get("items"):
        return [None if item is None else typed(item, column["items"]) for item in value]
    return value


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and LEAST <= value <= MOST


def _json_object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise UnfitError from None


def _bare_date(value: Any) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise UnfitError from None


def rfc3339(value: Any) -> str:
    """A timestamp in one of Iterable's notations as `2021-04-14T16:41:09Z`, a fraction with six digits.

    Raises:
        UnfitError: If it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return _text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value))
        except OverflowError:
            raise UnfitError from None
    if not isinstance(value, str):
        raise UnfitError
    once = re.sub(r"(\.\d{1,6})\d*(\.\d+)?", r"\1", value)
    for separator in " ", "T":
        for fraction in "", ".%f":
            for zone in "", "%z", " %z":
                try:
                    told = datetime.strptime(once, f"%Y-%m-%d{separator}%H:%M:%S{fraction}{zone}")  # noqa: DTZ007
                except ValueError:
                    continue
                return _text(told if told.tzinfo else told.replace(tzinfo=UTC))
    raise UnfitError


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def event_id(data_type: str, row: Row) -> str:
    """The identity of an event: 128 bits of BLAKE2b over its type and canonical JSON.

    A purchase or custom event that carries an `_id` of its own is told by that alone.
    """
    own = row.get("_id") if data_type in {"purchase", "customEvent"} else None
    if isinstance(own, str | int | float) and not isinstance(own, bool) and own != "":
        row = {"_id": str(own)}
    sender_names_fields = data_type in {"purchase", "customEvent", "emailSubscribe"}
    left_out = {"itblInternal"} if sender_names_fields else {"itblInternal", *DERIVED}
    covered = _filled({name: value for name, value in row.items() if name.split(".")[0] not in left_out})
    leaves = _leaves(covered)
    form: Any = dict(leaves)
    if len(form) < len(leaves):  # a dotted name that stands twice: the row as it is
        form = {"\0clash": sorted(covered.items())}
    canonical = json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return blake2b(f"{data_type}\n{canonical}".encode(), digest_size=16).hexdigest()


def _leaves(nested: Row, prefix: str = "") -> list[tuple[str, Any]]:
    """Names and values; those of nested objects with dotted names."""
    leaves: list[tuple[str, Any]] = []
    for name, value in nested.items():
        leaves += _leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", value)]
    return leaves


def _filled(value: Any) -> Any:
    """A value whose objects, at any depth, hold no null, no empty list and no empty object."""
    if isinstance(value, list):
        return [_filled(item) for item in value]
    if isinstance(value, dict):
        filled = {name: _filled(inner) for name, inner in value.items()}
        return {name: inner for name, inner in filled.items() if inner is not None and inner not in ([], {})}
    return value


# Comparison


def canonical(arrived: Row) -> str:
    """A record as text, equal for equal records; a null column is the same as none, 1 is not 1.0."""
    return json.dumps({name: value for name, value in arrived.items() if value is not None}, sort_keys=True)


def assert_exact(arrived: Iterable[Row], wanted: Iterable[Row], what: str = "") -> None:
    """Nothing missing, nothing twice, nothing else: both hold the same records equally often."""
    here, there = Counter(map(canonical, arrived)), Counter(map(canonical, wanted))
    missing, extra = there - here, here - there
    assert not missing and not extra, (  # noqa: PT018 - both sides help to see what is wrong
        f"{what}: {missing.total()} of {there.total()} records are missing, {extra.total()} are too many\n"
        f"missing: {list(missing)[:2]}\ntoo many: {list(extra)[:2]}"
    )


def merged(batches: Iterable[Iterable[Row]], key: list[str]) -> list[Row]:
    """What a destination holds that keeps, for each key, the record that came last."""
    kept: dict[tuple[Any, ...], Row] = {}
    for batch in batches:
        for one in batch:
            kept[tuple(one[name] for name in key)] = one
    return list(kept.values())
