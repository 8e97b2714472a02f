"""The figures of live campaigns: each figure must equal the figure in the campaign's whole view."""

import sys

import msgspec
import pytest

from tests.kit.lanes import people, submit_in_lanes
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.campaigns.live_campaigns import LiveCampaign, LiveCampaigns, LivePlan
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.lanes.names import known_lanes
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.states import CampaignState, MessageState

OTHER = SenderId("OTHERS")


def _of(view: CampaignView) -> LiveCampaign:
    """Return the figures of a whole view."""
    plan = view.plan
    return LiveCampaign(
        id=view.id,
        plan=LivePlan(
            name=plan.name,
            sender=plan.sender,
            start_at_ms=plan.start_at_ms,
            lane_campaigns=tuple(plan.lane_campaigns),
        ),
        state=view.state,
        reason="" if view.state is CampaignState.RUNNING else view.reason,
        created_ms=view.created_ms,
        sealed_ms=view.sealed_ms,
        total=view.total,
        pending=view.counts[MessageState.PENDING],
        unsent=view.unsent,
    )


@pytest.fixture(params=[True, False], ids=["by script", "by commands"])
def reader(request: pytest.FixtureRequest, ledger: Ledger) -> LiveCampaigns:
    return LiveCampaigns(ledger.redis, may_run_scripts=request.param)


async def test_all_senders_are_read_as_one_by_one(ledger: Ledger, reader: LiveCampaigns) -> None:
    assert not (await reader.read()).senders
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, 2), b"aa")
    await ledger.submit(4, campaign="of-other", sender=OTHER)
    for name, action in (("braked01", ControlAction.BRAKE), ("paused01", ControlAction.PAUSE)):
        await ledger.submit(2, campaign=name, sender=OTHER)
        await ledger.control.campaign(OTHER, CampaignId(name), action, reason="too many rejected")
    await ledger.submit(1, campaign="unsealed", sealed=False)
    expected = [
        (await ledger.queries.sender(sender), [sender], [*map(_of, await ledger.queries.live(sender))])
        for sender in (OTHER, SENDER)
    ]
    work = await reader.read()
    assert (work.senders, work.damaged) == (expected, [])
    assert [[(each.done, each.sending) for each in sender.live if each.id == CAMPAIGN] for sender in work.senders] == [
        [],
        [(2, 0)],
    ]
    states = {each.state for sender in work.senders for each in sender.live}
    assert states == {CampaignState.RUNNING, CampaignState.BRAKED, CampaignState.PAUSED, CampaignState.SUBMITTING}


async def test_a_mismatch_of_counters_is_the_reason_of_a_stopped_campaign(
    ledger: Ledger, reader: LiveCampaigns
) -> None:
    await ledger.submit(3)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.BRAKE, reason="too many rejected")
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN), "total", 4)
    [view] = await ledger.queries.live(SENDER)
    [(_, _, live)] = (await reader.read()).senders
    assert live == [_of(view)]
    assert "do not add up" in live[0].reason
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN), "total", 3)


@pytest.mark.parametrize(
    ("field", "value"), [("total", "many"), ("plan", "{"), ("state", "odd"), ("created_ms", ""), ("p", "1 2")]
)
async def test_a_damaged_campaign_is_told_and_the_others_are_read(
    ledger: Ledger, reader: LiveCampaigns, field: str, value: str
) -> None:
    await ledger.submit(3)
    await ledger.submit(2, campaign="damaged1")
    key = campaign_key(SENDER, CampaignId("damaged1"))
    before = await ledger.redis.hget(key, field)
    await ledger.redis.hset(key, field, value)
    await ledger.redis.sadd(f"{hash_tag(SENDER)}:live", "nohash01")
    await ledger.redis.set(campaign_key(SENDER, CampaignId("nohash01")), "x")
    expected = list[CampaignDamaged]()
    [view] = await ledger.queries.live(SENDER, damaged=expected)
    work = await reader.read()
    assert [sender.live for sender in work.senders] == [[_of(view)]]
    assert [*map(str, work.damaged)] == [*map(str, expected)]
    assert {damage.campaign for damage in work.damaged} == {"damaged1", "nohash01"}
    await ledger.redis.delete(campaign_key(SENDER, CampaignId("nohash01")))
    await ledger.redis.srem(f"{hash_tag(SENDER)}:live", "nohash01")
    await ledger.redis.hset(key, field, before)


async def test_a_missing_state_is_told_as_such(ledger: Ledger, reader: LiveCampaigns) -> None:
    await ledger.submit(3)
    key = campaign_key(SENDER, CAMPAIGN)
    await ledger.redis.hdel(key, "state")
    expected = list[CampaignDamaged]()
    assert not await ledger.queries.live(SENDER, damaged=expected)
    for _ in range(2):
        assert [*map(str, (await reader.read()).damaged)] == [*map(str, expected)]
    await ledger.redis.hset(key, "state", "running")


async def test_of_a_campaign_that_runs_only_the_fields_of_its_sums_are_read(
    ledger: Ledger, reader: LiveCampaigns
) -> None:
    await ledger.submit(3)
    expected = _of(await ledger.queries.campaign(CAMPAIGN))
    key, counter = campaign_key(SENDER, CAMPAIGN), MessageState.DELIVERED.value
    await ledger.redis.hset(key, counter, "many")
    [(_, _, live)] = (await reader.read()).senders
    assert live == [expected]
    numbers, plan = f"{expected.created_ms} {expected.sealed_ms} 3 3 0".encode(), await ledger.redis.hget(key, "plan")
    for with_plans, values in ((1, [plan, numbers]), (0, numbers)):
        campaigns = msgspec.json.encode([CAMPAIGN])
        reply = await Script(ledger.redis, "read_live")(SENDER, campaigns=campaigns, with_plans=with_plans)
        assert reply["campaigns"] == [values]
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    work = await reader.read()
    assert ([sender.live for sender in work.senders], [each.campaign for each in work.damaged]) == ([[]], [CAMPAIGN])
    await ledger.redis.hset(key, counter, 0)


async def test_each_reading_by_one_reader_equals_that_of_a_new_reader(ledger: Ledger) -> None:
    kept = LiveCampaigns(ledger.redis)

    async def both() -> list[list[LiveCampaign]]:
        expected = await LiveCampaigns(ledger.redis, may_run_scripts=False).read()
        work = await kept.read()
        assert work.senders == expected.senders
        assert [*map(str, work.damaged)] == [*map(str, expected.damaged)]
        return [sender.live for sender in work.senders]

    await ledger.submit(3)
    await both()
    [[before]] = await both()
    await ledger.open(await ledger.take(), max_messages=2)
    [[after]] = await both()
    assert (before.pending, after.pending, after.sending) == (3, 1, 2)
    for action in (ControlAction.PAUSE, ControlAction.RESUME, ControlAction.BRAKE):
        await ledger.control.campaign(SENDER, CAMPAIGN, action, reason="too many rejected")
        [[one]] = await both()
        assert one == (await both())[0][0]
    assert (one.state, one.reason) == (CampaignState.BRAKED, "too many rejected")
    await ledger.submit(2, campaign="another1")
    assert len((await both())[0]) == 2
    key = campaign_key(SENDER, CAMPAIGN)
    await ledger.redis.rename(key, f"{key}:kept")
    assert [each.id for each in (await both())[0]] == ["another1"]
    await ledger.redis.hset(key, "archive", "stub")
    assert [each.id for each in (await both())[0]] == ["another1"]
    await ledger.redis.rename(f"{key}:kept", key)
    await ledger.redis.hset(key, "p", "many")
    assert [each.id for each in (await both())[0]] == ["another1"]
    await ledger.redis.hset(key, "p", 1)
    assert len((await both())[0]) == 2


async def test_the_plan_of_a_campaign_is_read_once(ledger: Ledger) -> None:
    for name in ("running1", "paused01"):
        await ledger.submit(2, campaign=name)
    await ledger.control.campaign(SENDER, CampaignId("paused01"), ControlAction.PAUSE)
    reader, counts = LiveCampaigns(ledger.redis), list[int]()
    for _ in range(2):
        await ledger.redis.config_resetstat()
        await reader.read()
        counts.append((await ledger.redis.info("commandstats")).get("cmdstat_hget", {}).get("calls", 0))
    assert counts == [2, 0]


async def test_readings_of_one_sender_keep_nothing_of_campaigns_that_ended(
    ledger: Ledger, reader: LiveCampaigns
) -> None:
    await ledger.submit(2)
    [figures] = await reader.of_sender(SENDER, damaged=[])
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    await ledger.redis.srem(f"{hash_tag(SENDER)}:live", CAMPAIGN)
    assert await reader.of_sender(SENDER, damaged=[]) == []
    of_this_function_only = object()
    assert sys.getrefcount(figures) == sys.getrefcount(of_this_function_only)
    await ledger.redis.sadd(f"{hash_tag(SENDER)}:live", CAMPAIGN)


async def test_lanes_are_one_sender_with_one_campaign(ledger: Ledger, reader: LiveCampaigns) -> None:
    campaign = await submit_in_lanes(ledger.redis, people(100), lanes=4)
    view = await ledger.queries.campaign(campaign)
    await ledger.control.campaign(view.plan.sender, campaign, ControlAction.PAUSE)
    [view] = await ledger.queries.live(view.plan.sender)
    [(sender, lanes, live)] = (await reader.read()).senders
    assert sender == await ledger.queries.sender(view.plan.sender)
    assert lanes == await known_lanes(ledger.redis, view.plan.sender)
    assert live == [_of(view)]
    assert (live[0].total, live[0].unsent, live[0].state) == (100, 100, CampaignState.PAUSED)


async def test_a_lane_that_ended_counts_and_a_lane_in_the_archive_hides_the_campaign(
    ledger: Ledger, reader: LiveCampaigns
) -> None:
    campaign = await submit_in_lanes(ledger.redis, people(40), lanes=2)
    view = await ledger.queries.campaign(campaign)
    sender = view.lanes[0].plan.sender
    await ledger.redis.srem(f"{hash_tag(sender)}:live", campaign)  # as if the campaign's first lane had ended
    [(_, _, live)] = (await reader.read()).senders
    assert live == [_of(view)]
    key = campaign_key(sender, campaign)
    await ledger.redis.rename(key, f"{key}:kept")
    await ledger.redis.hset(key, "archive", "stub")
    [(_, _, live)] = (await reader.read()).senders
    assert live == []
    await ledger.redis.rename(f"{key}:kept", key)
    await ledger.redis.sadd(f"{hash_tag(sender)}:live", campaign)


async def test_many_campaigns_take_few_calls_of_a_script(ledger: Ledger) -> None:
    await ledger.submit(1)
    copies = [CampaignId(f"c{number:07}") for number in range(1_100)]
    async with ledger.redis.pipeline(transaction=False) as pipe:
        for copy in copies:
            pipe.copy(campaign_key(SENDER, CAMPAIGN), campaign_key(SENDER, copy))
        pipe.sadd(f"{hash_tag(SENDER)}:live", *copies)
        await pipe.execute()
    reader = LiveCampaigns(ledger.redis)
    await reader.read()
    await ledger.redis.config_resetstat()
    [(_, _, live)] = (await reader.read()).senders
    stats = await ledger.redis.info("commandstats")
    assert {each.id for each in live} == {CAMPAIGN, *copies}
    assert stats["cmdstat_evalsha"]["calls"] == 5
    assert stats["cmdstat_hmget"]["calls"] == len(live)
    async with ledger.redis.pipeline(transaction=False) as pipe:
        pipe.srem(f"{hash_tag(SENDER)}:live", *copies)
        pipe.delete(*(campaign_key(SENDER, copy) for copy in copies))
        await pipe.execute()
