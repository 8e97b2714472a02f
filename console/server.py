"""The HTTP server of the console: uvicorn, stopped by an event."""

from typing import Any, Final

import uvicorn

from times_dispatch.stoppable_server import StoppableServer

FINISH_WITHIN_S: Final = 3
"""How long requests in progress at the stop have to be answered, in seconds."""
_MAX_CONNECTIONS: Final = 1_000
_KEEP_ALIVE_S: Final = 75


def make_console_server(application: Any, listen: str) -> StoppableServer:
    """Return a server of an ASGI application at ``host:port``."""
    host, _, port = listen.rpartition(":")
    return StoppableServer(
        uvicorn.Config(
            application,
            host=host.strip("[]"),
            port=int(port),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # an address may hold what somebody searched for
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=FINISH_WITHIN_S,
        )
    )
