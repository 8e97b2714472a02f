"""Upkeep: expired leases and campaigns that end; overdue messages are in test_maintenance_settling.py."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ResponseError

from tests.kit.ledger import CAMPAIGN, SENDER, YEAR_2100_MS, Ledger, eventually
from times_dispatch.ledger.errors import Damage
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.maintenance import ExpiredLeases, Maintenance, PendingSteps, read_mismatch
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import CampaignState, MessageState

KEY = campaign_key(SENDER, CAMPAIGN)
LEASES, ENDS = f"{hash_tag(SENDER)}:leases", f"{hash_tag(SENDER)}:validity_ends"
NOTHING = ExpiredLeases(0, 0, [])


async def _cut_short(ledger: Ledger, number: int) -> None:
    await ledger.redis.set(f"{KEY}:m:{number}", b"aap")


async def _of_another_type(ledger: Ledger, number: int) -> None:
    await ledger.redis.delete(f"{KEY}:m:{number}")
    await ledger.redis.rpush(f"{KEY}:m:{number}", b"aap")


DAMAGED = pytest.mark.parametrize("damage", [_cut_short, _of_another_type])


@pytest.fixture
async def damages(ledger: Ledger) -> AsyncIterator[list[Damage]]:
    """The damage that upkeep finds. The ledger is emptied at the end, because its counters cannot balance."""
    damages: list[Damage] = []
    ledger.maintenance = Maintenance(ledger.redis, on_damage=damages.append)
    yield damages
    await ledger.redis.flushdb()


async def test_leases_that_run_are_left_alone(ledger: Ledger) -> None:
    await ledger.submit(6)
    first, _ = await ledger.issue()
    await ledger.take(first)
    before = await ledger.dump()
    assert await ledger.maintenance.expire_leases(SENDER) == NOTHING
    assert await ledger.dump() == before


async def test_workers_are_woken_again_for_a_batch_that_nobody_took_each_time_a_lease_has_passed(
    ledger: Ledger,
) -> None:
    await ledger.submit(3, urgent=True, name="otp")
    [ref] = await ledger.issue()
    waits = []
    for _ in range(6):
        await ledger.expire_leases(ref)
        taken_in, in_doubt, [ready] = await ledger.maintenance.expire_leases(SENDER)
        assert (taken_in, in_doubt) == (0, 0)
        assert (ready.ref, ready.batches, ready.name, ready.urgent) == (ref, 1, "otp", True)
        waits.append(await ledger.seconds_until(LEASES, f"{CAMPAIGN}:0"))
    assert waits == pytest.approx([15] * 6, abs=1)
    assert await ledger.take(ref)


async def test_nobody_is_woken_again_for_a_batch_while_too_many_wake_ups_wait(ledger: Ledger) -> None:
    await ledger.submit(3)
    [ref] = await ledger.issue()
    await ledger.expire_leases(ref)
    assert await ledger.maintenance.expire_leases(SENDER, may_reissue=False) == NOTHING
    assert await ledger.seconds_until(LEASES, f"{CAMPAIGN}:0") == pytest.approx(15, abs=1)
    await ledger.expire_leases(ref)
    assert [ready.ref for ready in (await ledger.maintenance.expire_leases(SENDER)).ready] == [ref]


async def test_workers_are_woken_once_for_a_batch_whose_lease_expired(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.expire_leases(*await ledger.issue())
    await ledger.maintenance.expire_leases(SENDER)
    before = await ledger.dump()
    assert await ledger.maintenance.expire_leases(SENDER) == NOTHING
    assert await ledger.dump() == before


async def test_a_batch_whose_worker_is_gone_is_reclaimed_and_issued_again(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=2), b"ap")
    await ledger.open(lease, max_messages=2)
    await ledger.expire_leases(lease.ref)
    assert await ledger.maintenance.expire_leases(SENDER) == ExpiredLeases(1, 2, [])
    assert await ledger.states() == "aiippp"
    assert (await ledger.view()).codes == {"push:13": 2, "retry:429": 1}
    assert await ledger.maintenance.expire_leases(SENDER) == NOTHING
    assert await ledger.issue() == [lease.ref]


async def test_the_last_batch_whose_worker_is_gone_finishes_its_campaign(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"a")
    await ledger.expire_leases(lease.ref)
    assert await ledger.maintenance.expire_leases(SENDER) == ExpiredLeases(1, 0, [])
    assert await ledger.state() is CampaignState.FINISHED


@pytest.mark.parametrize("action", [ControlAction.PAUSE, ControlAction.BRAKE, ControlAction.CANCEL])
async def test_a_batch_that_nobody_took_of_a_campaign_that_does_not_run_is_reclaimed(
    ledger: Ledger, action: ControlAction
) -> None:
    await ledger.submit(3)
    [ref] = await ledger.issue()
    await ledger.control.campaign(SENDER, CAMPAIGN, action)
    await ledger.expire_leases(ref)
    assert await ledger.maintenance.expire_leases(SENDER) == ExpiredLeases(1, 0, [])
    assert await ledger.redis.zcard(LEASES) == 0
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert await ledger.issue() == ([] if action is ControlAction.CANCEL else [ref])


async def test_a_batch_that_nobody_took_within_the_validity_is_reclaimed_and_expires(ledger: Ledger) -> None:
    await ledger.submit(3)
    [ref] = await ledger.issue()
    await ledger.end_validity()
    await ledger.expire_leases(ref)
    assert await ledger.maintenance.expire_leases(SENDER) == ExpiredLeases(1, 0, [])
    assert await ledger.maintenance.end_pending(SENDER) == 3
    assert await ledger.state() is CampaignState.FINISHED


async def test_one_call_expires_the_leases_of_a_limited_number_of_batches(ledger: Ledger) -> None:
    ledger.maintenance = Maintenance(ledger.redis, max_batches=2)
    await ledger.submit(9)
    await ledger.expire_leases(*await ledger.issue())
    assert [len((await ledger.maintenance.expire_leases(SENDER)).ready) for _ in range(3)] == [2, 1, 0]


@DAMAGED
async def test_a_damaged_batch_is_not_reclaimed_and_no_other_batch_is_affected(
    ledger: Ledger, damages: list[Damage], damage: Any
) -> None:
    await ledger.submit(6)
    await ledger.submit(3, campaign="another1")
    leases = [await ledger.take(ref) for ref in await ledger.issue()]
    for lease in leases:
        await ledger.open(lease)
    await damage(ledger, 1)
    await ledger.expire_leases(*(lease.ref for lease in leases))
    assert await ledger.maintenance.expire_leases(SENDER) == ExpiredLeases(2, 6, [])
    assert [(damage.campaign, damage.batch, damage.doing) for damage in damages] == [(CAMPAIGN, "1", "reclaimed")]
    view = await ledger.view()
    assert (view.state, view.reason) == (
        CampaignState.BRAKED,
        "batch 2 cannot be reclaimed: damaged in the ledger",
    )
    assert await ledger.maintenance.expire_leases(SENDER) == NOTHING
    assert await ledger.seconds_until(LEASES, f"{CAMPAIGN}:1") == pytest.approx(60, abs=1)
    assert len(damages) == 1


async def test_a_campaign_whose_plan_is_gone_keeps_no_worker_from_being_woken_for_another(
    ledger: Ledger, damages: list[Damage]
) -> None:
    await ledger.submit(3)
    await ledger.submit(3, campaign="another1")
    refs = await ledger.issue()
    await ledger.redis.hdel(KEY, "plan")
    await ledger.expire_leases(*refs)
    assert [ready.ref for ready in (await ledger.maintenance.expire_leases(SENDER)).ready] == [refs[1]]
    assert [damage.campaign for damage in damages] == [CAMPAIGN]
    assert await ledger.field("state") == "braked"


async def test_a_lease_of_no_campaign_keeps_no_other_lease_from_being_expired(
    ledger: Ledger, damages: list[Damage]
) -> None:
    await ledger.submit(3)
    await ledger.expire_leases(*await ledger.issue())
    await ledger.redis.zadd(LEASES, {"nobody00:0": 1, "nonsense": 1})
    assert len((await ledger.maintenance.expire_leases(SENDER)).ready) == 1
    assert sorted((damage.campaign, damage.batch) for damage in damages) == [("nobody00", "0"), ("nonsense", "")]


@DAMAGED
async def test_a_damaged_batch_does_not_end_and_all_others_do(
    ledger: Ledger, damages: list[Damage], damage: Any
) -> None:
    await ledger.submit(9)
    await ledger.submit(3, campaign="another1")
    await damage(ledger, 1)
    await ledger.end_validity()
    await ledger.end_validity(CampaignId("another1"))
    assert await ledger.maintenance.end_pending(SENDER) == 9
    assert [(damage.campaign, damage.batch, damage.doing) for damage in damages] == [(CAMPAIGN, "1", "ended")]
    view = await ledger.view()
    assert (view.reason, view.counters_add_up) == ("batch 2 cannot be ended: damaged in the ledger", True)
    assert await ledger.seconds_until(ENDS, CAMPAIGN) == pytest.approx(60, abs=1)


async def test_a_campaign_of_which_nothing_can_be_read_keeps_no_other_from_ending(
    ledger: Ledger, damages: list[Damage]
) -> None:
    await ledger.submit(3)
    await ledger.submit(3, campaign="another1")
    await ledger.end_validity(CampaignId("another1"))
    for broken in (f"{hash_tag(SENDER)}:c:broken01", f"{hash_tag(SENDER)}:c:broken02"):
        await ledger.redis.zadd(ENDS, {broken[-8:]: 1})
    await ledger.redis.set(f"{hash_tag(SENDER)}:c:broken01", "not a hash")
    await ledger.redis.hset(f"{hash_tag(SENDER)}:c:broken02", mapping={"state": "running", "batches": "many"})
    assert await ledger.maintenance.end_pending(SENDER) == 3
    assert {damage.campaign for damage in damages} == {"broken01", "broken02"}


@DAMAGED
async def test_a_damaged_batch_is_not_settled_and_all_others_are(
    ledger: Ledger, damages: list[Damage], damage: Any
) -> None:
    await ledger.submit(9)
    for ref in (await ledger.issue())[:2]:
        await ledger.leases.release(await ledger.push(b"a", await ledger.take(ref)))
    await damage(ledger, 0)
    await ledger.end_report_wait()
    assert (await ledger.maintenance.settle_overdue(SENDER)).no_report == 3
    assert [(damage.campaign, damage.batch, damage.doing) for damage in damages] == [(CAMPAIGN, "0", "settled")]
    view = await ledger.view()
    assert (view.state, view.reason) == (CampaignState.BRAKED, "batch 1 cannot be settled: damaged in the ledger")
    assert await ledger.seconds_until(f"{hash_tag(SENDER)}:settle_due", f"{CAMPAIGN}:0") == pytest.approx(60, abs=1)


async def test_an_error_that_may_pass_is_no_damage(ledger: Ledger, damages: list[Damage]) -> None:
    await ledger.submit(3)
    await ledger.end_validity()
    await ledger.redis.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(ResponseError, match="NOREPLICAS"):
            await ledger.maintenance.end_pending(SENDER)
    finally:
        await ledger.redis.config_set("min-replicas-to-write", 0)
    assert damages == []
    assert await ledger.state() is CampaignState.RUNNING


async def _cancel(ledger: Ledger) -> None:
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)


async def _expire(ledger: Ledger) -> None:
    await ledger.end_validity()


ENDINGS = pytest.mark.parametrize(("ending", "state"), [(_cancel, "x"), (_expire, "e")])


@ENDINGS
async def test_everything_pending_ends(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(9)
    lease = await ledger.push(b"aip")
    await ledger.leases.release(lease)
    await ledger.leases.release(await ledger.take(BatchRef(SENDER, CAMPAIGN, 1)))
    await ledger.expire_leases(BatchRef(SENDER, CAMPAIGN, 2))
    await ending(ledger)
    await ledger.maintenance.expire_leases(SENDER)
    assert await ledger.maintenance.end_pending(SENDER) == 7
    assert await ledger.states() == "ai" + 7 * state
    assert await ledger.issue() == []
    assert await ledger.redis.zcard(ENDS) == 0


async def test_a_campaign_ends_by_itself_when_its_validity_does(ledger: Ledger) -> None:
    await ledger.submit(3, valid_until_ms=await ledger.now_ms() + 50)
    assert await ledger.maintenance.end_pending(SENDER) == 0
    assert await eventually(lambda: ledger.maintenance.end_pending(SENDER)) == 3
    assert await ledger.now_ms() >= int(await ledger.field("until_ms"))
    assert await ledger.state() is CampaignState.FINISHED


@ENDINGS
async def test_ending_twice_changes_nothing_the_second_time(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(6)
    await ending(ledger)
    assert await ledger.maintenance.end_pending(SENDER) == 6
    before = await ledger.dump()
    assert await ledger.maintenance.end_pending(SENDER) == 0
    assert await ledger.dump() == before


@ENDINGS
async def test_a_batch_that_is_in_work_ends_when_it_comes_back(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(9)
    first, _, _ = await ledger.issue()
    lease = await ledger.take(first)
    block = await ledger.open(lease, max_messages=1)
    await ending(ledger)
    assert await ledger.maintenance.end_pending(SENDER) == 6
    assert await ledger.states() == "spp" + 6 * state
    await ledger.record(lease, block, b"p")
    await ledger.leases.release(lease)
    assert await ledger.maintenance.end_pending(SENDER) == 3
    assert await ledger.states() == 9 * state


@ENDINGS
async def test_a_batch_that_no_worker_has_taken_ends_at_once(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(9)
    refs = await ledger.issue()
    await ending(ledger)
    assert await ledger.maintenance.end_pending(SENDER) == 9
    assert [await ledger.leases.take(ref) for ref in refs] == [None] * 3
    assert await ledger.redis.zcard(LEASES) == 0
    assert await ledger.states() == 9 * state


@ENDINGS
async def test_the_end_of_unsent_batches_writes_no_records(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(30, batch_size=10)
    await ending(ledger)
    before = await ledger.redis.dbsize()
    assert await ledger.maintenance.end_pending(SENDER) == 30
    assert await ledger.redis.dbsize() <= before + 1  # the index of campaigns that ended
    assert await ledger.redis.keys(f"{KEY}:m:*") == []
    assert await ledger.states() == 30 * state
    assert (await ledger.view()).counts[MessageState(state)] == 30


async def test_messages_that_expired_without_records_stay_expired_when_the_validity_is_extended(ledger: Ledger) -> None:
    await ledger.submit(9)
    first, _, _ = await ledger.issue()
    await ledger.leases.release(await ledger.push(b"iaa", await ledger.take(first)))
    await _expire(ledger)
    assert await ledger.maintenance.end_pending(SENDER) == 6
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    await ledger.redis.hset(KEY, "until_ms", YEAR_2100_MS)
    await ledger.send_all(b"a")
    assert await ledger.states() == "aaaeeeeee"


async def test_a_cancel_after_the_validity_leaves_what_expired_expired(ledger: Ledger) -> None:
    ledger.maintenance = Maintenance(ledger.redis, max_batches=1)
    await ledger.submit(9)
    await _expire(ledger)
    assert await ledger.maintenance.end_pending(SENDER, max_calls=1) == 3
    await _cancel(ledger)
    assert await ledger.maintenance.end_pending(SENDER) == 6
    assert await ledger.states() == 9 * "e"


@ENDINGS
async def test_messages_that_are_being_sent_do_not_end(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    await ending(ledger)
    assert await ledger.maintenance.end_pending(SENDER) == 0
    assert await ledger.redis.zcard(ENDS) == 1
    assert await ledger.record(lease, block, b"a") == 3
    await ledger.leases.release(lease)
    assert await ledger.maintenance.end_pending(SENDER) == 0
    assert await ledger.redis.zcard(ENDS) == 0


async def test_a_batch_that_comes_back_after_all_others_have_ended_ends_too(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    await _expire(ledger)
    await ledger.maintenance.end_pending(SENDER)
    await ledger.record(lease, block, b"ppa")
    await ledger.leases.release(lease)
    assert await ledger.maintenance.end_pending(SENDER) == 2
    assert await ledger.states() == "eea"


@pytest.mark.parametrize("stop", [None, ControlAction.PAUSE, ControlAction.BRAKE])
async def test_an_expired_campaign_is_finished_also_when_it_was_stopped(
    ledger: Ledger, stop: ControlAction | None
) -> None:
    await ledger.submit(3)
    if stop:
        await ledger.control.campaign(SENDER, CAMPAIGN, stop)
    await _expire(ledger)
    await ledger.maintenance.end_pending(SENDER)
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_cancelled_campaign_stays_cancelled_when_it_has_ended(ledger: Ledger) -> None:
    await ledger.submit(3, sealed=False)
    await _cancel(ledger)
    assert await ledger.maintenance.end_pending(SENDER) == 3
    assert await ledger.state() is CampaignState.CANCELLED


async def test_a_campaign_of_many_batches_ends_over_several_calls(ledger: Ledger) -> None:
    ledger.maintenance = Maintenance(ledger.redis, max_batches=2)
    await ledger.submit(20, batch_size=1)
    await ledger.submit(5, batch_size=1, campaign="another1")
    await _cancel(ledger)
    await ledger.control.campaign(SENDER, CampaignId("another1"), ControlAction.CANCEL)
    ended = [await ledger.maintenance.end_pending(SENDER, max_calls=3) for _ in range(6)]
    assert ended == [5, 6, 6, 6, 2, 0]
    assert await ledger.states() == "x" * 20


async def test_a_campaign_without_messages_is_not_looked_at_for_ever(ledger: Ledger) -> None:
    await ledger.submit(0)
    await _expire(ledger)
    assert await ledger.maintenance.end_pending(SENDER) == 0
    assert await ledger.redis.zcard(ENDS) == 0


async def test_a_campaign_that_got_its_validity_again_meanwhile_does_not_end(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.submit(3, in_doubt="resend")
    await ledger.send_all(b"i")
    await ledger.redis.hset(KEY, "sealed_ms", await ledger.now_ms() - 60_000)
    await _expire(ledger)
    read = ledger.redis.hget

    async def read_and_be_overtaken(*arguments: Any) -> Any:
        values = await read(*arguments)
        monkeypatch.undo()
        assert (await ledger.maintenance.settle_overdue(SENDER)).resent == 3
        return values

    monkeypatch.setattr(ledger.redis, "hget", read_and_be_overtaken)
    assert await ledger.maintenance.end_pending(SENDER) == 0
    assert await ledger.states() == "ppp"
    assert await ledger.seconds_until(ENDS, CAMPAIGN) == pytest.approx(60, abs=1)


async def test_a_changed_campaign_is_returned_once(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.submit(3, campaign="another1")
    assert sorted(await ledger.maintenance.take_changed(SENDER)) == ["another1", CAMPAIGN]
    assert await ledger.maintenance.take_changed(SENDER) == []
    assert await ledger.maintenance.take_changed(SenderId("SHOPPY")) == []


async def test_a_campaign_that_was_not_shown_in_time_is_returned_to_another(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.submit(3, campaign="another1")
    assert len(await ledger.maintenance.take_changed(SENDER, worker="killed")) == 2
    await ledger.maintenance.shown({SENDER: [CampaignId("another1")]}, worker="killed")
    assert await ledger.maintenance.take_changed(SENDER, worker="other") == []
    showing = f"{hash_tag(SENDER)}:showing"
    for not_before_ms in (1, 4_102_444_800_000):  # the time is over, or the clock was set back
        for member in await ledger.redis.zrange(showing, 0, -1):
            await ledger.redis.zadd(showing, {text(member): not_before_ms})
        assert await ledger.maintenance.take_changed(SENDER, worker="other") == [CAMPAIGN]
    await ledger.maintenance.shown({SENDER: [CAMPAIGN]}, worker="killed")
    assert await ledger.redis.zcard(showing) == 1, "only the worker that has it can say that it showed it"
    await ledger.maintenance.shown({SENDER: [CAMPAIGN]}, worker="other")
    assert not await ledger.redis.exists(showing)


async def test_a_mismatch_is_described_with_its_numbers(ledger: Ledger) -> None:
    await ledger.submit(3)
    assert await read_mismatch(ledger.redis, SENDER, CAMPAIGN) is None
    await ledger.redis.hincrby(KEY, MessageState.ACCEPTED, 1)
    wrong = await read_mismatch(ledger.redis, SENDER, CAMPAIGN)
    assert wrong is not None
    assert (wrong["total"], wrong["p"], wrong["a"]) == (3, 3, 1)
    await ledger.redis.hincrby(KEY, MessageState.ACCEPTED, -1)


async def test_pending_steps_name_each_step_that_has_something_to_do(ledger: Ledger) -> None:
    async def steps() -> set[str]:
        (of_sender,) = (await ledger.maintenance.pending_steps([SENDER])).values()
        return {step for step, is_to_be_done in of_sender._asdict().items() if is_to_be_done}

    assert await steps() == set()
    await ledger.submit(6)
    assert await steps() == {"issue", "show_changed"}
    refs = await ledger.issue()
    await ledger.maintenance.take_changed(SENDER)
    assert await steps() == set()
    await ledger.expire_leases(*refs)
    assert await steps() == {"expire_leases"}
    await ledger.maintenance.expire_leases(SENDER)
    lease = await ledger.push(b"aia", await ledger.take(refs[0]))
    await ledger.leases.release(lease)
    await ledger.make_all_due()
    assert await steps() >= {"settle_overdue", "show_changed"}
    await ledger.end_validity()
    assert await steps() >= {"end_pending"}
    await ledger.submit(3, campaign=CampaignId("by-day01"), send_from_min=600, send_until_min=1260)
    assert await steps() >= {"send_windows"}


async def test_pending_steps_of_many_senders_are_read_together_and_a_sender_that_cannot_be_read_gets_every_step(
    ledger: Ledger,
) -> None:
    others = [SenderId(f"S{number:05}") for number in range(120)]
    await ledger.submit(6)
    await ledger.redis.set(f"{hash_tag(others[60])}:leases", "junk")
    steps = await ledger.maintenance.pending_steps([*others, SENDER])
    assert list(steps) == [*others, SENDER]
    assert steps[SENDER].issue
    assert steps[others[60]] == PendingSteps()
    assert {steps[sender] for sender in others if sender != others[60]} == {PendingSteps(*[False] * 6)}
