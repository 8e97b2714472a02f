"""Statistics of days, senders, providers and templates are found without reading a message."""

from datetime import date, timedelta

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import SenderKey, sender_key
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.statistics.figures import statistics_of, total
from times_dispatch.ledger.statistics.rollups import KEPT_DAYS, RollupFilter, StatisticsReader, day_of

INDIA_OFFSET_S = 19_800


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis)


async def _today(ledger: Ledger) -> date:
    return day_of((await ledger.now_ms() // 1000 + INDIA_OFFSET_S) // 86_400)


async def _sums(ledger: Ledger, chosen: RollupFilter) -> dict[str, int]:
    reader = StatisticsReader(ledger.redis)
    return dict(total([amounts async for _, amounts in reader.rollups(chosen)]))


async def test_messages_are_found_by_sender_template_provider_and_day(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.submit(2, campaign="another1", sender="OTHERS", template="offer")
    await ledger.send_all()
    for ref in await ledger.issue(SenderId("OTHERS")):
        await ledger.push(b"r", await ledger.take(ref))
    today = await _today(ledger)
    found = await StatisticsReader(ledger.redis).keys(RollupFilter())
    assert [(key.day, key.sender, key.provider, key.template) for key in found] == [
        (today, "OTHERS", "times", "offer"),
        (today, SENDER, "times", "greeting"),
    ]
    assert statistics_of(await _sums(ledger, RollupFilter(senders=[SENDER]))).sent == 3
    assert statistics_of(await _sums(ledger, RollupFilter(template="offer"))).errors == 2
    assert await _sums(ledger, RollupFilter(provider="nobody")) == {}
    assert statistics_of(await _sums(ledger, RollupFilter(since=today, until=today))).sent == 3
    assert await _sums(ledger, RollupFilter(until=today - timedelta(days=1))) == {}


async def test_each_provider_of_a_chain_has_its_own_messages(ledger: Ledger) -> None:
    await ledger.submit(3, fallbacks=["second"])
    await ledger.redis.hset(f"{{{SENDER}}}:sender", "brake@times", "no balance")
    await ledger.send_all()
    await ledger.report("delivered")
    assert (await ledger.messages())[0].record.chain_index == 1
    assert await _sums(ledger, RollupFilter(provider="times")) == {}
    statistics = statistics_of(await _sums(ledger, RollupFilter(provider="second")))
    assert (statistics.sent, statistics.delivered) == (3, 1)


async def test_rollups_expire_and_old_ones_leave_the_index(ledger: Ledger) -> None:
    index_key = sender_key(SENDER, SenderKey.STATISTICS)
    await ledger.redis.zadd(index_key, {"1:times:greeting": 1})
    await ledger.submit(1)
    await ledger.send_all()
    (key,) = await StatisticsReader(ledger.redis).keys(RollupFilter())
    left_days = await ledger.redis.ttl(key.key) / 86_400
    assert KEPT_DAYS - 2 < left_days <= KEPT_DAYS
    assert await ledger.redis.zcard(index_key) == 1


async def test_the_last_minutes_are_counted_and_expire(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.send_all()
    hour = (await ledger.now_ms() // 1000 + INDIA_OFFSET_S) // 3600
    minutes = [
        amounts for at in (hour - 1, hour) if (amounts := await StatisticsReader(ledger.redis).minutes(SENDER, at))
    ]
    assert sum(amount for amounts in minutes for field, amount in amounts.items() if field.endswith("s")) == 3
    keys = await ledger.redis.keys(f"{sender_key(SENDER, SenderKey.MINUTES)}:*")
    assert all([0 < await ledger.redis.ttl(key) <= 26 * 3600 for key in keys])


async def test_a_campaign_that_was_never_sent_has_no_statistics(ledger: Ledger) -> None:
    await ledger.submit(1)
    assert await StatisticsReader(ledger.redis).campaign(SENDER, CAMPAIGN) == {}


async def test_damaged_statistics_do_not_stop_messages(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.redis.set(f"{{{SENDER}}}:c:{CAMPAIGN}:statistics", "damaged")
    await ledger.send_all()
    assert await ledger.states() == "aaa"
