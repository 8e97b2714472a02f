"""Statistics of days, senders, providers and templates are found without reading a message."""

from collections import Counter
from datetime import date, timedelta

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import SENDERS, SenderKey, sender_key
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.statistics.figures import statistics_of, total
from times_dispatch.ledger.statistics.rollups import KEPT_DAYS, RollupFilter, RollupKey, StatisticsReader, day_of

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


async def test_rollups_expire_at_a_midnight_in_india_and_old_ones_leave_the_index(ledger: Ledger) -> None:
    index_key = sender_key(SENDER, SenderKey.STATISTICS)
    await ledger.redis.zadd(index_key, {"1:times:greeting": 1})
    await ledger.submit(1)
    await ledger.send_all()
    (key,) = await StatisticsReader(ledger.redis).keys(RollupFilter())
    expires_s = await ledger.redis.expiretime(key.key)
    assert day_of((expires_s + INDIA_OFFSET_S) // 86_400) == key.day + timedelta(days=KEPT_DAYS)
    assert (expires_s + INDIA_OFFSET_S) % 86_400 == 0
    assert await ledger.redis.zcard(index_key) == 1


async def test_the_last_minutes_are_counted_and_expire(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.send_all()
    hour = (await ledger.now_ms() // 1000 + INDIA_OFFSET_S) // 3600
    minutes = [
        amounts for at in (hour - 1, hour) if (amounts := await StatisticsReader(ledger.redis).minutes(SENDER, at))
    ]
    assert sum(amount for amounts in minutes for field, amount in amounts.items() if field.endswith("s")) == 3
    for senders in ([], [SENDER]):
        course = await StatisticsReader(ledger.redis).last_minutes(senders)
        assert sum(each.sent for each in course.values()) == 3
        assert {minute // 60 for minute in course} <= {hour - 1, hour}
    assert await StatisticsReader(ledger.redis).last_minutes([SenderId("OTHERS")]) == {}
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


OTHER = SenderId("OTHERS")
DAYS = 130


async def _write_rollups(ledger: Ledger) -> None:
    """Write rollups of two senders for so many days that one call cannot add up all of them."""
    pipe = ledger.redis.pipeline()
    for sender, factor in ((SENDER, 1), (OTHER, 10)):
        pipe.sadd(SENDERS, sender)
        for day in range(20_000, 20_000 + DAYS):
            for provider in ("first", "second"):
                member = f"{day}:{provider}:greeting"
                pipe.zadd(sender_key(sender, SenderKey.STATISTICS), {member: day})
                key = f"{sender_key(sender, SenderKey.STATISTICS)}:{member}"
                pipe.hset(key, mapping={"d": factor, "cost": 10**9 + day, f"t{day % 7}": factor})
    await pipe.execute()


@pytest.mark.parametrize("field", ["day", "sender", "provider", "template"])
async def test_the_sums_by_a_group_are_those_of_the_rollups_one_by_one(ledger: Ledger, field: str) -> None:
    await _write_rollups(ledger)
    reader = StatisticsReader(ledger.redis)

    def group_of(key: RollupKey) -> str:
        return str(getattr(key, field))

    expected = dict[str, Counter[str]]()
    async for key, amounts in reader.rollups(RollupFilter()):
        expected.setdefault(group_of(key), Counter()).update(amounts)
    sums = await reader.sums(RollupFilter(), group_of)
    assert sums.groups == expected
    assert sums.total == total(expected.values())
    assert sums.total["d"] == DAYS * 2 * 11


async def test_the_sums_of_groups_may_have_a_few_fields_and_the_total_has_all(ledger: Ledger) -> None:
    await _write_rollups(ledger)
    reader = StatisticsReader(ledger.redis)
    whole = await reader.sums(RollupFilter(), lambda key: str(key.day))
    short = await reader.sums(RollupFilter(), lambda key: str(key.day), fields=["d", "f"])
    assert short.total == whole.total
    assert short.groups == {day: {"d": amounts["d"]} for day, amounts in whole.groups.items()}


async def test_the_sums_are_those_of_the_chosen_rollups_only(ledger: Ledger) -> None:
    await _write_rollups(ledger)
    chosen = RollupFilter(senders=[OTHER], provider="first", since=day_of(20_010), until=day_of(20_019))
    sums = await StatisticsReader(ledger.redis).sums(chosen, lambda key: key.sender)
    assert sums.groups[OTHER]["d"] == sums.total["d"] == 10 * 10
    assert SENDER not in sums.groups


async def test_a_rollup_that_has_expired_adds_nothing(ledger: Ledger) -> None:
    await ledger.redis.sadd(SENDERS, SENDER)
    await ledger.redis.zadd(sender_key(SENDER, SenderKey.STATISTICS), {"20000:times:greeting": 20_000})
    sums = await StatisticsReader(ledger.redis).sums(RollupFilter(), lambda key: key.sender)
    assert sums == ({SENDER: {}}, {})


async def test_there_are_no_sums_without_rollups(ledger: Ledger) -> None:
    assert await StatisticsReader(ledger.redis).sums(RollupFilter(), lambda key: key.sender) == ({}, {})
