"""Answers ``GET /metrics`` with a snapshot of the ledger; scrapes that come at once share one reading."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from times_dispatch.metrics.families import SnapshotCollector
from times_dispatch.metrics.reader import Snapshot

_STOP_WITHIN_S: Final = 2.0


class MetricsServer:
    """The HTTP server of the metrics."""

    def __init__(self, read: Callable[[], Awaitable[Snapshot]], listen: str, *, token: str) -> None:
        """Make a server.

        Args:
            read: reads the ledger.
            listen: the address ``host:port``.
            token: the bearer token that a scrape must give; empty if none is needed.
        """
        self._read = read
        self._listen = listen
        self._expected = f"Bearer {token}".encode() if token else b""
        self._one_reads = asyncio.Lock()
        self._finished = 0
        self._page = b""
        self.scrapes = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until the stop is set."""
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/health", self._health)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_STOP_WITHIN_S)
        await runner.setup()
        try:
            host, _, port = self._listen.rpartition(":")
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
            await stop.wait()
        finally:
            await runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if self._expected and not secrets.compare_digest(given, self._expected):
            return web.Response(status=401, text="a bearer token is needed\n", headers={"WWW-Authenticate": "Bearer"})
        self.scrapes += 1
        page = await self._current()
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _current(self) -> bytes:
        """Return a page; requests that come while the ledger is read get the page of that reading."""
        finished_before = self._finished
        async with self._one_reads:
            if self._finished > finished_before:
                return self._page
            registry = CollectorRegistry(auto_describe=False)
            registry.register(SnapshotCollector(await self._read()))
            self._page = generate_latest(registry)
            self._finished += 1
            return self._page
