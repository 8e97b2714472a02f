"""The end of pending messages: of campaigns that are cancelled, or whose validity is over."""

from typing import Any

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import CAMPAIGN, SENDER, YEAR_2100_MS, Ledger
from tests.kit.redis_clock import stopped_clock
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.maintenance import Maintenance
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState, MessageState

KEY = campaign_key(SENDER, CAMPAIGN)
LEASES, ENDS = f"{hash_tag(SENDER)}:leases", f"{hash_tag(SENDER)}:validity_ends"


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


async def test_a_campaign_ends_by_itself_when_its_validity_does(redis: Redis) -> None:
    with stopped_clock(redis) as clock:
        await clock.set(1_795_000_000)
        ledger = Ledger(redis)
        await ledger.submit(3, valid_until_ms=1_795_000_060_000)
        await clock.set(1_795_000_059.999)
        assert await ledger.maintenance.end_pending(SENDER) == 0
        await clock.set(1_795_000_060)
        assert await ledger.maintenance.end_pending(SENDER) == 3
        assert await ledger.state() is CampaignState.FINISHED
        await ledger.assert_counters_add_up()


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
    assert await ledger.redis.dbsize() <= before + 4  # the index of campaigns that ended, and three keys of statistics
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
        assert (await ledger.maintenance.settle_overdue(SENDER)).requeued == 3
        return values

    monkeypatch.setattr(ledger.redis, "hget", read_and_be_overtaken)
    assert await ledger.maintenance.end_pending(SENDER) == 0
    assert await ledger.states() == "ppp"
    assert await ledger.seconds_until(ENDS, CAMPAIGN) == pytest.approx(60, abs=1)
