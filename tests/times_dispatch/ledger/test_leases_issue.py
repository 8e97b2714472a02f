"""The issue of batches: how many at a time, and of which campaigns."""

from collections.abc import Awaitable, Callable

import pytest

from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, YEAR_2100_MS, Ledger
from tests.kit.waiting import eventually
from times_dispatch.ledger.errors import Damage
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, SenderId
from times_dispatch.ledger.openings import Drained
from times_dispatch.ledger.protocol import BackOffPolicy, ControlAction
from times_dispatch.ledger.push_results import Consequence
from times_dispatch.ledger.states import CampaignState

KEY = campaign_key(SENDER, CAMPAIGN)
ROTATION = f"{hash_tag(SENDER)}:rotation"
WAITING = f"{hash_tag(SENDER)}:waiting"


async def test_an_issued_batch_names_its_campaign_and_its_queue(ledger: Ledger) -> None:
    await ledger.submit(6, urgent=True, name="otp")
    first, second = await ledger.leases.issue(SENDER)
    assert (first.ref, first.batches, first.name, first.urgent) == (BatchRef(SENDER, CAMPAIGN, 0), 2, "otp", True)
    assert second.ref.number == 1


async def test_a_batch_that_is_out_is_not_issued_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    assert len(await ledger.issue()) == 1
    before = await ledger.dump()
    assert await ledger.issue() == []
    assert await ledger.dump() == before


@pytest.mark.parametrize(
    ("rate_per_s", "batches_out"),
    [(1, 2), (1.5, 2), (1.6, 3), (10, 8), (1000, 30), (0, 16)],
    ids=lambda value: f"{value}",
)
async def test_about_two_seconds_of_the_senders_rate_are_out(
    ledger: Ledger, rate_per_s: float, batches_out: int
) -> None:
    await ledger.control.configure_rate(SENDER, rate_per_s)
    await ledger.submit(90, batch_size=3)
    assert len(await ledger.issue()) == batches_out
    before = await ledger.dump()
    assert await ledger.issue() == []
    assert await ledger.dump() == before


async def test_a_batch_with_nothing_left_to_open_makes_room_for_the_next(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 1)
    await ledger.submit(12)
    first, _ = await ledger.issue()
    await ledger.control.set_rate(SENDER, 0.0)
    lease = await ledger.take(first)
    block = await ledger.open(lease)
    await ledger.open_block(lease)
    await ledger.control.set_rate(SENDER, 1)
    assert [ref.number for ref in await ledger.issue()] == [2]
    await ledger.record(lease, block, b"a")
    await ledger.leases.release(lease)
    assert await ledger.issue() == []


async def test_campaigns_take_turns(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 1000)
    await ledger.submit(15, campaign="huge0001")
    await ledger.submit(6, campaign="small001")
    await ledger.submit(9, campaign="medium01")
    assert [ref.campaign[0] for ref in await ledger.issue()] == list("hsmhsmhmhh")


async def test_a_small_campaign_is_not_stuck_behind_a_huge_one(ledger: Ledger) -> None:
    await ledger.submit(300, campaign="huge0001")
    out = await ledger.issue()
    assert len(out) == 16
    await ledger.submit(6, campaign="small001")
    turns = []
    for ref in out[:4]:
        await ledger.leases.release(await ledger.push(b"a", await ledger.take(ref)))
        [next_ref] = await ledger.issue()
        turns.append(next_ref.campaign)
    assert turns == ["huge0001", "small001", "huge0001", "small001"]


async def test_batches_that_came_back_are_issued_before_batches_that_were_never_out(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 1)
    await ledger.submit(12)
    first, _ = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.leases.release(first)
    assert [ref.number for ref in await ledger.issue()] == [0]


async def test_the_last_batch_that_comes_back_brings_its_campaign_back_into_turn(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    assert await ledger.redis.zcard(ROTATION) == 0
    await ledger.leases.release(lease)
    assert await ledger.redis.zcard(ROTATION) == 1
    assert [ref.number for ref in await ledger.issue()] == [0]


async def test_the_batches_out_of_a_campaign_with_a_lower_limit_are_counted_apart(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 1000)
    await ledger.submit(90, rate_per_s=10)
    assert len(await ledger.issue()) == 8
    assert await ledger.issue() == []


async def test_a_campaign_at_its_own_limit_lets_the_others_pass(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 1000)
    await ledger.submit(30, campaign="slow0001", rate_per_s=1)
    await ledger.submit(15, campaign="fast0001")
    issued = [ref.campaign[0] for ref in await ledger.issue()]
    assert (issued.count("s"), issued.count("f")) == (2, 5)


@pytest.mark.parametrize("sender_rate_per_s", [200, 0])
@pytest.mark.parametrize("slow_campaigns", [1, 20])
async def test_slow_campaigns_do_not_use_up_the_batches_out_of_their_sender(
    ledger: Ledger, sender_rate_per_s: float, slow_campaigns: int
) -> None:
    await ledger.control.configure_rate(SENDER, sender_rate_per_s)
    for number in range(slow_campaigns):
        await ledger.submit(2_000, batch_size=500, campaign=f"slow00{number:02}", rate_per_s=1)
    await ledger.issue()
    await ledger.submit(2_000, batch_size=500, campaign="fast0001")
    fast = [ref for ref in await ledger.issue() if ref.campaign == "fast0001"]
    assert len(fast) >= 2


async def test_a_campaign_waits_for_its_time_and_then_goes_by_itself(ledger: Ledger) -> None:
    start_at_ms = await ledger.now_ms() + 50
    await ledger.submit(3, start_at_ms=start_at_ms)
    refs = await eventually(ledger.issue)
    assert await ledger.now_ms() >= start_at_ms
    assert len(refs) == 1
    assert await ledger.redis.zcard(WAITING) == 0


async def test_a_campaign_that_is_resumed_before_its_time_goes_on_waiting(ledger: Ledger) -> None:
    await ledger.submit(3, start_at_ms=await ledger.now_ms() + 60_000)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert await ledger.issue() == []
    assert await ledger.redis.zscore(WAITING, CAMPAIGN) == float(await ledger.field("start_ms"))
    assert await ledger.redis.zcard(ROTATION) == 0


async def test_a_campaign_that_is_paused_before_its_time_does_not_start_then(ledger: Ledger) -> None:
    await ledger.submit(3, start_at_ms=await ledger.now_ms() + 60_000)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    assert await ledger.redis.zcard(WAITING) == 0


async def test_a_campaign_whose_time_has_come_while_it_was_not_running_is_not_queued(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    await ledger.redis.zadd(WAITING, {CAMPAIGN: 1})
    assert await ledger.issue() == []
    assert await ledger.redis.zcard(ROTATION) == 0


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.BRAKED, CampaignState.FINISHED])
async def test_a_campaign_that_does_not_run_loses_its_turn(ledger: Ledger, state: CampaignState) -> None:
    await ledger.submit(3)
    await ledger.redis.hset(KEY, "state", state)
    assert await ledger.issue() == []
    assert await ledger.redis.zcard(ROTATION) == 0
    await ledger.redis.hset(KEY, "state", CampaignState.RUNNING)


async def test_an_expired_campaign_loses_its_turn(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.end_validity()
    assert await ledger.issue() == []
    assert await ledger.redis.zcard(ROTATION) == 0


async def test_a_paused_sender_hands_nothing_out_until_it_is_resumed(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.control.pause_sender(SENDER)
    assert await ledger.issue() == []
    await ledger.control.resume_sender(SENDER)
    assert len(await ledger.issue()) == 1


async def test_a_braked_sender_hands_nothing_out_until_it_is_resumed(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.control.brake_provider(SENDER, PROVIDER, "no balance")
    assert await ledger.issue() == []
    await ledger.control.resume_sender(SENDER)
    assert len(await ledger.issue()) == 1


@pytest.mark.parametrize(("back_off_s", "issued"), [(0.9, 1), (1.2, 0)])
async def test_a_sender_that_backs_off_hands_out_shortly_before_it_may_send(
    ledger: Ledger, back_off_s: float, issued: int
) -> None:
    await ledger.submit(6)
    await ledger.control.configure_rate(SENDER, 1)
    ref, _ = await ledger.issue()
    lease = await ledger.take(ref)
    block = await ledger.open(lease)
    await ledger.record(
        lease, block, b"p", Consequence(BackOffPolicy.ALWAYS, back_off_s, reason="overloaded", jitter=0.5)
    )
    await ledger.leases.release(lease)
    assert len(await ledger.issue()) == issued


async def test_each_sender_has_batches_out_of_its_own(ledger: Ledger) -> None:
    other = SenderId("SHOPPY")
    await ledger.submit(90)
    await ledger.submit(90, campaign="another1", sender=other)
    assert len(await ledger.issue()) == 16
    assert len(await ledger.issue(other)) == 16


async def test_a_campaign_at_its_own_limit_has_its_next_turn_when_a_batch_of_it_is_drained(ledger: Ledger) -> None:
    await ledger.submit(30, rate_per_s=1_000)
    await ledger.redis.hset(KEY, "rate", 1)
    first, _ = await ledger.issue()
    assert await ledger.issue() == []
    lease = await ledger.take(first)
    await ledger.redis.hset(KEY, "rate", 1_000)
    await ledger.open(lease)
    assert await ledger.open_block(lease) == Drained()
    await ledger.redis.hset(KEY, "rate", 1)
    assert [ref.number for ref in await ledger.issue()] == [2]


async def test_campaigns_with_limits_of_their_own_are_not_without_bounds_together(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 1_000)
    for number in range(40):
        await ledger.submit(30, batch_size=3, campaign=f"slow00{number:02}", rate_per_s=0.1)
    assert len(await ledger.issue()) == 64
    assert await ledger.issue() == []


async def test_more_campaigns_with_their_own_limit_than_may_be_out_do_not_hold_up_one_without(ledger: Ledger) -> None:
    for number in range(34):
        await ledger.submit(30, campaign=f"slow0{number:03}", rate_per_s=0.1)
    await ledger.issue()
    await ledger.submit(3, campaign="fast0001")
    assert [ref.campaign for ref in await ledger.issue()] == ["fast0001"]


async def _is_no_hash(ledger: Ledger) -> None:
    await ledger.redis.delete(KEY)
    await ledger.redis.set(KEY, "not a hash")


async def _lacks_its_plan(ledger: Ledger) -> None:
    await ledger.redis.hdel(KEY, "plan")


async def _lacks_its_size_and_rate(ledger: Ledger) -> None:
    await ledger.redis.hdel(KEY, "batch_size", "rate")


DAMAGED = pytest.mark.parametrize("damage", [_is_no_hash, _lacks_its_plan, _lacks_its_size_and_rate])


@DAMAGED
@pytest.mark.parametrize("rate_per_s", [0.0, 1000.0])
async def test_a_damaged_campaign_in_turn_costs_no_other_of_its_sender_anything(
    ledger: Ledger, damage: Callable[[Ledger], Awaitable[None]], rate_per_s: float
) -> None:
    await ledger.control.configure_rate(SENDER, rate_per_s)
    await ledger.submit(6)
    await ledger.submit(6, campaign="another1")
    await damage(ledger)
    damages: list[Damage] = []
    leases = BatchLeases(ledger.redis, on_damage=damages.append)
    assert [(ready.ref.campaign, ready.ref.number) for ready in await leases.issue(SENDER)] == [
        ("another1", 0),
        ("another1", 1),
    ]
    assert [(damage.campaign, damage.batch, damage.doing) for damage in damages] == [(CAMPAIGN, "", "issued")]
    assert await ledger.redis.zscore(ROTATION, CAMPAIGN) is None
    assert await ledger.seconds_until(WAITING, CAMPAIGN) == pytest.approx(60, abs=1)
    assert await ledger.redis.zrange(f"{hash_tag(SENDER)}:leases", 0, -1) == [b"another1:0", b"another1:1"]
    await leases.issue(SENDER)
    assert len(damages) == 1
    await ledger.redis.flushall()  # the counters do not add up any more


@DAMAGED
async def test_a_damaged_campaign_whose_time_has_come_costs_no_other_anything(
    ledger: Ledger, damage: Callable[[Ledger], Awaitable[None]]
) -> None:
    await ledger.submit(3, start_at_ms=YEAR_2100_MS - 1)
    await ledger.submit(3, campaign="another1")
    await damage(ledger)
    if damage is not _is_no_hash:
        await ledger.redis.hset(KEY, "start_ms", 1)
    await ledger.redis.zadd(WAITING, {CAMPAIGN: 1})
    damages: list[Damage] = []
    (ready,) = await BatchLeases(ledger.redis, on_damage=damages.append).issue(SENDER)
    assert ready.ref.campaign == "another1"
    assert [damage.campaign for damage in damages] == [CAMPAIGN]
    await ledger.redis.flushall()


async def test_a_campaign_that_was_repaired_goes_on_after_a_resume(ledger: Ledger) -> None:
    await ledger.submit(3)
    plan = await ledger.redis.hget(KEY, "plan")
    await _lacks_its_plan(ledger)
    assert await ledger.issue() == []
    assert await ledger.redis.hget(KEY, "reason") == b"damaged"
    await ledger.redis.hset(KEY, "plan", plan or b"")
    assert (await ledger.view()).state is CampaignState.BRAKED
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert await ledger.issue() == [BatchRef(SENDER, CAMPAIGN, 0)]
