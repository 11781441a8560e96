"""The object storage that exported files lie in: another host than the API, reached by signed URLs alone."""

import hashlib
import hmac
import io
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cached_property
from threading import Lock
from typing import IO
from urllib.parse import unquote

from aiohttp import web

from integration_tests.sandbox.faults import broken_bodies
from integration_tests.sandbox.faults.fault import Fault
from integration_tests.sandbox.faults.faults import Faults
from integration_tests.sandbox.http import bodies
from integration_tests.sandbox.http.replies import Reply
from integration_tests.sandbox.http.request import Request
from integration_tests.sandbox.http.wire import Wire, first_instead, reset
from integration_tests.sandbox.project.clock import Clock, monotonic
from integration_tests.sandbox.project.options import Options

FOLDER = "storage"
XML = "application/xml"
ERRORS = {
    403: ("AccessDenied", "Request has expired"),
    404: ("NoSuchKey", "The specified key does not exist."),
    500: ("InternalError", "We encountered an internal error. Please try again."),
    503: ("SlowDown", "Please reduce your request rate."),
}


@dataclass(frozen=True)
class _Object:
    begin: int
    size: int
    tags: Mapping[str, str]


class Storage:
    """Keeps files and serves them to whoever holds a URL that has not expired; a key is neither requested nor wanted.

    Faults strike the calls here too; the endpoint is ``storage/<job>/<file>``, and ``data_type`` that of
    the job. A URL that a fault has answered with 403 stays expired.
    """

    def __init__(self, options: Options, clock: Clock, faults: Faults) -> None:
        """Start empty."""
        self._options = options
        self._clock = clock
        self._faults = faults
        self._wire = Wire(faults)
        self._lock = Lock()
        self._objects: dict[str, _Object] = {}
        self._secret = f"{options.seed}:storage".encode()
        self._signed = 0
        self._expired: set[str] = set()
        self.url = ""
        """Where it is served, without a slash at the end."""
        self.requests: list[Request] = []

    def put(self, name: str, body: bytes, tags: Mapping[str, str]) -> None:
        """Keep a file; faults match ``tags`` as they match the parameters of a call."""
        with self._lock:  # large jobs are written by threads of their own
            begin = self._file.seek(0, io.SEEK_END)
            self._file.write(body)
        self._objects[name] = _Object(begin, len(body), tags)

    @cached_property
    def _file(self) -> IO[bytes]:
        """All files one after the other, on disk and without a name, for as long as this object lives."""
        file = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, file.close)
        return file

    def signed(self, name: str) -> str:
        """A URL of the file, different every time; it expires after ``job_url_seconds`` by the sandbox's clock."""
        self._signed += 1
        signature = self._signature(name, f"{self._clock.now:%Y%m%dT%H%M%SZ}", self._signed)
        return f"{self.url}/{FOLDER}/{name}?{signature}"

    def _signature(self, name: str, date: str, number: int) -> str:
        query = f"X-Amz-Date={date}&X-Amz-Expires={self._options.job_url_seconds}&X-Amz-Credential=sandbox-{number}"
        digest = hmac.new(self._secret, f"{name}?{query}".encode(), hashlib.sha256).hexdigest()
        return f"{query}&X-Amz-Signature={digest}"

    # One call

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call, and log it."""
        record = Request(
            method=request.method,
            path=unquote(request.path_qs.partition("?")[0]),
            target=request.raw_path,
            params=dict(request.query),
            query=request.rel_url.raw_query_string,
            headers=dict(request.headers),
            arrived_order=len(self.requests) + 1,
            started=monotonic(),
            clock=self._clock.now,
        )
        self.requests.append(record)
        try:
            return await self._answer(request, record)
        finally:
            record.ended = monotonic()

    async def _answer(self, request: web.Request, record: Request) -> web.StreamResponse:
        found = self._objects.get(record.endpoint.removeprefix(f"{FOLDER}/"))
        striking = self._faults.strike(record.endpoint, record.params | dict(found.tags if found else {}))
        record.faults = [fault.kind for fault in striking]
        fault = await first_instead(striking, self._faults.time)
        if fault and fault.kind == "reset":
            reset(request)
            return web.Response(status=500)
        reply = self._instead(fault, record) if fault else self._refusal(record) or self._reply(found, striking)
        reply.headers |= {"Date": format_datetime(self._clock.now, usegmt=True), "Server": "AmazonS3"}
        return await self._wire.send(
            request, record, reply, zipped=reply.status == 200 and self._options.job_files_gzip
        )

    def _refusal(self, record: Request) -> Reply | None:
        if record.method != "GET":
            return _error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        name, params = record.endpoint.removeprefix(f"{FOLDER}/"), record.params
        date, credential = params.get("X-Amz-Date", ""), params.get("X-Amz-Credential", "")
        number = credential.removeprefix("sandbox-")
        if not number.isdecimal() or record.query != self._signature(name, date, int(number)):
            return _error(
                403, "SignatureDoesNotMatch", "The request signature does not match the signature you provided."
            )
        since = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if record.query in self._expired or self._clock.now >= since + timedelta(seconds=self._options.job_url_seconds):
            return _error(403, *ERRORS[403])
        return None

    def _instead(self, fault: Fault, record: Request) -> Reply:
        """What a fault answers instead of the file."""
        if fault.kind == "redirect":
            return Reply(fault.status or 302, [], "text/plain", {"Location": fault.location})
        status = fault.status or 500
        if status == 403:
            self._expired.add(record.query)
        if fault.body is not None:
            return Reply(status, [fault.body.encode()], "text/plain; charset=utf-8")
        return _error(status, *ERRORS.get(status, ("Error", "Something went wrong.")))

    def _reply(self, found: _Object | None, striking: list[Fault]) -> Reply:
        """The file, with the faults that change its text."""
        if found is None:
            return _error(404, *ERRORS[404])
        with self._lock:
            self._file.seek(found.begin)
            pieces: Iterable[bytes] = [self._file.read(found.size)]
        for fault in striking:
            if fault.kind == "malformed":
                lines = b"".join(pieces).split(b"\n")
                line = fault.line.encode("utf-8", "surrogateescape")
                pieces = bodies.joined(broken_bodies.with_line([lines], line, fault.after_rows))
        interrupting = [fault for fault in striking if fault.kind in {"cut", "reset", "hang", "slow"}]
        unframed = any(fault.kind == "unframed" for fault in striking)
        return Reply(200, pieces, "binary/octet-stream", faults=interrupting, unframed=unframed)


def _error(status: int, code: str, message: str) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, [text.encode()], XML)
