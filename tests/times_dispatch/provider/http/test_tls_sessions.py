"""Connections to a provider over TLS: they resume sessions, and still verify the server."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvloop

from tests.kit.tls import Certificates
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.http.dialing import Dialer
from times_dispatch.provider.http.tls_sessions import client_context
from times_dispatch.provider.push_errors import NotSent

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def server(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(RESPONSE)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def silent_for_the_first(context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve a port whose first connection gets no answer; all other connections are passed to a server."""
    seen, open_writers = list[asyncio.Task[None]](), list[asyncio.StreamWriter]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        if len(open_writers) == 1:
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", behind)
        open_writers.append(to_writer)
        seen.extend([asyncio.create_task(pump(reader, to_writer)), asyncio.create_task(pump(to_reader, writer))])

    async with server(context) as behind, await asyncio.start_server(carry, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]
        for writer in open_writers:
            writer.close()
        await asyncio.gather(*seen, return_exceptions=True)


def dialer(port: int, ca: Path) -> Dialer:
    url = f"https://127.0.0.1:{port}/"
    provider = timesmobile_post(nickname="times", username="u", password="p", endpoint=url, ca_file=str(ca))
    return Dialer(httpx.URL(url), provider)


async def exchange(connections: Dialer, within_s: float = 300.0) -> None:
    connection = await connections.dial(within_s)
    response = await connection.exchange(b"GET / HTTP/1.1\r\n\r\n", asyncio.get_running_loop().time() + 300)
    assert response.status == 200
    connection.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_every_connection_after_the_first_resumes_its_session(
    certificates: Certificates, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def story() -> None:
        async with server(certificates.server("trusted")) as port:
            connections = dialer(port, certificates.ca)
            for _ in range(5):
                await exchange(connections)
            assert connections.tls
            assert (connections.tls.handshakes, connections.tls.resumed) == (5, 4)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_of_connections_that_are_made_at_the_same_time_all_but_the_first_resume_its_session(
    certificates: Certificates, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def story() -> None:
        async with server(certificates.server("trusted")) as port:
            connections = dialer(port, certificates.ca)
            await asyncio.gather(*(exchange(connections) for _ in range(30)))
            assert connections.tls
            assert (connections.tls.handshakes, connections.tls.resumed) == (30, 29)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(story())


async def test_connections_to_a_server_without_tickets_are_made_all_the_same(certificates: Certificates) -> None:
    without_tickets = certificates.server("trusted")
    without_tickets.num_tickets = 0
    async with server(without_tickets) as port:
        connections = dialer(port, certificates.ca)
        await asyncio.gather(*(exchange(connections) for _ in range(5)))
        assert connections.tls
        assert (connections.tls.handshakes, connections.tls.resumed) == (5, 0)


async def test_while_the_first_handshake_stalls_the_others_wait_for_a_part_of_their_time_only(
    certificates: Certificates,
) -> None:
    async with silent_for_the_first(certificates.server("trusted")) as port:
        connections = dialer(port, certificates.ca)
        first = asyncio.create_task(connections.dial(300))
        await asyncio.sleep(0)
        await asyncio.gather(*(exchange(connections, within_s=8.0) for _ in range(3)))
        assert not first.done()
        first.cancel()
        await asyncio.wait([first])


async def test_after_a_first_handshake_that_failed_the_next_connection_goes_first(certificates: Certificates) -> None:
    async with server(certificates.server("trusted")) as port:
        connections = dialer(port, certificates.ca)
        assert connections.tls
        first = asyncio.create_task(connections.dial(300))
        await asyncio.sleep(0)
        others = [asyncio.create_task(exchange(connections)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(*others)
        assert connections.tls.resumed == 2


async def test_a_server_that_forgot_the_session_gets_a_whole_handshake(certificates: Certificates) -> None:
    async with server(certificates.server("trusted")) as port:
        connections = dialer(port, certificates.ca)
        await exchange(connections)
    restarted = certificates.server("trusted")
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port, ssl=restarted)
    async with listening:
        (await connections.dial(10)).close()
    assert connections.tls
    assert (connections.tls.handshakes, connections.tls.resumed) == (2, 0)


@pytest.mark.parametrize("kind", ["of an unknown CA", "of another host"])
async def test_a_session_of_a_trusted_server_helps_no_other_server(certificates: Certificates, kind: str) -> None:
    async with server(certificates.server("trusted")) as port:
        connections = dialer(port, certificates.ca)
        await exchange(connections)
    async with await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", port, ssl=certificates.server(kind)
    ):
        with pytest.raises(NotSent):
            await connections.dial(10)


def test_a_context_verifies_as_the_one_of_httpx() -> None:
    ours, usual = client_context(), httpx.create_ssl_context(trust_env=False)
    for name in ("verify_mode", "check_hostname", "options", "verify_flags", "minimum_version"):
        assert getattr(ours, name) == getattr(usual, name), name
    assert ours.cert_store_stats() == usual.cert_store_stats()


async def test_one_session_serves_many_connections_until_half_of_its_life_is_over(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(certificates.server("trusted")) as port:
        connections = dialer(port, certificates.ca)
        for _ in range(2):
            await exchange(connections)
        context = connections.tls
        assert context
        session = context._session
        assert session
        await exchange(connections)
        assert context._session is session
        monkeypatch.setattr(context, "_renew_at_s", 0.0)
        await exchange(connections)
        assert context._session is not session
        assert (context.handshakes, context.resumed) == (4, 3)


async def test_a_session_that_is_not_resumed_is_given_up(certificates: Certificates) -> None:
    async with server(certificates.server("trusted")) as port:
        connections = dialer(port, certificates.ca)
        for _ in range(2):
            await exchange(connections)
    restarted = certificates.server("trusted")
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port, ssl=restarted):
        (await connections.dial(10)).close()
    assert connections.tls
    assert connections.tls._session is None


async def test_after_a_connection_that_failed_the_next_one_begins_without_a_session(certificates: Certificates) -> None:
    async with server(certificates.server("trusted")) as port:
        connections = dialer(port, certificates.ca)
        await exchange(connections)
        await exchange(connections)
    assert connections.tls
    assert connections.tls.resumed == 1
    with pytest.raises(NotSent):  # the server is gone
        await connections.dial(10)
    connection = connections.tls.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="127.0.0.1")
    assert connection.session is None
