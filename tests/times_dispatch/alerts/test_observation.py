"""Exactly one observation sees a finished campaign, whatever happens between two observations."""

import pytest
from redis.asyncio import Redis

from tests.kit.callbacks import ID_KEY, send_campaign
from tests.kit.lanes import people, submit_in_lanes
from tests.kit.ledger import SENDER, Ledger
from tests.kit.redis_clock import moved_clock
from times_dispatch.alerts.observation import BudgetUse, Observation, Observer
from times_dispatch.ledger.campaigns.live_campaigns import LiveCampaign, LiveCampaigns
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import SENDERS, CampaignField, SenderField, SenderKey, campaign_key, sender_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.monitoring.alerts import Watched
from times_dispatch.ledger.monitoring.complaints import Complaint, Complaints
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState
from times_dispatch.provider.correlation_ids import CorrelationIds

IDS = CorrelationIds(ID_KEY.encode())


async def look(redis: Redis, before: Watched) -> Observation:
    return await Observer(redis).observe(before)


async def test_a_first_look_sees_no_campaign_that_finished(redis: Redis) -> None:
    await send_campaign(redis, IDS)
    now = await look(redis, Watched())
    assert (now.finished, now.live, now.watched.live) == ([], [], {})
    assert now.watched.until_ms == now.now_ms


async def test_a_campaign_that_was_submitted_and_finished_between_two_looks_is_seen_once(redis: Redis) -> None:
    first = await look(redis, Watched())
    sent = await send_campaign(redis, IDS)
    second = await look(redis, first.watched)
    third = await look(redis, second.watched)
    seen = [[view.id for view in now.finished] for now in (first, second, third)]
    assert seen == [[], [sent.campaign], []]


async def test_a_campaign_that_was_live_for_long_is_seen_when_it_finishes(ledger: Ledger) -> None:
    campaign = await ledger.submit()
    before = await look(ledger.redis, Watched())
    assert before.watched.live == {SENDER: [campaign]}
    await ledger.redis.hset(campaign_key(SENDER, campaign), CampaignField.CREATED_MS, "1")
    await ledger.control.campaign(SENDER, campaign, ControlAction.CANCEL)
    assert (await look(ledger.redis, before.watched)).finished == []


async def test_a_campaign_that_finishes_while_a_look_reads_is_seen_by_the_next_look(ledger: Ledger) -> None:
    class FinishingLive(LiveCampaigns):
        async def of_sender(self, sender: SenderId, *, damaged: list[CampaignDamaged]) -> list[LiveCampaign]:
            live = await super().of_sender(sender, damaged=damaged)
            await ledger.send_all(b"r")
            return live

    campaign = await ledger.submit()
    before = await look(ledger.redis, Watched())
    observer = Observer(ledger.redis)
    observer._live = FinishingLive(ledger.redis)
    now = await observer.observe(before.watched)
    assert (now.finished, now.watched.live) == ([], {SENDER: [campaign]})
    assert [view.id for view in (await look(ledger.redis, now.watched)).finished] == [campaign]


async def test_a_campaign_that_is_created_and_finishes_while_a_look_reads_is_seen_once(redis: Redis) -> None:
    before = await look(redis, Watched())
    sent = await send_campaign(redis, IDS)
    ended = sender_key(SENDER, SenderKey.ENDED)
    await redis.zadd(ended, {sent.campaign: before.now_ms + 3_600_000})
    now = await look(redis, before.watched)
    assert ([view.id for view in now.finished], now.watched.live) == ([sent.campaign], {})
    await redis.zadd(ended, {sent.campaign: now.now_ms})
    assert (await look(redis, now.watched)).finished == []


@pytest.mark.parametrize("set_by_s", [-3_600, -30, 3_600])
@pytest.mark.parametrize("is_finished_before", [False, True])
async def test_a_live_campaign_that_finishes_around_a_setting_of_the_clock_is_seen_by_the_next_look(
    redis: Redis, set_by_s: int, is_finished_before: bool
) -> None:
    with moved_clock(redis) as clock:
        ledger = Ledger(redis)
        campaign = await ledger.submit()
        before = await look(redis, Watched())
        if is_finished_before:
            await ledger.send_all(b"r")
        await clock.set_ahead(set_by_s)
        await ledger.send_all(b"r")
        assert [view.id for view in (await look(redis, before.watched)).finished] == [campaign]


async def test_a_campaign_that_is_created_after_the_clock_was_set_back_is_seen(redis: Redis) -> None:
    with moved_clock(redis) as clock:
        ledger = Ledger(redis)
        before = await look(redis, Watched())
        await clock.set_ahead(-3_600)
        campaign = await ledger.submit()
        await ledger.send_all(b"r")
        assert [view.id for view in (await look(redis, before.watched)).finished] == [campaign]


@pytest.mark.parametrize("set_by_s", [-20 * 3_600, -600, -50, -3])
async def test_a_campaign_of_the_time_that_came_twice_is_seen_once_after_the_clock_was_set_back(
    redis: Redis, set_by_s: int
) -> None:
    with moved_clock(redis) as clock:
        ledger = Ledger(redis)
        before = await look(redis, Watched())
        await clock.set_ahead(set_by_s)
        campaign = await ledger.submit()
        await ledger.send_all(b"r")
        await clock.set_ahead(5)  # the process was down until the time of the last observation had passed again
        now = await look(redis, before.watched)
        assert [view.id for view in now.finished] == [campaign]
        assert (await look(redis, now.watched)).finished == []


@pytest.mark.parametrize("set_by_s", [-3_600, -50, 3_600])
async def test_a_campaign_that_was_seen_is_not_seen_again_after_the_clock_was_set(redis: Redis, set_by_s: int) -> None:
    with moved_clock(redis) as clock:
        ledger = Ledger(redis)
        first = await look(redis, Watched())
        campaign = await ledger.submit()
        await ledger.send_all(b"r")
        second = await look(redis, first.watched)
        await clock.set_ahead(set_by_s)
        third = await look(redis, second.watched)
        assert [[view.id for view in now.finished] for now in (second, third)] == [[campaign], []]


async def test_complaints_and_budgets_are_seen(ledger: Ledger) -> None:
    campaign = await ledger.submit(max_parts=10)
    complaints = Complaints(ledger.redis)
    for number, at_ms in enumerate((await ledger.now_ms(), await ledger.now_ms() - 11 * 86_400_000)):
        await complaints.add(SENDER, Complaint(at_ms=at_ms, reference=f"C-{number}"))
    await ledger.push(lease=await ledger.take())
    now = await look(ledger.redis, Watched())
    assert now.complaints == {SENDER: 1}
    assert now.budgets == {campaign: BudgetUse(parts_out=3, max_parts=10)}


async def test_a_damaged_sender_and_damaged_counters_hide_no_other_sender(ledger: Ledger) -> None:
    redis = ledger.redis
    good = await ledger.submit()
    await redis.sadd(SENDERS, "OTHERS", "BROKEN")
    await redis.hset("{OTHERS}:sender", SenderField.RATE, "fast")
    await redis.set("{BROKEN}:live", "x")
    await redis.zadd("{BROKEN}:statistics", {"nonsense": 20_000})
    now = await look(redis, Watched())
    assert [view.id for view in now.senders if view.id == SENDER] == [SENDER]
    assert [view.id for view in now.live] == [good]


async def test_a_damaged_campaign_hides_no_other(ledger: Ledger) -> None:
    good, bad = await ledger.submit(campaign="goodgood"), await ledger.submit(campaign="badbad00")
    await ledger.redis.hset(campaign_key(SENDER, bad), CampaignField.STATE, "nonsense")
    now = await look(ledger.redis, Watched(until_ms=1, live={SENDER: [CampaignId("neverwas"), bad]}))
    assert [view.id for view in now.live] == [good]
    assert now.processes.alive(ProcessKind.WORKER) == []


async def test_damage_outside_the_figures_of_alerts_hides_no_brake(ledger: Ledger) -> None:
    campaign = await ledger.submit(max_parts=10)
    await ledger.control.campaign(SENDER, campaign, ControlAction.BRAKE, reason="too many rejected")
    key = campaign_key(SENDER, campaign)
    batches = await ledger.redis.hget(key, CampaignField.BATCHES)
    await ledger.redis.hdel(key, CampaignField.BATCHES)
    now = await look(ledger.redis, Watched())
    assert [(each.id, each.state, each.reason) for each in now.live] == [
        (campaign, CampaignState.BRAKED, "too many rejected")
    ]
    await ledger.redis.hset(key, CampaignField.BATCHES, batches)


async def test_a_damaged_budget_hides_no_other(ledger: Ledger) -> None:
    good, bad = [await ledger.submit(campaign=name, max_parts=10) for name in ("goodgood", "badbad00")]
    await ledger.redis.hset(campaign_key(SENDER, bad), CampaignField.MAX_PARTS, "many")
    now = await look(ledger.redis, Watched())
    assert now.budgets == {good: BudgetUse(parts_out=0, max_parts=10)}
    assert {each.id for each in now.live} == {good, bad}
    await ledger.redis.hset(campaign_key(SENDER, bad), CampaignField.MAX_PARTS, 10)


async def test_a_campaign_in_lanes_is_one_live_campaign(ledger: Ledger) -> None:
    campaign = await submit_in_lanes(ledger.redis, people(40), lanes=2)
    [sender] = await ledger.queries.senders()
    await ledger.control.campaign(sender, campaign, ControlAction.BRAKE, reason="too many rejected")
    [view] = await ledger.queries.live(sender)
    now = await look(ledger.redis, Watched())
    assert [(each.id, each.state, each.reason) for each in now.live] == [(view.id, view.state, view.reason)]
    assert now.watched.live == {sender: [campaign]}


async def test_the_look_reads_no_live_campaign_whole(ledger: Ledger) -> None:
    for name in ("one00000", "two00000", "three000"):
        await ledger.submit(campaign=name)
    before = await look(ledger.redis, Watched())
    await ledger.redis.config_resetstat()
    await look(ledger.redis, before.watched)
    few = (await ledger.redis.info("commandstats"))["cmdstat_hgetall"]["calls"]
    for name in ("four0000", "five0000"):
        await ledger.submit(campaign=name)
    await ledger.redis.config_resetstat()
    await look(ledger.redis, before.watched)
    assert (await ledger.redis.info("commandstats"))["cmdstat_hgetall"]["calls"] == few


async def test_a_look_sees_that_the_clock_of_redis_is_wrong(redis: Redis) -> None:
    assert (await look(redis, Watched())).clock_warnings == []
    with moved_clock(redis) as clock:
        await clock.set_ahead(-90)
        [warning] = (await look(redis, Watched())).clock_warnings
    assert "90 s behind this host's" in warning
