from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.kit.lanes import people, submit_in_lanes
from tests.kit.workers import SENDER
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.lanes.whole_of_changed import with_whole_campaigns
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries

LANES = lane_senders(SENDER, 2)


async def lanes_of(redis: Redis, campaign: CampaignId) -> list[CampaignView]:
    return (await Queries(redis).campaign(campaign)).lanes


async def test_two_lanes_become_one_campaign_at_the_first_sender(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(40), lanes=2)
    lanes = await lanes_of(redis, campaign)

    shown, unread = await with_whole_campaigns(redis, [[lane] for lane in lanes], away=())

    [[whole], rest] = [result for result in shown if isinstance(result, list)]
    assert (whole.id, whole.total, rest, unread) == (campaign, 40, [], [])


async def test_a_lane_whose_node_is_away_delays_its_campaign_and_no_error_is_lost(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(40), lanes=2)
    [first, _] = await lanes_of(redis, campaign)
    earlier = TimeoutError()

    shown, unread = await with_whole_campaigns(redis, [earlier, [first]], away={LANES[1]})

    assert shown[0] is earlier
    assert isinstance(shown[1], RedisError)
    assert unread == [first]


async def test_a_campaign_with_a_damaged_lane_is_left_out_and_its_lane_is_returned(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(40), lanes=2)
    [first, second] = await lanes_of(redis, campaign)
    await redis.hdel(f"{{{second.plan.sender}}}:c:{second.id}", "plan")

    assert await with_whole_campaigns(redis, [[first]], away=()) == ([[]], [first])
