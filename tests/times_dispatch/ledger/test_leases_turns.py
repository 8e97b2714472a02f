"""The turns of campaigns: the end of a turn, urgent campaigns, and campaigns that cannot send."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, Ledger
from tests.kit.ledger_machine.clock import machine_clock
from times_dispatch.ledger.keys import batch_key, campaign_key, hash_tag
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.openings import AHEAD_US, BatchClosed, Block, Wait
from times_dispatch.ledger.protocol import BackOffPolicy, CloseReason, ControlAction
from times_dispatch.ledger.push_results import Consequence, FailurePolicy
from times_dispatch.ledger.states import CampaignState

KEY = campaign_key(SENDER, CAMPAIGN)
BLOCKED = f"{hash_tag(SENDER)}:blocked"
TURN_OVER = BatchClosed(CloseReason.TURN_OVER)
HUGE, SMALL = CampaignId("huge0001"), CampaignId("small001")


@pytest.fixture
async def still_ledger(redis: Redis) -> AsyncIterator[Ledger]:
    """An empty ledger whose time stands still; at the end of the test its counters must add up."""
    with machine_clock(redis) as clock:
        await clock.write(redis)
        ledger = Ledger(redis)
        yield ledger
        await ledger.assert_counters_add_up()


async def _work_for(ledger: Ledger, lease: Lease, milliseconds: int) -> None:
    """Move the time at which a batch was taken *milliseconds* into the past."""
    key = batch_key(lease.ref.sender, lease.ref.campaign, "b", lease.ref.number)  # type: ignore[arg-type]
    await ledger.redis.hset(key, "taken_ms", await ledger.now_ms() - milliseconds)


async def _huge_at_work(ledger: Ledger, *, rate_per_s: float = 4) -> list[Lease]:
    """Issue batches of a large campaign; one message of the first batch is sent."""
    await ledger.control.configure_rate(SENDER, rate_per_s)
    await ledger.submit(90, campaign=HUGE)
    leases = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.record(leases[0], await ledger.open(leases[0], 1), b"a")
    return leases


async def test_a_turn_ends_after_two_seconds_when_another_campaign_waits(still_ledger: Ledger) -> None:
    lease, *_ = await _huge_at_work(still_ledger)
    await still_ledger.submit(3, campaign=SMALL)
    assert await still_ledger.issue() == []
    await _work_for(still_ledger, lease, 1_900)
    assert isinstance(await still_ledger.open_block(lease, 1), Wait)
    await _work_for(still_ledger, lease, 2_000)
    assert await still_ledger.open_block(lease) == TURN_OVER
    assert [ref.campaign for ref in await still_ledger.issue()] == [SMALL]
    await still_ledger.leases.release(lease)


async def test_a_turn_does_not_end_while_no_other_campaign_waits(still_ledger: Ledger) -> None:
    lease, *_ = await _huge_at_work(still_ledger)
    await _work_for(still_ledger, lease, 60_000)
    assert isinstance(await still_ledger.open_block(lease), Wait)


async def test_a_batch_that_is_at_its_end_within_a_second_goes_on_to_it(ledger: Ledger) -> None:
    lease, *_ = await _huge_at_work(ledger, rate_per_s=100)
    await ledger.submit(3, campaign=SMALL)
    await ledger.control.set_rate(SENDER, 100)
    await _work_for(ledger, lease, 2_500)
    assert not isinstance(await ledger.open_block(lease, 1), BatchClosed)


@pytest.mark.parametrize(("worked_ms", "is_over"), [(9_000, False), (10_000, True)])
async def test_a_turn_without_a_limit_is_ten_seconds(ledger: Ledger, worked_ms: int, is_over: bool) -> None:
    lease, *_ = await _huge_at_work(ledger, rate_per_s=0)
    await ledger.submit(3, campaign=SMALL)
    await _work_for(ledger, lease, worked_ms)
    assert (await ledger.open_block(lease, 1) == TURN_OVER) == is_over


async def test_a_batch_that_has_opened_nothing_has_its_turn_before_it(ledger: Ledger) -> None:
    await ledger.submit(90, campaign=HUGE)
    lease, *_ = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.submit(3, campaign=SMALL)
    await _work_for(ledger, lease, 60_000)
    assert isinstance(await ledger.open_block(lease), Block)


async def test_a_turn_that_began_in_the_future_is_over(ledger: Ledger) -> None:
    """Redis' clock may have been set back."""
    lease, *_ = await _huge_at_work(ledger)
    await ledger.submit(3, campaign=SMALL)
    await _work_for(ledger, lease, -60_000)
    assert await ledger.open_block(lease) == TURN_OVER


async def test_the_batch_whose_turn_ended_is_the_next_of_its_campaign(ledger: Ledger) -> None:
    first, second, *_ = await _huge_at_work(ledger)
    await ledger.submit(6, campaign=SMALL)
    await _work_for(ledger, first, 2_000)
    assert await ledger.open_block(first) == TURN_OVER
    assert await ledger.issue() == [BatchRef(SENDER, SMALL, 0)]
    await ledger.leases.release(first)
    await ledger.control.set_rate(SENDER, 0)
    await ledger.push(b"a", second)
    await ledger.control.set_rate(SENDER, 4)
    await ledger.leases.release(second)
    assert await ledger.issue() == [BatchRef(SENDER, HUGE, first.ref.number)]
    assert (await ledger.states(HUGE))[:7] == "appaaap"


@pytest.mark.parametrize(("opened_before", "left"), [(True, 4), (False, 9)])
async def test_batches_leave_until_as_many_are_out_as_a_lowered_rate_needs(
    still_ledger: Ledger, opened_before: bool, left: int
) -> None:
    """At 4/s, four batches of three messages are issued; nine would be of one message each."""
    await still_ledger.submit(90, campaign=HUGE)
    leases = [await still_ledger.take(ref) for ref in await still_ledger.issue()]
    for lease in leases if opened_before else ():
        await still_ledger.record(lease, await still_ledger.open(lease, 1), b"a")
    await still_ledger.control.set_rate(SENDER, 4)
    opened = [await still_ledger.open_block(lease, 1) for lease in leases]
    assert isinstance(opened[0], Block)
    assert opened[1 : -left + 1] == [TURN_OVER] * (16 - left)
    assert all(isinstance(reply, Wait) for reply in opened[-left + 1 :])
    for lease in leases[1 : -left + 1]:
        assert await still_ledger.issue() == []
        await still_ledger.leases.release(lease)
    assert await still_ledger.issue() == []
    await still_ledger.record(leases[0], opened[0], b"a")
    await still_ledger.control.set_rate(SENDER, 0)
    assert [ref.number for ref in await still_ledger.issue()][: 16 - left] == list(range(16 - left, 0, -1))


async def test_a_batch_opens_a_block_although_more_batches_of_a_smaller_size_are_out(still_ledger: Ledger) -> None:
    await still_ledger.control.set_rate(SENDER, 4)
    await still_ledger.submit(30, batch_size=30, campaign=HUGE)
    await still_ledger.submit(90, batch_size=1, campaign=SMALL)
    large, *small = [await still_ledger.take(ref) for ref in await still_ledger.issue()]
    assert (large.ref.campaign, len(small)) == (HUGE, 8)
    await still_ledger.open(small[0])
    assert isinstance(await still_ledger.open_block(large, 1), Wait)


@pytest.mark.parametrize("sender_rate", [0, 4])
async def test_batches_of_campaigns_with_a_rate_of_their_own_do_not_leave(
    still_ledger: Ledger, sender_rate: float
) -> None:
    for number in range(8):
        await still_ledger.submit(90, campaign=f"slow00{number:02}", rate_per_s=0.1)
    leases = [await still_ledger.take(ref) for ref in await still_ledger.issue()]
    assert len(leases) == 16
    for lease in leases[:7]:
        await still_ledger.record(lease, await still_ledger.open(lease, 1), b"a")
    await still_ledger.control.set_rate(SENDER, sender_rate)
    await still_ledger.record(leases[7], await still_ledger.open(leases[7], 1), b"a")
    assert all([isinstance(await still_ledger.open_block(lease, 1), Wait) for lease in leases])


async def test_the_65th_campaign_with_a_limit_of_its_own_waits_for_a_turn_and_not_for_a_batch(ledger: Ledger) -> None:
    for number in range(32):
        await ledger.submit(90, campaign=f"slow00{number:02}", rate_per_s=0.1)
    leases = [await ledger.take(ref) for ref in await ledger.issue()]
    assert len(leases) == 64
    await ledger.record(leases[0], await ledger.open(leases[0], 1), b"a")
    await ledger.submit(3, campaign=SMALL, rate_per_s=0.1)
    assert await ledger.issue() == []
    await _work_for(ledger, leases[0], 2_000)
    assert await ledger.open_block(leases[0]) == TURN_OVER
    await ledger.leases.release(leases[0])
    assert [ref.campaign for ref in await ledger.issue()] == [SMALL]


async def test_urgent_campaigns_need_no_place_of_others_and_are_issued_first(ledger: Ledger) -> None:
    await ledger.submit(90, campaign=HUGE)
    assert len(await ledger.issue()) == 16
    await ledger.submit(3, campaign="urgent01", urgent=True)
    assert [ref.campaign for ref in await ledger.issue()] == ["urgent01"]
    await ledger.submit(90, campaign=SMALL)
    await ledger.submit(3, campaign="urgent02", urgent=True)
    assert (await ledger.issue())[0].campaign == "urgent02"


async def test_an_urgent_batch_gets_send_times_before_the_others(still_ledger: Ledger) -> None:
    await still_ledger.control.configure_rate(SENDER, 10)
    [bulk, *_] = await _huge_at_work_slowly(still_ledger)
    await still_ledger.submit(3, campaign="urgent01", urgent=True)
    [ref] = await still_ledger.issue()
    urgent = await still_ledger.take(ref)
    waits = [await still_ledger.open_block(lease) for lease in (bulk, urgent)]
    assert isinstance(waits[0], Wait)
    assert isinstance(waits[1], Wait)
    ahead_s = AHEAD_US / 1e6
    assert (
        ahead_s - 0.003 < waits[0].seconds - waits[1].seconds < ahead_s + 0.05
    )  # the second call comes a little later


async def _huge_at_work_slowly(ledger: Ledger) -> list[Lease]:
    await ledger.submit(90, campaign=HUGE)
    leases = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.record(leases[0], await ledger.open(leases[0], 1), b"a")
    return leases


async def _brake(ledger: Ledger) -> None:
    await ledger.control.brake_provider(SENDER, PROVIDER, "insufficient balance")


@pytest.mark.slow  # submits 400 campaigns
async def test_behind_hundreds_of_campaigns_that_cannot_go_the_next_is_reached_at_once(ledger: Ledger) -> None:
    for number in range(400):
        await ledger.submit(1, campaign=f"stuck{number:03}")
    await ledger.submit(3, campaign=SMALL, provider="second")
    await _brake(ledger)
    assert await ledger.issue() == [BatchRef(SENDER, SMALL, 0)]
    before = await ledger.dump()
    assert await ledger.issue() == []
    assert await ledger.dump() == before  # the second call examines no other campaign
    await ledger.control.resume_sender(SENDER)
    assert len(await ledger.issue()) == 15
    assert await ledger.redis.zcard(BLOCKED) == 0


async def test_a_campaign_whose_provider_is_left_alone_comes_back_by_itself(ledger: Ledger) -> None:
    await ledger.submit(6)
    lease = await ledger.take()
    back_off = Consequence(BackOffPolicy.ALWAYS, 30.0, reason="overloaded", jitter=0.5)
    await ledger.record(lease, await ledger.open(lease), b"p", back_off)
    await ledger.submit(3, campaign=SMALL)
    assert await ledger.issue() == []
    assert await ledger.seconds_until(BLOCKED, SMALL) == pytest.approx(29, abs=0.5)
    await ledger.end_back_off()
    assert [ref.campaign for ref in await ledger.issue()] == [SMALL]


async def test_a_campaign_that_is_paused_while_its_provider_is_braked_does_not_come_back(ledger: Ledger) -> None:
    await ledger.submit(3)
    await _brake(ledger)
    assert await ledger.issue() == []
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    assert await ledger.redis.zcard(BLOCKED) == 0
    await ledger.control.resume_sender(SENDER)
    assert await ledger.issue() == []
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert len(await ledger.issue()) == 1


async def test_a_batch_that_backs_off_leaves_its_place_when_a_campaign_behind_hundreds_could_go(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 1)
    await ledger.submit(6, campaign=HUGE)
    first, _ = [await ledger.take(ref) for ref in await ledger.issue()]
    block = await ledger.open(first)
    for number in range(150):
        await ledger.submit(1, campaign=f"stuck{number:03}")
    await ledger.submit(3, campaign=SMALL, provider="second")
    await ledger.record(first, block, b"p", Consequence(BackOffPolicy.ALWAYS, 30.0, reason="overloaded", jitter=0.5))
    assert isinstance(await ledger.open_block(first), Wait)
    assert await ledger.open_block(first) == BatchClosed(CloseReason.BACKING_OFF)
    await ledger.leases.release(first)
    assert [ref.campaign for ref in await ledger.issue()] == [SMALL]


async def test_a_rejected_probe_ends_a_back_off_as_an_accepted_one_does(ledger: Ledger) -> None:
    await ledger.submit(9)
    lease = await ledger.take()
    back_off = Consequence(BackOffPolicy.ALWAYS, reason="overloaded", jitter=0.5)
    await ledger.record(lease, await ledger.open(lease), b"p", back_off)
    await ledger.end_back_off()
    probe = await ledger.open(lease)
    assert len(probe.messages) == 1
    await ledger.record(lease, probe, b"r")
    assert (await ledger.queries.sender(SENDER)).unavailable == []
    assert len((await ledger.open(lease)).messages) == 2


async def test_no_start_is_missed_because_many_campaigns_start_at_the_same_minute(redis: Redis) -> None:
    campaigns = [CampaignId(f"c{number:07}") for number in range(450)]
    sender_key, waiting = f"{hash_tag(SENDER)}:sender", f"{hash_tag(SENDER)}:waiting"
    with machine_clock(redis) as clock:
        await clock.write(redis)
        ledger = Ledger(redis)
        ledger.leases = BatchLeases(redis, clock=clock)
        start_at_ms = await ledger.now_ms() + 100_000
        for campaign in campaigns:
            await ledger.submit(1, campaign=campaign, start_at_ms=start_at_ms, missed_start="skip")
        clock.now_us = (start_at_ms + 1_000) * 1_000
        left = []
        for _ in range(5):  # more than two minutes of calls without a gap of a minute
            await clock.write(redis)
            await ledger.issue()
            left.append(await redis.zcard(waiting))
            clock.now_us += 30_000_000
    assert left == [350, 250, 150, 50, 0]
    assert {await ledger.field("state", campaign) for campaign in campaigns} == {CampaignState.RUNNING}
    assert not await redis.hexists(sender_key, "starts_since_ms")


async def test_a_start_that_nobody_came_by_for_is_missed_also_among_many(ledger: Ledger) -> None:
    start_at_ms = await ledger.now_ms() + 100_000
    for number in range(110):
        await ledger.submit(1, campaign=f"c{number:07}", start_at_ms=start_at_ms, missed_start="skip")
        await ledger.move_start(-61_000, CampaignId(f"c{number:07}"))
    await ledger.issue()
    await ledger.issue()
    assert {view.state for view in await ledger.queries.campaigns()} == {CampaignState.CANCELLED}


async def test_a_failed_batch_is_out_again_after_a_pause_and_its_note_is_dropped_by_a_success(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, 1), b"a")
    assert not await _fail(ledger, lease, "one")
    assert await ledger.seconds_until(f"{hash_tag(SENDER)}:leases", f"{CAMPAIGN}:0") == pytest.approx(1, abs=0.2)
    assert await ledger.issue() == []
    assert await ledger.redis.hget(f"{KEY}:failures", "0") == b"1 KeyError one"
    lease = await ledger.take(lease.ref)
    assert not await _fail(ledger, lease, "two")
    assert await ledger.seconds_until(f"{hash_tag(SENDER)}:leases", f"{CAMPAIGN}:0") == pytest.approx(5, abs=0.2)
    assert await ledger.redis.hget(f"{KEY}:failures", "0") == b"2 KeyError one two"
    await ledger.leases.release(await ledger.push(b"a", await ledger.take(lease.ref)))
    assert not await ledger.redis.exists(f"{KEY}:failures")


@pytest.mark.parametrize(("workers", "failures"), [(["one", "two"], 5), (["one"], 8)])
async def test_a_campaign_is_braked_after_several_failures_of_one_batch(
    ledger: Ledger, workers: list[str], failures: int
) -> None:
    await ledger.submit(3)
    [ref] = await ledger.issue()
    braked = [await _fail(ledger, await ledger.take(ref), workers[number % len(workers)]) for number in range(failures)]
    assert braked == [False] * (failures - 1) + [True]
    view = await ledger.view()
    assert (view.state, view.reason) == (CampaignState.BRAKED, "batch 1 cannot be worked on: KeyError")
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert not await ledger.redis.exists(f"{KEY}:failures")


async def test_a_failure_after_pushes_that_nobody_recorded_brakes_at_once(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.open(lease)
    assert await _fail(ledger, lease, "one")
    assert await ledger.states() == "iii"
    assert (await ledger.view()).state is CampaignState.BRAKED


async def test_a_failure_of_a_worker_that_lost_the_batch_counts_nothing(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.leases.release(lease)
    with pytest.raises(Exception, match="batch"):
        await _fail(ledger, lease, "one")
    assert not await ledger.redis.exists(f"{KEY}:failures")


async def _fail(ledger: Ledger, lease: Lease, worker: str) -> bool:
    reason = f"batch {lease.ref.number + 1} cannot be worked on: KeyError"
    return await ledger.leases.note_failure(
        lease.ref, lease.token, worker=worker, kind="KeyError", reason=reason, policy=FailurePolicy()
    )
