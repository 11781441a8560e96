"""The control endpoint ``/sandbox/``: what the Python interface offers, for other processes."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from aiohttp import web

from integration_tests.sandbox.faults.fault import Fault
from integration_tests.sandbox.http.limits import MINUTE, worst
from integration_tests.sandbox.http.server import Server
from integration_tests.sandbox.project.changes import Changes
from integration_tests.sandbox.project.tables import encode
from integration_tests.sandbox.project.timestamps import FOR_EVER, timestamp

HELP = """\
  GET    /sandbox/                     the clock, the tables, and how many rows each has
  GET    /sandbox/truth/TABLE          its rows as they are sent, one JSON object a line; TABLE is a data type
                                       name, campaigns, templates, journeys or another that /sandbox/ names;
                                       of tables ?start=&end=&exportable_by= (timestamps) give a
                                       part
  GET    /sandbox/requests             the calls so far, as a JSON array; DELETE forgets them
  GET    /sandbox/rate?endpoint=...    {"worst": n}: the most calls within a minute (60 s / rate scale), or
                                       &seconds=...
  GET    /sandbox/faults               the faults in force; POST adds one (a JSON object); DELETE removes all
  POST   /sandbox/clock                {"now": TIMESTAMP} or {"advance_seconds": n}; answers the clock
  POST   /sandbox/grow                 {"events": n, "users": m}: n events more in every event table, between
                                       the last growth and now, and m profiles changed now
  POST   /sandbox/events               {"table": NAME, "row": {...} or text, "at": TIMESTAMP,
                                       "exportable_at": TIMESTAMP}; without the last, exportable since then
  POST   /sandbox/change               {"user": n}; {"edit_campaign": id}, also advance_, finish_, delete_;
                                       {"edit_template": id}, also delete_; {"edit_journey": id}, also archive_,
                                       delete_; {"edit_snippet": id}; {"delete_list": id}; {"add_campaigns": n},
                                       also add_templates
"""

Action = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """The handlers of the control endpoint."""

    def __init__(self, server: Server) -> None:
        """Control ``server`` and its project."""
        self._server = server
        self._project = server.project
        self._changes = Changes(server.project)

    def add_to(self, application: web.Application) -> None:
        """Add the routes to an application."""
        routes: list[tuple[str, str, Action]] = [
            ("GET", "/sandbox/", self._describe),
            ("GET", "/sandbox/truth/{table}", self._truth),
            ("GET", "/sandbox/requests", self._requests),
            ("DELETE", "/sandbox/requests", self._forget),
            ("GET", "/sandbox/rate", self._rate),
            ("GET", "/sandbox/faults", self._faults),
            ("POST", "/sandbox/faults", self._add_fault),
            ("DELETE", "/sandbox/faults", self._clear_faults),
            ("POST", "/sandbox/clock", self._clock),
            ("POST", "/sandbox/grow", self._grow),
            ("POST", "/sandbox/events", self._add_event),
            ("POST", "/sandbox/change", self._change),
        ]
        for method, path, action in routes:
            application.router.add_route(method, path, _guarded(action))

    async def _describe(self, _: web.Request) -> web.Response:
        rows = {name: sum(1 for _ in self._project.truth(name)) for name in self._project.names()}
        return web.json_response({"now": self._project.clock.now.isoformat(), "rows": rows})

    async def _truth(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["table"]
        bounds = {"start": 0.0, "end": FOR_EVER, "exportable_by": FOR_EVER}
        bounds |= {key: timestamp(request.query[key]).timestamp() for key in bounds if key in request.query}
        if name not in self._project.names():
            raise KeyError(name)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        lines: list[bytes] = []
        for row in self._project.truth(name, **bounds):
            lines.append(encode(row) + b"\n")
            if len(lines) == 1000:
                await response.write(b"".join(lines))
                lines.clear()
        await response.write(b"".join(lines))
        await response.write_eof()
        return response

    async def _requests(self, _: web.Request) -> web.Response:
        logged = [asdict(request) | {"clock": request.clock.isoformat()} for request in self._server.requests]
        return web.json_response(logged)

    async def _forget(self, _: web.Request) -> web.Response:
        self._server.requests.clear()
        return web.json_response({})

    async def _rate(self, request: web.Request) -> web.Response:
        seconds = float(request.query.get("seconds", MINUTE / self._project.options.rate_scale))
        endpoint = request.query["endpoint"]
        started = [logged.started for logged in self._server.requests if logged.endpoint == endpoint]
        return web.json_response({"worst": worst(started, seconds)})

    async def _faults(self, _: web.Request) -> web.Response:
        return web.json_response([fault.to_json() | {"struck": n} for fault, n in self._server.faults.all()])

    async def _add_fault(self, request: web.Request) -> web.Response:
        fault = self._server.faults.add(Fault.from_json(await _object(request)))
        return web.json_response(fault.to_json())

    async def _clear_faults(self, _: web.Request) -> web.Response:
        self._server.faults.clear()
        return web.json_response({})

    async def _clock(self, request: web.Request) -> web.Response:
        body = await _object(request)
        if "now" in body:
            self._project.clock.set(timestamp(body["now"]))
        self._project.clock.advance(timedelta(seconds=float(body.get("advance_seconds", 0))))
        return web.json_response({"now": self._project.clock.now.isoformat()})

    async def _grow(self, request: web.Request) -> web.Response:
        body = await _object(request)
        self._project.grow(int(body.get("events", 0)))
        for number in range(int(body.get("users", 0))):
            self._project.change_user(number)
        return web.json_response({"now": self._project.clock.now.isoformat()})

    async def _add_event(self, request: web.Request) -> web.Response:
        body = await _object(request)
        at = int(timestamp(body["at"]).timestamp())
        exportable_at = timestamp(body["exportable_at"]).timestamp() if "exportable_at" in body else None
        self._project.add_event(body["table"], body["row"], at, exportable_at)
        return web.json_response({})

    async def _change(self, request: web.Request) -> web.Response:
        changes: dict[str, Callable[[int], Any]] = {
            "user": self._project.change_user,
            "advance_campaign": self._changes.advance_campaign,
            "finish_campaign": self._changes.finish_campaign,
            "edit_campaign": self._changes.edit_campaign,
            "delete_campaign": self._changes.delete_campaign,
            "edit_template": self._changes.edit_template,
            "delete_template": self._changes.delete_template,
            "edit_journey": self._changes.edit_journey,
            "archive_journey": self._changes.archive_journey,
            "delete_journey": self._changes.delete_journey,
            "edit_snippet": self._changes.edit_snippet,
            "delete_list": self._changes.delete_list,
            "add_campaigns": lambda count: [self._changes.add_campaign() for _ in range(count)],
            "add_templates": lambda count: [self._changes.add_template() for _ in range(count)],
        }
        body = await _object(request)
        return web.json_response({name: changes[name](number) for name, number in body.items()})


async def _object(request: web.Request) -> dict[str, Any]:
    body = json.loads(await request.text() or "{}")
    if not isinstance(body, dict):
        message = "The body must be a JSON object."
        raise TypeError(message)
    return body


def _guarded(action: Action) -> Action:
    """The same action; what it cannot do is answered with 400 and the reason."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await action(request)
        except (KeyError, LookupError, StopIteration, TypeError, ValueError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    return guarded
