"""Replies to the wire: what an endpoint answers, or a fault instead of it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from integration_tests.sandbox.faults import broken_bodies
from integration_tests.sandbox.faults.fault import Fault
from integration_tests.sandbox.http import bodies
from integration_tests.sandbox.http.answers import (
    Answer,
    ApiError,
    status_error,
)


@dataclass
class Reply:
    """An answer as it goes to the wire."""

    status: int
    pieces: Iterable[bytes]
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False
    unframed: bool = False
    """Whether nothing but the end of the connection tells where the body ends."""
    faults: list[Fault] = field(default_factory=list)
    """Those that interrupt the body."""
    cache_key: tuple[Any, ...] | None = None


BLANK_LINE_EVERY = 7
HTML = "text/html; charset=utf-8"


def error_reply(error: ApiError, headers: dict[str, str] | None = None) -> Reply:
    """An error as Iterable words it."""
    return Reply(error.status, [json.dumps(error.body).encode()], headers=headers or {})


def fault_reply(fault: Fault, endpoint: str) -> Reply:
    """What a fault answers instead of the endpoint."""
    if fault.kind == "redirect":
        return Reply(fault.status or 302, [], "text/plain", {"Location": fault.location})
    status = fault.status or 500
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.body_bytes:
        return Reply(status, broken_bodies.with_long_line([], fault.body_bytes), headers=headers, chunked=True)
    if fault.body is not None:
        kind = HTML if fault.body.startswith("<") else "text/plain; charset=utf-8"
        return Reply(status, [fault.body.encode()], kind, headers)
    error = status_error(status, endpoint)
    return Reply(status, [error.encode()], HTML, headers) if isinstance(error, str) else error_reply(error, headers)


def answer_reply(answer: Answer, striking: list[Fault]) -> Reply:
    """An endpoint's answer with the faults that change its text."""
    kinds = {fault.kind: fault for fault in striking}
    interrupting = [fault for fault in striking if fault.kind in {"cut", "reset", "hang", "slow"}]
    if answer.lines is None:
        for fault in striking:
            if fault.kind == "next_page":
                answer = answer.with_next_page(fault.location)
            elif fault.kind == "total":
                answer = answer.with_total(fault.total)
            elif fault.kind == "empty_page":
                answer = answer.without_rows()
        text = json.dumps(answer.value, ensure_ascii=False, separators=(",", ":"))
        return Reply(200, [text.encode()], faults=interrupting, unframed="unframed" in kinds)
    lines = answer.lines
    if answer.blank_lines or "blank_lines" in kinds:
        lines = bodies.with_blank_lines(lines, 1 if "blank_lines" in kinds else BLANK_LINE_EVERY)
    if "malformed" in kinds:
        fault = kinds["malformed"]
        lines = broken_bodies.with_line(lines, fault.line.encode("utf-8", "surrogateescape"), fault.after_rows)
    pieces = bodies.joined(lines, newline_at_end=answer.newline_at_end)
    if "long_line" in kinds:
        pieces = broken_bodies.with_long_line(pieces, kinds["long_line"].body_bytes)
    key = None if striking else answer.cache_key
    reply = Reply(200, pieces, "text/plain; charset=utf-8", chunked=True, faults=interrupting, cache_key=key)
    reply.unframed = "unframed" in kinds
    return reply
