"""What breaks, and where: the faults that an example of the model may add for the streams that it reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from integration_tests.sandbox import Fault, Options
from integration_tests.sandbox.http.answers import NOT_FOUND
from integration_tests.support.expected import ALL_EXPORTS

EXPORT = "export/data.json"
LISTS = "lists/getUsers"
STORAGE = "storage/*"
JOBS = ("export/start", "export/*/files", STORAGE)
ENDPOINTS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(ALL_EXPORTS, (EXPORT,)),
    "campaign_labels": ("campaigns",),
    "campaign_metrics": ("campaigns", "campaigns/metrics"),
    "campaign_metrics_daily": ("campaigns", "campaigns/metrics"),
    "campaigns": ("campaigns",),
    "catalog_items": ("catalogs", "catalogs/*/items"),
    "catalogs": ("catalogs",),
    "channels": (),  # tells the time
    "experiment_metrics": ("experiments", "experiments/metrics"),
    "experiments": ("experiments", "experiments/[0-9]*"),
    "forgotten_users": ("users/forgotten*",),
    "journeys": ("journeys",),
    "list_users": (LISTS, "lists"),
    "lists": ("lists",),
    "message_types": ("messageTypes",),
    "metadata": ("metadata*",),
    "snippets": ("snippets",),
    "template_content": ("templates", "templates/*/get"),
    "templates": ("templates",),
    "user_fields": ("users/getFields",),
}
"""The endpoints of each stream."""
PAGED = ("campaigns", "catalogs", "catalogs/*/items", "journeys", "templates")
"""Endpoints whose answers name a next page; elsewhere such a name is but a field."""
PAGES = ("campaigns", "catalogs", "catalogs/Products/items", "experiments", "journeys", "templates")
"""What is listed by pages, between which the project may change."""
COUNTED = (*PAGED, "experiments")
"""Endpoints whose answers tell how many rows there are; elsewhere an answer without rows is true."""

KINDS: tuple[dict[str, Any], ...] = (
    {"kind": "cut"},
    {"kind": "cut", "clean": True},
    {"kind": "cut", "cut_at": "plain"},
    {"kind": "cut", "cut_at": "line"},
    {"kind": "cut", "cut_at": "character"},
    {"kind": "cut", "cut_at": "last_line"},
    {"kind": "cut", "cut_at": "end"},
    *({"kind": "cut", "cut_at": "plain", "times": None, "after_bytes": size} for size in (1000, 3000)),
    {"kind": "reset"},
    {"kind": "reset", "after_bytes": 100},
    {"kind": "slow", "seconds": 1500.0},
    {"kind": "slow", "seconds": 4000.0, "after_bytes": 600},
    {"kind": "hang", "seconds": 0.6},
    {"kind": "hang", "seconds": 0.6, "after_bytes": 60},
    *({"kind": "status", "status": status} for status in (500, 502, 503, 504, 429, 400, 401, 403, 404)),
    {"kind": "status", "status": 429, "retry_after": 7},
    {"kind": "status", "status": 429, "retry_after": 3600},
    {"kind": "status", "status": 500, "body_bytes": 300_000},
    {"kind": "status", "status": 200, "body": ""},
    {"kind": "status", "status": 200, "body": "<html>a page of some proxy</html>"},
    {"kind": "malformed"},
    {"kind": "blank_lines"},
    {"kind": "redirect", "location": "http://127.0.0.1:9/api/"},
    {"kind": "next_page", "location": "http://127.0.0.1:9/api/?page=2"},
    {"kind": "status", "status": 404, "body": NOT_FOUND},
    {"kind": "unframed", "times": None},
    {"kind": "empty_page"},
    {"kind": "total", "total": 7},
    *({"kind": f"job_{what}"} for what in ("failed", "cancelled", "restarted", "stuck", "late")),
)
OUTAGES: tuple[dict[str, Any], ...] = (
    *({"kind": "status", "status": status} for status in (503, 500, 502, 504, 408, 423, 401, 403)),
    {"kind": "status", "status": 200, "body": "<html>a page of some proxy</html>"},
    {"kind": "reset"},
    {"kind": "cut", "cut_at": "end"},
)
"""What goes wrong for some minutes."""
OUTAGE_SECONDS = 480.0
"""What outages may last in all for a sync to come to its end; a stream that resumes bears ten minutes."""
KEY_SECONDS = 100.0
"""The same for a key that is refused, which is believed after two minutes."""
EVERYWHERE = "*"
BY_KEY = "[!s]*"
"""What needs the key, which the object storage does not (nor do the letters tell it from `snippets`)."""
OF_A_LIST: tuple[dict[str, Any], ...] = (
    *({"kind": "status", "status": status} for status in (500, 404, 400, 503)),
    {"kind": "reset"},
    {"kind": "cut", "cut_at": "end"},
    {"kind": "slow", "seconds": 4000.0},
)
"""What goes wrong with one list while others come."""
NOT_DRAWN: Mapping[str, str] = {"long_line": "it is a row like any other that Iterable sends"}
"""Other kinds, and why no example draws them."""

MEANINGFUL: tuple[tuple[str, frozenset[int], str], ...] = (
    (EXPORT, frozenset({200}), "a page that passes for an export is no fault that anyone could tell"),
    (LISTS, frozenset({200}), "the same for a list"),
    (STORAGE, frozenset({200}), "the same for a file of a job"),
    ("experiments/metrics", frozenset({200}), "a blank answer means that there are no metrics"),
    ("metadata*", frozenset({404}), "a key that vanished while the stream was read"),
    ("catalogs/*/items", frozenset({404}), "a catalog that vanished"),
    ("users/forgotten*", frozenset({400, 403, 404}), "a project that does not identify people so"),
    ("templates/*/get", frozenset({400, 403, 404}), "a template of a medium that has no content"),
    ("users/getFields", frozenset({401, 403}), "a key that may not ask: then members of lists are told by address"),
)
"""Answers that are no fault, since they say something: endpoint, statuses, what they say."""


def endpoints_of(streams: Iterable[str], method: str) -> list[str]:
    """Where something can break in a sync of ``streams`` with such exports."""
    found = dict.fromkeys(endpoint for stream in streams for endpoint in ENDPOINTS[stream])
    by_job = EXPORT in found and method != "direct"
    return [*found, *(JOBS if by_job else ())]


def fault(kind: Mapping[str, Any], endpoint: str, *, times: int | None, nth: int, after: int) -> Fault:
    """A fault of one of `KINDS` that a sync must bear at ``endpoint``, or the one most like it."""
    how: dict[str, Any] = {"endpoint": endpoint, "times": times, "nth": nth} | dict(kind)
    if kind["kind"] == "cut" and "after_bytes" not in kind:
        # Nothing at all under the name of a whole body may be true; it is believed when it comes twice.
        how["after_bytes"] = max(after, 1) if kind.get("clean") else after
    if kind["kind"] == "malformed":  # in a list any line is a member
        how |= {"times": 1, "endpoint": endpoint if endpoint == STORAGE else EXPORT}
    if kind["kind"] == "next_page" and endpoint not in PAGED:
        how |= {"kind": "redirect", "status": 307}
    if kind["kind"] in {"empty_page", "total"} and endpoint not in COUNTED:
        how |= {"kind": "status", "status": 504}
    if kind["kind"] == "hang":
        how["times"] = min(times or 2, 2)
    if kind["kind"] == "slow" and endpoint == EXPORT and "after_bytes" not in kind:
        how["times"] = min(times or 3, 3)  # else nothing would ever come in time
    if kind["kind"].startswith("job_"):
        how["endpoint"] = "export/start"
    if is_meaningful(endpoint, kind.get("status")):
        how["status"] = 502
    return Fault(**how)


def outage(kind: Mapping[str, Any], endpoint: str, *, seconds: float, nth: int) -> Fault:
    """One of `OUTAGES` that a sync must bear, for so many seconds or as long as it must."""
    how: dict[str, Any] = dict(kind)
    is_expiry = endpoint == STORAGE and how.get("status") in {401, 403}
    if (is_meaningful(endpoint, kind.get("status")) or is_expiry) and "body" not in kind:
        how["status"] = 503
    longest = KEY_SECONDS if how.get("status") in {401, 403} else OUTAGE_SECONDS
    if endpoint == EVERYWHERE and longest == KEY_SECONDS:
        endpoint = BY_KEY
    return Fault(endpoint=endpoint, times=None, nth=nth, lasting=min(seconds, longest), **how)


def are_borne(faults: Iterable[Fault], method: str) -> bool:
    """Whether a sync with these faults comes to its end: outages that are short enough, or what is slow."""
    faults = list(faults)
    if all(one.kind == "slow" for one in faults):
        return not faults or method != "jobs"  # a job that is so slow is abandoned
    return sum(OUTAGE_SECONDS + 1 if one.lasting is None else one.lasting for one in faults) <= OUTAGE_SECONDS


def failing_lists(faults: Iterable[Fault]) -> frozenset[int] | None:
    """The lists that cannot be read; None where anything may break."""
    failing = set()
    for one in faults:
        if one.list_id is None:
            return None
        if one.kind != "slow":
            failing.add(one.list_id)
    return frozenset(failing)


def bearable(new: Fault, others: Iterable[Fault]) -> Fault | None:
    """``new`` as far as a sync must bear it beside ``others``; None if not at all.

    Bodies that nothing proves whole count when two are the same, so that only one of them may be cut.
    """
    there = {other.kind for other in others}
    if (new.kind == "unframed" and "cut" in there) or (new.kind == "cut" and {"cut", "unframed"} <= there):
        return None
    return replace(new, times=1) if new.kind == "cut" and "unframed" in there else new


def may_fail(options: Options) -> set[str]:
    """The streams that may fail though nothing breaks: what they read is not there, or cannot be read."""
    gone = options.missing_endpoints
    missing = {
        stream
        for stream, endpoints in ENDPOINTS.items()
        if any(fnmatchcase(endpoint, pattern) for endpoint in endpoints for pattern in gone)
    }
    return missing | ({"users"} if options.keyless_users else set())


def is_meaningful(endpoint: str, status: int | None) -> bool:
    """Whether an answer with ``status`` is no fault there."""
    return any(
        endpoint == pattern or fnmatchcase(endpoint, pattern)
        for pattern, statuses, _ in MEANINGFUL
        if status in statuses
    )


def name_of(broken: Fault) -> str:
    """What a fault is called in a stream."""
    return f"HTTP {broken.status}" if broken.kind == "status" else broken.kind.replace("_", " ")
