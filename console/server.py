"""The HTTP server of the console: uvicorn, stopped by an event, with bounds for requests of strangers."""

from collections.abc import Sequence
from typing import Any, Final

import uvicorn

from console.live.hub import STREAM_LASTS_S
from console.visit import MAX_FORM_BYTES
from times_dispatch.http_server.bounded_protocol import BoundedProtocol
from times_dispatch.http_server.refusal_log import RefusalLog
from times_dispatch.http_server.server_load import (
    IPNetwork,
    ServerLimits,
    ServerLoad,
    ServerStateWithLoad,
    max_connections,
)
from times_dispatch.http_server.stoppable_server import StoppableServer

FINISH_WITHIN_S: Final = 3
"""How long requests in progress at the stop have to be answered, in seconds."""
_MAX_CONNECTIONS: Final = 1_000
_MAX_HELD_BYTES: Final = 8 * 1024 * 1024
"""Bytes of requests under way: the longest form has some kilobytes."""
_MAX_STARTS: Final = 4
"""Requests that start in one turn of the event loop: a page takes one or two milliseconds."""
_RESPONSE_TIMEOUT_S: Final = STREAM_LASTS_S + 60
_KEEP_ALIVE_S: Final = 75
_BACKLOG: Final = 256
"""Connections that wait to be accepted; all of them are accepted in one turn of the event loop."""


def make_console_server(
    application: Any, listen: str, *, trusted_proxies: Sequence[IPNetwork] = (), refusals: RefusalLog | None = None
) -> StoppableServer:
    """Return a server of an ASGI application.

    Args:
        application: the application.
        listen: the address ``host:port``.
        trusted_proxies: proxies whose header X-Forwarded-For is used.
        refusals: log the requests that are refused; by default a log of this server only.
    """
    host, _, port = listen.rpartition(":")
    limits = ServerLimits(
        max_connections=max_connections(_MAX_CONNECTIONS),
        max_requests=_MAX_CONNECTIONS,
        max_body_bytes=MAX_FORM_BYTES,
        max_held_bytes=_MAX_HELD_BYTES,
        max_starts=_MAX_STARTS,
        response_timeout_s=_RESPONSE_TIMEOUT_S,
        trusted_proxies=trusted_proxies,
    )
    server = StoppableServer(
        uvicorn.Config(
            application,
            host=host.strip("[]"),
            port=int(port),
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # an address may hold the words of a search
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=FINISH_WITHIN_S,
        )
    )
    server.server_state = ServerStateWithLoad(ServerLoad(limits, refusals=refusals))
    return server
