from redis.asyncio import Redis

from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.reports.late_stops import LateStops


async def test_messages_are_noted_once_until_they_are_removed(redis: Redis) -> None:
    stops, campaign = LateStops(redis), CampaignId("diwali01")
    await stops.add([])
    assert await stops.all() == []
    await stops.add([(campaign, 7), (campaign, 7), (campaign, 12)])
    assert await stops.all() == [(campaign, 12), (campaign, 7)]
    await stops.remove(campaign, 7)
    assert await stops.all() == [(campaign, 12)]
