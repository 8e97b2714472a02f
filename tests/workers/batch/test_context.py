from redis.asyncio import Redis

from tests.kit.workers import worker_context
from times_dispatch.ledger.frequency_cap import FrequencyLimit


def test_a_sender_that_the_settings_do_not_name_has_no_limit(redis: Redis) -> None:
    context = worker_context(redis, frequency_limits={"TIMESM": FrequencyLimit(1800)})
    assert context.frequency_limit("TIMESM").repeat_after_s == 1800
    assert not any(context.frequency_limit("OTHERS"))
