"""The watch finds reports that no reconciler applies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from callbacks.backlog import LATE_S, WATCH_EVERY_S, watch_backlog
from callbacks.stream_reader import StreamReader
from callbacks.stream_writer import ReportStreamWriter
from callbacks.streams import REPORTS
from tests.kit.clock import FakeClock
from tests.kit.waiting import eventually
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.reports.report_backlog import Backlog, read_backlog


async def store(redis: Redis, *, age_s: float) -> None:
    seconds, microseconds = await redis.time()
    await redis.xadd(
        REPORTS, {"b": b"[]"}, id=f"{int(seconds) * 1000 + int(microseconds) // 1000 - int(age_s * 1000)}-0"
    )


@asynccontextmanager
async def watching(redis: Redis, clock: FakeClock) -> AsyncIterator[list[Any]]:
    """Watch the backlog, and yield the lines that are logged meanwhile."""
    stop = asyncio.Event()
    with capture_logs() as lines:
        task = asyncio.create_task(watch_backlog(redis, stop, clock=clock))
        yield lines
        stop.set()
        await asyncio.wait_for(task, 30)


async def looked(clock: FakeClock, times: int) -> None:
    """Return when the watch waits after *times* looks at the backlog."""

    async def waits() -> bool:
        return clock.slept.count(WATCH_EVERY_S) >= times

    await eventually(waits)


async def test_a_stored_body_waits_until_a_reconciler_finishes_it(redis: Redis) -> None:
    assert await read_backlog(redis) == Backlog(0, 0)
    await ReportStreamWriter(redis).put(b"[]")
    backlog = await read_backlog(redis)
    assert backlog.entries == 1
    assert 0 <= backlog.oldest_s < 5
    reader = StreamReader(redis, REPORTS, "reconcilers")
    await reader.read(10, block_ms=1)  # creates the consumer group
    entries = await reader.read(10, block_ms=1)
    assert (await read_backlog(redis)).entries == 1
    await reader.finish([entry.id for entry in entries])
    assert await read_backlog(redis) == Backlog(0, 0)


async def test_the_receiver_warns_as_long_as_reports_wait(redis: Redis) -> None:
    await store(redis, age_s=LATE_S + 5)
    await store(redis, age_s=1)
    clock = FakeClock()
    async with watching(redis, clock) as lines:
        for looks in range(1, 4):
            await looked(clock, looks)
            await clock.advance(WATCH_EVERY_S)
        await looked(clock, 4)
    assert len(lines) == 4
    assert lines[0] == {"event": "reports wait for a reconciler", "log_level": "warning", "entries": 2, "oldest_s": 65}


@pytest.mark.parametrize("age_s", [0, LATE_S - 5])
async def test_the_receiver_is_silent_while_reports_are_applied_in_time(redis: Redis, age_s: float) -> None:
    await store(redis, age_s=age_s)
    clock = FakeClock()
    async with watching(redis, clock) as lines:
        await looked(clock, 1)
        await clock.advance(WATCH_EVERY_S)
        await looked(clock, 2)
    assert lines == []


async def test_a_redis_that_is_away_does_not_end_the_watch(redis: Redis, unused_tcp_port: int) -> None:
    await store(redis, age_s=LATE_S + 5)
    clock = FakeClock(auto=True)
    async with connect(f"redis://127.0.0.1:{unused_tcp_port}/0", retries=0) as client:
        async with watching(client, clock) as lines:

            async def has_failed_often() -> bool:
                return len(clock.slept) >= 5

            await eventually(has_failed_often)
            assert [line["event"] for line in lines] == ["redis unavailable; waiting for it"]
            client.connection_pool = redis.connection_pool
            await looked(clock, 1)
        assert [line["event"] for line in lines[1:3]] == ["reports wait for a reconciler", "redis is available again"]
