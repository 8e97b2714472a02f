"""Requests of another system, from a real receiver over the reconciler and the relay to a real host."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.http.posted_body import Headers
from callbacks.http.posted_request import request_of
from callbacks.relay.foreign_relay import ForeignRelay, RelayLimits
from callbacks.request_body import MAX_BODY_BYTES
from callbacks.streams import RELAY, REPORTS
from tests.kit.callbacks import ID_KEY, posted, row
from tests.kit.receiver import PATH, receiving
from tests.kit.reconciler import make_reconciler, settle
from tests.kit.waiting import eventually
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.hidden_numbers import ForgottenNumbersHidden
from times_dispatch.ledger.reports.posted_requests import REQUEST
from times_dispatch.provider.correlation_ids import CorrelationIds

JSON = posted("delivered", row("theirs", mobile="919876543210"))
FORM = urlencode({"response": JSON.decode(), "to": "+919876543210"}).encode()
FIELDS = b"event=delivered&ts=1795300000&meta=the%69rs"
PART = b'--x\r\nContent-Disposition: form-data; name="response"\r\n\r\n' + JSON + b"\r\n--x--\r\n"
FORM_TYPE = "application/x-www-form-urlencoded"
KEY = b"a-key-of-forgotten-numbers"

Taken = tuple[str, str, str | None, str | None, bytes]
"""Method, path with query, Content-Type, Content-Encoding and body."""


class Host:
    """The other system: keeps the requests that it gets, byte for byte, and answers with ``status``."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.status = 200
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        headers, body = request.headers, await request.read()
        head = request.method, request.raw_path, headers.get("content-type"), headers.get("content-encoding")
        self.taken.append((*head, body))
        return web.Response(status=self.status)


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host, application = Host(), web.Application(client_max_size=4 * 1024 * 1024)
    application.router.add_route("*", "/generic", host.answer)
    runner = web.AppRunner(application, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}/generic?account=an%20id"
    yield host
    await runner.cleanup()


@asynccontextmanager
async def relaying(redis: Redis, host: Host) -> AsyncIterator[None]:
    """Relay until no body waits any more."""
    stop = asyncio.Event()
    relay = ForeignRelay(redis, host.url, limits=RelayLimits(block_ms=50, claim_every_s=0.05))
    running = asyncio.create_task(relay.run(stop))
    try:
        yield

        async def is_empty() -> bool:
            return await redis.xlen(RELAY) == 0

        await eventually(is_empty)
    finally:
        stop.set()
        await asyncio.wait_for(running, 30)


async def post(redis: Redis, method: str, query: str, headers: dict[str, str], body: bytes) -> None:
    async with receiving(redis) as http:
        request = http.build_request(method, PATH + query, content=body, headers=headers)
        if "content-type" not in headers:
            request.headers.pop("content-type", None)
        answer = await http.send(request)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "posted_request",
    [
        ("POST", "", {"content-type": "application/json"}, JSON),
        ("POST", "", {"content-type": "application/json", "content-encoding": "gzip"}, gzip.compress(JSON)),
        ("POST", "", {"content-type": "application/json"}, gzip.compress(JSON)),
        ("POST", "", {"content-type": "text/json", "content-encoding": "deflate"}, zlib.compress(JSON)),
        ("POST", "", {"content-type": "application/json; charset=utf-8"}, JSON),
        ("POST", "", {"content-type": "application/json"}, b"\xef\xbb\xbf" + JSON),
        ("POST", "", {"content-type": "application/json"}, JSON[1:-1] + b"\n" + JSON[1:-1]),
        ("POST", "", {"content-type": "application/json"}, b'{"account": 7, "events": ' + JSON + b"}"),
        ("POST", "", {"content-type": "text/plain; charset=utf-16"}, JSON.decode().encode("utf-16")),
        ("POST", "", {"content-type": FORM_TYPE}, FORM),
        ("POST", "", {"content-type": FORM_TYPE, "content-encoding": "gzip"}, gzip.compress(FORM)),
        ("POST", "", {"content-type": "multipart/form-data; boundary=x"}, PART),
        ("POST", "", {}, FORM),
        ("POST", "?page=1%2f2&page=2", {"content-type": "application/json"}, JSON),
        ("PUT", "", {"content-type": "application/json"}, JSON),
        ("POST", "?" + FIELDS.decode(), {}, b""),
        ("GET", "?" + FIELDS.decode(), {}, b""),
    ],
)
async def test_a_request_of_another_system_is_relayed_as_it_was_posted(
    redis: Redis, host: Host, posted_request: tuple[str, str, dict[str, str], bytes]
) -> None:
    method, query, headers, body = posted_request
    await post(redis, method, query, headers, body)
    await settle(make_reconciler(redis, relaying=True))
    async with relaying(redis, host):
        pass
    path = "/generic?account=an%20id" + query.replace("?", "&")
    assert host.taken == [(method, path, headers.get("content-type"), headers.get("content-encoding"), body)]


async def test_json_without_a_type_is_relayed_as_json_and_keeps_no_request(redis: Redis, host: Host) -> None:
    await post(redis, "POST", "", {}, JSON)
    entries: Any = await redis.xrange(REPORTS)
    assert [set(fields) for _, fields in entries] == [{b"b"}]
    await settle(make_reconciler(redis, relaying=True))
    async with relaying(redis, host):
        pass
    assert host.taken == [("POST", "/generic?account=an%20id", "application/json", None, JSON)]


async def test_of_a_request_that_is_partly_ours_the_other_rows_are_relayed_as_json(redis: Redis, host: Host) -> None:
    ours = row(CorrelationIds(ID_KEY.encode()).make("abcdefgh", 7))
    body = gzip.compress(posted("delivered", row("theirs"), ours))
    await post(redis, "POST", "?a=b", {"content-type": "text/json", "content-encoding": "gzip"}, body)
    await settle(make_reconciler(redis, relaying=True))
    async with relaying(redis, host):
        pass
    expected = posted("delivered", row("theirs"))
    assert host.taken == [("POST", "/generic?account=an%20id", "application/json", None, expected)]


async def test_a_refused_request_is_replayed_as_it_was_posted(redis: Redis, host: Host) -> None:
    host.status = 404
    await post(redis, "POST", "", {"content-type": FORM_TYPE}, FORM)
    await settle(make_reconciler(redis, relaying=True))
    async with relaying(redis, host):
        pass
    assert await DeadLetters(redis).count() == {DeadLetterReason.RELAY_REFUSED: 1}
    host.status = 200
    assert await DeadLetters(redis).replay() == 1
    await settle(make_reconciler(redis, relaying=True))
    async with relaying(redis, host):
        pass
    assert host.taken == 2 * [("POST", "/generic?account=an%20id", FORM_TYPE, None, FORM)]


@pytest.mark.parametrize("form", [FORM, FIELDS + b"&to=98765+43210"])
async def test_a_request_with_a_forgotten_number_is_relayed_as_json_without_the_number(
    redis: Redis, host: Host, form: bytes
) -> None:
    body = gzip.compress(form)
    await ForgottenNumbers(redis, KEY).add("919876543210")
    await post(redis, "POST", "", {"content-type": FORM_TYPE, "content-encoding": "gzip"}, body)
    hide = ForgottenNumbersHidden(redis, KEY).hide
    await settle(make_reconciler(redis, relaying=True, hide=hide))
    entries: Any = await redis.xrange(RELAY)
    assert [REQUEST in fields for _, fields in entries] == [False]
    async with relaying(redis, host):
        pass
    ((method, _, content_type, encoding, relayed),) = host.taken
    assert (method, content_type, encoding) == ("POST", "application/json", None)
    assert b"9876543210" not in relayed
    assert b"98765 43210" not in relayed


@pytest.mark.parametrize(
    ("query", "content_type"), [(b"a=" + b"x" * 40_000, b"text/json"), (b"", b"x" * 2_000), (b"\xe9", b"text/json")]
)
def test_a_head_that_cannot_be_posted_again_is_not_kept(query: bytes, content_type: bytes) -> None:
    headers = Headers([(b"content-type", content_type)])
    assert request_of("POST", query, headers, JSON, decompressed_bytes=len(JSON), content=JSON) == b""


async def test_a_body_that_is_long_without_its_compression_is_relayed_as_json(redis: Redis, host: Host) -> None:
    bomb = gzip.compress(FORM + b"&x=" + b"a" * 1_000_000)
    await post(redis, "POST", "", {"content-type": FORM_TYPE, "content-encoding": "gzip"}, bomb)
    entries: Any = await redis.xrange(REPORTS)
    assert [set(fields) for _, fields in entries] == [{b"b"}]
    await settle(make_reconciler(redis, relaying=True))
    async with relaying(redis, host):
        pass
    assert host.taken == [("POST", "/generic?account=an%20id", "application/json", None, JSON)]


@pytest.mark.parametrize(("size", "is_kept"), [(MAX_BODY_BYTES // 2 - 100, True), (MAX_BODY_BYTES // 2 + 600, False)])
def test_a_request_is_kept_only_if_it_and_its_json_take_no_more_than_the_longest_json(size: int, is_kept: bool) -> None:
    content = b"[" + b" " * (size - 2) + b"]"
    body = b"\xef\xbb\xbf" + content
    request = request_of("POST", b"", Headers([]), body, decompressed_bytes=len(body), content=content)
    assert bool(request) == is_kept
