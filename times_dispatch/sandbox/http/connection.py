"""A client's connection, which notes the arrival time of requests, and can be cut in several ways."""

import asyncio
import os
import socket
import struct
from typing import Any, cast

from aiohttp import web

from times_dispatch.sandbox.bookkeeping.timestamps import now_ns

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class SandboxConnection(web.RequestHandler):
    """Notes the arrival time of bytes when they are read from the socket, before the handler runs."""

    __slots__ = ("arrived_ns", "closes_when_idle", "is_busy")

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self.arrived_ns = 0
        self.is_busy = False
        """Whether a request has begun whose response is not written yet."""
        self.closes_when_idle = False
        """Whether to close the connection as soon as it is not busy."""

    def data_received(self, data: bytes) -> None:
        """Note the arrival time, then parse the bytes."""
        self.arrived_ns = now_ns()
        self.is_busy = True
        super().data_received(data)

    def response_written(self) -> None:
        """Note that the connection is not busy any more, and close it if ``closes_when_idle`` is set."""
        self.is_busy = False
        if self.closes_when_idle:
            self.force_close()

    def close_when_idle(self) -> None:
        """Close the connection now, or after the current response."""
        self.closes_when_idle = True
        if not self.is_busy:
            self.force_close()

    def write_and_close(self, raw: bytes) -> None:
        """Write ``raw`` unchanged, then close the connection."""
        if self.transport is not None:
            self.transport.write(raw)
            self.transport.close()

    def drop(self, *, abruptly: bool) -> None:
        """Close the connection without a response, with a TCP reset or with an ordinary end of the stream."""
        if self.transport is None:
            return
        if abruptly:
            with socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as duplicate:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()
        else:
            self.transport.close()


class SandboxServer(web.Server):
    """Makes a ``SandboxConnection`` for each client."""

    opened = 0
    """The number of connections that were opened."""

    def __call__(self) -> SandboxConnection:
        """Return the protocol of a new connection."""
        self.opened += 1
        return SandboxConnection(self, loop=self._loop, **self._kwargs)

    def close_all_when_idle(self) -> None:
        """Close idle connections now, and busy connections after their response."""
        for connection in self.connections:
            cast(SandboxConnection, connection).close_when_idle()
