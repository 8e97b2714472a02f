"""The HTTP server of the receiver: uvicorn, stopped by an event."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from callbacks.http.report_protocol import ServerStateWithLoad
from callbacks.http.server_load import ServerLoad


class HttpServer(uvicorn.Server):
    """Uvicorn without its handling of signals, which would raise them again; an event stops the server."""

    def __init__(self, config: uvicorn.Config, load: ServerLoad | None = None) -> None:
        """Make a server of ``ReportProtocol`` connections.

        Args:
            config: uvicorn's configuration, with ``http=ReportProtocol``.
            load: counts what the server does and bounds it; by default with the default limits.
        """
        super().__init__(config)
        self.server_state = ServerStateWithLoad(load or ServerLoad())

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
