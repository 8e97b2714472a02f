import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.kit.clock import FakeClock
from tests.kit.lanes import people, submit_in_lanes
from tests.kit.workers import SENDER
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.lanes.alignment import LaneAlignment
from times_dispatch.ledger.lanes.names import known_lanes, lane_senders
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState


async def lanes_of(redis: Redis, campaign: str) -> list[CampaignView]:
    return (await Queries(redis).campaign(campaign)).lanes  # type: ignore[arg-type]


async def stop(redis: Redis, lane: CampaignView, state: CampaignState) -> None:
    """Stop one lane, as a script does, without a change to any other lane."""
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


async def test_a_pause_that_fails_keeps_no_brake_from_the_lanes(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    await submit_in_lanes(redis, people(100))
    lanes = await known_lanes(redis, SENDER)
    await redis.hset(f"{{{lanes[0]}}}:sender", "paused", 1)
    await redis.hset(f"{{{lanes[2]}}}:sender", "brake@times", "insufficient balance")

    async def fail(*_: Any, **__: Any) -> None:
        raise RedisError("a lane is away")

    monkeypatch.setattr(Control, "pause_sender", fail)
    clock = FakeClock()
    alignment = LaneAlignment(redis, clock=clock)
    await alignment.align_senders(lanes)
    await clock.advance(1.1)
    with pytest.raises(RedisError, match="a lane is away"):
        await alignment.align_senders(lanes)

    views = [await LaneQueries.sender(Queries(redis), lane) for lane in lanes]
    assert [view.unavailable[0].brake for view in views] == ["insufficient balance"] * len(lanes)


async def test_all_lanes_of_a_campaign_are_cancelled_if_the_plan_of_the_first_is_damaged(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    lanes = await lanes_of(redis, campaign)
    await redis.hset(f"{{{SENDER}}}:c:{campaign}", "plan", "{")

    await Control(redis).campaign(SENDER, CampaignId(campaign), ControlAction.CANCEL)

    states = [await redis.hget(f"{{{lane.plan.sender}}}:c:{lane.id}", "state") for lane in lanes]
    assert states == [CampaignState.CANCELLED.encode()] * 4


async def test_lanes_follow_each_other_while_another_lane_is_damaged(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    lanes = await lanes_of(redis, campaign)
    await redis.set(f"{{{lanes[1].plan.sender}}}:c:{lanes[1].id}", "not a hash")
    await stop(redis, lanes[2], CampaignState.PAUSED)
    clock = FakeClock()
    alignment = LaneAlignment(redis, clock=clock)
    await alignment.align([lanes[3]])
    await clock.advance(1.1)

    with pytest.raises(RedisError):  # the error is raised after the other lanes were paused
        await alignment.align([])

    states = [await redis.hget(f"{{{lane.plan.sender}}}:c:{lane.id}", "state") for lane in lanes[::2] + lanes[3:]]
    assert states == [b"paused"] * 3


async def test_a_lane_that_is_away_keeps_no_other_lane_from_a_stop(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100))
    lanes = await lanes_of(redis, campaign)
    await stop(redis, lanes[0], CampaignState.BRAKED)
    clock, away = FakeClock(), {lanes[3].plan.sender}
    alignment = LaneAlignment(redis, clock=clock)
    await alignment.align([lanes[1]], away=away)
    await clock.advance(1.1)
    await alignment.align([], away=away)

    assert {lane.state for lane in await lanes_of(redis, campaign)} == {CampaignState.BRAKED}


async def test_a_lane_that_does_not_answer_delays_other_campaigns_and_senders_for_a_bounded_time_only(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = await submit_in_lanes(redis, people(40), campaign="stuck001")
    campaign = await submit_in_lanes(redis, people(40), sender="OTHERS")
    silent = lane_senders(SENDER, 4)[1]
    reading, sender_reading = LaneQueries.some, LaneQueries.sender

    async def some(self: LaneQueries, ids: Any, *, damaged: Any) -> list[CampaignView]:
        if any(sender == silent for _, sender in ids):
            await asyncio.Event().wait()
        return await reading(self, ids, damaged=damaged)

    async def sender(self: LaneQueries, name: Any) -> SenderView:
        if name == silent:
            await asyncio.Event().wait()
        return await sender_reading(self, name)

    changed = [(await lanes_of(redis, each))[0] for each in (stuck, campaign)]
    await stop(redis, (await lanes_of(redis, campaign))[2], CampaignState.BRAKED)
    await redis.hset("{OTHERS}:sender", mapping={"paused": 1, "pause_reason": "wrong price"})
    monkeypatch.setattr(LaneQueries, "some", some)
    monkeypatch.setattr(LaneQueries, "sender", sender)
    clock = FakeClock()
    alignment = LaneAlignment(redis, wait_s=2.0, clock=clock)
    senders = [*lane_senders(SENDER, 4), *lane_senders(SenderId("OTHERS"), 4)]
    async with asyncio.timeout(300):
        for _ in range(2):
            await alignment.align(changed)
            await alignment.align_senders(senders)
            await clock.advance(1.1)
    monkeypatch.undo()

    assert {lane.state for lane in await lanes_of(redis, campaign)} == {CampaignState.BRAKED}
    assert [await redis.hget(f"{{{lane}}}:sender", "paused") for lane in senders[4:]] == [b"1"] * 4


async def test_a_daily_cap_that_is_set_later_is_kept_by_all_lanes_together(redis: Redis) -> None:
    await submit_in_lanes(redis, people(100))
    control = Control(redis)
    await control.configure_daily_cap(SENDER, 10)
    caps = [await redis.hget(f"{{{lane}}}:sender", "max_parts_per_day") for lane in await known_lanes(redis, SENDER)]
    assert caps == [b"3", b"3", b"2", b"2"]
    assert (await Queries(redis).sender(SENDER)).max_parts_per_day == 10
