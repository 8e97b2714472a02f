"""Strangers who send many requests at once on many connections take no memory that only a garbage collection frees.

A request that waits for the response to another one refers to its connection, and the connection to the request. When
the connection ends, both must be freed at once: otherwise a collection of all garbage takes more than a second.
"""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from times_dispatch.http_server.bounded_protocol import MAX_PIPELINED, BoundedProtocol
from times_dispatch.http_server.server_load import ServerLimits, ServerLoad, ServerStateWithLoad

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CONNECTIONS = 50
ATTACKS = {
    "one request": REQUEST,
    "thirty requests": REQUEST * 30,
    "hundreds of requests": REQUEST * 400,
    "a request and no HTTP": REQUEST * 5 + b"\x16\x03\x01 x\r\n\r\n",
    "a request and a long head": REQUEST * 5 + b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000,
    "a request and half a body": REQUEST * 5 + b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na",
}


class _Server:
    """A server whose application answers when the test lets it."""

    def __init__(self, limits: ServerLimits) -> None:
        self.may_answer = asyncio.Event()
        self.state = ServerStateWithLoad(ServerLoad(limits))
        self.port = 0
        self.started = 0
        """The number of requests that reached the application."""

    async def application(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.started += 1
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


@asynccontextmanager
async def serving(limits: ServerLimits | None = None) -> AsyncIterator[_Server]:
    server = _Server(limits or ServerLimits())
    config = uvicorn.Config(
        server.application, http=BoundedProtocol, lifespan="off", interface="asgi3", log_config=None
    )
    config.load()
    listening = await asyncio.get_running_loop().create_server(
        lambda: BoundedProtocol(config, server.state, {}), "127.0.0.1", 0
    )
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server


async def _wait_until(condition: Any) -> None:
    async with asyncio.timeout(120):
        while not condition():
            await asyncio.sleep(0.01)


def _connected(server: _Server, sent: bytes) -> ExitStack:
    """Open the connections and send on each; they are closed by the stack, also when a connection fails."""
    with ExitStack() as opened:
        for _ in range(CONNECTIONS):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            with suppress(OSError):  # the server may close the connection before it has received everything
                connection.sendall(sent)
        return opened.pop_all()


def _living(kind: type = RequestResponseCycle) -> int:
    """Return the number of objects of this type in memory."""
    return sum(type(each) is kind for each in gc.get_objects())


def abort_all(connections: Iterable[Any]) -> None:
    for connection in list(connections):
        connection.abort()


@pytest.mark.parametrize("is_answered", [False, True], ids=["before the responses", "after the responses"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_lost_connections_and_their_requests_need_no_garbage_collection(attack: str, *, is_answered: bool) -> None:
    async def lose_connections() -> None:
        async with serving() as server:
            gc.collect()
            gc.disable()
            before = _living()
            with await asyncio.to_thread(_connected, server, ATTACKS[attack]):
                await _wait_until(lambda: server.started)
                if is_answered:
                    server.may_answer.set()
                    await _wait_until(lambda: not server.state.tasks)
            while server.state.connections:  # those with waiting requests end by themselves only after 30 s
                abort_all(server.state.connections)
                await asyncio.sleep(0.01)
            server.may_answer.set()
            await _wait_until(lambda: not server.state.tasks)
            left = _living() - before
            gc.collect()
            assert _living(BoundedProtocol) == 0  # otherwise a timer refers to an ended connection
        print(f"{CONNECTIONS} connections with {attack}: {left} requests are left in memory")  # noqa: T201  # the figure
        assert left == 0

    try:
        uvloop.run(lose_connections())
    finally:
        gc.enable()


@pytest.mark.parametrize(("sent", "answered"), [(MAX_PIPELINED + 1, MAX_PIPELINED + 1), (MAX_PIPELINED + 2, 0)])
def test_one_connection_has_no_more_waiting_requests_than_the_server_allows(sent: int, answered: int) -> None:
    async def pipeline_requests() -> bytes:
        async with serving() as server, asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(REQUEST * sent)
            await _wait_until(lambda: server.started or not server.state.connections)
            server.may_answer.set()
            received = b""
            with suppress(ConnectionError):  # the server aborts a connection with too many requests
                while received.count(b"HTTP/1.1 204") < sent and (data := await reader.read(65_536)):
                    received += data
            writer.close()
        return received

    assert uvloop.run(pipeline_requests()).count(b"HTTP/1.1 204") == answered


def test_all_connections_together_have_no_more_requests_in_memory_than_the_server_allows() -> None:
    async def pipeline_requests() -> int:
        most, before = 0, _living()
        async with serving(ServerLimits(max_requests=2 * CONNECTIONS)) as server:
            sending = asyncio.create_task(asyncio.to_thread(_connected, server, REQUEST * MAX_PIPELINED))
            while not sending.done() or server.started < CONNECTIONS:
                await asyncio.sleep(0.001)
                most = max(most, _living() - before)
            sending.result().close()
            server.may_answer.set()
        return most

    most = uvloop.run(pipeline_requests())
    sent = CONNECTIONS * MAX_PIPELINED
    print(f"{sent:,} requests on {CONNECTIONS} connections: at most {most} are in memory")  # noqa: T201  # the figure
    assert most <= 3 * CONNECTIONS
