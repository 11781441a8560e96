"""The HTTP side: keys, limits and faults around the endpoints, and what goes over the wire."""

import asyncio
import json
import math
import socket
import struct
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from integration_tests.sandbox import bodies
from integration_tests.sandbox.clock import monotonic
from integration_tests.sandbox.endpoints import (
    NOT_FOUND,
    Answer,
    ApiError,
    Endpoints,
    key_error,
    rate_limit_error,
    status_error,
)
from integration_tests.sandbox.faults import Fault, Faults
from integration_tests.sandbox.limits import Limits
from integration_tests.sandbox.project import Project

MAX_URI = 2048
BLANK_LINE_EVERY = 7
CACHE_BYTES = 256 * 1024 * 1024
HTML = "text/html; charset=utf-8"
DENIED_TO_READ_ONLY = ("export/data.json", "lists/getUsers")


@dataclass
class Request:
    """One call, as the sandbox's log keeps it."""

    method: str
    path: str
    params: dict[str, str]
    query: str
    headers: dict[str, str]
    arrived_order: int
    started: float
    """Seconds of the machine's monotonic clock."""
    clock: datetime
    """The sandbox's clock when the call arrived."""
    status: int = 0
    """0 as long as no headers were sent."""
    bytes_sent: int = 0
    """Bytes of the body on the wire."""
    complete: bool = False
    """Whether the whole answer was sent."""
    faults: list[str] = field(default_factory=list)
    """The kinds of the faults that struck."""
    ended: float | None = None

    @property
    def endpoint(self) -> str:
        """The path below ``/api/``."""
        return self.path.removeprefix("/api/")


@dataclass
class Reply:
    """An answer as it goes to the wire."""

    status: int
    pieces: Iterable[bytes]
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False
    faults: list[Fault] = field(default_factory=list)
    """Those that interrupt the body."""
    cache_key: tuple[Any, ...] | None = None


class Server:
    """Answers calls from a project, within the limits, with the faults in force."""

    def __init__(self, project: Project, faults: Faults) -> None:
        """Serve ``project``."""
        self.project = project
        self._endpoints = Endpoints(project)
        self.faults = faults
        self.limits = Limits(project.options.rate_scale, project.options.rate_window)
        self.requests: list[Request] = []
        self._arrived = 0
        self._cache: OrderedDict[tuple[Any, ...], list[bytes]] = OrderedDict()

    # One call

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call under ``/api/``, and log it."""
        self._arrived += 1
        record = Request(
            method=request.method,
            path=unquote(request.path_qs.partition("?")[0]),
            params=dict(request.query),
            query=request.rel_url.raw_query_string,
            headers=dict(request.headers),
            arrived_order=self._arrived,
            started=monotonic(),
            clock=self.project.clock.now,
        )
        self.requests.append(record)
        try:
            return await self._answer(request, record)
        finally:
            record.ended = monotonic()

    async def _answer(self, request: web.Request, record: Request) -> web.StreamResponse:
        reply = self._refusal(request, record)
        if reply:
            return await self._send(request, record, reply)
        striking = self.faults.strike(record.endpoint, record.params)
        record.faults = [fault.kind for fault in striking]
        if not any(fault.status == 429 for fault in striking):
            self.limits.count(record.endpoint)
        for fault in striking:
            if fault.kind == "hang" and fault.after_bytes is None:
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "reset" and fault.after_bytes is None:
                _reset(request)
                return web.Response(status=500)
            elif fault.kind in {"status", "redirect"}:
                return await self._send(request, record, _instead(fault, record.endpoint))
        handler, arguments = self._endpoints.find(_below_api(request)) or (_nothing, [])
        try:
            reply = _reply(handler(request, arguments), striking)
        except ApiError as error:
            reply = _error(error)
        return await self._send(request, record, reply)

    def _refusal(self, request: web.Request, record: Request) -> Reply | None:
        """The answer to a call that goes nowhere: too long, no such endpoint, its key, or the limit."""
        options = self.project.options
        if len(request.raw_path) > MAX_URI:
            text = f"URI length exceeds the configured limit of {MAX_URI} characters"
            return Reply(414, [text.encode()], "text/plain; charset=utf-8")
        if request.method != "GET" or not self._endpoints.find(_below_api(request)):
            return Reply(404, [NOT_FOUND.encode()], HTML)
        key = request.headers.get("Api-Key") or request.headers.get("Api_Key")
        if key != options.api_key or (options.read_only_key and record.endpoint in DENIED_TO_READ_ONLY):
            return _error(key_error(record.endpoint))
        wait = self.limits.wait(record.endpoint)
        if not wait:
            return None
        headers = {"Retry-After": str(math.ceil(wait))} if options.retry_after else {}
        return _error(rate_limit_error(record.endpoint), headers)

    # To the wire

    async def _send(self, request: web.Request, record: Request, reply: Reply) -> web.StreamResponse:
        """Send an answer, gzipped if the client can read that, interrupted by its faults."""
        zipped = "gzip" in request.headers.get("Accept-Encoding", "")
        headers = self._headers(record, reply.content_type) | ({"Content-Encoding": "gzip"} if zipped else {})
        response = web.StreamResponse(status=reply.status, headers=headers | reply.headers)
        cuts = [fault for fault in reply.faults if fault.kind == "cut"]
        pieces = reply.pieces
        for fault in cuts:
            pieces = bodies.cut(pieces, fault) if fault.cut_at != "wire" else pieces
        wire: Iterable[bytes] = bodies.zipped(pieces) if zipped else pieces
        if reply.chunked:
            response.enable_chunked_encoding()
            if reply.cache_key and zipped:
                wire = self._cached(reply.cache_key, wire)
        else:
            wire, response.content_length = bodies.measured(wire)
        await response.prepare(request)
        record.status = reply.status
        counted = [fault for fault in reply.faults if bodies.wire_size(fault) is not None]
        try:
            await self._write(request, response, record, wire, counted)
        except bodies.CutError:
            await self._break_off(request, response, cuts[0])
            return response
        if not _closing(request):
            await response.write_eof()
            record.complete = True
        return response

    async def _write(
        self,
        request: web.Request,
        response: web.StreamResponse,
        record: Request,
        wire: Iterable[bytes],
        faults: list[Fault],
    ) -> None:
        """Write the body, doing what faults do at their byte of it."""
        faults = sorted(faults, key=lambda fault: fault.after_bytes or 0)
        for piece in wire:
            rest = piece
            while faults and record.bytes_sent + len(rest) > (faults[0].after_bytes or 0):
                fault = faults.pop(0)
                here = max(0, (fault.after_bytes or 0) - record.bytes_sent)
                await _write_piece(response, record, rest[:here])
                rest = rest[here:]
                if fault.kind == "hang":
                    await asyncio.sleep(fault.seconds)
                elif fault.kind == "reset":
                    await asyncio.sleep(0.05)  # what was written must reach the client before the reset does
                    _reset(request)
                    return
                else:
                    raise bodies.CutError
            await _write_piece(response, record, rest)
            await asyncio.sleep(0)

    async def _break_off(self, request: web.Request, response: web.StreamResponse, fault: Fault) -> None:
        if fault.clean and response.chunked:
            await response.write_eof()
        elif request.transport:
            request.transport.close()

    def _headers(self, record: Request, content_type: str) -> dict[str, str]:
        return {
            "Content-Type": content_type,
            "Date": format_datetime(self.project.clock.now, usegmt=True),
            "Server": "iterable-ingress",
            "Request-Time": "3",
            "Iterable-Request-Id": f"{record.arrived_order:032x}",
        }

    def _cached(self, key: tuple[Any, ...], wire: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces, kept for the next time that they are asked for."""
        if key in self._cache:
            self._cache.move_to_end(key)
            yield from self._cache[key]
            return
        pieces: list[bytes] | None = []
        size = 0
        for piece in wire:
            if pieces is not None:
                pieces.append(piece)
                size += len(piece)
                if size > CACHE_BYTES // 2:
                    pieces = None
            yield piece
        if pieces is not None:
            self._cache[key] = pieces
            while sum(len(piece) for kept in self._cache.values() for piece in kept) > CACHE_BYTES:
                self._cache.popitem(last=False)


async def _write_piece(response: web.StreamResponse, record: Request, piece: bytes) -> None:
    if piece:
        await response.write(piece)
        record.bytes_sent += len(piece)


def _closing(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _reset(request: web.Request) -> None:
    """Close the connection with an RST instead of a FIN."""
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


def _below_api(request: web.Request) -> str:
    """The path below ``/api/``, still escaped; nothing for other paths."""
    path, _, _ = request.raw_path.partition("?")
    return path.removeprefix("/api/") if path.startswith("/api/") else ""


def _nothing(*_: object) -> Answer:
    raise ApiError(404, "Not found", "NotFound", None)


def _error(error: ApiError, headers: dict[str, str] | None = None) -> Reply:
    return Reply(error.status, [json.dumps(error.body).encode()], headers=headers or {})


def _instead(fault: Fault, endpoint: str) -> Reply:
    """What a fault answers instead of the endpoint."""
    if fault.kind == "redirect":
        return Reply(fault.status or 302, [], "text/plain", {"Location": fault.location})
    status = fault.status or 500
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.body_bytes:
        return Reply(status, bodies.with_long_line([], fault.body_bytes), headers=headers, chunked=True)
    if fault.body is not None:
        return Reply(status, [fault.body.encode()], "text/plain; charset=utf-8", headers)
    error = status_error(status, endpoint)
    return Reply(status, [error.encode()], HTML, headers) if isinstance(error, str) else _error(error, headers)


def _reply(answer: Answer, striking: list[Fault]) -> Reply:
    """An endpoint's answer with the faults that change its text."""
    kinds = {fault.kind: fault for fault in striking}
    interrupting = [fault for fault in striking if fault.kind in {"cut", "reset", "hang"}]
    if answer.lines is None:
        changed = {"nextPageUrl": kinds["next_page"].location} if "next_page" in kinds else {}
        text = json.dumps(answer.value | changed, ensure_ascii=False, separators=(",", ":"))
        return Reply(200, [text.encode()], faults=interrupting)
    lines = answer.lines
    if answer.blank_lines or "blank_lines" in kinds:
        lines = bodies.with_blank_lines(lines, 1 if "blank_lines" in kinds else BLANK_LINE_EVERY)
    if "malformed" in kinds:
        fault = kinds["malformed"]
        lines = bodies.with_line(lines, fault.line.encode("utf-8", "surrogateescape"), fault.after_rows)
    pieces = bodies.joined(lines, newline_at_end=answer.newline_at_end)
    if "long_line" in kinds:
        pieces = bodies.with_long_line(pieces, kinds["long_line"].body_bytes)
    key = None if striking else answer.cache_key
    return Reply(200, pieces, "text/plain; charset=utf-8", chunked=True, faults=interrupting, cache_key=key)
