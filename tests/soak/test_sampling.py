"""The samples of keys and of processes."""

import os
from contextlib import ExitStack

from redis.asyncio import Redis

from tests.soak.key_kinds import CAMPAIGN, STUB
from tests.soak.sampling import sample_keys, sample_process

_MANY = 100


async def test_keys_are_counted_by_their_kind_and_stubs_apart_from_campaigns(redis: Redis) -> None:
    for number in range(1_200):
        await redis.set(f"{{SOAKA}}:c:diwali01:m:{number}", b"x" * 100)
    await redis.hset("{SOAKA}:c:diwali01", mapping={"state": "running"})
    await redis.hset("{SOAKA}:c:diwali02", mapping={"archive": "archived"})
    await redis.hset("{SOAKA}:c:diwali03", mapping={"archive": "erased"})
    sample = await sample_keys(redis, 7.0)
    assert sample.at_s == 7.0
    assert sample.keys == {f"{CAMPAIGN}:m:#": 1_200, CAMPAIGN: 1, STUB: 2}
    assert sample.bytes[f"{CAMPAIGN}:m:#"] > 120_000
    assert sample.used_bytes > sum(sample.bytes.values())


async def test_a_redis_without_keys_has_none(redis: Redis) -> None:
    assert (await sample_keys(redis, 0.0)).keys == {}


def test_a_process_is_measured_and_one_that_has_ended_is_left_out() -> None:
    before = sample_process(os.getpid(), 1.0)
    assert before
    with ExitStack() as files:
        for _ in range(_MANY):
            files.enter_context(open(os.devnull, "rb"))  # noqa: PTH123
        during = sample_process(os.getpid(), 2.0)
    assert during
    # Files and sockets that other tests left open are closed meanwhile, so the increase may be smaller.
    assert during.handles > before.handles + _MANY // 2
    assert during.pid == os.getpid()
    assert during.pss_mb > 1
    assert during.age_s > 0
    assert sample_process(2**22 + 1, 3.0) is None
