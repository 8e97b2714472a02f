"""Answers ``GET /metrics`` with a snapshot of the ledger; simultaneous scrapes share one snapshot."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from times_dispatch.http_server.bounded_protocol import BoundedProtocol
from times_dispatch.http_server.refusal_log import RefusalLog
from times_dispatch.http_server.server_load import ServerLimits, ServerLoad, ServerStateWithLoad, max_connections
from times_dispatch.http_server.stoppable_server import StoppableServer
from times_dispatch.metrics.families import SnapshotCollector
from times_dispatch.metrics.reader import Snapshot

log = structlog.get_logger(__name__)

_STOP_WITHIN_S: Final = 2
_MAX_CONNECTIONS: Final = 256
_MAX_PER_ADDRESS: Final = 64
_BACKLOG: Final = 128
"""The maximum number of connections that wait to be accepted; all are accepted in one turn of the event loop."""
_MAX_HELD_BYTES: Final = 4 * 1024 * 1024
_TEXT: Final = "text/plain; charset=utf-8"


class MetricsServer:
    """The HTTP server of the metrics."""

    def __init__(self, read: Callable[[], Awaitable[Snapshot]], listen: str, *, token: str) -> None:
        """Make a server.

        Args:
            read: reads the ledger.
            listen: the address ``host:port``.
            token: the bearer token that a scrape must send; empty if no token is needed.
        """
        self._read = read
        self._listen = listen
        self._expected = f"Bearer {token}".encode() if token else b""
        self._one_reads = asyncio.Lock()
        self._finished = 0
        self._page = b""
        self._is_ledger_away = False
        self.scrapes = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until the stop is set."""
        host, _, port = self._listen.rpartition(":")
        limits = ServerLimits(
            max_connections=max_connections(_MAX_CONNECTIONS),
            max_requests=_MAX_CONNECTIONS,
            max_per_address=_MAX_PER_ADDRESS,
            max_body_bytes=0,
            max_held_bytes=_MAX_HELD_BYTES,
        )
        server = StoppableServer(
            uvicorn.Config(
                self._answer,
                host=host.strip("[]"),
                port=int(port),
                interface="asgi3",
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=_STOP_WITHIN_S,
            )
        )
        refusals = RefusalLog()
        server.server_state = ServerStateWithLoad(ServerLoad(limits, refusals=refusals))
        summaries = asyncio.create_task(refusals.run(stop))
        await server.run_until(stop)
        await summaries

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002  # no body is read
        status, page, fields = await self._page_of(scope)
        headers = [(b"content-length", b"%d" % len(page)), *fields]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": page})

    async def _page_of(self, scope: Any) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Return the status, the page and the header fields of the response to a request."""
        text = [(b"content-type", _TEXT.encode())]
        if scope["method"] not in {"GET", "HEAD"}:
            return 405, b"only GET\n", [*text, (b"allow", b"GET, HEAD")]
        if scope["path"] == "/health":
            return 200, b"ok\n", text
        if scope["path"] != "/metrics":
            return 404, b"not found\n", text
        given = b", ".join(value for name, value in scope["headers"] if name == b"authorization")
        if self._expected and not secrets.compare_digest(given, self._expected):
            return 401, b"a bearer token is needed\n", [*text, (b"www-authenticate", b"Bearer")]
        self.scrapes += 1
        return 200, await self._current(), [(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())]

    async def _current(self) -> bytes:
        """Return a page; requests that come while the ledger is read get the same page."""
        finished_before = self._finished
        async with self._one_reads:
            if self._finished > finished_before:
                return self._page
            registry = CollectorRegistry(auto_describe=False)
            snapshot = await self._read()
            self._log_outage(snapshot)
            registry.register(SnapshotCollector(snapshot))
            self._page = generate_latest(registry)
            self._finished += 1
            return self._page

    def _log_outage(self, snapshot: Snapshot) -> None:
        """Log that the ledger is unavailable, and what is wrong, once for each outage."""
        is_away = snapshot.ledger is None
        if is_away and not self._is_ledger_away:
            log.warning("the ledger is unavailable", reasons=[each.problem for each in snapshot.status.findings])
        self._is_ledger_away = is_away
