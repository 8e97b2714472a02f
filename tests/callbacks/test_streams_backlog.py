"""Reports that nobody applies are seen."""

import asyncio
from typing import Any

from redis.asyncio import Redis
from structlog.testing import capture_logs

from callbacks.stream_writer import ReportStreamWriter
from callbacks.streams import REPORTS, Backlog, Reader, backlog, watch
from times_dispatch.ledger.connection import connect


async def _store(redis: Redis, *, age_s: float) -> None:
    seconds, microseconds = await redis.time()
    await redis.xadd(
        REPORTS, {"b": b"[]"}, id=f"{int(seconds) * 1000 + int(microseconds) // 1000 - int(age_s * 1000)}-0"
    )


async def _warnings(redis: Redis) -> list[Any]:
    with capture_logs() as logs:
        watching = asyncio.create_task(watch(redis, every_s=0.02, late_s=60))
        await asyncio.sleep(0.3)
        while not watching.done():  # a cancellation may be lost inside of a call to Redis
            watching.cancel()
            await asyncio.sleep(0.01)
    return logs


async def test_what_is_stored_waits_until_a_reconciler_is_done_with_it(redis: Redis) -> None:
    assert await backlog(redis) == Backlog(0, 0)
    await ReportStreamWriter(redis).put(b"[]")
    waiting = await backlog(redis)
    assert waiting.entries == 1
    assert 0 <= waiting.oldest_s < 5
    reader = Reader(redis, REPORTS, "reconcilers")
    await reader.read(10, block_ms=1)  # makes the group
    entries = await reader.read(10, block_ms=1)
    assert (await backlog(redis)).entries == 1
    await reader.done([entry.id for entry in entries])
    assert await backlog(redis) == Backlog(0, 0)


async def test_the_receiver_warns_as_long_as_reports_wait(redis: Redis) -> None:
    await _store(redis, age_s=65)
    await _store(redis, age_s=1)
    logs = await _warnings(redis)
    assert len(logs) > 3
    assert logs[0] == {"event": "reports wait for a reconciler", "log_level": "warning", "entries": 2, "oldest_s": 65}


async def test_the_receiver_is_silent_while_reports_are_applied_in_time(redis: Redis) -> None:
    await _store(redis, age_s=55)
    assert await _warnings(redis) == []


async def test_a_redis_that_is_away_does_not_end_the_watch(unused_tcp_port: int) -> None:
    async with connect(f"redis://127.0.0.1:{unused_tcp_port}/0", retries=0) as away:
        logs = await _warnings(away)
    assert {log["event"] for log in logs} == {"ledger away"}
    assert len(logs) > 1
