"""Responses in the forms of servers and proxies, each read by a client over a real socket."""

import asyncio
import gzip
import json
import resource
import zlib
from collections.abc import Awaitable, Callable

import httpx
import pytest
from msgspec.structs import replace

from tests.kit.gzipped import gzipped
from tests.kit.scripted_server import ACCEPTED, ScriptedConnection, Server, accept_all, serving
from tests.kit.waiting import loop_turns
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.http.connection import MAX_BODY_BYTES, MAX_HEAD_BYTES
from times_dispatch.provider.http.transport import ProviderTransport
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.push import Push

LENGTH = b"%d" % len(ACCEPTED)
CHUNK = b"%x" % len(ACCEPTED)
PUSH = Push(to="919876543210", text="Hi", sender="TIMESM", content_id="1", correlation_id="c1", unicode=False)
REFUSED = b'{"transactionId": 0, "state": "SUBMIT_FAILED", "statusCode": 2054, "description": "no"}'
BOMB = gzipped(b"x" * 50_000_000, level=1)


async def outcomes(server: Server, pushes: int = 1) -> list[Outcome]:
    described = timesmobile_post(nickname="tm", username="user", password="hush", endpoint=server.url)
    async with Client(described) as client:
        return [await asyncio.wait_for(client.push(PUSH), 30) for _ in range(pushes)]


def writing(*pieces: bytes) -> Callable[[ScriptedConnection], Awaitable[None]]:
    async def script(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            for piece in pieces:
                await connection.write(piece)
                await loop_turns()  # so that each piece is read separately

    return script


async def outcome_of(response: bytes, *, size: int = 1_000_000) -> Outcome:
    """Push twice to a server that answers with these bytes, in pieces of *size* bytes; both outcomes must be equal."""
    pieces = [response[at : at + size] for at in range(0, len(response), size)]
    async with serving(writing(*pieces)) as server:
        first, second = await outcomes(server, 2)
    assert first == second
    return first


def with_body(body: bytes, headers: bytes = b"", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, headers, len(body), body)


async def test_a_push_asks_for_a_response_without_compression() -> None:
    async with serving(accept_all) as server:
        await outcomes(server)
    assert server.received[0].headers["Accept-Encoding"] == "identity"


async def test_a_header_of_the_settings_may_ask_for_something_else() -> None:
    described = timesmobile_post(nickname="tm", username="user", password="hush", endpoint="http://127.0.0.1:1/")
    async with serving(accept_all) as server:
        described = replace(described, endpoint=server.url, headers=(("accept-encoding", "gzip"),))
        async with Client(described) as client:
            await client.push(PUSH)
    names = [name.lower() for name in server.received[0].headers]
    assert names.count("accept-encoding") == 1


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body)[2:-4]


@pytest.mark.parametrize(
    ("headers", "compress"),
    [
        (b"Content-Encoding: gzip\r\n", gzip.compress),
        (b"content-encoding: X-GZIP\r\n", gzip.compress),
        (b"Content-Encoding:gzip , identity\r\n", gzip.compress),
        (b"Content-Encoding: deflate\r\n", zlib.compress),
        (b"Content-Encoding: deflate\r\n", raw_deflate),
        (b"Content-Encoding: deflate, gzip\r\n", lambda body: gzipped(zlib.compress(body))),
        (b"Content-Encoding: deflate\r\nContent-Encoding: gzip\r\n", lambda body: gzipped(zlib.compress(body))),
        (b"", gzip.compress),
        (b"Content-Encoding: gzip\r\n", lambda body: gzipped(body[:20]) + gzipped(body[20:])),
        (b"Content-Encoding: gzip\r\n", lambda body: gzipped(body) + b"\0" * 8),
        (b"Content-Encoding: gzip\r\n", bytes),
        (b"Content-Encoding: identity\r\n", bytes),
        (b"Content-Encoding: none\r\n", bytes),
    ],
    ids=[
        "gzip",
        "x-gzip",
        "with-identity",
        "deflate",
        "raw-deflate",
        "two",
        "two-headers",
        "no-header",
        "two-members",
        "padded",
        "header-only",
        "identity",
        "none",
    ],
)
@pytest.mark.parametrize("body", [ACCEPTED, REFUSED], ids=["accepted", "rejected"])
async def test_a_compressed_response_is_read(headers: bytes, compress: Callable[[bytes], bytes], body: bytes) -> None:
    outcome = await outcome_of(with_body(compress(body), headers))
    expected = (Verdict.ACCEPTED, 200) if body is ACCEPTED else (Verdict.REJECTED, 2054)
    assert (outcome.verdict, outcome.code) == expected


@pytest.mark.parametrize(
    "response",
    [
        with_body(b"\x0b\x02\x80", b"Content-Encoding: br\r\n"),
        with_body(b"\x28\xb5\x2f\xfd", b"Content-Encoding: zstd\r\n"),
        with_body(gzipped(ACCEPTED)[:-12], b"Content-Encoding: gzip\r\n"),
        with_body(b"\x1f\x8b\x08" + b"\0" * 40, b"Content-Encoding: gzip\r\n"),
        with_body(BOMB, b"Content-Encoding: gzip\r\n"),
        with_body(gzipped(BOMB), b"Content-Encoding: gzip, gzip\r\n"),
        with_body(gzipped(b"{" + b" " * MAX_BODY_BYTES + ACCEPTED[1:]), b"Content-Encoding: gzip\r\n"),
    ],
    ids=["brotli", "zstd", "cut", "damaged", "bomb", "bomb-in-a-bomb", "too-long"],
)
async def test_a_compressed_response_that_cannot_be_read_is_in_doubt(response: bytes) -> None:
    outcome = await outcome_of(response)
    assert (outcome.verdict, outcome.code) == (Verdict.IN_DOUBT, Failure.UNREADABLE_RESPONSE)


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\nContent-Length: " + LENGTH + b"\n\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nContent-Length: " + LENGTH + b"\n\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\nContent-Length: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nX-A: a\r\n  b\r\nContent-Length: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nX-A:\r\n\tb\r\n c\r\nContent-Length: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\nX-A: a\n  b\nContent-Length: " + LENGTH + b"\n\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nContent-Length : " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nX-A \t : a\r\nContent-Length\t: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n" + CHUNK + b"\r\n" + ACCEPTED + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n X-Ignored: a\r\nContent-Length: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\n" + 2 * (b"Content-Length: " + LENGTH + b"\r\n") + b"\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nContent-Length: " + LENGTH + b", " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        + CHUNK
        + b"\r\n"
        + ACCEPTED
        + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK + b"  \r\n" + ACCEPTED + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK + b"\r\n" + ACCEPTED + b"\r\n0\r\nX: y\n\r\n",
        b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200\r\nContent-Length: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1  200  OK\r\nContent-Length: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 D\xe9j\xe0 vu\r\nX-A: \xe9\r\nContent-Length: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nX-A: \x01b\r\nContent-Length: " + LENGTH + b"\r\n\r\n" + ACCEPTED,
        b"HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nX : y\nContent-Length: " + LENGTH + b"\n\n" + ACCEPTED,
        b"HTTP/1.1 103 Early Hints\r\nLink : </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
        + LENGTH
        + b"\r\n\r\n"
        + ACCEPTED,
        b"HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: "
        + LENGTH
        + b"\r\n\r\n"
        + ACCEPTED,
    ],
)
@pytest.mark.parametrize("size", [1_000_000, 1], ids=["whole", "byte-by-byte"])
async def test_a_response_is_read_where_rfc_9112_lets_a_client_read_it(response: bytes, size: int) -> None:
    outcome = await outcome_of(response, size=size)
    assert (outcome.verdict, outcome.code) == (Verdict.ACCEPTED, 200)
    assert outcome.transaction_id == "205538399"


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length : 4, 5\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nX-A: a\rContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nno field\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\n: no name\r\nContent-Length: 4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent Length : 4\r\n\r\nbody",
        b"HTTP/1.1 OK\r\nContent-Length : 4\r\n\r\nbody",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade : websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/9.9 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"+OK ready\r\n",
        b"<html><body>Bad gateway</body></html>",
        ACCEPTED,
    ],
)
async def test_a_response_with_two_meanings_or_none_is_in_doubt(response: bytes) -> None:
    outcome = await outcome_of(response)
    assert (outcome.verdict, outcome.code) == (Verdict.IN_DOUBT, Failure.UNREADABLE_RESPONSE)


@pytest.mark.parametrize("coding", [b"identity", b"Identity", b"x"])
async def test_a_response_with_another_transfer_coding_ends_with_its_connection(coding: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\nContent-Length: %b\r\n\r\n" % (coding, LENGTH)

    async def script(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(head + ACCEPTED)

    async with serving(script) as server:
        (outcome,) = await outcomes(server)
    assert (outcome.verdict, outcome.code) == (Verdict.ACCEPTED, 200)


@pytest.mark.parametrize("end", [b"\n", b"\n\r"])
async def test_chunks_that_do_not_end_as_chunks_do_are_in_doubt(end: bytes) -> None:
    """RFC 9112 lets a client accept bare line feeds in the head, but not around chunks."""
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + end.join([CHUNK, ACCEPTED, b"0", b""])
    outcome = await outcome_of(response)
    assert (outcome.verdict, outcome.code) == (Verdict.IN_DOUBT, Failure.UNREADABLE_RESPONSE)


async def test_a_repaired_response_is_the_last_of_its_connection() -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length : " + LENGTH + b"\r\n\r\n" + ACCEPTED
    async with serving(writing(response)) as server:
        assert {outcome.verdict for outcome in await outcomes(server, 3)} == {Verdict.ACCEPTED}
    assert server.connections == 3


async def test_a_response_in_bare_line_feeds_keeps_its_connection() -> None:
    response = b"HTTP/1.1 200 OK\nContent-Length: " + LENGTH + b"\n\n" + ACCEPTED
    async with serving(writing(response)) as server:
        assert {outcome.verdict for outcome in await outcomes(server, 3)} == {Verdict.ACCEPTED}
    assert server.connections == 1


ENDLESS = {
    "fields": (b"HTTP/1.1 200 OK\r\n", b"X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000),
    "one field": (b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 60_000),
    "a field's name": (b"HTTP/1.1 200 OK\r\n", b"a" * 60_000),
    "a folded field": (b"HTTP/1.1 200 OK\r\nX-A: a\r\n", b" a\r\n" * 15_000),
    "a field that cannot be read": (b"HTTP/1.1 200 OK\r\nX-A : ", b"a" * 60_000),
    "the reason": (b"HTTP/1.1 200 ", b"O" * 60_000),
    "empty lines": (b"", b"\r\n" * 30_000),
    "announcements": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000),
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 60_000),
    "a body with a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n\r\n", b"x" * 60_000),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
    "the size of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 60_000),
    "a chunk's extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=", b"x" * 60_000),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK + b"\r\n" + ACCEPTED + b"\r\n0\r\n",
        b"X-A: aaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000,
    ),
    "one trailer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK + b"\r\n" + ACCEPTED + b"\r\n0\r\nX-A: ",
        b"a" * 60_000,
    ),
}


@pytest.mark.parametrize("part", ENDLESS)
async def test_an_endless_response_is_in_doubt_and_takes_no_memory(part: str) -> None:
    begin, more = ENDLESS[part]
    written = 0

    async def write_for_ever(connection: ScriptedConnection) -> None:
        nonlocal written
        await connection.request()
        await connection.write(begin)
        while written < 200_000_000:
            await connection.write(more)
            written += len(more)

    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving(write_for_ever) as server:
        (outcome,) = await outcomes(server)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert (outcome.verdict, outcome.code) == (Verdict.IN_DOUBT, Failure.UNREADABLE_RESPONSE)
    assert written < 20_000_000
    assert grown_kb < 60_000


def head_of(size: int) -> bytes:
    end = b"\r\nContent-Length: " + LENGTH + b"\r\n\r\n"
    begin = b"HTTP/1.1 200 OK\r\nX-A: "
    return begin + b"a" * (size - len(begin) - len(end)) + end


@pytest.mark.parametrize(
    ("size", "verdict"),
    [(MAX_HEAD_BYTES - 5_000, Verdict.ACCEPTED), (MAX_HEAD_BYTES + 5_000, Verdict.IN_DOUBT)],
)
@pytest.mark.parametrize("piece", [1_000_000, 1_000])
async def test_a_head_may_have_64_kib(size: int, verdict: Verdict, piece: int) -> None:
    assert (await outcome_of(head_of(size) + ACCEPTED, size=piece)).verdict is verdict


@pytest.mark.parametrize(
    ("size", "verdict"),
    [(MAX_BODY_BYTES, Verdict.ACCEPTED), (MAX_BODY_BYTES + 1, Verdict.IN_DOUBT)],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_have_64_kib(size: int, verdict: Verdict, chunked: bool) -> None:
    body = json.dumps({**json.loads(ACCEPTED), "description": ""}).encode()
    body = body.replace(b'"description": ""', b'"description": "%b"' % (b"x" * (size - len(body))))
    chunks = [body[at : at + 20] for at in range(0, size, 20)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed if chunked else with_body(body)
    assert (await outcome_of(response)).verdict is verdict


async def test_a_body_may_come_in_chunks_of_one_byte() -> None:
    framed = b"".join(b"1\r\n%c\r\n" % byte for byte in ACCEPTED) + b"0\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed
    assert (await outcome_of(response)).verdict is Verdict.ACCEPTED


async def test_a_token_server_may_compress_its_response() -> None:
    token = gzipped(b'{"access_token": "t", "expires_in": 60}')
    async with serving(writing(with_body(token, b"Content-Encoding: gzip\r\n"))) as server:
        described = timesmobile_post(nickname="tm", username="user", password="hush", endpoint=server.url)
        async with ProviderTransport(described) as transport:
            response = await transport.handle_async_request(httpx.Request("POST", server.url, content=b"a=b"))
    assert response.json()["access_token"] == "t"
    assert server.received[0].headers["Accept-Encoding"] == "identity"
