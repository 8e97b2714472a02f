"""Counts of a real campaign, and how long they are kept."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from tests.kit.callbacks import ID_KEY, send_campaign
from times_dispatch.alerts.counts import CountsReader
from times_dispatch.ledger.statistics.rollups import RollupFilter, StatisticsReader
from times_dispatch.provider.correlation_ids import CorrelationIds


async def _day_of_sending_s(redis: Redis) -> float:
    (newest,) = await StatisticsReader(redis).keys(RollupFilter())
    noon = datetime.combine(newest.day, datetime.min.time(), ZoneInfo("Asia/Kolkata")) + timedelta(hours=12)
    return noon.timestamp()


async def test_messages_count_for_today_for_the_days_and_later_for_what_is_usual(redis: Redis) -> None:
    await send_campaign(redis, CorrelationIds(ID_KEY.encode()), total=20)
    now_s = await _day_of_sending_s(redis)
    (counts,) = await CountsReader(redis).read(now_s)
    assert (counts.sender, counts.provider) == ("TIMESM", "times")
    assert (counts.today.sent, counts.days.sent, counts.usual.sent) == (20, 20, 0)
    (counts,) = await CountsReader(redis).read(now_s + 86_400)
    assert (counts.today.sent, counts.days.sent, counts.usual.sent) == (0, 20, 20)
    assert await CountsReader(redis).read(now_s + 8 * 86_400) == []


async def test_counts_are_read_once_a_minute_also_after_the_clock_was_set_back(redis: Redis) -> None:
    await send_campaign(redis, CorrelationIds(ID_KEY.encode()), total=20)
    now_s, reader = await _day_of_sending_s(redis), CountsReader(redis)
    (before,) = await reader.read(now_s)
    await send_campaign(redis, CorrelationIds(ID_KEY.encode()), total=20)
    assert await reader.read(now_s + 59) == [before]
    (after,) = await reader.read(now_s + 60)
    assert after.today.sent == 40
    await send_campaign(redis, CorrelationIds(ID_KEY.encode()), total=20)
    (earlier,) = await reader.read(now_s)
    assert earlier.today.sent == 60
