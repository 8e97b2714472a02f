"""Which bytes are the response to a request: servers that write in every way HTTP/1.1 allows, and in other ways."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import uvloop

from tests.kit.scripted_server import ScriptedConnection, accept_all, serving
from tests.kit.waiting import loop_turns
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.http.connection import ACKNOWLEDGED_WITHIN_MS, Connection
from times_dispatch.provider.http.transport import ProviderTransport
from times_dispatch.provider.push import Push
from times_dispatch.provider.request.payload import Payload


class OneConnection:
    """A transport with the payload of its provider."""

    def __init__(self, url: str) -> None:
        described = timesmobile_post(nickname="tm", username="user", password="hush", endpoint=url)
        self.payload = Payload(described)
        self.transport = ProviderTransport(described)

    async def push(self) -> httpx.Response:
        push = Push(to="919876543210", text="Hi", sender="TIMESM", content_id="1", correlation_id="c1", unicode=False)
        return await asyncio.wait_for(self.transport.handle_async_request(self.payload.request(push)), 30)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has this option")
@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_request_that_the_other_host_does_not_acknowledge_loses_its_connection(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def option() -> int:
        async with serving(accept_all) as server:
            url = httpx.URL(server.url)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(Connection, url.host, url.port or 0)
            connected: socket.socket = transport.get_extra_info("socket")
            value = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            transport.abort()
            return value

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(option()) == ACKNOWLEDGED_WITHIN_MS


@asynccontextmanager
async def sending(url: str) -> AsyncIterator[OneConnection]:
    sender = OneConnection(url)
    async with sender.transport:
        yield sender


def writing(*pieces: bytes) -> Callable[[ScriptedConnection], object]:
    async def script(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            for piece in pieces:
                await connection.write(piece)
                await loop_turns()  # so that each piece is read by itself

    return script


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nX-Long: " + b"x" * 5000 + b"\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n3;x=y\r\node"[:-3] + b"ody\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ],
    ids=["length", "long-head", "chunked", "100", "103"],
)
@pytest.mark.parametrize("size", [1_000_000, 7, 1], ids=["whole", "in-sevens", "byte-by-byte"])
async def test_an_answer_is_read_however_it_is_framed_and_cut(answer: bytes, size: int) -> None:
    if size == 1 and len(answer) > 1000:
        pytest.skip("a long response in single bytes tests nothing more than a short one")
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    async with serving(writing(*pieces)) as server, sending(server.url) as sender:  # type: ignore[arg-type]
        for _ in range(2):
            response = await sender.push()
            assert (response.status_code, response.content) == (200, b"body")
    assert server.connections == 1


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def answer_and_close(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(b"HTTP/1.1 200 OK\r\n\r\nbo")
        await connection.write(b"dy")

    async with serving(answer_and_close) as server, sending(server.url) as sender:
        for _ in range(2):
            assert (await sender.push()).content == b"body"
    assert server.connections == 2


async def test_an_answer_without_a_length_that_is_reset_is_lost() -> None:
    async def answer_and_reset(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(b"HTTP/1.1 200 OK\r\n\r\nbo")
        await loop_turns()  # a reset discards bytes that the client has not read
        connection.reset()

    async with serving(answer_and_reset) as server, sending(server.url) as sender:
        with pytest.raises(httpx.ReadError):
            await sender.push()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
    ],
)
async def test_a_connection_that_will_not_be_kept_is_used_once(answer: bytes) -> None:
    async with serving(writing(answer)) as server, sending(server.url) as sender:  # type: ignore[arg-type]
        for _ in range(3):
            assert (await sender.push()).content == b"body"
        while server.open:
            await asyncio.sleep(0.001)
    assert server.connections == 3


async def test_a_second_answer_that_nobody_asked_for_is_not_the_next_pushs() -> None:
    async def answer_twice(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
            await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody" + forged)

    async with serving(answer_twice) as server, sending(server.url) as sender:
        assert [(await sender.push()).content for _ in range(5)] == [b"body"] * 5
    assert server.connections == 5


async def test_bytes_that_a_server_sends_unasked_close_the_connection_and_answer_no_push() -> None:
    said = asyncio.Event()

    async def answer_and_speak(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.answer(b"body")
        if connection.server.connections == 1:
            await loop_turns()  # so that the second response arrives separately
            await connection.write(b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\n\r\n")
            await connection.client_gone()
            said.set()

    async with serving(answer_and_speak) as server, sending(server.url) as sender:
        assert (await sender.push()).content == b"body"
        await asyncio.wait_for(said.wait(), 30)
        response = await sender.push()
    assert (response.status_code, response.content) == (200, b"body")
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nbody",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
    ids=["upgrade", "bad-length", "two-lengths", "length-and-chunks", "tls-alert"],
)
async def test_bytes_that_are_no_http_answer_are_an_error(answer: bytes) -> None:
    async with serving(writing(answer)) as server, sending(server.url) as sender:  # type: ignore[arg-type]
        with pytest.raises(httpx.RemoteProtocolError):
            await sender.push()


async def test_a_status_without_a_body_is_an_answer() -> None:
    async with serving(writing(b"HTTP/1.1 204 No Content\r\n\r\n")) as server, sending(server.url) as sender:  # type: ignore[arg-type]
        response = await sender.push()
        assert (response.status_code, response.content) == (204, b"")
        await sender.push()
    assert server.connections == 1


async def test_a_token_may_come_from_another_host_over_the_same_transport() -> None:
    async with serving(accept_all) as server, serving(accept_all) as other, sending(server.url) as sender:
        request = httpx.Request("POST", other.url, content=b"grant_type=client_credentials")
        response = await sender.transport.handle_async_request(request)
        await sender.push()
    assert response.status_code == 200
    assert [received.body for received in other.received] == [b"grant_type=client_credentials"]
    assert len(server.received) == 1
