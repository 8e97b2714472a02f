"""The relay of foreign reports to a small real HTTP server."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis
from structlog.testing import capture_logs

from callbacks.dead_letters import DeadLetter, DeadLetterReason, DeadLetters
from callbacks.relay.foreign_relay import ForeignRelay, RelayLimits, enqueue, retry_after_ms
from callbacks.relay.relay_poster import TIMEOUT
from callbacks.streams import RELAY, MeasuredStream
from tests.kit.clock import FakeClock
from tests.kit.waiting import eventually


class RelayHost:
    """The other system: it gives the answers that a test sets, and records the posted bodies."""

    def __init__(self) -> None:
        self.posted: list[bytes] = []
        self.statuses: dict[bytes, list[int]] = {}
        """The answers to a body, one for each post; later posts, and other bodies, get 200."""
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.posted.append(body)
        statuses = self.statuses.get(body)
        status = statuses.pop(0) if statuses else 200
        if not status:
            assert request.transport
            request.transport.close()
        return web.Response(status=status or 200, headers={"location": self.url})


@pytest.fixture
async def host() -> AsyncIterator[RelayHost]:
    host = RelayHost()
    application = web.Application()
    application.router.add_post("/sms/generic", host.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}/sms/generic?account=secret-account"
    yield host
    await runner.cleanup()


@asynccontextmanager
async def running(*relays: ForeignRelay) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(relay.run(stop)) for relay in relays]
    yield stop
    stop.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 30)


def quick(redis: Redis, host: RelayHost, *, max_tries: int = 24) -> ForeignRelay:
    """Make a relay that tries again after a tenth of a second."""
    limits = RelayLimits(max_tries=max_tries, block_ms=50, claim_every_s=0.05, max_pause_s=0.05)
    return ForeignRelay(redis, host.url, limits=limits, retry_after_ms=lambda _: 100)


def emptied(redis: Redis) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def is_empty() -> bool:
        return await redis.xlen(RELAY) == 0

    return is_empty


async def test_bodies_arrive_in_their_own_bytes_and_the_stream_is_empty(redis: Redis, host: RelayHost) -> None:
    bodies = [b'[ {"a" : 1} ]', b"[2]"]
    assert await enqueue(redis, bodies) == []
    async with running(quick(redis, host)):
        await eventually(emptied(redis))
    assert sorted(host.posted) == sorted(bodies)
    assert await DeadLetters(redis).count() == {}


@pytest.mark.parametrize("status", [500, 503, 429, 408, 0])
async def test_a_body_whose_relay_failed_for_now_is_posted_again(redis: Redis, host: RelayHost, status: int) -> None:
    host.statuses = {b"[1]": [status, status]}
    await enqueue(redis, [b"[1]", b"[2]"])
    async with running(quick(redis, host)):
        await eventually(emptied(redis))
    assert Counter(host.posted) == {b"[1]": 3, b"[2]": 1}
    assert await DeadLetters(redis).count() == {}


@pytest.mark.parametrize("status", [400, 404, 413, 302, 307])
async def test_a_refused_body_becomes_a_dead_letter_and_is_not_posted_again(
    redis: Redis, host: RelayHost, status: int
) -> None:
    host.statuses = {b"[1]": [status]}
    await enqueue(redis, [b"[1]", b"[2]"])
    async with running(quick(redis, host)):
        await eventually(emptied(redis))
    assert Counter(host.posted) == {b"[1]": 1, b"[2]": 1}
    (kept,) = await DeadLetters(redis).oldest()
    assert (kept.reason, kept.body) == (DeadLetterReason.RELAY_REFUSED, b"[1]")


async def test_after_its_last_try_a_body_becomes_a_dead_letter(redis: Redis, host: RelayHost) -> None:
    host.statuses = {b"[1]": [500] * 10}
    await enqueue(redis, [b"[1]"])
    async with running(quick(redis, host, max_tries=3)):
        await eventually(emptied(redis))
    assert len(host.posted) == 3
    assert await DeadLetters(redis).count() == {DeadLetterReason.RELAY_FAILED: 1}


async def test_while_the_host_is_dead_only_a_few_bodies_are_tried(redis: Redis, host: RelayHost) -> None:
    bodies = [b"[%d]" % n for n in range(200)]
    host.statuses = {body: [503] * 3 for body in bodies}
    await enqueue(redis, bodies)
    clock, waited_s = FakeClock(), list[float]()
    async with running(ForeignRelay(redis, host.url, clock=clock, rng=random.Random(1))):
        for waits in range(1, 5):
            await eventually(lambda: asyncio.sleep(0, len(clock.slept)))
            assert len(host.posted) == waits * RelayLimits().posts_at_once
            waited_s.append(clock.slept.pop())
            await clock.advance(waited_s[-1])
    assert all(full / 2 <= wait <= full for wait, full in zip(waited_s, [1, 2, 4, 8], strict=True))
    assert await redis.xlen(RELAY) == len(bodies)


async def test_entries_of_a_dead_relay_are_relayed_by_another(redis: Redis, host: RelayHost) -> None:
    await enqueue(redis, [b"[1]"])
    dead = quick(redis, host)
    while not await dead._reader.read(10, block_ms=1):
        pass
    async with running(quick(redis, host), quick(redis, host)):
        await eventually(emptied(redis))
    assert host.posted == [b"[1]"]


async def test_beyond_its_bound_the_stream_takes_nothing(redis: Redis) -> None:
    assert await enqueue(redis, [b"1", b"2"], max_waiting=3) == []
    assert await enqueue(redis, [b"3", b"4"], max_waiting=3) == [DeadLetter(DeadLetterReason.RELAY_FULL, b"4")]
    assert await enqueue(redis, [b"5"], max_waiting=3) == [DeadLetter(DeadLetterReason.RELAY_FULL, b"5")]
    assert await redis.xlen(RELAY) == 3


async def test_the_url_is_in_no_log_line(redis: Redis, host: RelayHost) -> None:
    host.statuses = {b"[1]": [500, 0, 404]}
    await enqueue(redis, [b"[1]"])
    with capture_logs() as lines:
        async with running(quick(redis, host)):
            await eventually(emptied(redis))
    assert lines
    assert "secret-account" not in repr(lines)


def test_waits_double_to_half_an_hour_and_add_up_to_a_working_day() -> None:
    waits = [retry_after_ms(tries) for tries in range(1, RelayLimits().max_tries)]
    assert waits[:3] == [20_000, 40_000, 80_000]
    assert max(waits) == 1_800_000
    assert 8 < sum(waits) / 3_600_000 < 10
    assert waits[0] > 1000 * (TIMEOUT.total or 0)


async def test_bodies_above_the_bytes_of_the_stream_become_dead_letters(redis: Redis) -> None:
    bodies = [b"[%d]" % number * 100 for number in range(100)]
    assert await enqueue(redis, bodies, max_bytes=70_000) == []
    refused = await enqueue(redis, bodies, max_bytes=70_000)
    assert [letter.body for letter in refused] == bodies
    assert {letter.reason for letter in refused} == {DeadLetterReason.RELAY_FULL}


@pytest.mark.parametrize("is_measured", [False, True])
async def test_long_bodies_after_short_ones_do_not_take_more_than_the_bytes(redis: Redis, *, is_measured: bool) -> None:
    max_bytes, dead_letters = 1_000_000, 0
    measured = MeasuredStream(redis, RELAY, few_entries=10) if is_measured else None
    assert await enqueue(redis, [b"[1]"] * 1_000, max_bytes=max_bytes, measured=measured) == []
    for number in range(60):
        body = b"[%d]" % number * 10_000
        dead_letters += len(await enqueue(redis, [body], max_bytes=max_bytes, measured=measured))
    used = await redis.memory_usage(RELAY, samples=0)
    assert used
    assert 0.7 * max_bytes < used <= max_bytes
    assert await redis.xlen(RELAY) == 1_060 - dead_letters
