from redis.asyncio import Redis

from tests.kit.clock import FakeClock
from tests.kit.lanes import people, submit_in_lanes
from tests.kit.workers import SENDER
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.lanes.alignment import LaneAlignment
from times_dispatch.ledger.lanes.names import known_lanes
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.states import CampaignState


async def lanes_of(redis: Redis, campaign: str) -> list[CampaignView]:
    return (await Queries(redis).campaign(campaign)).lanes  # type: ignore[arg-type]


async def stop(redis: Redis, lane: CampaignView, state: CampaignState) -> None:
    """Stop one lane as a script does, which knows no other lane."""
    key = f"{{{lane.plan.sender}}}:c:{lane.id}"
    await redis.hset(key, mapping={"state": state.value, "reason": "too many rejections", "stopped_us": 1})


async def align_for(redis: Redis, campaign: str, seconds: float) -> None:
    clock = FakeClock()
    alignment = LaneAlignment(redis, clock=clock)
    await alignment.align([await Queries(redis).campaign(campaign)])  # type: ignore[arg-type]
    await clock.advance(seconds)
    await alignment.align([])


async def test_a_brake_of_one_lane_stops_all_lanes_with_its_reason(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    await stop(redis, (await lanes_of(redis, campaign))[2], CampaignState.BRAKED)

    await align_for(redis, campaign, 1.1)

    assert {(lane.state, lane.reason) for lane in await lanes_of(redis, campaign)} == {
        (CampaignState.BRAKED, "too many rejections")
    }


async def test_a_difference_of_less_than_a_second_is_left_alone(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    await stop(redis, (await lanes_of(redis, campaign))[0], CampaignState.PAUSED)

    await align_for(redis, campaign, 0.5)

    states = [lane.state for lane in await lanes_of(redis, campaign)]
    assert states == [CampaignState.PAUSED, *[CampaignState.RUNNING] * 3]


async def test_a_cancel_that_did_not_reach_every_lane_reaches_it_later(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    await stop(redis, (await lanes_of(redis, campaign))[1], CampaignState.CANCELLED)

    await align_for(redis, campaign, 1.1)

    assert {lane.state for lane in await lanes_of(redis, campaign)} == {CampaignState.CANCELLED}


async def test_a_submit_that_broke_off_between_two_seals_is_finished(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100), sealed=[0, 1])
    assert (await Queries(redis).campaign(campaign)).state is CampaignState.SUBMITTING

    await align_for(redis, campaign, 1.1)

    assert {lane.state for lane in await lanes_of(redis, campaign)} == {CampaignState.RUNNING}


async def test_a_submit_of_which_no_lane_is_sealed_is_left_alone(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100), sealed=[])

    await align_for(redis, campaign, 1.1)

    assert {lane.state for lane in await lanes_of(redis, campaign)} == {CampaignState.SUBMITTING}


async def test_a_lane_that_has_finished_stays_so_when_others_are_paused(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    lanes = await lanes_of(redis, campaign)
    await stop(redis, lanes[0], CampaignState.FINISHED)
    for lane in lanes[1:]:
        await stop(redis, lane, CampaignState.PAUSED)

    await align_for(redis, campaign, 1.1)

    assert [lane.state for lane in await lanes_of(redis, campaign)] == [
        CampaignState.FINISHED,
        *[CampaignState.PAUSED] * 3,
    ]
    assert SENDER in await Queries(redis).senders()


async def test_a_pause_and_a_brake_that_missed_a_lane_of_the_sender_reach_it_later(redis: Redis) -> None:
    await submit_in_lanes(redis, people(100))
    lanes = await known_lanes(redis, SENDER)
    await redis.hset(f"{{{lanes[0]}}}:sender", mapping={"paused": 1, "pause_reason": "wrong price"})
    await redis.hset(f"{{{lanes[2]}}}:sender", "brake@times", "insufficient balance")
    clock = FakeClock()
    alignment = LaneAlignment(redis, clock=clock)
    await alignment.align_senders(lanes)
    assert not (await LaneQueries.sender(Queries(redis), lanes[1])).paused
    await clock.advance(1.1)
    await alignment.align_senders(lanes)

    views = [await LaneQueries.sender(Queries(redis), lane) for lane in lanes]
    assert {(view.paused, view.pause_reason) for view in views} == {(True, "wrong price")}
    assert {view.unavailable[0].brake for view in views} == {"insufficient balance"}


async def test_all_lanes_of_a_campaign_are_cancelled_if_the_plan_of_the_first_is_damaged(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    lanes = await lanes_of(redis, campaign)
    await redis.hset(f"{{{SENDER}}}:c:{campaign}", "plan", "{")

    await Control(redis).campaign(SENDER, CampaignId(campaign), ControlAction.CANCEL)

    states = [await redis.hget(f"{{{lane.plan.sender}}}:c:{lane.id}", "state") for lane in lanes]
    assert states == [CampaignState.CANCELLED.encode()] * 4
