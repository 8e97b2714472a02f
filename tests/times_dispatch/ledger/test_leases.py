"""A batch in a worker's hands; its blocks are in test_blocks.py, the outcomes of its pushes in test_recording.py."""

import pytest

from tests.times_dispatch.ledger.conftest import CAMPAIGN, SENDER, Ledger, plan, recipients
from times_dispatch.ledger.errors import CampaignUnknown, LeaseLost
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.leases import BatchLeases, Block, Opened, new_operation
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.states import CampaignState

REF = BatchRef(SENDER, CAMPAIGN, 0)
KEY = campaign_key(SENDER, CAMPAIGN)
LEASES = f"{hash_tag(SENDER)}:leases"


async def test_the_plan_is_read_as_it_was_submitted(ledger: Ledger) -> None:
    await ledger.submit()
    assert await ledger.work.plan(SENDER, CAMPAIGN) == plan()


async def test_a_plan_of_no_campaign_is_an_error_that_names_the_campaign(ledger: Ledger) -> None:
    with pytest.raises(CampaignUnknown, match="campaign nobody00"):
        await ledger.work.plan(SENDER, CampaignId("nobody00"))


async def test_a_batch_is_taken_with_its_recipients(ledger: Ledger) -> None:
    await ledger.submit(5, batch_size=3)
    await ledger.issue()
    lease = await ledger.take(BatchRef(SENDER, CAMPAIGN, 1))
    assert lease.recipients == recipients(3, 2)


async def test_a_batch_that_somebody_holds_cannot_be_taken(ledger: Ledger) -> None:
    await ledger.submit()
    await ledger.take()
    assert await ledger.work.take(REF) is None


async def test_a_taking_that_is_repeated_gets_the_same_lease_and_changes_nothing(ledger: Ledger) -> None:
    await ledger.submit()
    await ledger.issue()
    take = Script(ledger.redis, "take")
    first = {"campaign": CAMPAIGN, "number": 0, "lease_ms": 15_000, "taker": "one call"}
    taken = await take(SENDER, **first)
    before = await ledger.dump()
    assert await take(SENDER, **first) == taken
    assert await take(SENDER, **{**first, "taker": "another call"}) == {"status": b"busy"}
    assert await ledger.dump() == before


async def test_a_batch_that_was_not_handed_out_cannot_be_taken(ledger: Ledger) -> None:
    await ledger.submit()
    assert await ledger.work.take(REF) is None
    assert await ledger.work.take(BatchRef(SENDER, CampaignId("nobody00"), 0)) is None


async def test_a_batch_that_was_let_go_cannot_be_taken_before_it_is_handed_out_again(ledger: Ledger) -> None:
    await ledger.submit()
    await ledger.work.release(await ledger.take())
    assert await ledger.work.take(REF) is None
    assert await ledger.issue() == [REF]
    assert await ledger.work.take(REF)


async def test_taking_gives_the_batch_a_whole_lease(ledger: Ledger) -> None:
    await ledger.submit()
    await ledger.issue()
    await ledger.run_out(REF)
    await ledger.take(REF)
    assert await ledger.redis.zscore(LEASES, f"{CAMPAIGN}:0") == pytest.approx(
        await ledger.now_ms() + 15_000, abs=1_000
    )


async def test_every_taking_has_a_greater_token(ledger: Ledger) -> None:
    await ledger.submit(6)
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.work.release(first)
    third = await ledger.take()
    assert third.ref == first.ref
    assert first.token < second.token < third.token


async def test_a_token_does_not_come_again_when_the_ledger_forgot_the_last_second(ledger: Ledger) -> None:
    await ledger.submit(6)
    first = (await ledger.issue())[0]
    before = {key: await ledger.redis.dump(key) for key in await ledger.redis.keys()}
    zombie = await ledger.take(first)
    for key in await ledger.redis.keys():
        await ledger.redis.delete(key)
    for key, value in before.items():
        await ledger.redis.restore(key, 0, value or b"")
    heir = await ledger.take(first)
    assert heir.token > zombie.token
    with pytest.raises(LeaseLost):
        await ledger.ask(zombie)
    assert await ledger.work.renew(SENDER, [zombie, heir]) == [False, True]


async def test_tokens_grow_also_while_the_clock_stands_still_or_goes_back(ledger: Ledger) -> None:
    await ledger.submit(6)
    ahead = (await ledger.now_ms() + 3_600_000) * 1_000 + 1
    await ledger.redis.hset(f"{hash_tag(SENDER)}:pace", "fence", ahead)
    leases = [await ledger.take(ref) for ref in await ledger.issue()]
    assert [lease.token for lease in leases] == [ahead + 1, ahead + 2]
    assert await ledger.work.renew(SENDER, leases) == [True, True]
    assert await ledger.work.take(leases[0].ref) is None


async def test_renewing_moves_the_deadline_of_every_lease_that_is_still_held(ledger: Ledger) -> None:
    await ledger.submit(9)
    held, given_back, untaken = await ledger.issue()
    leases = [await ledger.take(held), await ledger.take(given_back)]
    await ledger.work.release(leases[1])
    await ledger.run_out(held, untaken)
    assert await ledger.work.renew(SENDER, leases) == [True, False]
    assert await ledger.redis.zscore(LEASES, f"{CAMPAIGN}:0") == pytest.approx(
        await ledger.now_ms() + 15_000, abs=1_000
    )
    assert await ledger.redis.zscore(LEASES, f"{CAMPAIGN}:1") is None
    assert await ledger.redis.zscore(LEASES, f"{CAMPAIGN}:2") == 1


async def test_nothing_to_renew_is_no_error(ledger: Ledger) -> None:
    assert await ledger.work.renew(SENDER, []) == []


async def test_a_finished_batch_that_is_let_go_finishes_its_campaign(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"ari")
    assert await ledger.state() is CampaignState.RUNNING
    assert await ledger.work.release(lease) == 0
    assert await ledger.state() is CampaignState.FINISHED
    assert await ledger.issue() == []


async def test_a_campaign_is_not_finished_while_another_batch_is_owed(ledger: Ledger) -> None:
    await ledger.submit(6)
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.work.release(await ledger.push(b"a", first))
    assert await ledger.state() is CampaignState.RUNNING
    await ledger.work.release(await ledger.push(b"a", second))
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_campaign_is_not_finished_while_a_message_is_being_sent(ledger: Ledger) -> None:
    await ledger.submit(6)
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    block = await ledger.open(second)
    await ledger.work.release(await ledger.push(b"a", first))
    assert await ledger.state() is CampaignState.RUNNING
    await ledger.record(second, block, b"a")
    await ledger.work.release(second)


async def test_what_nobody_can_say_anything_of_is_in_doubt_when_a_batch_is_let_go(ledger: Ledger) -> None:
    await ledger.submit(4, batch_size=4)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, most=1), b"a")
    await ledger.open(lease, most=2)
    assert await ledger.work.release(lease) == 2
    assert await ledger.states() == "aiip"
    assert (await ledger.view()).codes == {"push:13": 2}
    assert [message.record.attempt for message in await ledger.messages()] == [0, 0, 0, 0]


async def test_the_rest_of_a_batch_that_was_let_go_is_handed_out_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, most=1), b"a")
    await ledger.work.release(lease)
    assert (await ledger.open(await ledger.take())).messages == [(1, 0), (2, 0)]


async def test_a_batch_that_is_let_go_while_its_campaign_is_paused_waits_for_the_resume(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.control.campaign(SENDER, CAMPAIGN, "pause")
    await ledger.work.release(lease)
    assert await ledger.issue() == []
    await ledger.control.campaign(SENDER, CAMPAIGN, "resume")
    assert await ledger.issue() == [REF]


async def test_a_batch_that_is_let_go_twice_is_let_go_once_and_says_the_same_twice(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, most=2), b"ap")
    await ledger.open(lease, most=2)
    assert await ledger.work.release(lease) == 2
    before = await ledger.dump()
    assert await ledger.work.release(lease) == 2  # as the Redis client does by itself when an answer was lost
    assert await ledger.dump() == before
    heir = await ledger.take()
    assert await ledger.work.release(lease) == 2
    assert await ledger.work.renew(SENDER, [lease, heir]) == [False, True]


async def test_that_a_batch_was_let_go_is_not_remembered_for_ever(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.work.release(await ledger.take())
    assert 50_000 < await ledger.redis.pttl(f"{KEY}:r:0") <= 60_000
    await ledger.work.release(await ledger.take())
    assert 50_000 < await ledger.redis.pttl(f"{KEY}:r:0") <= 60_000


async def test_a_zombie_can_neither_open_nor_record_nor_release_nor_renew(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6)
    zombie = await ledger.take()
    operation = new_operation()
    opened: Opened = await ledger.work.open_block(zombie, max_messages=2, operation=operation)
    assert isinstance(opened, Block)
    await ledger.run_out(zombie.ref)
    assert (await ledger.repair.expire_leases(SENDER)).in_doubt == 2
    for heir in (None, await ledger.take()):
        if heir:
            await ledger.open(heir, most=2)
        before = await ledger.dump()
        with pytest.raises(LeaseLost, match=f"batch 0 of campaign {CAMPAIGN}"):
            await ledger.ask(zombie)
        with pytest.raises(LeaseLost):
            await ledger.work.open_block(zombie, max_messages=2, operation=operation)
        with pytest.raises(LeaseLost):
            await ledger.record(zombie, opened, b"a")
        with pytest.raises(LeaseLost):
            await ledger.work.release(zombie)
        assert await ledger.work.renew(SENDER, [zombie]) == [False]
        assert await ledger.dump() == before
        assert await ledger.states() == ("iisspp" if heir else "iipppp")


async def test_a_short_lease_runs_out_by_itself(ledger: Ledger) -> None:
    await ledger.submit(3)
    hurried = BatchLeases(ledger.redis, lease_s=0.001)
    [ring] = await hurried.issue(SENDER)
    lease = await hurried.take(ring.ref)
    assert lease
    while not (lapsed := await ledger.repair.expire_leases(SENDER)).reclaimed:
        assert await ledger.redis.zcard(LEASES) == 1
    assert (lapsed.in_doubt, lapsed.ready) == (0, [])
    with pytest.raises(LeaseLost):
        await ledger.ask(lease)
