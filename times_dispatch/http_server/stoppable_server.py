"""An HTTP server (uvicorn) that an event stops, for the receiver, the links process and the console."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class StoppableServer(uvicorn.Server):
    """Uvicorn without its handling of signals, which would raise each signal again; an event stops the server."""

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
