"""The counts of some days, from the rollups of real campaigns."""

from datetime import timedelta

from redis.asyncio import Redis

from tests.kit.callbacks import ID_KEY, SENDER, send_campaign
from times_dispatch.ledger.statistics.rollups import RollupFilter, StatisticsReader
from times_dispatch.ledger.statistics.usual import DeliveryCounts, read_delivery_counts
from times_dispatch.provider.correlation_ids import CorrelationIds


async def test_the_messages_of_some_days_are_counted_by_sender_and_provider(redis: Redis) -> None:
    await send_campaign(redis, CorrelationIds(ID_KEY.encode()), total=20)
    (newest,) = await StatisticsReader(redis).keys(RollupFilter())
    today = newest.day
    counts = await read_delivery_counts(redis, since=today, until=today)
    assert counts == {(SENDER, "times"): DeliveryCounts(days=1, sent=20)}
    before = today - timedelta(days=1)
    assert await read_delivery_counts(redis, since=before, until=before) == {}
    assert await read_delivery_counts(redis, senders=[SENDER], since=before, until=today) == counts


def test_shares_are_0_where_nothing_was_sent_or_reported() -> None:
    assert (DeliveryCounts().delivered_share, DeliveryCounts().reported_share) == (0.0, 0.0)
    counts = DeliveryCounts(days=1, sent=10, delivered=3, failed=1)
    assert (counts.reported, counts.delivered_share, counts.reported_share) == (4, 0.75, 0.4)
