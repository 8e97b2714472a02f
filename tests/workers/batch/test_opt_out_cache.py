import pytest
from redis.asyncio import Redis

from tests.kit.clock import FakeClock
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.optouts import OptOuts
from workers.batch.opt_out_cache import OptOutCache

FIRST, SECOND = "919800000001", "919800000002"


@pytest.mark.parametrize(("later_s", "is_out"), [(0.0, False), (0.999, False), (1.0, True)])
async def test_an_empty_list_is_taken_for_empty_for_a_second(redis: Redis, later_s: float, is_out: bool) -> None:
    clock = FakeClock()
    cache = OptOutCache(redis, clock=clock)
    assert await cache.opted_out([FIRST]) == [False]
    await OptOuts(redis).add([FIRST])
    await clock.advance(later_s)
    assert await cache.opted_out([FIRST]) == [is_out]


async def test_a_list_that_is_not_empty_is_asked_for_every_block(redis: Redis) -> None:
    cache = OptOutCache(redis, clock=FakeClock())
    await OptOuts(redis).add([FIRST])
    assert await cache.opted_out([FIRST, SECOND]) == [True, False]
    await OptOuts(redis).add([SECOND])
    assert await cache.opted_out([FIRST, SECOND]) == [True, True]


def test_a_sender_that_the_settings_do_not_name_has_no_limit(redis: Redis) -> None:
    cache = OptOutCache(redis, {"TIMESM": FrequencyLimit(1800)})
    assert cache.frequency_limit("TIMESM").repeat_after_s == 1800
    assert not any(cache.frequency_limit("OTHERS"))
