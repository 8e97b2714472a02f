"""Odd responses of servers, proxies and firewalls over a real socket: an outcome is decided only if it is certain."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from time import time

import pytest
from msgspec.structs import replace

from tests.kit.gzipped import gzipped
from tests.kit.scripted_server import ACCEPTED, ScriptedConnection, serving
from tests.kit.waiting import loop_turns
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.outcomes import BrakeScope, Outcome, Verdict
from times_dispatch.provider.push import Push

PUSH = Push(to="919876543210", text="Hi", sender="TIMESM", content_id="1", correlation_id="c1", unicode=False)
BAD_NUMBER = b'{"transactionId": 0, "state": "SUBMIT_FAILED", "statusCode": 2054, "description": "no"}'
BAD_LOGIN = b'{"transactionId": 0, "state": "SUBMIT_FAILED", "statusCode": 2070, "description": "no"}'
HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
XML = b'<?xml version="1.0"?><response><state>SUBMIT_ACCEPTED</state><statusCode>200</statusCode></response>'

ACCEPT, REJECT, BRAKE, WAIT, DOUBT = (
    Verdict.ACCEPTED,
    Verdict.REJECTED,
    Verdict.BRAKE,
    Verdict.THROTTLED,
    Verdict.IN_DOUBT,
)


def with_body(body: bytes, headers: bytes = b"", status: bytes = b"200 OK", version: bytes = b"1.1") -> bytes:
    return b"HTTP/%b %b\r\n%bContent-Length: %d\r\n\r\n%b" % (version, status, headers, len(body), body)


def in_chunks(*chunks: bytes, headers: bytes = b"", trailer: bytes = b"", extension: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n" % headers
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    return head + framed + b"0%b\r\n%b\r\n" % (extension, trailer)


def until_the_end(body: bytes, status: bytes = b"200 OK", headers: bytes = b"", version: bytes = b"1.0") -> bytes:
    return b"HTTP/%b %b\r\n%b\r\n%b" % (version, status, headers, body)


async def push_to(script: Callable[[ScriptedConnection], Awaitable[None]], timeout_s: float = 10) -> Outcome:
    async with serving(script) as server:
        described = timesmobile_post(nickname="tm", username="user", password="hush", endpoint=server.url)
        async with Client(described) as client:
            return await asyncio.wait_for(client.push(PUSH), timeout_s)


def writing(*pieces: bytes) -> Callable[[ScriptedConnection], Awaitable[None]]:
    """Return the script of a server that reads a request, writes the pieces of its response, and closes."""

    async def script(connection: ScriptedConnection) -> None:
        await connection.request()
        for piece in pieces:
            await connection.write(piece)
            await loop_turns()  # so that each piece is read separately

    return script


HALF = len(ACCEPTED) // 2

STATUSES = {
    400: REJECT, 401: BRAKE, 402: BRAKE, 403: BRAKE, 404: BRAKE, 405: BRAKE, 406: BRAKE, 407: BRAKE,
    408: DOUBT, 409: DOUBT, 410: BRAKE, 411: BRAKE, 412: DOUBT, 413: REJECT, 414: REJECT, 415: BRAKE,
    421: DOUBT, 423: DOUBT, 424: DOUBT, 425: DOUBT, 426: DOUBT, 428: DOUBT, 429: WAIT, 431: REJECT,
    444: DOUBT, 451: DOUBT, 460: DOUBT, 499: DOUBT, 500: DOUBT, 501: DOUBT, 502: DOUBT, 503: DOUBT,
    504: DOUBT, 505: DOUBT, 508: DOUBT, 511: DOUBT, 520: DOUBT, 522: DOUBT, 525: DOUBT, 530: DOUBT,
}  # fmt: skip

RESPONSES: dict[str, tuple[bytes, Verdict]] = {
    # Announcements and statuses without a body
    "100 before the response": (b"HTTP/1.1 100 Continue\r\n\r\n" + with_body(ACCEPTED), ACCEPT),
    "102 and 103 before the response": (
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + with_body(BAD_NUMBER),
        REJECT,
    ),
    "100 with a length": (b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + with_body(ACCEPTED), ACCEPT),
    "100 alone": (b"HTTP/1.1 100 Continue\r\n\r\n", DOUBT),
    "101": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n" + ACCEPTED, DOUBT),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", DOUBT),
    "204 with a body": (with_body(ACCEPTED, status=b"204 No Content"), DOUBT),
    "205 with a body": (with_body(ACCEPTED, status=b"205 Reset Content"), ACCEPT),
    "304": (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", DOUBT),
    "200 without a body": (with_body(b""), DOUBT),
    "200 with blanks": (with_body(b" \r\n \r\n"), DOUBT),
    "200 without a length and a body": (until_the_end(b""), DOUBT),
    "202 without a body": (with_body(b"", status=b"202 Accepted"), DOUBT),
    # HTTP/1.0 and the end of the connection
    "HTTP/1.0 until the end": (until_the_end(ACCEPTED), ACCEPT),
    "HTTP/1.0 cut": (until_the_end(ACCEPTED[:HALF]), DOUBT),
    "HTTP/1.0 keep-alive": (with_body(ACCEPTED, b"Connection: keep-alive\r\n", version=b"1.0"), ACCEPT),
    "HTTP/1.0 keep-alive without a length": (until_the_end(ACCEPTED, headers=b"Connection: keep-alive\r\n"), ACCEPT),
    "HTTP/1.1 until the end": (until_the_end(ACCEPTED, version=b"1.1"), ACCEPT),
    "HTTP/1.0 in chunks": (in_chunks(ACCEPTED).replace(b"HTTP/1.1", b"HTTP/1.0"), ACCEPT),
    "HTTP/0.9": (ACCEPTED, DOUBT),
    "HTTP/2.0 in text": (with_body(ACCEPTED, version=b"2.0"), ACCEPT),
    "ICY": (b"ICY 200 OK\r\n\r\n" + ACCEPTED, DOUBT),
    # Lengths
    "length twice": (with_body(ACCEPTED, b"Content-Length: %d\r\n" % len(ACCEPTED)), ACCEPT),
    "two lengths": (with_body(ACCEPTED, b"Content-Length: 3\r\n"), DOUBT),
    "length too long": (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + ACCEPTED, DOUBT),
    "length too short": (b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + ACCEPTED, DOUBT),
    "length 0 before a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + ACCEPTED, DOUBT),
    "length below zero": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + ACCEPTED, DOUBT),
    "length with a point": (b"HTTP/1.1 200 OK\r\nContent-Length: 40.0\r\n\r\n" + ACCEPTED, DOUBT),
    "length empty": (b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n" + ACCEPTED, DOUBT),
    "length of the uncompressed body": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzipped(ACCEPTED) * 2)
        + gzipped(ACCEPTED),
        DOUBT,
    ),
    "a response after the response": (with_body(BAD_NUMBER) + with_body(ACCEPTED), REJECT),
    # Fields
    "folded fields": (with_body(ACCEPTED, b"X-A: a,\r\n\tb,\r\n c\r\n"), ACCEPT),
    "folded length": (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n %d\r\n\r\n" % len(ACCEPTED) + ACCEPTED, ACCEPT),
    "fields of 30 kB": (with_body(ACCEPTED, b"X-Cookie: %b\r\n" % (b"a" * 30_000)), ACCEPT),
    "fields of 100 kB": (with_body(ACCEPTED, b"".join(b"X-%d: %b\r\n" % (n, b"a" * 100) for n in range(1000))), DOUBT),
    "500 small fields": (with_body(ACCEPTED, b"".join(b"X-%d: a\r\n" % n for n in range(500))), ACCEPT),
    "field in UTF-8": (with_body(ACCEPTED, "X-Name: आशा\r\n".encode()), ACCEPT),
    "field without a value": (with_body(ACCEPTED, b"X-Empty:\r\nX-Blank: \t \r\n"), ACCEPT),
    "field with a zero byte": (with_body(ACCEPTED, b"X-A: a\0b\r\n"), DOUBT),
    "line without a colon": (with_body(ACCEPTED, b"Set-Cookie\r\n"), DOUBT),
    "status without a reason": (with_body(ACCEPTED, status=b"200"), ACCEPT),
    "status of four digits": (with_body(ACCEPTED, status=b"2000 OK"), DOUBT),
    "status of two digits": (with_body(ACCEPTED, status=b"20 OK"), DOUBT),
    "status of 999": (with_body(BAD_NUMBER, status=b"999 Blocked"), REJECT),
    "reason of 20 kB": (with_body(ACCEPTED, status=b"200 " + b"O" * 20_000), ACCEPT),
    # Chunks
    "chunks": (in_chunks(ACCEPTED[:7], ACCEPTED[7:8], ACCEPTED[8:]), ACCEPT),
    "chunks of a byte": (in_chunks(*(bytes([byte]) for byte in ACCEPTED)), ACCEPT),
    "chunks with an extension": (in_chunks(ACCEPTED, extension=b';name="a;b"'), ACCEPT),
    "sizes in capitals with zeros": (
        in_chunks().replace(b"0\r\n", b"%08X\r\n%b\r\n0\r\n" % (len(ACCEPTED), ACCEPTED)),
        ACCEPT,
    ),
    "a trailer": (in_chunks(ACCEPTED, trailer=b"X-Checksum: abc\r\nServer-Timing: a\r\n"), ACCEPT),
    "a trailer with a length": (in_chunks(ACCEPTED, trailer=b"Content-Length: 3\r\n"), DOUBT),
    "chunks without the last": (in_chunks(ACCEPTED)[:-5], DOUBT),
    "chunks without the last line": (in_chunks(ACCEPTED)[:-2], DOUBT),
    "chunk cut": (in_chunks(ACCEPTED)[:90], DOUBT),
    "chunk longer than its size": (in_chunks(ACCEPTED).replace(b"%x\r\n" % len(ACCEPTED), b"9\r\n"), DOUBT),
    "chunk size with 0x": (in_chunks(ACCEPTED).replace(b"%x\r\n" % len(ACCEPTED), b"0x%x\r\n" % len(ACCEPTED)), DOUBT),
    "chunk size of 17 digits": (
        in_chunks(ACCEPTED).replace(b"%x\r\n" % len(ACCEPTED), b"1" + b"0" * 16 + b"\r\n"),
        DOUBT,
    ),
    "an empty chunk first": (in_chunks() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ACCEPTED), ACCEPTED), DOUBT),
    "a plain body said to be chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + ACCEPTED,
        DOUBT,
    ),
    "chunks without the header": (
        until_the_end(in_chunks(ACCEPTED).partition(b"\r\n\r\n")[2], version=b"1.1"),
        DOUBT,
    ),
    "a length beside chunks": (in_chunks(ACCEPTED, headers=b"Content-Length: 5\r\n"), ACCEPT),
    "chunked twice": (in_chunks(ACCEPTED).replace(b": chunked", b": chunked, chunked"), ACCEPT),
    # Encodings
    "gzip in chunks": (in_chunks(gzipped(ACCEPTED), headers=b"Content-Encoding: gzip\r\n"), ACCEPT),
    "gzip until the end": (until_the_end(gzip.compress(ACCEPTED), headers=b"Content-Encoding: gzip\r\n"), ACCEPT),
    "gzip cut": (until_the_end(gzip.compress(ACCEPTED)[:40], headers=b"Content-Encoding: gzip\r\n"), DOUBT),
    "gzip as a transfer coding": (
        in_chunks(gzip.compress(ACCEPTED)).replace(b": chunked", b": gzip, chunked"),
        ACCEPT,
    ),
    "deflate": (with_body(zlib.compress(ACCEPTED), b"Content-Encoding: deflate\r\n"), ACCEPT),
    "br": (with_body(b"\x8b\x35\x80" + ACCEPTED + b"\x03", b"Content-Encoding: br\r\n"), DOUBT),
    "br that is not compressed": (with_body(ACCEPTED, b"Content-Encoding: br\r\n"), ACCEPT),
    "zstd": (with_body(b"\x28\xb5\x2f\xfd\x04\x58\x01", b"Content-Encoding: zstd\r\n"), DOUBT),
    "UTF-8": (with_body(ACCEPTED.replace(b"ok", "ठीक".encode())), ACCEPT),
    "Latin-1": (with_body(ACCEPTED.replace(b"ok", b"Envoy\xe9"), b"Content-Type: text/json; charset=l1\r\n"), ACCEPT),
    "a byte order mark": (with_body(b"\xef\xbb\xbf" + ACCEPTED, b"Content-Type: text/plain\r\n"), ACCEPT),
    "UTF-16 with a byte order mark": (
        with_body(ACCEPTED.decode().encode("utf-16"), b"Content-Type: application/json; charset=utf-16\r\n"),
        DOUBT,
    ),
    "UTF-16 without a byte order mark": (with_body(ACCEPTED.decode().encode("utf-16-le")), DOUBT),
    # Documents
    "JSON as a page": (with_body(ACCEPTED, b"Content-Type: text/html; charset=UTF-8\r\n"), ACCEPT),
    "JSON among blank lines": (with_body(b"\r\n\r\n" + ACCEPTED + b"\r\n\r\n\0"[:-1]), ACCEPT),
    "JSON before a page": (with_body(ACCEPTED + HTML), DOUBT),
    "JSON before a warning of PHP": (with_body(ACCEPTED + b"\n<br />\n<b>Warning</b>: foo in <b>/x.php</b>"), DOUBT),
    "JSON after a warning of PHP": (with_body(b"<br />\n<b>Notice</b>: foo\n" + ACCEPTED), DOUBT),
    "JSON twice": (with_body(ACCEPTED + ACCEPTED), DOUBT),
    "JSON of two meanings": (with_body(ACCEPTED + b"\n" + BAD_NUMBER), DOUBT),
    "JSON with a key twice": (
        with_body(ACCEPTED.replace(b'"SUBMIT_ACCEPTED"', b'"SUBMIT_FAILED", "state": "SUBMIT_ACCEPTED"')),
        DOUBT,
    ),
    "JSON in a text": (with_body(json.dumps(ACCEPTED.decode()).encode()), DOUBT),
    "JSON in a call": (with_body(b"callback(" + ACCEPTED + b");"), DOUBT),
    "JSON after a guard": (with_body(b")]}',\n" + ACCEPTED), DOUBT),
    "JSON in quotes of Python": (with_body(ACCEPTED.replace(b'"', b"'")), DOUBT),
    "JSON with a comma at its end": (with_body(ACCEPTED.replace(b"}", b",}")), DOUBT),
    "JSON cut": (with_body(ACCEPTED[:HALF]), DOUBT),
    "an array": (with_body(b"[" + ACCEPTED + b"]"), DOUBT),
    "wrapped": (with_body(b'{"response": ' + ACCEPTED + b"}"), DOUBT),
    "the state alone": (with_body(b"SUBMIT_ACCEPTED"), DOUBT),
    "200 OK as text": (with_body(b"OK"), DOUBT),
    "true": (with_body(b"true"), DOUBT),
    "200": (with_body(b"200"), DOUBT),
    "XML": (with_body(XML, b"Content-Type: text/xml\r\n"), DOUBT),
    "a page with 200": (with_body(HTML, b"Content-Type: text/html\r\n"), DOUBT),
    "a login page with 200": (with_body(b"<html><form action='/login'></form></html>"), DOUBT),
    "a page of 70 kB": (with_body(HTML * 1_200), DOUBT),
    "JSON behind 70 kB of blanks": (with_body(b" " * 70_000 + ACCEPTED), DOUBT),
    # Statuses with pages
    **{
        f"{status} with a page": (with_body(HTML, status=b"%d Odd" % status), verdict)
        for status, verdict in STATUSES.items()
    },
    "500 that says accepted": (with_body(ACCEPTED, status=b"500 Internal Server Error"), ACCEPT),
    "503 that says accepted": (with_body(ACCEPTED, b"Retry-After: 5\r\n", b"503 Service Unavailable"), DOUBT),
    "429 that says accepted": (with_body(ACCEPTED, b"", b"429 Too Many Requests"), DOUBT),
    "200 that says 2070": (with_body(BAD_LOGIN), BRAKE),
    "504 that says 2054": (with_body(BAD_NUMBER, status=b"504 Gateway Timeout"), REJECT),
}


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("size", [1_000_000, 13], ids=["whole", "in-pieces"])
async def test_the_outcome_of_an_odd_response_is_what_is_certain(name: str, size: int) -> None:
    response, verdict = RESPONSES[name]
    size = max(size, len(response) // 500)
    pieces = [response[at : at + size] for at in range(0, len(response), size)]

    outcome = await push_to(writing(*pieces))

    assert outcome.verdict is verdict, outcome.reason


RETRY_AFTER: dict[str, tuple[bytes, Verdict, float | None]] = {
    "429": (with_body(HTML, b"", b"429 Too Many Requests"), WAIT, None),
    "429, seconds": (with_body(HTML, b"Retry-After: 7\r\n", b"429 Too Many Requests"), WAIT, 7),
    "429, zero": (with_body(b"", b"retry-after: 0\r\n", b"429 Too Many Requests"), WAIT, 0),
    "429, a day": (with_body(b"", b"RETRY-AFTER: 86400\r\n", b"429 Slow"), WAIT, 900),
    "429, a text": (with_body(b"", b"Retry-After: a while\r\n", b"429 Slow"), WAIT, None),
    "429, below zero": (with_body(b"", b"Retry-After: -5\r\n", b"429 Slow"), WAIT, None),
    "429, a past date": (
        with_body(b"", b"Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", b"429 Slow"), WAIT, 0,
    ),
    "429, a far date": (
        with_body(b"", b"Retry-After: Fri, 21 Oct 2095 07:28:00 GMT\r\n", b"429 Slow"), WAIT, 900,
    ),
    "429, an old form of date": (
        with_body(b"", b"Retry-After: Wednesday, 21-Oct-15 07:28:00 GMT\r\n", b"429 Slow"), WAIT, 0,
    ),
    "429, its own code": (
        with_body(b'{"state": "SUBMIT_FAILED", "statusCode": 429}', b"Retry-After: 3\r\n", b"429 Slow"), WAIT, 3,
    ),
    "503, seconds": (with_body(HTML, b"Retry-After: 120\r\n", b"503 Service Unavailable"), WAIT, 120),
    "503, a text": (with_body(HTML, b"Retry-After: later\r\n", b"503 Service Unavailable"), DOUBT, None),
    "503": (with_body(HTML, b"", b"503 Service Unavailable"), DOUBT, None),
    **{
        f"{status}, seconds": (with_body(HTML, b"Retry-After: 5\r\n", b"%d Odd" % status), DOUBT, None)
        for status in (200, 202, 408, 421, 425, 451, 500, 502, 504, 529)
    },
    "301, seconds": (with_body(HTML, b"Retry-After: 5\r\nLocation: /\r\n", b"301 Moved"), DOUBT, None),
    "403, seconds": (with_body(HTML, b"Retry-After: 5\r\n", b"403 Forbidden"), BRAKE, None),
}  # fmt: skip


@pytest.mark.parametrize("name", RETRY_AFTER)
async def test_a_wait_is_taken_from_the_statuses_that_say_nothing_was_done(name: str) -> None:
    response, verdict, wait_s = RETRY_AFTER[name]

    outcome = await push_to(writing(response))

    assert (outcome.verdict, outcome.retry_after_s) == (verdict, wait_s)


async def test_a_date_to_wait_for_is_a_number_of_seconds() -> None:
    header = f"Retry-After: {formatdate(time() + 60, usegmt=True)}\r\n".encode()

    outcome = await push_to(writing(with_body(b"", header, b"503 Service Unavailable")))

    assert outcome.retry_after_s == pytest.approx(60, abs=10)


async def test_a_response_before_the_request_was_read_is_the_response_to_it() -> None:
    """A proxy may refuse a request after reading its head, and close the connection."""

    async def refuse(connection: ScriptedConnection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await connection.write(with_body(HTML, b"Connection: close\r\n", b"413 Content Too Large"))

    assert (await push_to(refuse)).verdict is REJECT


async def test_a_response_between_two_requests_is_the_response_to_none() -> None:
    """Before a server closes an idle connection, it may write a 408 or a page."""

    async def write_between(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.answer(BAD_NUMBER)
        await has_first.wait()
        await connection.write(with_body(ACCEPTED, status=b"408 Request Timeout"))
        await connection.client_gone()

    has_first = asyncio.Event()
    async with serving(write_between) as server:
        described = timesmobile_post(nickname="tm", username="user", password="hush", endpoint=server.url)
        async with Client(described) as client:
            first = await client.push(PUSH)
            has_first.set()
            await asyncio.wait_for(server.closed_by_client.wait(), 30)
            second = await client.push(PUSH)

    assert [first.verdict, second.verdict] == [REJECT, REJECT]
    assert server.connections == 2


@pytest.mark.parametrize("written", [b"", b"HTTP/1.1 200 OK\r\n", with_body(ACCEPTED)[:-1], in_chunks(ACCEPTED)[:-2]])
@pytest.mark.parametrize("resets", [False, True], ids=["closes", "resets"])
async def test_a_connection_that_ends_within_a_response_leaves_the_message_in_doubt(
    written: bytes, resets: bool
) -> None:
    async def end_early(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(written)
        await loop_turns()
        if resets:
            connection.reset()

    assert (await push_to(end_early)).verdict is DOUBT


async def test_a_response_without_a_length_that_a_reset_ends_is_in_doubt() -> None:
    async def end_early(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.write(until_the_end(ACCEPTED))
        await loop_turns()
        connection.reset()

    assert (await push_to(end_early)).verdict is DOUBT


async def test_a_response_that_comes_byte_by_byte_is_read() -> None:
    pieces = [bytes([byte]) for byte in with_body(ACCEPTED)]

    assert (await push_to(writing(*pieces))).verdict is ACCEPT


async def test_a_response_that_is_slower_than_the_time_is_in_doubt_and_reaches_no_other_push() -> None:
    async def answer_late(connection: ScriptedConnection) -> None:
        await connection.request()
        await given_up[len(connection.server.received) - 1].wait()
        await connection.answer()
        await connection.client_gone()

    given_up = [asyncio.Event() for _ in range(3)]
    async with serving(answer_late) as server:
        described = timesmobile_post(nickname="tm", username="user", password="hush", endpoint=server.url)
        async with Client(replace(described, total_timeout_s=0.3, connect_timeout_s=0.2)) as client:
            outcomes = list[Outcome]()
            for each in given_up:
                outcomes.append(await client.push(PUSH))
                each.set()
                await loop_turns()

    assert [outcome.verdict for outcome in outcomes] == 3 * [DOUBT]
    assert server.connections == 3


async def test_the_scope_of_a_page_that_refuses_access_is_the_provider() -> None:
    assert (await push_to(writing(with_body(HTML, status=b"403 Forbidden")))).scope is BrakeScope.PROVIDER
