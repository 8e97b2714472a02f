"""An event stops the server; requests in progress are answered, and the signal handlers do not change."""

import asyncio
import signal

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from times_dispatch.demo.local_ports import free_port
from times_dispatch.http_server.stoppable_server import StoppableServer


async def test_the_stop_ends_the_server_after_the_request_in_progress() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> PlainTextResponse:
        begun.set()
        await may_end.wait()
        return PlainTextResponse("done")

    before = signal.getsignal(signal.SIGTERM)
    port, stop = free_port(), asyncio.Event()
    config = uvicorn.Config(Starlette(routes=[Route("/", slow)]), port=port, log_config=None, lifespan="off")
    serving = asyncio.create_task(StoppableServer(config).run_until(stop))
    async with asyncio.timeout(120), httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=5)) as client:
        asking = asyncio.create_task(client.get(f"http://127.0.0.1:{port}/"))
        await begun.wait()
        assert signal.getsignal(signal.SIGTERM) is before
        stop.set()
        may_end.set()
        assert (await asking).text == "done"
        await serving
