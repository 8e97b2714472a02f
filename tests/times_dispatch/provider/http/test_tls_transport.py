"""Exchanges over TLS: a response is read however records and packets cut it, and every end is reported."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import uvloop

from tests.kit.scripted_server import ScriptedConnection, accept_all, serving
from tests.kit.tls import Certificates
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.http.connection import MAX_BODY_BYTES, Connection, RawResponse
from times_dispatch.provider.http.dialing import Dialer
from times_dispatch.provider.push_errors import NotSent

REQUEST = b"POST /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def dialer(url: str, certificates: Certificates, *, proxy: str = "") -> Dialer:
    provider = timesmobile_post(
        nickname="tm", username="u", password="p", endpoint=url, ca_file=str(certificates.ca), proxy=proxy
    )
    return Dialer(httpx.URL(url), provider)


async def exchange(connection: Connection) -> RawResponse:
    return await asyncio.wait_for(connection.exchange(REQUEST, float("inf")), 300)


@asynccontextmanager
async def connected(
    certificates: Certificates, script: Callable[[ScriptedConnection], object]
) -> AsyncIterator[Connection]:
    async with serving(script, tls=certificates.server("trusted")) as server:  # type: ignore[arg-type]
        connection = await dialer(server.url, certificates).dial(300)
        try:
            yield connection
        finally:
            connection.close()


@asynccontextmanager
async def relay(
    port: int,
    *,
    piece_bytes: int = 65_536,
    alter: Callable[[bytes], bytes] = bytes,
    begin: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None = None,
) -> AsyncIterator[int]:
    """Pass bytes on between clients and a server; yield the port for clients.

    Args:
        port: the server's port.
        piece_bytes: at most this many bytes are passed on at once.
        alter: changes what comes from the server.
        begin: talks to the client before anything is passed on.
    """
    tasks, writers = set[asyncio.Task[None]](), list[asyncio.StreamWriter]()

    async def forward(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(piece_bytes):
                writer.write(change(data))
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if begin:
            await begin(reader, writer)
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        writers.append(to_server)
        for one_way in (forward(reader, to_server, bytes), forward(from_server, writer, alter)):
            tasks.add(asyncio.create_task(one_way))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("size", [1_000_000, 5, 1], ids=["whole", "in-fives", "byte-by-byte"])
def test_a_response_is_read_from_however_many_records(
    certificates: Certificates, new_loop: Callable[[], asyncio.AbstractEventLoop], size: int
) -> None:
    response = HEAD + b"body"

    async def script(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            for at in range(0, len(response), size):
                await connection.write(response[at : at + size])  # each write is a record
                await asyncio.sleep(0)

    async def story() -> None:
        async with connected(certificates, script) as connection:
            for _ in range(3):
                assert (await exchange(connection)).body == b"body"
                assert connection.reusable

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


@pytest.mark.parametrize("size", [4_095, 4_096, 4_097, 16_384, 16_385, MAX_BODY_BYTES])
async def test_a_body_is_read_whole_at_the_limits_of_reads_and_records(certificates: Certificates, size: int) -> None:
    async def script(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            await connection.answer(b"{" + b"x" * (size - 1))

    async with connected(certificates, script) as connection:
        for _ in range(2):
            assert len((await exchange(connection)).body) == size


async def test_records_that_packets_cut_are_put_together(certificates: Certificates) -> None:
    async with (
        serving(accept_all, tls=certificates.server("trusted")) as server,
        relay(server.port, piece_bytes=7) as port,
    ):
        connection = await dialer(f"https://127.0.0.1:{port}/x", certificates).dial(300)
        assert [(await exchange(connection)).status for _ in range(2)] == [200, 200]
        connection.close()


async def test_a_second_response_in_the_same_record_closes_the_connection(certificates: Certificates) -> None:
    async def script(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write((HEAD + b"body") * 2)
        await connection.client_gone()

    async with connected(certificates, script) as connection:
        assert (await exchange(connection)).body == b"body"
        assert not connection.reusable


@pytest.mark.parametrize("size", [4_096 - len(HEAD) - 4, 8_000], ids=["at the end of a read", "in the next read"])
async def test_bytes_behind_a_response_close_the_connection_wherever_a_read_ends(
    certificates: Certificates, size: int
) -> None:
    async def script(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(HEAD + b"body" + b"x" * size)
        await connection.client_gone()

    async with connected(certificates, script) as connection:
        assert (await exchange(connection)).body == b"body"
        assert not connection.reusable


async def test_a_response_without_a_length_ends_with_its_connection(certificates: Certificates) -> None:
    async def script(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(b"HTTP/1.1 200 OK\r\n\r\nbody")

    async with connected(certificates, script) as connection:
        assert (await exchange(connection)).body == b"body"
        assert connection.closed or not connection.reusable


@pytest.mark.parametrize(
    ("body", "is_taken"),
    [
        (b'{"state": "SUBMIT_ACCEPTED"}', True),
        (b'[{"state": "SUBMIT_ACCEPTED"}]\r\n', True),
        (b'{"state": "SUBMIT_ACCEPTED"', False),
        (b'{"state": "SUBMIT_ACCEPTED"} and more', False),
        (b"accepted", False),
        (b"1", False),
        (b"", False),
    ],
)
async def test_a_response_without_a_length_that_may_be_cut_is_taken_only_if_no_part_of_it_reads_like_the_whole(
    certificates: Certificates, body: bytes, is_taken: bool
) -> None:
    async def script(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        connection.writer.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)  # TCP ends without the end of TLS
        await connection.client_gone()

    async with connected(certificates, script) as connection:
        if is_taken:
            assert (await exchange(connection)).body == body
        else:
            with pytest.raises(httpx.ReadError):
                await exchange(connection)
        assert connection.closed or not connection.reusable


async def test_a_response_with_a_length_needs_no_end_of_tls(certificates: Certificates) -> None:
    async def script(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(HEAD + b"body")
        connection.writer.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await connection.client_gone()

    async with connected(certificates, script) as connection:
        assert (await exchange(connection)).body == b"body"


async def test_a_record_that_was_altered_on_the_way_loses_the_exchange(certificates: Certificates) -> None:
    is_altered = False

    def alter(data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1]) if is_altered else data

    async with (
        serving(accept_all, tls=certificates.server("trusted")) as server,
        relay(server.port, alter=alter) as port,
    ):
        connection = await dialer(f"https://127.0.0.1:{port}/x", certificates).dial(300)
        assert (await exchange(connection)).status == 200
        is_altered = True
        with pytest.raises(httpx.ReadError):
            await exchange(connection)
        assert connection.closed


async def test_a_server_that_leaves_during_the_handshake_is_a_failure_of_tls(certificates: Certificates) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(leave, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(NotSent) as caught:
            await dialer(f"https://127.0.0.1:{port}/x", certificates).dial(300)
    assert caught.value.failure is Failure.TLS


async def test_a_handshake_that_takes_too_long_is_closed(certificates: Certificates) -> None:
    closed = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while await reader.read(65_536):
                pass
        closed.set()
        writer.close()

    async with await asyncio.start_server(stall, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        with pytest.raises(NotSent) as caught:
            await dialer(f"https://127.0.0.1:{port}/x", certificates).dial(0.05)
        await asyncio.wait_for(closed.wait(), 300)
    assert caught.value.failure is Failure.CONNECT_TIMEOUT


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_push_goes_through_the_tunnel_of_a_proxy(
    certificates: Certificates, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    asked = list[str]()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[0])
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def story() -> None:
        async with (
            serving(accept_all, tls=certificates.server("trusted")) as server,
            relay(server.port, begin=begin) as port,
        ):
            connections = dialer(server.url, certificates, proxy=f"http://127.0.0.1:{port}")
            for _ in range(2):
                connection = await connections.dial(300)
                assert [(await exchange(connection)).status for _ in range(2)] == [200, 200]
                connection.close()
            assert connections.tls
            assert (connections.tls.handshakes, connections.tls.resumed) == (2, 1)
            assert asked == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"] * 2

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


async def test_a_certificate_that_is_not_trusted_is_a_failure_of_tls(
    certificates: Certificates, tmp_path: Path
) -> None:
    others = Certificates(tmp_path)
    async with serving(accept_all, tls=others.server("trusted")) as server:
        with pytest.raises(NotSent) as caught:
            await dialer(server.url, certificates).dial(300)
    assert caught.value.failure is Failure.TLS
    assert server.received == []


async def test_tls_1_2_works_too(certificates: Certificates) -> None:
    context = certificates.server("trusted")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(accept_all, tls=context) as server:
        connections = dialer(server.url, certificates)
        for _ in range(2):
            connection = await connections.dial(300)
            assert [(await exchange(connection)).status for _ in range(2)] == [200, 200]
            connection.close()
    assert connections.tls
    assert connections.tls.resumed == 1
