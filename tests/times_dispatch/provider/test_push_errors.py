"""Every error of the allow-list, and errors that are not in the list, against a real socket."""

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.kit.scripted_server import Script, ScriptedConnection, Server, accept_all, hold, serving
from tests.kit.waiting import loop_turns
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import Provider, timesmobile_get, timesmobile_post
from times_dispatch.provider.failures import NOT_SENT, Failure
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.push import Push
from times_dispatch.provider.push_errors import NotSent, classify

Preset = Callable[..., Provider]
both_presets = pytest.mark.parametrize("preset", [timesmobile_post, timesmobile_get])

CA = trustme.CA()


def message(correlation_id: str = "c1") -> Push:
    return Push(
        to="919876543210", text="Hi", sender="TIMESM", content_id="1", correlation_id=correlation_id, unicode=False
    )


def tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def push(url: str, preset: Preset = timesmobile_post, **settings: object) -> Outcome:
    provider = preset(nickname="tm", username="u", password="p", endpoint=url, **settings)
    async with Client(provider) as client, asyncio.timeout(30):
        return await client.push(message())


async def say_nothing(connection: ScriptedConnection) -> None:
    await connection.client_gone()


async def read_a_byte_and_reset(connection: ScriptedConnection) -> None:
    await connection.reader.readexactly(1)
    connection.reset()


# Cases provably not sent: each yields the target of a push, and the server that must not have read a request.

Proof = tuple[str, dict[str, Any], Server | None]


@asynccontextmanager
async def unknown_name() -> AsyncIterator[Proof]:
    yield "http://nonexistent.invalid/x", {}, None


@asynccontextmanager
async def closed_port() -> AsyncIterator[Proof]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/x", {}, None


@asynccontextmanager
async def no_route() -> AsyncIterator[Proof]:
    if sys.platform != "linux":
        pytest.skip("only Linux has no route to loopback's broadcast address")
    yield "http://127.255.255.255:9/x", {}, None


@asynccontextmanager
async def full_backlog() -> AsyncIterator[Proof]:
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x", {"connect_timeout_s": 0.3}, None


@asynccontextmanager
async def stalled_handshake() -> AsyncIterator[Proof]:
    async with serving(say_nothing) as server:
        yield f"https://127.0.0.1:{server.port}/x", {"connect_timeout_s": 0.3}, server


@asynccontextmanager
async def untrusted_certificate() -> AsyncIterator[Proof]:
    async with serving(accept_all, tls=tls(CA.issue_cert("127.0.0.1"))) as server:
        yield server.url, {}, server


@asynccontextmanager
async def certificate_of_another_name(tmp_path: Path) -> AsyncIterator[Proof]:
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with serving(accept_all, tls=tls(CA.issue_cert("sms.example"))) as server:
        yield server.url, {"ca_file": str(tmp_path / "ca.pem")}, server


@asynccontextmanager
async def handshake_cut_off() -> AsyncIterator[Proof]:
    async with serving(read_a_byte_and_reset) as server:
        yield f"https://127.0.0.1:{server.port}/x", {}, server


@asynccontextmanager
async def tls_to_a_plain_port() -> AsyncIterator[Proof]:
    async def refuse(connection: ScriptedConnection) -> None:
        await connection.reader.read(1)
        await connection.answer(b"", status="400 Bad Request")

    async with serving(refuse) as server:
        yield f"https://127.0.0.1:{server.port}/x", {}, server


@asynccontextmanager
async def proxy_that_refuses_the_tunnel() -> AsyncIterator[Proof]:
    async def refuse(connection: ScriptedConnection) -> None:
        assert (await connection.request()).line.startswith("CONNECT ")
        connection.server.received.clear()
        await connection.answer(b"", status="403 Forbidden")

    async with serving(refuse) as server:
        yield "https://sms.invalid/x", {"proxy": f"http://127.0.0.1:{server.port}"}, server


@asynccontextmanager
async def proxy_that_is_down() -> AsyncIterator[Proof]:
    async with closed_port() as (url, _, _):
        yield "https://sms.invalid/x", {"proxy": url.removesuffix("/x")}, None


PROOFS: list[tuple[Failure, Callable[[], AbstractAsyncContextManager[Proof]]]] = [
    (Failure.DNS, unknown_name),
    (Failure.REFUSED, closed_port),
    (Failure.REFUSED, proxy_that_is_down),
    (Failure.UNREACHABLE, no_route),
    (Failure.CONNECT_TIMEOUT, full_backlog),
    (Failure.CONNECT_TIMEOUT, stalled_handshake),
    (Failure.TLS, untrusted_certificate),
    (Failure.TLS, handshake_cut_off),
    (Failure.TLS, tls_to_a_plain_port),
    (Failure.TLS, proxy_that_refuses_the_tunnel),
]


@both_presets
@pytest.mark.parametrize(("failure", "proof"), PROOFS)
async def test_a_push_that_ends_before_the_first_byte_is_not_sent(
    failure: Failure, proof: Callable[[], AbstractAsyncContextManager[Proof]], preset: Preset
) -> None:
    async with proof() as (url, settings, server):
        outcome = await push(url, preset, **settings)
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_SENT, failure)
    assert server is None or server.received == []


async def test_a_certificate_of_another_name_is_not_sent(tmp_path: Path) -> None:
    async with certificate_of_another_name(tmp_path) as (url, settings, server):
        outcome = await push(url, **settings)
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_SENT, Failure.TLS)
    assert server is not None
    assert server.received == []


async def test_a_push_that_gets_no_connection_of_the_pool_is_not_sent() -> None:
    async with serving(hold) as server:
        provider = timesmobile_post(
            nickname="tm", username="u", password="p", endpoint=server.url, connect_timeout_s=0.3, max_connections=1
        )
        async with Client(provider) as client:
            first = asyncio.create_task(client.push(message()))
            await asyncio.wait_for(server.read.wait(), 30)
            outcome = await client.push(message("c2"))
            first.cancel()
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_SENT, Failure.POOL_TIMEOUT)
    assert len(server.received) == 1


def test_every_line_of_the_allow_list_has_its_proof() -> None:
    assert {failure for failure, _ in PROOFS} | {Failure.POOL_TIMEOUT} == set(NOT_SENT)


# Cases in doubt: the server has read the request, or may have read the request.


async def read_and_close(connection: ScriptedConnection) -> None:
    await connection.request()


async def read_and_reset(connection: ScriptedConnection) -> None:
    await connection.request()
    connection.reset()


async def answer_half_a_body(connection: ScriptedConnection) -> None:
    await connection.request()
    await connection.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"state":')


async def answer_half_a_head(connection: ScriptedConnection) -> None:
    await connection.request()
    await connection.write(b"HTTP/1.1 200 OK\r\nConte")


async def answer_a_broken_chunk(connection: ScriptedConnection) -> None:
    await connection.request()
    await connection.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n{}")


async def drip_the_body(connection: ScriptedConnection) -> None:
    await connection.request()
    await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await connection.write(b" ")
        await asyncio.sleep(0.02)


async def drip_the_head(connection: ScriptedConnection) -> None:
    await connection.request()
    await connection.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        await connection.write(b"x")
        await asyncio.sleep(0.02)


async def answer_no_http(connection: ScriptedConnection) -> None:
    await connection.request()
    await connection.write(b"220 mail.example ESMTP\r\n\r\n")


@both_presets
@pytest.mark.parametrize(
    ("script", "failure", "read"),
    [
        (hold, Failure.READ_TIMEOUT, 1),
        (drip_the_body, Failure.READ_TIMEOUT, 1),
        (drip_the_head, Failure.READ_TIMEOUT, 1),
        (read_and_close, Failure.CONNECTION_LOST, 1),
        (read_and_reset, Failure.CONNECTION_LOST, 1),
        (answer_half_a_body, Failure.CONNECTION_LOST, 1),
        (answer_half_a_head, Failure.CONNECTION_LOST, 1),
        (answer_a_broken_chunk, Failure.CONNECTION_LOST, 1),
        (answer_no_http, Failure.UNREADABLE_RESPONSE, 1),
        (read_a_byte_and_reset, Failure.CONNECTION_LOST, 0),
    ],
)
async def test_a_push_that_ends_after_a_byte_may_have_been_sent_is_in_doubt_and_sent_once(
    script: Script, failure: Failure, read: int, preset: Preset
) -> None:
    limits = {"connect_timeout_s": 0.4, "total_timeout_s": 0.5} if failure is Failure.READ_TIMEOUT else {}
    async with serving(script) as server:
        outcome = await push(server.url, preset, **limits)
    assert (outcome.verdict, outcome.code) == (Verdict.IN_DOUBT, failure)
    assert (len(server.received), server.connections) == (read, 1)


@both_presets
async def test_a_kept_alive_connection_closed_after_the_next_request_was_read_is_in_doubt(preset: Preset) -> None:
    async def answer_one_and_read_another(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.answer()
        await connection.request()

    async with serving(answer_one_and_read_another) as server:
        provider = preset(nickname="tm", username="u", password="p", endpoint=server.url)
        async with Client(provider) as client:
            outcomes = [await client.push(message(f"c{number}")) for number in range(3)]
    assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED, Verdict.IN_DOUBT, Verdict.ACCEPTED]
    assert len(server.received) == 3
    assert server.connections == 2


@both_presets
@pytest.mark.parametrize("closes_after_turns", [0, 1, 3])
async def test_an_idle_connection_that_the_server_closes_costs_no_second_copy(
    closes_after_turns: int, preset: Preset
) -> None:
    async def answer_one_and_close(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.answer()
        await loop_turns(closes_after_turns)  # so that the close comes before, during or after the next request

    async with serving(answer_one_and_close) as server:
        provider = preset(nickname="tm", username="u", password="p", endpoint=server.url)
        async with Client(provider) as client:
            verdicts = {name: (await client.push(message(name))).verdict for name in map("c{:03}".format, range(200))}
    read = [f"{request.line} {request.body.decode()}" for request in server.received]
    copies = {name: sum(name in text for text in read) for name in verdicts}
    assert {name for name, verdict in verdicts.items() if verdict is not Verdict.IN_DOUBT} == {
        name for name, count in copies.items() if count
    }
    assert max(copies.values()) == 1
    assert set(verdicts.values()) <= {Verdict.ACCEPTED, Verdict.IN_DOUBT}


async def test_a_connection_that_the_server_announces_to_close_is_not_used_again() -> None:
    async def answer_one_and_close(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.answer(headers="Connection: close\r\n")

    async with serving(answer_one_and_close) as server:
        provider = timesmobile_post(nickname="tm", username="u", password="p", endpoint=server.url)
        async with Client(provider) as client:
            verdicts = [(await client.push(message())).verdict for _ in range(50)]
    assert set(verdicts) == {Verdict.ACCEPTED}
    assert server.connections == 50


async def test_tls_that_ends_after_the_request_was_read_is_in_doubt(tmp_path: Path) -> None:
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with serving(read_and_close, tls=tls(CA.issue_cert("127.0.0.1"))) as server:
        outcome = await push(server.url, ca_file=str(tmp_path / "ca.pem"))
    assert (outcome.verdict, outcome.code) == (Verdict.IN_DOUBT, Failure.CONNECTION_LOST)
    assert len(server.received) == 1


async def test_a_server_that_wants_our_certificate_says_so_too_late_for_a_proof(tmp_path: Path) -> None:
    CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = tls(CA.issue_cert("127.0.0.1"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # the client's part of the handshake ends before the refusal
    context.verify_mode = ssl.CERT_REQUIRED
    async with serving(accept_all, tls=context) as server:
        outcome = await push(server.url, ca_file=str(tmp_path / "ca.pem"))
    assert outcome.verdict is Verdict.IN_DOUBT
    assert server.received == []


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (NotSent(Failure.DNS), Verdict.NOT_SENT, Failure.DNS),
        (httpx.ConnectError("no proof"), Verdict.IN_DOUBT, Failure.CONNECTION_LOST),
        (httpx.ConnectTimeout("no proof"), Verdict.IN_DOUBT, Failure.READ_TIMEOUT),
        (httpx.PoolTimeout("no proof"), Verdict.IN_DOUBT, Failure.READ_TIMEOUT),
        (httpx.WriteError(""), Verdict.IN_DOUBT, Failure.CONNECTION_LOST),
        (httpx.RemoteProtocolError(""), Verdict.IN_DOUBT, Failure.UNREADABLE_RESPONSE),
        (ConnectionRefusedError(), Verdict.IN_DOUBT, Failure.CONNECTION_LOST),
        (TimeoutError(), Verdict.IN_DOUBT, Failure.READ_TIMEOUT),
        (ValueError(), Verdict.IN_DOUBT, Failure.UNEXPECTED),
    ],
)
def test_only_not_sent_proves_anything(error: Exception, verdict: Verdict, code: Failure) -> None:
    outcome = classify(error)
    assert (outcome.verdict, outcome.code) == (verdict, code)
    assert outcome.reason
