"""The HTTP server of the receiver and of the links process: uvicorn, stopped by an event."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import uvicorn

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.http_server.bounded_protocol import BoundedProtocol
from times_dispatch.http_server.refusal_log import RefusalLog
from times_dispatch.http_server.server_load import ServerLimits, ServerLoad, ServerStateWithLoad, max_connections
from times_dispatch.http_server.stoppable_server import StoppableServer
from times_dispatch.process import collect_garbage
from times_dispatch.settings.model import CallbackSettings

FINISH_WITHIN_S: Final = 4
"""How long requests in progress at the stop have to be answered, in seconds."""
STOP_WITHIN_S: Final = FINISH_WITHIN_S + 1.0
KEEP_ALIVE_S: Final = 75
"""Longer than common proxies keep a connection open, so that the proxy closes first and never writes into a connection
that we have closed."""

BACKLOG: Final = 512
"""Connections that wait to be accepted; all of them are accepted in one turn of the event loop."""
_MAX_STARTS: Final = 64
"""Reports and clicks are answered within some tens of microseconds, so many requests may start in one turn."""
_COLLECTIONS: Final = 700, 10, 100_000
"""The threshold of automatic garbage collections: young objects often, and all objects almost never. With 2,000
requests under way, a collection of all objects takes up to 100 milliseconds. It finds next to nothing: requests leave
few cycles.
"""
MANY_REQUESTS: Final = 256
"""With more requests under way, the server does not collect all garbage."""


class HttpServer(StoppableServer):
    """A server of ``BoundedProtocol`` connections, with a bound for its simultaneous work."""

    def __init__(self, config: uvicorn.Config, load: ServerLoad | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make a server of ``BoundedProtocol`` connections.

        Args:
            config: uvicorn's configuration, with ``http=BoundedProtocol``.
            load: counts and bounds the connections and requests of the server; by default with the default limits.
            clock: measures the time between garbage collections.
        """
        super().__init__(config)
        self.load = load or ServerLoad()
        self.server_state = ServerStateWithLoad(self.load)
        self._clock = clock

    async def collect_garbage(self, stop: asyncio.Event) -> None:
        """Collect all garbage at intervals, when few requests are under way."""
        await collect_garbage(
            stop, threshold=_COLLECTIONS, is_busy=lambda: self.load.requests > MANY_REQUESTS, clock=self._clock
        )


def make_server(
    application: Any,
    listen: str,
    *,
    limits: ServerLimits,
    refusals: RefusalLog,
    is_visit: Callable[[bytes], bool] = lambda _: False,
) -> HttpServer:
    """Return a server of an ASGI application.

    Args:
        application: the application.
        listen: the address ``host:port``.
        limits: how many connections and requests the server accepts at the same time.
        refusals: log the requests that are refused.
        is_visit: returns whether a path is that of a tracked link, if the limits have one for visits.
    """
    host, _, port = listen.rpartition(":")
    config = uvicorn.Config(
        application,
        host=host.strip("[]"),
        port=int(port),
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # the path holds the secret, or the code of a link
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FINISH_WITHIN_S,
    )
    return HttpServer(config, ServerLoad(limits, refusals=refusals, is_visit=is_visit))


def server_limits(
    callbacks: CallbackSettings, *, max_per_address: int, max_visits_per_address: int = 0
) -> ServerLimits:
    """Return the limits of a server, and let the process open as many files as the server needs.

    Args:
        callbacks: name the trusted proxies.
        max_per_address: connections, or requests under way, of one address.
        max_visits_per_address: the same for tracked links, if the server answers them besides posts.
    """
    return ServerLimits(
        max_connections=max_connections(ServerLimits.max_connections),
        max_starts=_MAX_STARTS,
        max_per_address=max_per_address,
        max_visits_per_address=max_visits_per_address,
        trusted_proxies=callbacks.trusted_networks,
    )
