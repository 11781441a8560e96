"""The HTTP side: keys, limits and faults around the endpoints, and what goes over the wire."""

import json
import math
from email.utils import format_datetime
from fnmatch import fnmatchcase
from urllib.parse import unquote

from aiohttp import web

from integration_tests.sandbox.faults.fault import Fault
from integration_tests.sandbox.faults.faults import Faults
from integration_tests.sandbox.http.answers import (
    NOT_FOUND,
    Answer,
    ApiError,
    key_error,
    rate_limit_error,
)
from integration_tests.sandbox.http.endpoints.router import Endpoints
from integration_tests.sandbox.http.jobs import Jobs
from integration_tests.sandbox.http.limits import Limits
from integration_tests.sandbox.http.replies import HTML, Reply, answer_reply, error_reply, fault_reply
from integration_tests.sandbox.http.request import Request
from integration_tests.sandbox.http.storage import Storage
from integration_tests.sandbox.http.wire import Wire, first_instead, reset
from integration_tests.sandbox.project.clock import monotonic
from integration_tests.sandbox.project.project import Project

MAX_URI = 2048
DENIED_TO_READ_ONLY = ("export/", "lists/getUsers")
"""How the endpoints begin that such a key may not call."""


class Server:
    """Answers calls from a project, within the limits, with the faults in force."""

    def __init__(self, project: Project, faults: Faults) -> None:
        """Serve ``project``."""
        self.project = project
        self.endpoints = Endpoints(project)
        self.faults = faults
        self.limits = Limits(project.options.rate_scale, project.options.rate_window)
        self.requests: list[Request] = []
        self.storage = Storage(project.options, project.clock, faults)
        self.jobs = Jobs(project, self.storage)
        self._arrived = 0
        self._wire = Wire(faults)

    # One call

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call under ``/api/``, and log it."""
        self._arrived += 1
        body = await request.text() if request.body_exists else ""
        record = Request(
            method=request.method,
            path=unquote(request.path_qs.partition("?")[0]),
            target=request.raw_path,
            params=dict(request.query) | _fields(body),
            query=request.rel_url.raw_query_string,
            headers=dict(request.headers),
            arrived_order=self._arrived,
            started=monotonic(),
            clock=self.project.clock.now,
            body=body,
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
        striking = self.faults.strike(record.endpoint, record.params | dict(self.jobs.tags(record.endpoint)))
        record.faults = [fault.kind for fault in striking]
        if not any(fault.status == 429 for fault in striking):
            self.limits.count(record.endpoint)
        fault = await first_instead(striking, self.faults.time)
        if fault and fault.kind == "reset":
            reset(request)
            return web.Response(status=500)
        if fault:
            return await self._send(request, record, fault_reply(fault, record.endpoint))
        try:
            reply = answer_reply(await self._answer_of(request, record, striking), striking)
        except ApiError as error:
            reply = error_reply(error)
        return await self._send(request, record, reply)

    async def _answer_of(self, request: web.Request, record: Request, striking: list[Fault]) -> Answer:
        """What the endpoint answers.

        Raises:
            ApiError: If it refuses.
        """
        if self.jobs.takes(record.method, _below_api(request)):
            return await self.jobs.answer(record, striking)
        handler, arguments = self.endpoints.find(_below_api(request)) or (_nothing, [])
        return handler(request, arguments)

    def _exists(self, request: web.Request) -> bool:
        path = _below_api(request)
        if any(fnmatchcase(path, missing) for missing in self.project.options.missing_endpoints):
            return False
        return self.jobs.takes(request.method, path) or (
            request.method == "GET" and self.endpoints.find(path) is not None
        )

    def _refusal(self, request: web.Request, record: Request) -> Reply | None:
        """The answer to a call that goes nowhere: too long, no such endpoint, its key, or the limit."""
        options = self.project.options
        if len(request.raw_path) > MAX_URI:
            text = f"URI length exceeds the configured limit of {MAX_URI} characters"
            return Reply(414, [text.encode()], "text/plain; charset=utf-8")
        if not self._exists(request):
            return Reply(404, [NOT_FOUND.encode()], HTML)
        key = request.headers.get("Api-Key") or request.headers.get("Api_Key")
        if key != options.api_key or (options.read_only_key and record.endpoint.startswith(DENIED_TO_READ_ONLY)):
            return error_reply(key_error(record.endpoint))
        wait = self.limits.wait(record.endpoint)
        if not wait:
            return None
        headers = {"Retry-After": str(math.ceil(wait))} if options.retry_after else {}
        return error_reply(rate_limit_error(record.endpoint), headers)

    # To the wire

    async def _send(self, request: web.Request, record: Request, reply: Reply) -> web.StreamResponse:
        """Send an answer, gzipped if the client can read that."""
        reply.headers = self._headers(record) | reply.headers
        zipped = "gzip" in request.headers.get("Accept-Encoding", "")
        return await self._wire.send(request, record, reply, zipped=zipped)

    def _headers(self, record: Request) -> dict[str, str]:
        return {
            "Date": format_datetime(self.project.clock.now, usegmt=True),
            "Server": "iterable-ingress",
            "Request-Time": "3",
            "Iterable-Request-Id": f"{record.arrived_order:032x}",
        }


def _fields(body: str) -> dict[str, str]:
    """The fields of a JSON object, as text."""
    try:
        value = json.loads(body or "{}")
    except ValueError:
        return {}
    return {name: str(field) for name, field in value.items()} if isinstance(value, dict) else {}


def _below_api(request: web.Request) -> str:
    """The path below ``/api/``, still escaped; nothing for other paths."""
    path, _, _ = request.raw_path.partition("?")
    return path.removeprefix("/api/") if path.startswith("/api/") else ""


def _nothing(*_: object) -> Answer:
    raise ApiError(404, "Not found", "NotFound", None)
