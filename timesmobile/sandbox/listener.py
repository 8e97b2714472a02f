"""The listening socket, which can be closed for a while and comes back on the same port."""

import asyncio
import logging
import socket

from timesmobile.sandbox.connection import Server

log = logging.getLogger(__name__)

_BACKLOG = 1024
_BIND_ATTEMPTS = 500


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
    """Listens for a ``Server`` on a bound socket, which it closes in the end; open it with ``async with``."""

    def __init__(self, server: Server, bound: socket.socket) -> None:
        self._server = server
        self._bound = bound
        self._address: tuple[str, int] = bound.getsockname()[:2]
        self._sockets: asyncio.Server | None = None
        self._absence: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address that clients use."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def __aenter__(self) -> "Listener":
        await self._listen(self._bound)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._absence:
            self._absence.cancel()
            await asyncio.gather(self._absence, return_exceptions=True)
        if self._sockets:
            self._sockets.close()

    def refuse(self, seconds: float) -> None:
        """Close the listening socket and all connections (busy ones after their answer), and listen again later."""
        if self._sockets and (self._absence is None or self._absence.done()):
            self._absence = asyncio.create_task(self._be_absent(self._sockets, seconds))

    async def _be_absent(self, sockets: asyncio.Server, seconds: float) -> None:
        sockets.close()
        self._server.retire_all()
        # Bound but not listening refuses just as well, and keeps the port from being given to somebody else.
        bound = await self._bind_again()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            bound.close()
            raise
        await self._listen(bound)
        log.info("listening again")

    async def _listen(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._sockets = await loop.create_server(self._server, sock=bound, backlog=_BACKLOG)

    async def _bind_again(self) -> socket.socket:
        for _ in range(_BIND_ATTEMPTS):
            try:
                return bind(*self._address)
            except OSError:  # the old socket is closed by the loop, a little later
                await asyncio.sleep(0.01)
        return bind(*self._address)
