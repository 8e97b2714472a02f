"""Rounds of upkeep over the lanes of a sender."""

from contextlib import suppress

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from tests.kit.lanes import people, submit_in_lanes
from tests.kit.upkeep import Rounds
from tests.kit.waiting import eventually
from tests.kit.workers import SENDER
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState


async def test_people_are_shown_the_whole_campaign_and_batches_of_all_lanes_are_issued(
    redis: Redis, rounds: Rounds
) -> None:
    campaign = await submit_in_lanes(redis, people(200))

    await rounds.round()

    assert [view.id for view in rounds.shown] == [campaign]
    assert (rounds.shown[0].total, rounds.shown[0].plan.sender) == (200, SENDER)
    assert {ref.sender for ref in rounds.woken} == set(lane_senders(SENDER, 4))


async def test_a_brake_of_one_lane_reaches_the_others_within_some_rounds(redis: Redis, rounds: Rounds) -> None:
    campaign = await submit_in_lanes(redis, people(200))
    lane = (await Queries(redis).campaign(campaign)).lanes[3]
    key = f"{{{lane.plan.sender}}}:"
    await redis.hset(f"{key}c:{lane.id}", mapping={"state": "braked", "reason": "too many rejections"})
    await redis.sadd(f"{key}changed", lane.id)

    async def is_braked() -> bool:
        await rounds.round()
        lanes = (await Queries(redis).campaign(campaign)).lanes
        return {lane.state for lane in lanes} == {CampaignState.BRAKED}

    await eventually(is_braked, within_s=300)
    view = await Queries(redis).campaign(campaign)
    assert (view.state, view.reason) == (CampaignState.BRAKED, "too many rejections")


async def test_a_lane_that_cannot_be_read_keeps_no_other_campaign_from_flower(redis: Redis, rounds: Rounds) -> None:
    await submit_in_lanes(redis, people(40), campaign="lanes001")
    other = await submit_in_lanes(redis, people(20), campaign="other001", lanes=1, sender="OTHERS")
    await redis.set(f"{{{lane_senders(SENDER, 4)[2]}}}:c:lanesl02", "not a hash")

    await rounds.round()

    assert [view.id for view in rounds.shown] == [other]


async def test_lanes_are_paused_with_another_while_one_of_them_is_damaged(redis: Redis, rounds: Rounds) -> None:
    campaign = await submit_in_lanes(redis, people(200))
    lanes = (await Queries(redis).campaign(campaign)).lanes
    await redis.set(f"{{{lanes[1].plan.sender}}}:c:{lanes[1].id}", "not a hash")
    paused = f"{{{lanes[3].plan.sender}}}:"
    await redis.hset(f"{paused}c:{lanes[3].id}", mapping={"state": "paused", "reason": "look"})
    await redis.sadd(f"{paused}changed", lanes[3].id)

    async def are_paused() -> bool:
        with suppress(ResponseError):  # the round names the damage at its end
            await rounds.round()
        states = [await redis.hget(f"{{{lane.plan.sender}}}:c:{lane.id}", "state") for lane in (lanes[0], lanes[2])]
        return states == [b"paused"] * 2

    await eventually(are_paused, within_s=300)


async def test_a_pause_reaches_every_lane_that_can_be_reached(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    lanes = (await Queries(redis).campaign(campaign)).lanes
    damaged = f"{{{lanes[1].plan.sender}}}:c:{lanes[1].id}"
    await redis.rename(damaged, "elsewhere")
    await redis.set(damaged, "not a hash")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await Control(redis).campaign(SENDER, campaign, ControlAction.PAUSE)

    await redis.rename("elsewhere", damaged)
    states = [lane.state for lane in (await Queries(redis).campaign(campaign)).lanes]
    assert states == [CampaignState.PAUSED, CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.PAUSED]


async def test_a_pause_of_the_sender_that_missed_a_lane_reaches_it_within_some_rounds(
    redis: Redis, rounds: Rounds
) -> None:
    await submit_in_lanes(redis, people(100))
    lanes = lane_senders(SENDER, 4)
    await redis.hset(f"{{{lanes[1]}}}:sender", mapping={"paused": 1, "pause_reason": "wrong price"})

    async def is_paused() -> bool:
        await rounds.round()
        return {await redis.hget(f"{{{lane}}}:sender", "paused") for lane in lanes} == {b"1"}

    await eventually(is_paused, within_s=60)
