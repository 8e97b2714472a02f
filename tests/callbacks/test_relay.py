"""Handing on what is not ours, to a real little HTTP host."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis
from structlog.testing import capture_logs

from callbacks import relay
from callbacks.dead_letters import DeadLetters, Reason
from callbacks.relay import Relay, queue, wait_ms
from callbacks.streams import RELAY
from tests.callbacks.conftest import eventually


class Host:
    """The other system: answers what it is told to, and remembers what it was posted."""

    def __init__(self) -> None:
        self.posted: list[bytes] = []
        self.statuses: dict[bytes, list[int]] = {}
        """What to answer to a body, in turn; afterwards, and to others, 200."""
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
async def host() -> AsyncIterator[Host]:
    host = Host()
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
async def running(*relays: Relay) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(relay.run(stop)) for relay in relays]
    yield stop
    stop.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "LOOK_FOR_DUE_EVERY_S", 0.05)
    monkeypatch.setattr(relay, "BLOCK_MS", 50)


def quick(redis: Redis, host: Host, wait: Callable[[int], int] = lambda _: 100) -> Relay:
    return Relay(redis, host.url, longest_pause_s=0.05, wait_ms=wait)


def emptied(redis: Redis) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def is_empty() -> bool:
        return await redis.xlen(RELAY) == 0

    return is_empty


async def test_bodies_arrive_in_their_own_bytes_and_the_queue_is_empty(redis: Redis, host: Host) -> None:
    bodies = [b'[ {"a" : 1} ]', b"[2]"]
    assert await queue(redis, bodies) == []
    async with running(quick(redis, host)):
        await eventually(emptied(redis))
    assert sorted(host.posted) == sorted(bodies)
    assert await DeadLetters(redis).count() == {}


@pytest.mark.parametrize("status", [500, 503, 429, 408, 0])
async def test_what_failed_for_now_is_posted_again(redis: Redis, host: Host, status: int) -> None:
    host.statuses = {b"[1]": [status, status]}
    await queue(redis, [b"[1]", b"[2]"])
    async with running(quick(redis, host)):
        await eventually(emptied(redis))
    assert Counter(host.posted) == {b"[1]": 3, b"[2]": 1}
    assert await DeadLetters(redis).count() == {}


@pytest.mark.parametrize("status", [400, 404, 413, 302, 307])
async def test_a_refusal_sets_the_body_aside_and_is_not_repeated(redis: Redis, host: Host, status: int) -> None:
    host.statuses = {b"[1]": [status]}
    await queue(redis, [b"[1]", b"[2]"])
    async with running(quick(redis, host)):
        await eventually(emptied(redis))
    assert Counter(host.posted) == {b"[1]": 1, b"[2]": 1}
    (kept,) = await DeadLetters(redis).kept()
    assert (kept.reason, kept.body) == (Reason.RELAY_REFUSED, b"[1]")


async def test_after_its_last_try_a_body_is_set_aside(
    redis: Redis, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "MOST_TRIES", 3)
    host.statuses = {b"[1]": [500] * 10}
    await queue(redis, [b"[1]"])
    async with running(quick(redis, host)):
        await eventually(emptied(redis))
    assert len(host.posted) == 3
    assert await DeadLetters(redis).count() == {Reason.RELAY_FAILED: 1}


async def test_while_the_host_is_dead_only_a_few_bodies_are_tried(redis: Redis, host: Host) -> None:
    bodies = [b"[%d]" % n for n in range(200)]
    host.statuses = {body: [503] * 3 for body in bodies}
    await queue(redis, bodies)
    stopped = Relay(redis, host.url, longest_pause_s=60, wait_ms=lambda _: 60_000)
    async with running(stopped):
        await eventually(lambda: asyncio.sleep(0, len(host.posted) >= relay.AT_ONCE))
    assert len(host.posted) < len(bodies)
    assert await redis.xlen(RELAY) == len(bodies)


async def test_what_a_dead_relay_held_is_relayed_by_another(redis: Redis, host: Host) -> None:
    await queue(redis, [b"[1]"])
    dead = quick(redis, host)
    while not await dead._reader.read(10, block_ms=1):
        pass
    async with running(quick(redis, host), quick(redis, host)):
        await eventually(emptied(redis))
    assert host.posted == [b"[1]"]


async def test_beyond_its_bound_the_queue_takes_nothing(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MOST_WAITING", 3)
    assert await queue(redis, [b"1", b"2"]) == []
    assert await queue(redis, [b"3", b"4"]) == [(Reason.RELAY_FULL, b"4")]
    assert await queue(redis, [b"5"]) == [(Reason.RELAY_FULL, b"5")]
    assert await redis.xlen(RELAY) == 3


async def test_the_url_is_in_no_log_line(redis: Redis, host: Host) -> None:
    host.statuses = {b"[1]": [500, 0, 404]}
    await queue(redis, [b"[1]"])
    with capture_logs() as lines:
        async with running(quick(redis, host)):
            await eventually(emptied(redis))
    assert lines
    assert "secret-account" not in repr(lines)


def test_waits_double_to_half_an_hour_and_add_up_to_a_working_day() -> None:
    waits = [wait_ms(tries) for tries in range(1, relay.MOST_TRIES)]
    assert waits[:3] == [20_000, 40_000, 80_000]
    assert max(waits) == 1_800_000
    assert 8 < sum(waits) / 3_600_000 < 10
    assert waits[0] > 1000 * (relay.TIMEOUT.total or 0)
