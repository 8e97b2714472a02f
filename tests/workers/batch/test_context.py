from redis.asyncio import Redis

from tests.kit.workers import worker_context
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from workers.batch.context import OpeningLock


def test_a_sender_that_the_settings_do_not_name_has_no_limit(redis: Redis) -> None:
    context = worker_context(redis, frequency_limits={"TIMESM": FrequencyLimit(1800)})
    assert context.frequency_limit("TIMESM").repeat_after_s == 1800
    assert not any(context.frequency_limit("OTHERS"))


def test_an_opening_is_expected_to_take_long_only_after_two_long_ones() -> None:
    lock, expected_s = OpeningLock(), list[float]()
    for took_s in (0.3, 0.001, 0.2, 0.3, 0.25, 0.001):
        lock.note_opening(took_s)
        expected_s.append(lock.expected_s)
    assert expected_s == [0.0, 0.001, 0.001, 0.2, 0.25, 0.001]
    assert lock.took_s == 0.001


def test_the_delay_of_pushes_is_that_of_two_late_blocks_and_none_with_a_quick_ledger() -> None:
    lock, delays_s = OpeningLock(), list[float]()
    for delay_s in (0.3, 0.2, 0.4, 0.009, 0.5):
        lock.note_delay(delay_s)
        delays_s.append(lock.delay_s)
    assert delays_s == [0.0, 0.2, 0.2, 0.0, 0.0]
