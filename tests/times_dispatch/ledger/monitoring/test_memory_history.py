"""The used memory is recorded every ten minutes; the history tells how long the free memory lasts."""

from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from tests.kit.redis_clock import StoppedClock, stopped_clock
from times_dispatch.ledger.keys import MEMORY_HISTORY
from times_dispatch.ledger.monitoring.health import Memory
from times_dispatch.ledger.monitoring.memory_history import SPAN_S, MemoryPace, note_memory, read_memory_pace

START_S = 1_790_000_400
MB = 1_000_000


@pytest.fixture
def redis_clock(redis: Redis) -> Iterator[StoppedClock]:
    with stopped_clock(redis) as clock:
        yield clock


async def test_the_memory_is_noted_once_in_ten_minutes(redis: Redis, redis_clock: StoppedClock) -> None:
    for after_s in (0, 1, SPAN_S - 1, SPAN_S):
        await redis_clock.set(START_S - START_S % SPAN_S + after_s)
        await note_memory(redis)
    noted = await redis.hgetall(MEMORY_HISTORY)
    assert sorted(map(int, noted)) == [START_S // SPAN_S, START_S // SPAN_S + 1]
    assert all(int(used) > 100_000 for used in noted.values())


async def test_notes_older_than_a_day_are_deleted(redis: Redis, redis_clock: StoppedClock) -> None:
    await redis_clock.set(START_S)
    now = START_S // SPAN_S
    await redis.hset(MEMORY_HISTORY, mapping={str(now - 145): "1", str(now - 144): "2", str(now + 9): "3"})
    await note_memory(redis)
    assert sorted(map(int, await redis.hkeys(MEMORY_HISTORY))) == [now - 144, now]


async def test_a_full_redis_notes_nothing_and_raises_nothing(redis: Redis) -> None:
    await redis.config_set("maxmemory", 1)
    try:
        await note_memory(redis)
    finally:
        await redis.config_set("maxmemory", 0)
    assert await redis.hgetall(MEMORY_HISTORY) == {}


async def _pace(redis: Redis, noted: dict[int, int], memory: Memory) -> MemoryPace:
    now = START_S // SPAN_S
    await redis.hset(MEMORY_HISTORY, mapping={str(now - ago): str(used) for ago, used in noted.items()})
    return await read_memory_pace(redis, memory, max_share=0.9)


async def test_the_rest_lasts_as_long_as_the_growth_of_the_last_day_says(
    redis: Redis, redis_clock: StoppedClock
) -> None:
    await redis_clock.set(START_S)
    pace = await _pace(redis, {150: 1 * MB, 72: 10 * MB, 6: 50 * MB, 1: 59 * MB}, Memory(60 * MB, 100 * MB))
    assert (pace.grown_bytes, pace.over_s, pace.left_bytes) == (50 * MB, 12 * 3600, 30 * MB)
    assert pace.lasts_s == 12 * 3600 * 30 / 50


@pytest.mark.parametrize(
    ("noted", "memory"),
    [
        ({5: 10 * MB}, Memory(60 * MB, 100 * MB)),
        ({72: 70 * MB}, Memory(60 * MB, 100 * MB)),
        ({72: 10 * MB}, Memory(60 * MB, 0)),
    ],
    ids=["recorded for less than an hour", "does not grow", "no limit"],
)
async def test_nobody_says_how_long_memory_lasts_that_has_no_pace_or_no_limit(
    redis: Redis, redis_clock: StoppedClock, noted: dict[int, int], memory: Memory
) -> None:
    await redis_clock.set(START_S)
    assert (await _pace(redis, noted, memory)).lasts_s is None
