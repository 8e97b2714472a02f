"""A real HTTP server that receives forwarded reports; a test chooses its faults."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

Misbehaviour = Callable[[list[tuple[str, dict[str, Any]]]], int | None]
"""Gets the events of a post; returns the HTTP status, 0 to cut the connection, -1 to hang, or None to accept."""


class MirrorHost:
    """The other system: stores the events that it accepted, in order."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, Any]]] = []
        """Events with their rows."""
        self.posts = 0
        self.headers: list[dict[str, str]] = []
        self.misbehave: Misbehaviour = lambda _: None
        self.takes_before_misbehaving = False
        """Whether the host accepts the events of a post also when it answers with a fault."""
        self.url = ""

    def of(self, meta: str) -> list[str]:
        """Return the accepted events about a message, in the order of their first arrival."""
        return list(dict.fromkeys(_name(event, row) for event, row in self.taken if row["meta"] == meta))

    async def answer(self, request: web.Request) -> web.Response:
        self.posts += 1
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        groups = msgspec.json.decode(await request.read())
        events = [(group["event"], row) for group in groups for row in group["data"]]
        status = self.misbehave(events)
        if status is None or self.takes_before_misbehaving:
            self.taken += events
        if status == -1:
            await asyncio.Event().wait()
        if status == 0:
            assert request.transport
            request.transport.close()
        return web.Response(status=status or 200, headers={"location": self.url})


def _name(event: str, row: dict[str, Any]) -> str:
    return f"{event} {row.get('url') or row.get('incomingText') or row['ts']}"


@asynccontextmanager
async def serving_mirror() -> AsyncIterator[MirrorHost]:
    """Serve a ``MirrorHost`` on a free port of 127.0.0.1."""
    host = MirrorHost()
    application = web.Application(client_max_size=16 * 1024 * 1024)
    application.router.add_post("/sms/generic", host.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}/sms/generic?account=secret-account"
    try:
        yield host
    finally:
        await runner.cleanup()
