"""One client's connection: when its request arrived, and the ways it can be cut."""

import asyncio
import os
import socket
import struct
from typing import Any, cast

from aiohttp import web

from times_dispatch.sandbox.clock import now_ns

_LINGER_0 = struct.pack("ii", 1, 0)


class SandboxConnection(web.RequestHandler):
    """Stamps bytes as they come off the socket, before the handler waits for its turn."""

    __slots__ = ("arrived_ns", "is_busy", "is_retiring")

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self.arrived_ns = 0
        self.is_busy = False
        """From the first bytes of a request until its answer is written."""
        self.is_retiring = False
        """To be closed when it is no longer busy."""

    def data_received(self, data: bytes) -> None:
        """Stamp, then parse."""
        self.arrived_ns = now_ns()
        self.is_busy = True
        super().data_received(data)

    def settle(self) -> None:
        """Note that the answer is written."""
        self.is_busy = False
        if self.is_retiring:
            self.force_close()

    def retire(self) -> None:
        """Close now, or after the answer that is being worked on."""
        self.is_retiring = True
        if not self.is_busy:
            self.force_close()

    def write_and_close(self, raw: bytes) -> None:
        """Write ``raw`` as it is, then close."""
        if self.transport is not None:
            self.transport.write(raw)
            self.transport.close()

    def cut(self, *, abruptly: bool) -> None:
        """Drop the connection without an answer: with a TCP reset, or with an ordinary end of stream."""
        if self.transport is None:
            return
        if abruptly:
            with socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as duplicate:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            self.transport.abort()
        else:
            self.transport.close()


class SandboxServer(web.Server):
    """Makes a ``SandboxConnection`` for each client."""

    opened = 0
    """Connections so far."""

    def __call__(self) -> SandboxConnection:
        """Make the protocol of one more connection."""
        self.opened += 1
        return SandboxConnection(self, loop=self._loop, **self._kwargs)

    def retire_all(self) -> None:
        """Close every connection that is idle, and the others after their answer."""
        for connection in self.connections:
            cast(SandboxConnection, connection).retire()
