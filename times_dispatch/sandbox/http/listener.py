"""The listening socket, which can be closed for some time and opened again on the same port.

The listener accepts all waiting connections in one turn of the event loop. uvloop's own server accepts one connection
per turn, so that the arrival times of many new connections would be half a second late.
"""

import asyncio
import contextlib
import logging
import socket

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.sandbox.http.connection import SandboxServer

log = logging.getLogger(__name__)

_BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket that does not listen yet; port 0 takes a free port.

    Raises:
        OSError: the address is in use, or does not belong to this host.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


class Listener:
    """Listens for a ``SandboxServer`` on a bound socket; ``async with`` opens and closes it."""

    def __init__(self, server: SandboxServer, bound: socket.socket, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._server = server
        self._bound = bound
        self._address: tuple[str, int] = bound.getsockname()[:2]
        self._listening: socket.socket | None = None
        self._accepting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address that clients use."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def __aenter__(self) -> "Listener":
        self._listen(self._bound)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pause:
            self._pause.cancel()
            await asyncio.gather(self._pause, return_exceptions=True)
        if self._listening:
            self._close(self._listening)

    def refuse(self, seconds: float) -> None:
        """Close the listening socket and all connections (if busy, after their response); listen again later."""
        if self._listening and (self._pause is None or self._pause.done()):
            self._pause = asyncio.create_task(self._pause_for(self._listening, seconds))

    async def _pause_for(self, listening: socket.socket, seconds: float) -> None:
        self._close(listening)
        self._server.close_all_when_idle()
        # A bound socket that does not listen refuses connections too, and reserves the port.
        bound = bind(*self._address)
        try:
            await self._clock.sleep(seconds)
        except asyncio.CancelledError:
            bound.close()
            raise
        self._listen(bound)
        log.info("listening again")

    def _listen(self, bound: socket.socket) -> None:
        bound.setblocking(False)
        bound.listen(_BACKLOG)
        asyncio.get_running_loop().add_reader(bound, self._accept_all, bound)
        self._listening = bound

    def _close(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(listening)
        listening.close()
        self._listening = None

    def _accept_all(self, listening: socket.socket) -> None:
        for _ in range(_BACKLOG):
            try:
                accepted, _address = listening.accept()
            except OSError:  # no connection waits, or the client has gone, or there is no descriptor left
                return
            task = asyncio.get_running_loop().create_task(self._serve(accepted))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    async def _serve(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client has gone
            await asyncio.get_running_loop().connect_accepted_socket(self._server, accepted)
