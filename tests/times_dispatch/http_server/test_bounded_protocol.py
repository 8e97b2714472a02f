"""Clients that read nothing of a response, and bytes that wait to be parsed; tests/hostile has hostile requests."""

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
import uvloop

from tests.kit.clock import FakeClock
from tests.kit.waiting import loop_turns
from times_dispatch.http_server.bounded_protocol import BoundedProtocol
from times_dispatch.http_server.event_loop_turns import ParsingTurns
from times_dispatch.http_server.server_load import ServerLimits, ServerLoad, ServerStateWithLoad

_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
_PIECE = b"x" * 65_536
_LARGE = 16_000_000


async def _endless(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": _PIECE, "more_body": True})
        await asyncio.sleep(0)


async def _large(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * _LARGE})


async def _connections(
    requests: list[bytes], *, stalled_timeout_s: float, application: Any = _endless
) -> tuple[Any, list[Any], Any]:
    """Return a server and connections that have each sent a request; by default the server's responses do not end."""
    config = uvicorn.Config(application, http=BoundedProtocol, lifespan="off", log_config=None)
    config.load()
    state = ServerStateWithLoad(ServerLoad(ServerLimits(stalled_timeout_s=stalled_timeout_s)))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedProtocol(config, state, {}), "127.0.0.1", 0)
    opened = [await asyncio.open_connection(*server.sockets[0].getsockname()[:2], limit=1_024) for _ in requests]
    for (_, writer), request in zip(opened, requests, strict=True):
        writer.write(request)
    return server, opened, state


async def test_a_client_that_reads_nothing_is_closed_and_one_that_reads_is_served() -> None:
    server, [(_, silent), (reader, reading)], state = await _connections([_REQUEST] * 2, stalled_timeout_s=0.3)
    try:
        async with asyncio.timeout(300):
            while len(state.connections) == 2 or state.load.requests == 2:
                assert await reader.read(1_000_000)
            for _ in range(20):
                assert await reader.read(1_000_000)
        assert len(state.connections) == 1
    finally:
        for writer in (silent, reading):
            writer.transport.abort()
        server.close()


async def test_a_connection_that_ends_while_it_waits_is_forgotten() -> None:
    server, [(_, silent)], state = await _connections([_REQUEST], stalled_timeout_s=300)
    async with asyncio.timeout(300):
        while not any(connection._stalled for connection in state.connections):
            await asyncio.sleep(0.01)
        [connection] = state.connections
        silent.transport.abort()
        while state.connections:
            await asyncio.sleep(0.01)
    assert connection._stalled is None
    server.close()


def test_a_response_to_a_lost_connection_that_waits_to_be_forgotten_is_no_error() -> None:
    waiting, sent, may_answer = list[Callable[[], object]](), list[str](), asyncio.Event()

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await may_answer.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        sent.append((await receive())["type"])

    async def lose_a_connection() -> None:
        server, [(_, writer)], state = await _connections([_REQUEST], stalled_timeout_s=300, application=application)
        state.load.losses.run = waiting.append
        async with asyncio.timeout(60):
            while not state.load.requests:
                await asyncio.sleep(0.001)
            writer.transport.abort()
            while not waiting:
                await asyncio.sleep(0.001)
            await loop_turns()
            may_answer.set()
            while state.tasks:
                await asyncio.sleep(0.001)
        [forget] = waiting
        forget()
        server.close()
        assert (state.load.requests, state.load.held_bytes, state.connections) == (0, 0, set())

    uvloop.run(lose_a_connection())  # uvloop refuses to write to a lost connection; asyncio ignores it
    assert sent == ["http.disconnect"]


async def test_a_client_that_reads_slowly_gets_all() -> None:
    server, [(reader, writer)], _ = await _connections([_REQUEST], stalled_timeout_s=1, application=_large)
    received = 0
    try:
        async with asyncio.timeout(300):
            while received < _LARGE:
                piece = await reader.read(65_536)
                assert piece, f"closed after {received:,} bytes"
                received += len(piece)
                await asyncio.sleep(0.01)
    finally:
        writer.transport.abort()
        server.close()


class _SlowClock(FakeClock):
    """A clock that advances by more than the time of a turn at each reading."""

    def monotonic(self) -> float:
        self._now += 1.0
        return self._now


class _Transport(asyncio.Transport):
    """A transport that records the written bytes; its client ends the stream when reading resumes after a pause."""

    def __init__(self, written: bytearray) -> None:
        super().__init__()
        self._written = written
        self._is_closing = False

    def write(self, data: Any) -> None:
        self._written += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        self.close()


async def test_a_request_that_waits_to_be_parsed_is_answered_before_the_server_stops() -> None:
    protocol, written, _ = _deferring()
    protocol.data_received(_REQUEST[:9])
    protocol.data_received(_REQUEST[9:])
    protocol.shutdown()
    for _ in range(20):
        await asyncio.sleep(0)
    assert written.count(b"HTTP/1.1 204") == 1
    assert protocol.transport.is_closing()


async def test_a_body_that_waits_to_be_parsed_is_not_lost_when_its_client_ends_the_stream() -> None:
    protocol, _, bodies = _deferring()
    body = b"x" * 60_000
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:9])
    protocol.data_received(body[9:])
    for _ in range(40):
        await asyncio.sleep(0)
    assert bodies == [body]


def _deferring() -> tuple[BoundedProtocol, bytearray, list[bytes]]:
    """Return a connection that defers the second received piece, with its written bytes and its requests' bodies."""
    bodies = list[bytes]()

    async def read(_scope: Any, receive: Any, send: Any) -> None:
        body, is_complete = b"", False
        while not is_complete:
            message = await receive()
            body, is_complete = body + message["body"], not message["more_body"]
        bodies.append(body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    config = uvicorn.Config(read, http=BoundedProtocol, lifespan="off", log_config=None)
    config.load()
    load, written = ServerLoad(), bytearray()
    load.turns = ParsingTurns(load.starts, clock=_SlowClock())
    protocol = BoundedProtocol(config, ServerStateWithLoad(load), {})
    protocol.connection_made(_Transport(written))
    return protocol, written, bodies
