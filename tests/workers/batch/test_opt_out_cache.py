from redis.asyncio import Redis

from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts
from workers.batch.opt_out_cache import OptOutCache

FIRST, SECOND = "919800000001", "919800000002"


async def test_a_list_that_was_never_changed_is_not_asked(redis: Redis) -> None:
    cache = OptOutCache(redis)
    assert await cache.changes() == 0
    await OptOuts(redis).add([FIRST])
    assert await cache.opted_out([FIRST], changes=0) == [Listed.NOT_LISTED]


async def test_a_list_that_was_changed_is_asked_every_time(redis: Redis) -> None:
    cache = OptOutCache(redis)
    await OptOuts(redis).add([FIRST])
    assert await cache.opted_out([FIRST, SECOND], changes=1) == [Listed.OPTED_OUT, Listed.NOT_LISTED]
    await OptOuts(redis).add([SECOND])
    assert await cache.opted_out([FIRST, SECOND], changes=1) == [Listed.OPTED_OUT, Listed.OPTED_OUT]


async def test_the_changes_are_asked_for_once_and_then_as_the_openings_say(redis: Redis) -> None:
    cache = OptOutCache(redis)
    await OptOuts(redis).add([FIRST])
    assert await cache.changes() == 1
    await OptOuts(redis).add([SECOND])
    assert await cache.changes() == 1
    await cache.opted_out([FIRST], changes=2)
    assert await cache.changes() == 2
