"""The listening socket, which can be closed for a while and comes back on the same port.

It accepts all that wait at once. uvloop's own server accepts one connection in each turn of the loop, so that a burst
of new ones would be read, and stamped, half a second after it arrived.
"""

import asyncio
import contextlib
import logging
import socket

from times_dispatch.sandbox.connection import SandboxServer

log = logging.getLogger(__name__)

_BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """Bind a socket without listening yet; port 0 takes a free one.

    Raises:
        OSError: the address is taken, or not of this host.
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
    """Listens for a ``SandboxServer`` on a bound socket, which it closes in the end; open it with ``async with``."""

    def __init__(self, server: SandboxServer, bound: socket.socket) -> None:
        self._server = server
        self._bound = bound
        self._address: tuple[str, int] = bound.getsockname()[:2]
        self._listening: socket.socket | None = None
        self._greetings: set[asyncio.Task[None]] = set()
        self._absence: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address that clients use."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def __aenter__(self) -> "Listener":
        self._listen(self._bound)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._absence:
            self._absence.cancel()
            await asyncio.gather(self._absence, return_exceptions=True)
        if self._listening:
            self._close(self._listening)

    def refuse(self, seconds: float) -> None:
        """Close the listening socket and all connections (busy ones after their answer), and listen again later."""
        if self._listening and (self._absence is None or self._absence.done()):
            self._absence = asyncio.create_task(self._be_absent(self._listening, seconds))

    async def _be_absent(self, listening: socket.socket, seconds: float) -> None:
        self._close(listening)
        self._server.retire_all()
        # Bound but not listening refuses just as well, and keeps the port from being given to somebody else.
        bound = bind(*self._address)
        try:
            await asyncio.sleep(seconds)
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
            except OSError:  # nobody waits any more, or who did has gone, or there is no descriptor left
                return
            greeting = asyncio.get_running_loop().create_task(self._greet(accepted))
            self._greetings.add(greeting)
            greeting.add_done_callback(self._greetings.discard)

    async def _greet(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has gone again
            await asyncio.get_running_loop().connect_accepted_socket(self._server, accepted)
