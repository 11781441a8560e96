"""The wire: how a reply is sent, or breaks off."""

import asyncio
import socket
import struct
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from aiohttp import web

from integration_tests.sandbox.faults import broken_bodies
from integration_tests.sandbox.faults.fault import Fault
from integration_tests.sandbox.faults.faults import Faults, RealTime
from integration_tests.sandbox.http import bodies
from integration_tests.sandbox.http.replies import Reply
from integration_tests.sandbox.http.request import Request

TRICKLES = 10
"""Pieces of a body that comes slowly."""
CACHE_BYTES = 256 * 1024 * 1024


class _Unframed(web.StreamResponse):
    """An answer to which the server adds neither a length nor chunked encoding."""

    _length_check = False


class Wire:
    """Sends answers, and keeps the compressed bodies that are requested often."""

    def __init__(self, faults: Faults) -> None:
        """Start with an empty cache."""
        self._faults = faults
        self._cache: OrderedDict[tuple[Any, ...], list[bytes]] = OrderedDict()

    async def send(self, request: web.Request, record: Request, reply: Reply, *, zipped: bool) -> web.StreamResponse:
        """Send an answer, gzipped if told so, interrupted by its faults."""
        zipped = zipped and not reply.unframed
        headers = {"Content-Type": reply.content_type} | ({"Content-Encoding": "gzip"} if zipped else {})
        response = (_Unframed if reply.unframed else web.StreamResponse)(
            status=reply.status, headers=headers | reply.headers
        )
        cuts = [fault for fault in reply.faults if fault.kind == "cut"]
        pieces = reply.pieces
        for fault in cuts:
            pieces = broken_bodies.cut(pieces, fault) if fault.cut_at != "wire" else pieces
        wire: Iterable[bytes] = bodies.zipped(pieces, ends=any(fault.clean for fault in cuts)) if zipped else pieces
        if reply.unframed:
            response.force_close()
        elif reply.chunked:
            response.enable_chunked_encoding()
            if reply.cache_key and zipped:
                wire = self._cached(reply.cache_key, wire)
        else:
            wire, response.content_length = bodies.measured(wire)
        await response.prepare(request)
        record.status = reply.status
        counted = [fault for fault in reply.faults if broken_bodies.wire_size(fault) is not None]
        try:
            await self._write(request, response, record, wire, counted)
        except broken_bodies.CutError:
            await _break_off(request, response, cuts[0])
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
                elif fault.kind == "slow":
                    rest = await self._trickle(response, record, rest, fault.seconds)
                elif fault.kind == "reset":
                    await asyncio.sleep(0.05)  # what was written must reach the client before the reset does
                    reset(request)
                    return
                else:
                    raise broken_bodies.CutError
            await _write_piece(response, record, rest)
            await asyncio.sleep(0)

    async def _trickle(self, response: web.StreamResponse, record: Request, rest: bytes, seconds: float) -> bytes:
        """Write what there is of the body a little at a time; gives what is left for the end."""
        step = max(1, len(rest) // TRICKLES)
        for at in range(TRICKLES):
            await self._faults.time.sit_out(seconds / TRICKLES)
            await _write_piece(response, record, rest[at * step : (at + 1) * step])
        return rest[TRICKLES * step :]

    def _cached(self, key: tuple[Any, ...], wire: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces, kept for the next time that they are requested."""
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


async def first_instead(striking: Iterable[Fault], time: RealTime) -> Fault | None:
    """The first fault that leaves no answer, or gives its own; waits that come before it are sat out."""
    for fault in striking:
        if fault.kind == "hang" and fault.after_bytes is None:
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "slow" and fault.after_bytes is None:
            await time.sit_out(fault.seconds)
        elif fault.kind in {"status", "redirect"} or (fault.kind == "reset" and fault.after_bytes is None):
            return fault
    return None


async def _break_off(request: web.Request, response: web.StreamResponse, fault: Fault) -> None:
    if fault.clean and response.chunked:
        await response.write_eof()
    elif request.transport:
        request.transport.close()


async def _write_piece(response: web.StreamResponse, record: Request, piece: bytes) -> None:
    if piece:
        await response.write(piece)
        record.bytes_sent += len(piece)


def _closing(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def reset(request: web.Request) -> None:
    """Close the connection with an RST instead of a FIN."""
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
