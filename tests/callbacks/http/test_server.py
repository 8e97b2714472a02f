import asyncio
import weakref

import pytest
import uvicorn

from callbacks.http.server import MANY_REQUESTS, HttpServer
from callbacks.receiver import respond
from callbacks.request_body import AsgiMessage, Receive, read_body
from tests.kit.clock import FakeClock
from times_dispatch.demo.local_ports import free_port
from times_dispatch.http_server.bounded_protocol import BoundedProtocol
from times_dispatch.process import GARBAGE_EVERY_S


async def echo(scope: AsgiMessage, receive: Receive, send: object) -> None:
    body = await read_body(scope, receive)
    await respond(send, 200, [scope["method"], scope["path"], body.decode()])  # type: ignore[arg-type]


async def test_a_request_with_an_upgrade_is_one_request_and_the_server_stops_by_its_event() -> None:
    stop = asyncio.Event()
    port = free_port()
    config = uvicorn.Config(echo, port=port, http=BoundedProtocol, ws="none", lifespan="off", log_config=None)
    server = HttpServer(config)
    serving = asyncio.create_task(server.run_until(stop))
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    upgrade = (
        b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbody"
    )
    writer.write(b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok" + upgrade)
    answered = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    stop.set()
    await asyncio.wait_for(serving, 30)
    assert answered.count(b"HTTP/1.1 200 OK") == 2
    assert b'["POST","/b","ok"]' in answered
    assert answered.endswith(b'["POST","/a","body"]')


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize(("requests", "is_left"), [(MANY_REQUESTS, False), (MANY_REQUESTS + 1, True)])
async def test_garbage_is_not_collected_while_many_requests_are_under_way(requests: int, is_left: bool) -> None:
    clock, stop = FakeClock(), asyncio.Event()
    server = HttpServer(uvicorn.Config(echo, http=BoundedProtocol, ws="none", log_config=None), clock=clock)
    server.load.requests = requests
    collecting = asyncio.create_task(server.collect_garbage(stop))
    await asyncio.sleep(0)
    cycle = weakref.ref(_Cycle())
    await clock.advance(GARBAGE_EVERY_S)
    stop.set()
    await asyncio.wait_for(collecting, 30)
    assert (cycle() is not None) is is_left
