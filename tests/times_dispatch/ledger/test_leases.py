"""Taking, renewing and releasing batches; blocks are in test_leases_blocks.py, outcomes in test_leases_recording.py."""

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger, plan, recipients
from times_dispatch.ledger.errors import CampaignUnknown, LeaseLost
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.openings import Block, Opened, new_operation
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.states import CampaignState

REF = BatchRef(SENDER, CAMPAIGN, 0)
KEY = campaign_key(SENDER, CAMPAIGN)
LEASES = f"{hash_tag(SENDER)}:leases"


async def test_the_plan_is_read_as_it_was_submitted(ledger: Ledger) -> None:
    await ledger.submit()
    assert await ledger.leases.plan(SENDER, CAMPAIGN) == plan()


async def test_a_plan_of_no_campaign_is_an_error_that_names_the_campaign(ledger: Ledger) -> None:
    with pytest.raises(CampaignUnknown, match="campaign nobody00"):
        await ledger.leases.plan(SENDER, CampaignId("nobody00"))


async def test_a_batch_is_taken_with_its_recipients(ledger: Ledger) -> None:
    await ledger.submit(5, batch_size=3)
    await ledger.issue()
    lease = await ledger.take(BatchRef(SENDER, CAMPAIGN, 1))
    assert lease.recipients == recipients(3, 2)


async def test_a_batch_that_a_worker_holds_cannot_be_taken(ledger: Ledger) -> None:
    await ledger.submit()
    await ledger.take()
    assert await ledger.leases.take(REF) is None


async def test_a_taking_that_is_repeated_gets_the_same_lease_and_changes_nothing(ledger: Ledger) -> None:
    await ledger.submit()
    await ledger.issue()
    take = Script(ledger.redis, "take")
    first = {"campaign": CAMPAIGN, "batch_number": 0, "lease_ms": 15_000, "operation": "one call"}
    taken = await take(SENDER, **first)
    before = await ledger.dump()
    assert await take(SENDER, **first) == taken
    assert await take(SENDER, **{**first, "operation": "another call"}) == {"status": b"busy"}
    assert await ledger.dump() == before


async def test_a_batch_that_was_not_issued_cannot_be_taken(ledger: Ledger) -> None:
    await ledger.submit()
    assert await ledger.leases.take(REF) is None
    assert await ledger.leases.take(BatchRef(SENDER, CampaignId("nobody00"), 0)) is None


async def test_a_released_batch_cannot_be_taken_before_it_is_issued_again(ledger: Ledger) -> None:
    await ledger.submit()
    await ledger.leases.release(await ledger.take())
    assert await ledger.leases.take(REF) is None
    assert await ledger.issue() == [REF]
    assert await ledger.leases.take(REF)


async def test_taking_gives_the_batch_a_whole_lease(ledger: Ledger) -> None:
    await ledger.submit()
    await ledger.issue()
    await ledger.expire_leases(REF)
    await ledger.take(REF)
    assert await ledger.redis.zscore(LEASES, f"{CAMPAIGN}:0") == pytest.approx(
        await ledger.now_ms() + 15_000, abs=1_000
    )


async def test_every_taking_has_a_greater_token(ledger: Ledger) -> None:
    await ledger.submit(6)
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.leases.release(first)
    third = await ledger.take()
    assert third.ref == first.ref
    assert first.token < second.token < third.token


async def test_a_token_does_not_come_again_when_the_ledger_forgot_the_last_second(ledger: Ledger) -> None:
    await ledger.submit(6)
    first = (await ledger.issue())[0]
    before = {key: await ledger.redis.dump(key) for key in await ledger.redis.keys()}
    late_worker = await ledger.take(first)
    for key in await ledger.redis.keys():
        await ledger.redis.delete(key)
    for key, value in before.items():
        await ledger.redis.restore(key, 0, value or b"")
    next_worker = await ledger.take(first)
    assert next_worker.token > late_worker.token
    with pytest.raises(LeaseLost):
        await ledger.open_block(late_worker)
    assert await ledger.leases.renew(SENDER, [late_worker, next_worker]) == [False, True]


async def test_tokens_grow_also_while_the_clock_stands_still_or_goes_back(ledger: Ledger) -> None:
    await ledger.submit(6)
    ahead = (await ledger.now_ms() + 3_600_000) * 1_000 + 1
    await ledger.redis.hset(f"{hash_tag(SENDER)}:sender", "fence", ahead)
    leases = [await ledger.take(ref) for ref in await ledger.issue()]
    assert [lease.token for lease in leases] == [ahead + 1, ahead + 2]
    assert await ledger.leases.renew(SENDER, leases) == [True, True]
    assert await ledger.leases.take(leases[0].ref) is None


async def test_renewing_moves_the_deadline_of_every_lease_that_is_still_held(ledger: Ledger) -> None:
    await ledger.submit(9)
    held, given_back, untaken = await ledger.issue()
    leases = [await ledger.take(held), await ledger.take(given_back)]
    await ledger.leases.release(leases[1])
    await ledger.expire_leases(held, untaken)
    assert await ledger.leases.renew(SENDER, leases) == [True, False]
    assert await ledger.redis.zscore(LEASES, f"{CAMPAIGN}:0") == pytest.approx(
        await ledger.now_ms() + 15_000, abs=1_000
    )
    assert await ledger.redis.zscore(LEASES, f"{CAMPAIGN}:1") is None
    assert await ledger.redis.zscore(LEASES, f"{CAMPAIGN}:2") == 1


async def test_nothing_to_renew_is_no_error(ledger: Ledger) -> None:
    assert await ledger.leases.renew(SENDER, []) == []


async def test_the_release_of_a_finished_batch_finishes_its_campaign(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"ari")
    assert await ledger.state() is CampaignState.RUNNING
    assert await ledger.leases.release(lease) == 0
    assert await ledger.state() is CampaignState.FINISHED
    assert await ledger.issue() == []


async def test_a_campaign_is_not_finished_while_another_batch_is_owed(ledger: Ledger) -> None:
    await ledger.submit(6)
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.leases.release(await ledger.push(b"a", first))
    assert await ledger.state() is CampaignState.RUNNING
    await ledger.leases.release(await ledger.push(b"a", second))
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_campaign_is_not_finished_while_a_message_is_being_sent(ledger: Ledger) -> None:
    await ledger.submit(6)
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    block = await ledger.open(second)
    await ledger.leases.release(await ledger.push(b"a", first))
    assert await ledger.state() is CampaignState.RUNNING
    await ledger.record(second, block, b"a")
    await ledger.leases.release(second)


async def test_messages_without_an_outcome_are_in_doubt_when_a_batch_is_released(ledger: Ledger) -> None:
    await ledger.submit(4, batch_size=4)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=1), b"a")
    await ledger.open(lease, max_messages=2)
    assert await ledger.leases.release(lease) == 2
    assert await ledger.states() == "aiip"
    assert (await ledger.view()).codes == {"push:13": 2}
    assert [message.record.attempt for message in await ledger.messages()] == [0, 0, 0, 0]


async def test_the_rest_of_a_released_batch_is_issued_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=1), b"a")
    await ledger.leases.release(lease)
    assert (await ledger.open(await ledger.take())).messages == [(1, 0), (2, 0)]


async def test_a_batch_that_is_released_while_its_campaign_is_paused_waits_for_the_resume(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    await ledger.leases.release(lease)
    assert await ledger.issue() == []
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert await ledger.issue() == [REF]


async def test_a_batch_that_is_released_twice_is_released_once_with_the_same_reply(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=2), b"ap")
    await ledger.open(lease, max_messages=2)
    assert await ledger.leases.release(lease) == 2
    before = await ledger.dump()
    assert await ledger.leases.release(lease) == 2  # as the Redis client repeats a call whose answer was lost
    assert await ledger.dump() == before
    next_worker = await ledger.take()
    assert await ledger.leases.release(lease) == 2
    assert await ledger.leases.renew(SENDER, [lease, next_worker]) == [False, True]


async def test_a_release_is_not_remembered_for_ever(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.leases.release(await ledger.take())
    assert 50_000 < await ledger.redis.pttl(f"{KEY}:r:0") <= 60_000
    await ledger.leases.release(await ledger.take())
    assert 50_000 < await ledger.redis.pttl(f"{KEY}:r:0") <= 60_000


async def test_a_late_worker_can_neither_open_nor_record_nor_release_nor_renew(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6)
    late_worker = await ledger.take()
    operation = new_operation()
    opened: Opened = await ledger.leases.open_block(late_worker, max_messages=2, operation=operation)
    assert isinstance(opened, Block)
    await ledger.expire_leases(late_worker.ref)
    assert (await ledger.maintenance.expire_leases(SENDER)).in_doubt == 2
    for next_worker in (None, await ledger.take()):
        if next_worker:
            await ledger.open(next_worker, max_messages=2)
        before = await ledger.dump()
        with pytest.raises(LeaseLost, match=f"batch 0 of campaign {CAMPAIGN}"):
            await ledger.open_block(late_worker)
        with pytest.raises(LeaseLost):
            await ledger.leases.open_block(late_worker, max_messages=2, operation=operation)
        with pytest.raises(LeaseLost):
            await ledger.record(late_worker, opened, b"a")
        with pytest.raises(LeaseLost):
            await ledger.leases.release(late_worker)
        assert await ledger.leases.renew(SENDER, [late_worker]) == [False]
        assert await ledger.dump() == before
        assert await ledger.states() == ("iisspp" if next_worker else "iipppp")


async def test_a_short_lease_runs_out_by_itself(ledger: Ledger) -> None:
    await ledger.submit(3)
    short_leases = BatchLeases(ledger.redis, lease_s=0.001)
    [ready] = await short_leases.issue(SENDER)
    lease = await short_leases.take(ready.ref)
    assert lease
    while not (lapsed := await ledger.maintenance.expire_leases(SENDER)).reclaimed:
        assert await ledger.redis.zcard(LEASES) == 1
    assert (lapsed.in_doubt, lapsed.ready) == (0, [])
    with pytest.raises(LeaseLost):
        await ledger.open_block(lease)
