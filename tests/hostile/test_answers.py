"""Hostile answers of a provider, a token server or another system cost bounded memory, time and stalls."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec
import pytest
from redis.asyncio import Redis

from callbacks.relay.relay_poster import PostResult, RelayPoster
from tests.kit.hostile_server import ENDLESS_HTTP, SLOW_HTTP, hostile_server
from tests.kit.process_memory import peak_mb
from tests.kit.tls import Certificates, tls_server
from tests.kit.watched import least_stall_ms
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import timesmobile_get, timesmobile_post
from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.outcomes import Verdict
from times_dispatch.provider.push import Push

# The tests start no process, but in the other runs coverage is active, whose work would be measured as a stall.
pytestmark = pytest.mark.processes

MAX_MORE_MB = 100
MAX_STALL_MS = 50
TIMEOUT_S = 2.0
AT_ONCE = 4
"""The number of requests at the same time."""
PUSH = Push(to="919876543210", text="Hi", sender="TIMESM", content_id="1", correlation_id="c1", unicode=False)

HEADS = {
    "other": (b"SMTP 1\r\n" * 100, b""),
    "of two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nabcdefg", b""),
    "with a length of gigabytes": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 65_536),
    "with a length below zero": (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc", b""),
    "with a long number": (b'HTTP/1.1 200 OK\r\nContent-Length: 200004\r\n\r\n{"a":' + b"9" * 199_998 + b"}", b""),
    "with a deep document": (b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"[" * 200_000, b""),
    "with a document that is not UTF-8": (b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a":"\xff"}', b""),
    "with numbers of a status": (b"HTTP/1.1 99999999999 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "a switch of the protocol": (b"HTTP/1.1 101 a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", b"x" * 65_536),
}
ANSWERS = {**ENDLESS_HTTP, **HEADS, **{kind: (bytes_, b"") for kind, bytes_ in SLOW_HTTP.items()}}


async def push(_: Redis, url: str, ca_file: str = "") -> bool:
    """Push a message; return whether the outcome is accepted or rejected."""
    provider = timesmobile_post(
        nickname="tm",
        username="user",
        password="p",
        endpoint=url,
        connect_timeout_s=1.0,
        total_timeout_s=TIMEOUT_S,
        ca_file=ca_file,
    )
    async with Client(provider) as client:
        outcomes = await asyncio.gather(*(client.push(PUSH) for _ in range(AT_ONCE)))
    return any(outcome.verdict is Verdict.ACCEPTED for outcome in outcomes)


async def push_with_token(_: Redis, url: str, ca_file: str = "") -> bool:
    """Push a message after a request for an OAuth token to the same server."""
    base = timesmobile_get(nickname="tm", username="", password="p", endpoint=url)
    auth = ClientCredentials(token_url=url, client_id="user", client_secret="hush")
    provider = msgspec.structs.replace(
        base, auth=auth, ca_file=ca_file, connect_timeout_s=1.0, total_timeout_s=TIMEOUT_S
    )
    async with Client(provider, token_timeout_s=TIMEOUT_S + 1) as client:
        outcomes = await asyncio.gather(*(client.push(PUSH) for _ in range(AT_ONCE)))
    return any(outcome.verdict is Verdict.ACCEPTED for outcome in outcomes)


async def relay(redis: Redis, url: str, _: str = "") -> bool:
    """Post reports like the relay and the forwarder; return whether the post counts as accepted."""
    async with RelayPoster(redis, url, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as poster:
        await poster.prepare()
        results = await asyncio.gather(*(poster.post(b"[]") for _ in range(AT_ONCE)))
    return PostResult.TAKEN in results


Request = Callable[[Redis, str, str], Awaitable[bool]]
REQUESTS: dict[str, Request] = {"a provider": push, "a token server": push_with_token, "another system": relay}


@pytest.mark.parametrize("by", REQUESTS)
@pytest.mark.parametrize("answer", ANSWERS)
async def test_no_answer_fills_or_stalls_a_process(redis: Redis, by: str, answer: str) -> None:
    first, then = ANSWERS[answer]
    before_mb, began, sent, taken = peak_mb(os.getpid()), time.monotonic(), 0, set[bool]()

    async def attack() -> float:
        nonlocal sent
        stalls = [0.0]
        with hostile_server(first, then, slow=answer in SLOW_HTTP) as server:
            asking = asyncio.ensure_future(REQUESTS[by](redis, f"http://127.0.0.1:{server.port}/", ""))
            while not asking.done():
                turn = time.thread_time()
                await asyncio.sleep(0.001)
                stalls.append((time.thread_time() - turn) * 1000)
            taken.add(await asking)
        assert server.connections
        sent += server.sent
        return max(stalls)

    stall_ms = await least_stall_ms(attack, max_ms=MAX_STALL_MS)
    more_mb, seconds = peak_mb(os.getpid()) - before_mb, time.monotonic() - began
    print(  # noqa: T201  # the figure
        f"{by} answers {answer}: {sent:,} bytes sent, {more_mb:.0f} MB more, {stall_ms:.0f} ms of stall, "
        f"{seconds:.1f} s, {'taken' if True in taken else 'not taken'}"
    )
    assert more_mb < MAX_MORE_MB
    assert stall_ms < MAX_STALL_MS
    assert seconds < 60  # a few time-outs, also on a busy machine; without time-outs the answers do not end
    # An answer of a provider or a token server must be readable; of another system, the status alone decides.
    assert True not in taken or by == "another system"


@pytest.mark.parametrize("kind", ["of an unknown CA", "of another host"])
@pytest.mark.parametrize("by", REQUESTS)
async def test_a_server_with_a_wrong_certificate_gets_nothing(
    redis: Redis, by: str, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    with tls_server(certificates.server(kind)) as rogue:
        is_taken = await REQUESTS[by](redis, f"https://127.0.0.1:{rogue.port}/", str(certificates.ca))
    print(f"{by} {kind}: {rogue.connections} connections got {len(rogue.received)} bytes")  # noqa: T201  # the figure
    assert rogue.connections
    assert rogue.received == b""
    assert not is_taken


async def test_cookies_of_another_system_are_neither_kept_nor_sent_back(redis: Redis) -> None:
    cookies = b"".join(b"Set-Cookie: %d=" % number + b"x" * 3_000 + b"\r\n" for number in range(20))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
    with hostile_server(head + cookies + b"\r\n") as server:
        async with RelayPoster(redis, f"http://localhost:{server.port}/") as poster:
            await poster.prepare()
            assert [await poster.post(b"[]") for _ in range(3)] == [PostResult.TAKEN] * 3
    print(f"20 cookies of 3,000 bytes: {len(server.received)} bytes in three requests")  # noqa: T201  # the figure
    assert b"cookie" not in server.received.lower()
