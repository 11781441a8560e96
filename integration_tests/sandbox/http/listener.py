"""A server on the loopback interface that can stop listening, and listen again."""

import asyncio
import socket
from typing import Self

from aiohttp import web

LONGEST_LINE = 1 << 20
"""Longer request lines than this are refused by the server library, not by the sandbox."""

ACCEPTING = 4
"""Turns of the loop in which a connection that was accepted becomes the server's."""


class Listener:
    """An application on the loopback interface."""

    def __init__(self, application: web.Application, port: int) -> None:
        """Serve it at ``port``; 0 is any that is free."""
        self._port = port
        self._site: web.SockSite | None = None
        self._socket: socket.socket | None = None
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0.05,
            max_line_size=LONGEST_LINE,
        )

    async def __aenter__(self) -> Self:
        """Begin to serve."""
        await self._runner.setup()
        await self.listen()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End serving."""
        await self._accept_no_more()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self._port}"

    async def listen(self) -> None:
        """Accept connections, unless it does."""
        if self._site is None:
            self._socket = socket.create_server(("127.0.0.1", self._port))
            self._site = web.SockSite(self._runner, self._socket)
            await self._site.start()

    async def close(self) -> None:
        """Accept no connection, and lose those that there are."""
        if self._site is not None and self._runner.server is not None:
            site, self._site = self._site, None
            await self._accept_no_more()
            await site.stop()
            for connection in self._runner.server.connections:
                connection.force_close()

    async def _accept_no_more(self) -> None:
        """Leave new connections in the backlog, and let those that are being accepted become the server's.

        Where listening ends in between, asyncio loses them, and nobody closes them.
        """
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            for _ in range(ACCEPTING):
                await asyncio.sleep(0)
