"""One durable write stores many posted bodies."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from callbacks.stream_writer import MAX_FAILED, NotStored, ReportStreamWriter
from callbacks.streams import BODY, REPORTS, pack, unpack
from tests.kit.callbacks import payloads
from tests.kit.clock import FakeClock
from tests.kit.failover import two_servers
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.reports.posted_requests import REQUEST


async def stored(redis: Redis) -> list[list[bytes]]:
    """Return the bodies of every entry."""
    return [unpack(payload) for payload in await payloads(redis, REPORTS)]


async def test_a_body_is_in_the_stream_when_put_returns(redis: Redis) -> None:
    await ReportStreamWriter(redis).put(b"1")
    assert await stored(redis) == [[b"1"]]


async def test_a_body_that_too_few_replicas_have_is_not_stored(redis: Redis) -> None:
    with pytest.raises(NotStored):
        await ReportStreamWriter(redis, wait_for_replicas=1, replicas_within_s=0.01).put(b"1")


@pytest.mark.processes
async def test_a_body_that_enough_replicas_have_is_stored() -> None:
    async with two_servers() as servers, connect(servers.url) as redis:
        await ReportStreamWriter(redis, wait_for_replicas=1, replicas_within_s=0.5).put(b"1")
        assert await stored(redis) == [[b"1"]]


async def test_bodies_that_arrive_during_a_write_share_the_next(redis: Redis) -> None:
    writer = ReportStreamWriter(redis)
    await asyncio.gather(*(writer.put(b"%d" % n) for n in range(50)))
    entries = await stored(redis)
    assert len(entries) <= 2
    assert [body for bodies in entries for body in bodies] == [b"%d" % n for n in range(50)]


async def test_the_requests_of_a_group_stand_beside_its_bodies(redis: Redis) -> None:
    writer = ReportStreamWriter(redis)
    requests = [b"", b"form", b""]
    await writer.put(b"0")
    await asyncio.gather(*(writer.put(b"%d" % n, request=request) for n, request in enumerate(requests, 1)))
    entries: Any = await redis.xrange(REPORTS)
    assert [(unpack(fields[BODY]), fields.get(REQUEST)) for _, fields in entries] == [
        ([b"0"], None),
        ([b"1", b"2", b"3"], pack(requests)),
    ]


async def test_a_group_is_cut_at_its_size_but_takes_at_least_one(redis: Redis) -> None:
    writer = ReportStreamWriter(redis, max_group_bytes=10)
    bodies = [b"x" * 11, b"1" * 5, b"2" * 5, b"3", b"y" * 20]
    await asyncio.gather(*(writer.put(body) for body in bodies))
    assert await stored(redis) == [bodies[:1], bodies[1:3], bodies[3:4], bodies[4:]]


async def test_a_body_that_would_not_fit_into_memory_is_refused_at_once(redis: Redis) -> None:
    writer = ReportStreamWriter(redis, max_held_bytes=10)
    first = asyncio.create_task(writer.put(b"x" * 8))
    await asyncio.sleep(0)
    with pytest.raises(NotStored):
        await writer.put(b"x" * 3)
    await first
    await writer.put(b"x" * 10)
    assert [len(bodies[0]) for bodies in await stored(redis)] == [8, 10]


@pytest.mark.parametrize("failing", ["oom", "readonly", "wrong type"])
async def test_a_write_that_redis_refuses_fails_everybody_and_the_next_is_tried_afresh(
    redis: Redis, failing: str
) -> None:
    writer = ReportStreamWriter(redis)
    match failing:
        case "oom":
            await redis.config_set("maxmemory", 1)
        case "readonly":
            await redis.replicaof("127.0.0.1", 1)
        case _:
            await redis.set(REPORTS, "in the way")
    try:
        with capture_logs() as lines:
            results = await asyncio.gather(*(writer.put(b"1") for _ in range(5)), return_exceptions=True)
    finally:
        await redis.config_set("maxmemory", 0)
        await redis.replicaof("NO", "ONE")
    assert {type(result) for result in results} == {NotStored}
    assert [line["log_level"] for line in lines] == ["error"]
    await redis.delete(REPORTS)
    with capture_logs() as lines:
        await writer.put(b"2")
    assert await stored(redis) == [[b"2"]]
    assert lines[0]["refused"] == 5


async def _is_stored(writer: ReportStreamWriter, body: bytes) -> bool:
    try:
        await writer.put(body)
    except NotStored:
        return False
    return True


@pytest.mark.processes
async def test_after_a_failover_bodies_go_to_the_new_primary() -> None:
    async with two_servers() as failover, connect(failover.url) as redis:
        writer = ReportStreamWriter(redis)
        await asyncio.gather(*(writer.put(b"1") for _ in range(5)))
        await failover.happen()
        async with asyncio.timeout(30):
            while not await _is_stored(writer, b"2"):
                await asyncio.sleep(0.05)
        assert (await stored(redis))[-1] == [b"2"]


async def test_nobody_waits_longer_than_the_timeout(redis: Redis) -> None:
    clock = FakeClock()
    writer = ReportStreamWriter(redis, timeout_s=3.0, clock=clock)
    await writer.put(b"0")
    await redis.client_pause(60_000, all=False)  # pauses writes only
    try:
        puts = [asyncio.create_task(writer.put(b"%d" % number)) for number in range(1, 4)]
        await clock.advance(2.9)
        assert not any(put.done() for put in puts)
        await clock.advance(0.1)
        results = await asyncio.wait_for(asyncio.gather(*puts, return_exceptions=True), 30)
    finally:
        await redis.client_unpause()
    assert {type(result) for result in results} == {NotStored}


async def test_a_refused_connection_is_not_stored(redis: Redis) -> None:
    away = connect("redis://127.0.0.1:1/0", retries=1)
    with pytest.raises(NotStored):
        await ReportStreamWriter(away).put(b"1")
    await away.aclose()


async def test_many_bodies_that_fail_at_one_moment_fail_in_turns(redis: Redis) -> None:
    writer, turn, failed_in = ReportStreamWriter(redis, timeout_s=0.3), 0, list[int]()

    async def put() -> None:
        with pytest.raises(NotStored):
            await writer.put(b"1")
        failed_in.append(turn)

    await redis.client_pause(60_000, all=False)  # pauses writes only
    try:
        puts = asyncio.gather(*(put() for _ in range(1_000)))
        while not puts.done():
            await asyncio.sleep(0)
            turn += 1
    finally:
        await redis.client_unpause()
    await puts
    assert len(failed_in) == 1_000
    assert max(Counter(failed_in).values()) <= 2 * MAX_FAILED  # the write's own bodies, and some that waited for it


async def test_a_poster_that_gives_up_waiting_costs_the_others_nothing(redis: Redis) -> None:
    writer = ReportStreamWriter(redis)
    puts: list[asyncio.Task[Any]] = [asyncio.create_task(writer.put(b"%d" % n)) for n in range(3)]
    await asyncio.sleep(0)
    puts[1].cancel()
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), asyncio.CancelledError, type(None)]
