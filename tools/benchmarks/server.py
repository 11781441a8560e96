"""Iterable's API for measurements: canned bodies, no limits, reached by programs that know only the real address.

It is a proxy that does not forward. A program that is told of it by `HTTPS_PROXY` asks it for a tunnel to
`api.iterable.com`; it answers there itself, over TLS, with a certificate of an authority that the program is
told of by `REQUESTS_CA_BUNDLE`. Tunnels to any other host are refused and counted. Nothing on the system is
changed, and no packet leaves the loopback interface.

A day belongs to a window if its first timestamp lies in it: adjacent windows, whatever their bounds, give each
row once.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import ssl
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tools.benchmarks.data import DAYS, FIELDS, FIRST_DAY, GZIP_HEADER, Data, Piece, Sizes, trailer

HOST = "api.iterable.com"
CHUNK = 1 << 14
FEWER_LISTS = "fewer-lists-"
"""A key that begins so sees only as many lists as the number after it."""
FIRST_LIST_ID = 949_810


@dataclass
class Project:
    """What the server answers with.

    Attributes:
        data: The rows.
        repeat: How often the days repeat, going back from the last.
        all_tables: Whether every event table has the rows of emailSend; otherwise the others are empty.
        delay: Seconds before the first byte of an export.
        refused: Hosts other than Iterable's that a tunnel was requested to.
        exports: How many export requests came.
    """

    data: Data
    repeat: int = 1
    all_tables: bool = False
    delay: float = 0.0
    refused: list[str] = field(default_factory=list)
    exports: int = 0

    def export(self, data_type: str, start: datetime, end: datetime) -> list[Piece]:
        """The pieces of the days that begin in ``start <= t < end``."""
        if data_type == "user":
            pieces = self.data.users
        elif data_type == "emailSend" or (self.all_tables and data_type.startswith("email")):
            pieces = self.data.events
        else:
            return []
        day = timedelta(days=1)
        first = max(-((FIRST_DAY - start) // day), -(self.repeat - 1) * DAYS)
        last = min(-((FIRST_DAY - end) // day), DAYS)
        return [pieces[number % DAYS] for number in range(first, last)]


class Tunnel(BaseHTTPRequestHandler):
    """Answers a CONNECT with itself, then the requests within."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_CONNECT(self) -> None:
        """Open the tunnel, unless it is to lead elsewhere."""
        host = self.path.partition(":")[0]
        if host != HOST:
            self.server.project.refused.append(host)
            self.send_error(HTTPStatus.FORBIDDEN, f"this proxy answers only for {HOST}")
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.rfile = self.connection.makefile("rb")
        self.close_connection = False

    def do_GET(self) -> None:
        """Answer a request of the API."""
        asked = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        project = self.server.project
        match asked.path:
            case "/seen":
                self._json({"refused": project.refused, "exports": project.exports})
            case "/api/lists":
                lists = range(FIRST_LIST_ID, FIRST_LIST_ID + self._lists())
                made = {"createdAt": 1_600_000_000_000, "listType": "Standard"}
                self._json({"lists": [{"id": number, "name": f"List {number}", **made} for number in lists]})
            case "/api/lists/getUsers":
                self._pieces([project.data.lists[int(query["listId"]) - FIRST_LIST_ID]])
            case "/api/users/getFields":
                self._json({"fields": FIELDS})
            case "/api/channels":
                self._json({"channels": []})
            case "/api/export/data.json":
                with self.server.counting:
                    project.exports += 1
                time.sleep(project.delay)
                bounds = _moment(query["startDateTime"]), _moment(query["endDateTime"])
                self._pieces(project.export(query["dataTypeName"], *bounds))
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)

    def _lists(self) -> int:
        key = self.headers.get("Api-Key") or self.headers.get("api_key") or ""
        known = len(self.server.project.data.lists)
        return min(known, int(key.removeprefix(FEWER_LISTS))) if key.startswith(FEWER_LISTS) else known

    def _json(self, answer: Mapping[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self._head({"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _pieces(self, pieces: Sequence[Piece]) -> None:
        compressed = "gzip" in self.headers.get("Accept-Encoding", "")
        head = {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        self._head({**head, "Content-Encoding": "gzip"} if compressed else head)
        try:
            for body in _gzip(pieces) if compressed else _plain(pieces):
                self.wfile.write(b"".join(_chunks(body)))
            self.wfile.write(b"0\r\n\r\n")
        except OSError:  # the program ended, or was ended
            self.close_connection = True

    def _head(self, headers: Mapping[str, str]) -> None:
        lines = [f"{name}: {value}" for name, value in {"Date": formatdate(usegmt=True), **headers}.items()]
        # At once: http.server would send header by header through an unbuffered socket.
        self.connection.sendall("\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode())

    @property
    def wfile(self) -> Any:
        """The way out, also after the connection was wrapped."""
        return _Out(self.connection)

    @wfile.setter
    def wfile(self, value: Any) -> None:
        """http.server's own is of the bare connection."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Out:
    """What http.server writes to."""

    closed = True  # nothing to flush nor to close

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> int:
        self._connection.sendall(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The connection is closed by its owner."""


class Server(ThreadingHTTPServer):
    """Listens on the loopback interface, on any free port."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, project: Project, chain: Path) -> None:
        self.project = project
        self.counting = threading.Lock()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(chain)
        super().__init__(("127.0.0.1", 0), Tunnel)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell what is a fault of this server; that programs end in the middle is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=timezone.utc)


def _gzip(pieces: Sequence[Piece]) -> Iterator[bytes]:
    yield GZIP_HEADER
    for piece in pieces:
        yield piece.deflated
    yield trailer(pieces)


def _plain(pieces: Sequence[Piece]) -> Iterator[bytes]:
    for piece in pieces:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        yield inflate.decompress(piece.deflated)


def _chunks(body: bytes) -> Iterator[bytes]:
    for at in range(0, len(body), CHUNK):
        chunk = body[at : at + CHUNK]
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until standard input ends or SIGTERM comes; print the port first."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks.server", description=main.__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where the data lie")
    parser.add_argument("--chain", type=Path, required=True, help="certificate and key, PEM")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs=3, default=[500_000, 300_000, 3_000_000])
    parser.add_argument("--repeat", type=int, default=1, help="how often the days repeat")
    parser.add_argument("--all-tables", action="store_true", help="every event table has rows")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before the first byte of an export")
    options = parser.parse_args(arguments)
    data = Data.kept(options.folder, options.seed, Sizes(*options.sizes), _tell)
    server = Server(Project(data, options.repeat, options.all_tables, options.delay), options.chain)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
