from decimal import Decimal

import msgspec
import pytest
from redis.asyncio import Redis

from tests.kit.lanes import people, plan_of, submit_in_lanes
from tests.kit.workers import SENDER
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import LanesRefused, WorkerTooOld
from times_dispatch.ledger.lanes.names import known_lanes, lane_senders
from times_dispatch.ledger.lanes.plans import plans_of_lanes
from times_dispatch.ledger.model import CampaignId, Plan, TrackedLinks
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.states import CampaignState, MessageState

ONE = CampaignId("diwali01")


async def plans(redis: Redis, plan: Plan, *, lanes: int = 4, cap: int = 0) -> dict[CampaignId, Plan]:
    ids = iter(f"lane{number:04}" for number in range(100))
    return await plans_of_lanes(redis, "print", ONE, plan, lanes=lanes, max_parts_per_day=cap, new_id=lambda: next(ids))


async def test_a_sender_without_lanes_has_the_plan_as_it_is(redis: Redis) -> None:
    assert await plans(redis, plan_of(), lanes=1) == {ONE: plan_of()}
    assert not await redis.keys("*"), "nothing is written without lanes"


async def test_each_lane_has_a_share_of_the_campaigns_own_rate_and_all_know_each_other(redis: Redis) -> None:
    made = await plans(redis, plan_of(rate_per_s=100.0), lanes=3)
    assert next(iter(made)) == ONE
    assert [plan.sender for plan in made.values()] == list(lane_senders(SENDER, 3))
    assert sum(Decimal(str(plan.rate_per_s)) for plan in made.values()) == 100
    assert all(plan.lane_campaigns == list(made) for plan in made.values())


async def test_a_repeated_call_returns_the_same_campaigns_also_after_the_settings_changed(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(10), lanes=3, sealed=[])
    before = (await Queries(redis).campaign(campaign)).lanes
    again = await plans_of_lanes(
        redis, campaign, campaign, plan_of(), lanes=8, max_parts_per_day=0, new_id=lambda: "never001"
    )
    assert list(again) == [lane.id for lane in before]


async def test_a_campaign_that_was_submitted_without_lanes_stays_without(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(10), lanes=1)
    again = await plans_of_lanes(
        redis, campaign, campaign, plan_of(), lanes=4, max_parts_per_day=0, new_id=lambda: "never001"
    )
    assert list(again) == [campaign]


async def test_a_sender_keeps_the_lanes_that_it_ever_had(redis: Redis) -> None:
    await submit_in_lanes(redis, people(10), lanes=4)
    assert len(await plans(redis, plan_of(), lanes=1)) == 4


@pytest.mark.parametrize(
    ("plan", "cap", "what"),
    [
        (plan_of(max_parts=5), 0, "max_parts"),
        (plan_of(rate_per_s=79.0), 0, "below 80"),
        (plan_of(), 100, "daily cap"),
    ],
)
async def test_limits_that_lanes_would_not_keep_together_are_refused(
    redis: Redis, plan: Plan, cap: int, what: str
) -> None:
    with pytest.raises(LanesRefused, match=what):
        await plans(redis, plan, cap=cap)
    assert await known_lanes(redis, SENDER) == [SENDER]


async def test_people_see_one_campaign_and_one_sender(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(100), lanes=4)
    queries = Queries(redis)

    view = await queries.campaign(campaign)

    assert (view.id, view.total, view.state, view.plan.sender) == (campaign, 100, CampaignState.RUNNING, SENDER)
    assert view.counters_add_up
    assert view.counts[MessageState.PENDING] == 100
    assert len(view.lanes) == 4
    assert view.batches == sum(lane.batches for lane in view.lanes)
    assert [each.id for each in await queries.campaigns()] == [campaign]
    assert [each.id for each in await queries.live(SENDER)] == [campaign]
    assert await queries.live_and_ended(max_ended=10) == ([view], 0)
    assert await queries.senders() == [SENDER]
    assert len(await LaneQueries(redis).senders()) == len(await LaneQueries(redis).campaigns()) == 4
    messages = [message async for message in queries.messages(campaign)]
    assert [message.index for message in messages] == list(range(100))
    assert sorted(message.to for message in messages) == people(100).to
    for lane in view.lanes:
        assert (await queries.campaign(lane.id)).id == campaign


async def test_a_campaign_of_which_one_lane_has_ended_is_live_and_listed_once(redis: Redis) -> None:
    campaign = await submit_in_lanes(redis, people(40), lanes=2)
    ended = await submit_in_lanes(redis, people(40), lanes=2, campaign="ended001")
    await Control(redis).campaign(SENDER, ended, "cancel")  # type: ignore[arg-type]  # the value of the action
    lanes = (await Queries(redis).campaign(campaign)).lanes
    key = f"{{{lanes[0].plan.sender}}}:"
    await redis.srem(f"{key}live", campaign)
    await redis.zadd(f"{key}ended", {campaign: 1})

    views, left_out = await Queries(redis).live_and_ended(max_ended=1)

    assert ({view.id for view in views}, left_out) == ({campaign, ended}, 0)
    assert [view.id for view in await Queries(redis).live(SENDER)] == [campaign]


async def of_an_older_version(redis: Redis, minor: int | None) -> None:
    """Give the heartbeats of all workers another minor schema, or no schema, as an older version does."""
    for key in await redis.keys("{processes}:p:worker:*"):
        record = msgspec.json.decode(await redis.hget(key, "record") or b"")
        del record["minor"]
        record |= {} if minor is None else {"minor": minor}
        await redis.hset(key, "record", msgspec.json.encode(record))


async def test_no_campaign_in_lanes_begins_while_a_worker_runs_that_knows_no_lanes(redis: Redis) -> None:
    await Heartbeat(redis, ProcessKind.WORKER).beat()
    assert len(await plans(redis, plan_of())) == 4
    await of_an_older_version(redis, None)  # versions older than the record of the schema write no schema
    with pytest.raises(WorkerTooOld, match="is of a version that knows no lanes"):
        await plans(redis, plan_of())
    assert len(await plans(redis, plan_of(sender="OTHERS"), lanes=1)) == 1, "a sender without lanes is not affected"


async def test_no_campaign_with_links_in_lanes_begins_while_a_worker_runs_that_would_make_other_codes(
    redis: Redis,
) -> None:
    with_links = plan_of(tracked_links=TrackedLinks(prefix="https://a/", targets=[], key_digest="", number=3))
    await Heartbeat(redis, ProcessKind.WORKER).beat()
    made = await plans(redis, with_links)
    assert [plan.tracked_links for plan in made.values()] == [with_links.tracked_links] * 4
    await of_an_older_version(redis, 1)
    with pytest.raises(WorkerTooOld, match="is of a version that knows no tracked links in lanes"):
        await plans(redis, with_links)
    assert len(await plans(redis, plan_of())) == 4, "a campaign without links is not affected"
