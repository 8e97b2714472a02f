from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from tests.kit.redis_memory import memory_of_keys
from times_dispatch.ledger.keys import OPT_OUTS_DEAD
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts
from times_dispatch.ledger.scripts import replaced_lib
from times_dispatch.ledger.statistics.rollups import day_of

RULE = DeadNumberRule(frozenset({910}), 30)
DEAD, OTHER = "919876500001", "919876500002"


async def test_a_dead_number_is_found_with_its_code_and_removed(redis: Redis) -> None:
    numbers = DeadNumbers(redis, RULE)
    await numbers.add({DEAD: 910})
    dead = await numbers.find(DEAD)
    assert dead is not None
    assert dead.code == 910
    assert await numbers.counts(dead)
    assert await numbers.find(OTHER) is None
    assert (await numbers.remove(DEAD), await numbers.remove(DEAD)) == (True, False)


async def test_numbers_that_got_a_message_are_no_longer_dead(redis: Redis) -> None:
    numbers = DeadNumbers(redis, RULE)
    await numbers.add({DEAD: 910, "919876500003": 905})
    await numbers.revive([DEAD, OTHER])
    assert await numbers.find(DEAD) is None
    assert await numbers.find("919876500003") is not None


async def test_the_opt_out_list_says_which_numbers_are_dead_in_the_same_call(redis: Redis) -> None:
    await DeadNumbers(redis, RULE).add({DEAD: 910, "919876500003": 905})
    opt_outs = OptOuts(redis, dead_keep_days=30)
    assert await opt_outs.changes() == 1
    await opt_outs.add(["919876500003"])
    assert await opt_outs.contains([DEAD, OTHER, "919876500003"]) == [
        Listed.DEAD,
        Listed.NOT_LISTED,
        Listed.OPTED_OUT,
    ]
    assert await OptOuts(redis).contains([DEAD]) == [Listed.NOT_LISTED]


async def test_a_dead_number_is_tried_again_after_the_time_of_the_rule(redis: Redis) -> None:
    await DeadNumbers(redis, RULE).add({DEAD: 910})
    bucket, member = f"{OPT_OUTS_DEAD}:{DEAD[:-5]}", str(int(DEAD[-5:]))
    noted = int(await redis.hget(bucket, member) or 0)
    opt_outs = OptOuts(redis, dead_keep_days=30)
    for days_ago, listed in ((29, Listed.DEAD), (30, Listed.NOT_LISTED), (31, Listed.NOT_LISTED)):
        await redis.hset(bucket, member, str(noted - days_ago * 65_536))
        assert await opt_outs.contains([DEAD]) == [listed]
    assert 0 < await redis.ttl(bucket) <= 30 * 86_400


async def test_a_number_is_dead_since_the_day_in_india(redis: Redis) -> None:
    one_o_clock_in_india = datetime(2026, 11, 28, 19, 30, tzinfo=UTC)
    clock = f"local function now_us() return {one_o_clock_in_india.timestamp() * 1_000_000:.0f} end\n"
    with replaced_lib("clock", clock):
        await DeadNumbers(redis, RULE).add({DEAD: 910})
        dead = await DeadNumbers(redis, RULE).find(DEAD)
        assert dead is not None
        assert day_of(dead.since_day).isoformat() == "2026-11-29"
        assert await OptOuts(redis, dead_keep_days=1).contains([DEAD]) == [Listed.DEAD]


async def test_without_a_rule_nothing_is_noted(redis: Redis) -> None:
    await DeadNumbers(redis, DeadNumberRule()).add({DEAD: 910})
    assert await redis.dbsize() == 0


async def test_more_numbers_than_one_call_takes_are_all_noted(redis: Redis) -> None:
    numbers = DeadNumbers(redis, RULE)
    await numbers.add({f"9198765{index:05}": 905 for index in range(1_001)})
    for noted in ("919876500000", "919876500999", "919876501000"):
        dead = await numbers.find(noted)
        assert dead is not None
        assert dead.code == 905
    assert await numbers.find("919876501001") is None


@pytest.mark.slow  # stores 100,000 numbers: with fewer, the ranges would not be as full as after a year
async def test_a_dead_number_takes_less_than_thirty_bytes_with_25_in_each_range(redis: Redis) -> None:
    numbers = {f"919{index % 4_000:04}{index * 7 % 100_000:05}": 910 for index in range(100_000)}
    before = await memory_of_keys(redis)
    await DeadNumbers(redis, RULE).add(numbers)
    after = await memory_of_keys(redis)
    assert (after - before) / len(numbers) < 30  # 17 with Valkey 8.1, 22 with Redis 8.0; a string of its own takes 100


async def test_a_full_redis_notes_nothing_and_refuses_nothing(redis: Redis) -> None:
    numbers = DeadNumbers(redis, RULE)
    await redis.config_set("maxmemory", 1)
    try:
        await numbers.add({DEAD: 910})
    finally:
        await redis.config_set("maxmemory", 0)
    assert await numbers.find(DEAD) is None
