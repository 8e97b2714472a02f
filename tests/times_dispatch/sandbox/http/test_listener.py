import asyncio
import socket

from aiohttp import web

from times_dispatch.sandbox.http.connection import SandboxConnection, SandboxServer
from times_dispatch.sandbox.http.listener import Listener, bind

BURST = 300
FEW_TURNS = 10


async def test_a_burst_of_new_connections_is_read_within_a_few_turns_of_the_loop() -> None:
    async def handle(_request: web.BaseRequest) -> web.Response:
        return web.Response()

    server = SandboxServer(handle)
    bound = bind("127.0.0.1", 0)
    clients = [socket.socket() for _ in range(BURST)]
    try:
        async with Listener(server, bound):
            for client in clients:
                client.connect(bound.getsockname())
                client.sendall(b"GET / HTTP/1.1\r\nHost: sandbox\r\n\r\n")
            for _ in range(FEW_TURNS):
                await asyncio.sleep(0)
            read = [one for one in server.connections if isinstance(one, SandboxConnection) and one.arrived_ns]
            assert len(read) == BURST
            server.close_all_when_idle()
            await server.shutdown(1)
    finally:
        for client in clients:
            client.close()
