"""Upkeep: expired leases, campaigns to show, and steps that are due; other steps are in test_maintenance_….py."""

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.maintenance import ExpiredLeases, Maintenance, PendingSteps, read_mismatch
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import CampaignState, MessageState

KEY = campaign_key(SENDER, CAMPAIGN)
LEASES = f"{hash_tag(SENDER)}:leases"
NOTHING = ExpiredLeases(0, 0, [])


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
    for not_before_ms in (1, 4_102_444_800_000):  # the time to show the campaign is over, or the clock was set back
        for member in await ledger.redis.zrange(showing, 0, -1):
            await ledger.redis.zadd(showing, {text(member): not_before_ms})
        assert await ledger.maintenance.take_changed(SENDER, worker="other") == [CAMPAIGN]
    await ledger.maintenance.shown({SENDER: [CAMPAIGN]}, worker="killed")
    assert await ledger.redis.zcard(showing) == 1, "only the worker that took a campaign can report it as shown"
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


@pytest.mark.parametrize("set_by_s", [3_600, -3_600])
async def test_a_lease_that_is_renewed_while_the_clock_is_set_is_kept(ledger: Ledger, set_by_s: int) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.open(lease)
    # Upkeep decided before the clock was set by *set_by_s*.
    decided_ms = await ledger.now_ms() - set_by_s * 1000

    expired = await ledger.maintenance.expire_leases(SENDER, decided_ms=decided_ms)

    assert expired.reclaimed == 0
    assert await ledger.states() == "sss"
