"""The HTTP server of the console: uvicorn, stopped by an event."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

FINISH_WITHIN_S: Final = 3
"""How long requests in progress at the stop have to be answered, in seconds."""
_MAX_CONNECTIONS: Final = 1_000
_KEEP_ALIVE_S: Final = 75


class ConsoleServer(uvicorn.Server):
    """Uvicorn without its handling of signals, which would raise them again; an event stops the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to ``run_until_signalled``."""
        yield

    async def run_until(self, stop: asyncio.Event) -> None:
        """Serve until the stop is set; then close the listener, and answer the requests in progress."""

        async def stop_serving() -> None:
            await stop.wait()
            self.should_exit = True

        stopping = asyncio.create_task(stop_serving())
        try:
            await self.serve()
        finally:
            stopping.cancel()


def make_console_server(application: Any, listen: str) -> ConsoleServer:
    """Return a server of an ASGI application at ``host:port``."""
    host, _, port = listen.rpartition(":")
    return ConsoleServer(
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
