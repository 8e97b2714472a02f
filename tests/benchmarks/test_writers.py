"""The benchmarks write campaigns directly to the ledger in the form that the ledger reads."""

from redis.asyncio import Redis

from benchmarks import accepted_campaign, growth, seeding
from producers.submit import BATCH_SIZE
from tests.kit.workers import SENDER
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState


async def test_an_accepted_campaign_adds_up_and_its_records_are_accepted(redis: Redis) -> None:
    campaign = await accepted_campaign.write(redis, SENDER, 2 * BATCH_SIZE, payloads=True)
    view = await Queries(redis).campaign(campaign)
    assert view.counts[MessageState.ACCEPTED] == view.total == 2 * BATCH_SIZE
    messages = [message async for message in Queries(redis).messages(campaign)]
    assert len(messages) == 2 * BATCH_SIZE
    assert {message.record.state for message in messages} == {MessageState.ACCEPTED}


async def test_campaigns_of_the_growth_benchmark_are_pending(redis: Redis) -> None:
    await growth.write_unfinished(redis, [SENDER], campaigns=3, batches=2)
    views = await Queries(redis).campaigns()
    assert [view.counts[MessageState.PENDING] for view in views] == 3 * [2 * BATCH_SIZE]


async def test_a_seeded_campaign_is_pending(redis: Redis) -> None:
    campaign = await seeding.write(redis, SENDER, BATCH_SIZE + 1)
    view = await Queries(redis).campaign(campaign)
    assert view.counts[MessageState.PENDING] == view.total == BATCH_SIZE + 1


async def test_a_seeded_campaign_in_lanes_is_pending(redis: Redis) -> None:
    lanes = await seeding.write_in_lanes(redis, SENDER, 2 * BATCH_SIZE, lanes=4)
    view = await Queries(redis).campaign(lanes[0][1])
    assert [lane.id for lane in view.lanes] == [campaign for _, campaign in lanes]
    assert view.counts[MessageState.PENDING] == view.total == 2 * BATCH_SIZE
