"""An application is told whether the body of its request was received before the application began."""

import asyncio
from typing import Any

import uvicorn

from times_dispatch.http_server.bounded_protocol import BoundedProtocol
from times_dispatch.http_server.received_body import is_body_received, set_body_received
from times_dispatch.http_server.server_load import ServerLoad, ServerStateWithLoad

_HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


def test_a_scope_of_another_server_tells_nothing() -> None:
    scope: dict[str, Any] = {}
    assert not is_body_received(scope)
    set_body_received(scope)
    assert is_body_received(scope)


async def test_a_body_that_came_with_its_head_is_received_and_one_that_comes_later_is_not() -> None:
    told: list[bool] = []
    began = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        told.append(is_body_received(scope))
        began.set()
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(application, http=BoundedProtocol, lifespan="off", log_config=None)
    config.load()
    state = ServerStateWithLoad(ServerLoad())
    server = await asyncio.get_running_loop().create_server(lambda: BoundedProtocol(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        async with asyncio.timeout(60):
            writer.write(_HEAD + b"{}")
            await reader.readuntil(b"\r\n\r\n")
            began.clear()
            writer.write(_HEAD + b"{")
            await began.wait()
            writer.write(b"}")
            await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.transport.abort()
        server.close()
    assert told == [True, False]
