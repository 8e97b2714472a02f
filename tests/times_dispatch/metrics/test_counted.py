"""The numbers of today and yesterday are current; the numbers of older days are at most ten minutes old."""

from datetime import date, timedelta

from redis.asyncio import Redis

from tests.kit.history import count_day
from tests.kit.ledger import PROVIDER, SENDER
from times_dispatch.ledger.keys import SENDERS
from times_dispatch.metrics.counted import CountedReader

TODAY = date(2026, 11, 20)
SINCE = TODAY - timedelta(days=7)
NOW_S = 1_790_000_000.0


async def _delivered(reader: CountedReader, at_s: float = 0.0, *, since: date = SINCE, today: date = TODAY) -> int:
    counted = await reader.read(since, today, now_s=NOW_S + at_s)
    of_sender = counted.get((SENDER, PROVIDER))
    return of_sender.days.delivered if of_sender else 0


async def _count(redis: Redis, days_ago: int, delivered: int) -> None:
    await redis.sadd(SENDERS, SENDER)
    await count_day(redis, TODAY - timedelta(days=days_ago), sent=delivered, delivered=delivered)


async def test_all_days_are_added_up_and_days_before_the_first_are_not(redis: Redis) -> None:
    for days_ago, delivered in ((0, 1), (1, 20), (2, 300), (7, 4_000), (8, 50_000)):
        await _count(redis, days_ago, delivered)
    reader = CountedReader(redis)
    assert await _delivered(reader) == 4_321
    counted = await reader.read(SINCE, TODAY, now_s=NOW_S)
    assert counted[SENDER, PROVIDER].today.delivered == 1
    assert await _delivered(reader, since=TODAY) == 1
    assert await _delivered(reader, since=TODAY - timedelta(days=1)) == 21


async def test_today_and_yesterday_are_read_anew_and_older_days_after_ten_minutes(redis: Redis) -> None:
    reader = CountedReader(redis)
    for days_ago in (0, 1, 2):
        await _count(redis, days_ago, 1)
    assert await _delivered(reader) == 3
    for days_ago in (0, 1, 2):
        await _count(redis, days_ago, 2)
    assert await _delivered(reader, 599) == 5
    assert await _delivered(reader, 600) == 6
    await _count(redis, 2, 9)
    assert await _delivered(reader, 0) == 13  # the clock was set back


async def test_a_new_day_is_read_at_once(redis: Redis) -> None:
    reader, tomorrow = CountedReader(redis), TODAY + timedelta(days=1)
    await _count(redis, 0, 5)
    await _count(redis, 1, 70)
    assert await _delivered(reader) == 75
    await _count(redis, 1, 80)
    assert await _delivered(reader, 5, since=SINCE + timedelta(days=1), today=tomorrow) == 85
