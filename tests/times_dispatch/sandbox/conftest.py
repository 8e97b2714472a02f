import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import uvloop
from aiohttp import web

from tests.kit.sandbox import PASSWORD, USERNAME, ReportReceiver, SandboxClient, Start, run_sandbox
from times_dispatch.sandbox import SandboxConfig


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on both event loops, because they close sockets differently; the command runs on uvloop."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a sandbox with the given parts of its configuration; the sandbox stops at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(**config: Any) -> SandboxClient:
            return await stack.enter_async_context(
                run_sandbox(SandboxConfig(username=USERNAME, password=PASSWORD, **{"string_answers": 0.0, **config}))
            )

        yield start


@pytest.fixture
async def receiver() -> AsyncIterator[ReportReceiver]:
    """A receiver of reports on a free port."""
    receiver = ReportReceiver()
    server = web.Server(receiver.take, access_log=None)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/callbacks"
    yield receiver
    receiver.hold.set()
    listening.close()
    server.pre_shutdown()
    await server.shutdown(1)


@pytest.fixture
async def links_server() -> AsyncIterator[ReportReceiver]:
    """A server that redirects every request; ``bodies`` holds the paths, and ``statuses`` are the first answers."""
    answered = ReportReceiver()

    async def redirect(request: web.BaseRequest) -> web.Response:
        answered.bodies.append(request.path)
        return web.Response(status=answered.statuses.pop(0) if answered.statuses else 302)

    server = web.Server(redirect, access_log=None)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    answered.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield answered
    listening.close()
