"""Upkeep: leases that ran out, campaigns that end, messages that waited long enough."""

from typing import Any

import pytest

from campaigns import repair
from campaigns.model import BatchRef, CampaignId, SenderId
from campaigns.repair import Lapsed, Settled, still_wrong
from campaigns.scripts import campaign_key, tag
from campaigns.states import CampaignState, MessageState
from tests.campaigns.conftest import CAMPAIGN, SENDER, Ledger

KEY = campaign_key(SENDER, CAMPAIGN)
LEASES, DUE, ENDS = (f"{tag(SENDER)}:{name}" for name in ("leases", "due", "ends"))
NOTHING = Lapsed(0, 0, [])


async def _in_s(ledger: Ledger, key: str, member: str) -> float:
    at_ms = await ledger.redis.zscore(key, member)
    assert at_ms is not None
    return (at_ms - await ledger.now_ms()) / 1000


async def _deadline_s(ledger: Ledger, number: int = 0) -> float:
    """Seconds until a batch's lease runs out."""
    return await _in_s(ledger, LEASES, f"{CAMPAIGN}:{number}")


async def _due_s(ledger: Ledger, number: int = 0) -> float:
    """Seconds until upkeep looks at a batch."""
    return await _in_s(ledger, DUE, f"{CAMPAIGN}:{number}")


async def test_leases_that_run_are_left_alone(ledger: Ledger) -> None:
    await ledger.submit(6)
    first, _ = await ledger.issue()
    await ledger.take(first)
    before = await ledger.dump()
    assert await ledger.repair.lapse(SENDER) == NOTHING
    assert await ledger.dump() == before


async def test_a_batch_that_nobody_took_is_rung_again_and_later_each_time(ledger: Ledger) -> None:
    await ledger.submit(3, urgent=True, name="otp")
    [ref] = await ledger.issue()
    waits = []
    for _ in range(6):
        await ledger.run_out(ref)
        taken_in, in_doubt, [ring] = await ledger.repair.lapse(SENDER)
        assert (taken_in, in_doubt) == (0, 0)
        assert (ring.ref, ring.batches, ring.name, ring.urgent) == (ref, 1, "otp", True)
        waits.append(await _deadline_s(ledger))
    assert waits == pytest.approx([30, 60, 120, 240, 240, 240], abs=1)
    assert await ledger.take(ref)


async def test_a_batch_that_was_rung_again_is_rung_once(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.run_out(*await ledger.issue())
    await ledger.repair.lapse(SENDER)
    before = await ledger.dump()
    assert await ledger.repair.lapse(SENDER) == NOTHING
    assert await ledger.dump() == before


async def test_a_batch_whose_worker_is_gone_is_taken_in_and_handed_out_again(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, most=2), b"ap")
    await ledger.open(lease, most=2)
    await ledger.run_out(lease.ref)
    assert await ledger.repair.lapse(SENDER) == Lapsed(1, 2, [])
    assert await ledger.states() == "aiippp"
    assert (await ledger.view()).codes == {"push:13": 2, "retry:429": 1}
    assert await ledger.repair.lapse(SENDER) == NOTHING
    assert await ledger.issue() == [lease.ref]


async def test_the_last_batch_whose_worker_is_gone_finishes_its_campaign(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"a")
    await ledger.run_out(lease.ref)
    assert await ledger.repair.lapse(SENDER) == Lapsed(1, 0, [])
    assert await ledger.state() is CampaignState.FINISHED


@pytest.mark.parametrize("action", ["pause", "brake", "cancel"])
async def test_a_batch_that_nobody_took_of_a_campaign_that_does_not_run_is_taken_in(
    ledger: Ledger, action: Any
) -> None:
    await ledger.submit(3)
    [ref] = await ledger.issue()
    await ledger.control.campaign(SENDER, CAMPAIGN, action)
    await ledger.run_out(ref)
    assert await ledger.repair.lapse(SENDER) == Lapsed(1, 0, [])
    assert await ledger.redis.zcard(LEASES) == 0
    await ledger.control.campaign(SENDER, CAMPAIGN, "resume")
    assert await ledger.issue() == ([] if action == "cancel" else [ref])


async def test_a_batch_that_nobody_took_within_the_validity_is_taken_in_and_expires(ledger: Ledger) -> None:
    await ledger.submit(3)
    [ref] = await ledger.issue()
    await ledger.end_validity()
    await ledger.run_out(ref)
    assert await ledger.repair.lapse(SENDER) == Lapsed(1, 0, [])
    assert await ledger.repair.end(SENDER) == 3
    assert await ledger.state() is CampaignState.FINISHED


async def test_no_more_than_so_many_batches_are_looked_after_in_one_call(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "_MOST_BATCHES", 2)
    await ledger.submit(9)
    await ledger.run_out(*await ledger.issue())
    assert [len((await ledger.repair.lapse(SENDER)).rings) for _ in range(3)] == [2, 1, 0]


async def _cancel(ledger: Ledger) -> None:
    await ledger.control.campaign(SENDER, CAMPAIGN, "cancel")


async def _expire(ledger: Ledger) -> None:
    await ledger.end_validity()


ENDINGS = pytest.mark.parametrize(("ending", "state"), [(_cancel, "x"), (_expire, "e")])


@ENDINGS
async def test_everything_pending_ends(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(9)
    lease = await ledger.push(b"aip")
    await ledger.work.release(lease)
    await ledger.work.release(await ledger.take(BatchRef(SENDER, CAMPAIGN, 1)))
    await ledger.run_out(BatchRef(SENDER, CAMPAIGN, 2))
    await ending(ledger)
    await ledger.repair.lapse(SENDER)
    assert await ledger.repair.end(SENDER) == 7
    assert await ledger.states() == "ai" + 7 * state
    assert await ledger.issue() == []
    assert await ledger.redis.zcard(ENDS) == 0


@ENDINGS
async def test_ending_twice_changes_nothing_the_second_time(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(6)
    await ending(ledger)
    assert await ledger.repair.end(SENDER) == 6
    before = await ledger.dump()
    assert await ledger.repair.end(SENDER) == 0
    assert await ledger.dump() == before


@ENDINGS
async def test_a_batch_that_is_in_work_ends_when_it_comes_back(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(9)
    first, _, _ = await ledger.issue()
    lease = await ledger.take(first)
    block = await ledger.open(lease, most=1)
    await ending(ledger)
    assert await ledger.repair.end(SENDER) == 0
    await ledger.record(lease, block, b"p")
    await ledger.work.release(lease)
    assert await ledger.repair.end(SENDER) == 3
    assert await ledger.states() == 3 * state + "pppppp"
    await ledger.run_out(BatchRef(SENDER, CAMPAIGN, 1), BatchRef(SENDER, CAMPAIGN, 2))
    await ledger.repair.lapse(SENDER)
    assert await ledger.repair.end(SENDER) == 6
    assert await ledger.states() == 9 * state


@ENDINGS
async def test_what_is_being_sent_does_not_end(ledger: Ledger, ending: Any, state: str) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    await ending(ledger)
    assert await ledger.repair.end(SENDER) == 0
    assert await ledger.redis.zcard(ENDS) == 1
    assert await ledger.record(lease, block, b"a") == 3
    await ledger.work.release(lease)
    assert await ledger.repair.end(SENDER) == 0
    assert await ledger.redis.zcard(ENDS) == 0


async def test_what_came_back_after_everything_else_had_ended_ends_too(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    await _expire(ledger)
    await ledger.repair.end(SENDER)
    await ledger.record(lease, block, b"ppa")
    await ledger.work.release(lease)
    assert await ledger.repair.end(SENDER) == 2
    assert await ledger.states() == "eea"


@pytest.mark.parametrize(("held", "ends_as"), [(None, "finished"), ("pause", "finished"), ("brake", "finished")])
async def test_an_expired_campaign_is_finished_also_when_it_was_held(ledger: Ledger, held: Any, ends_as: str) -> None:
    await ledger.submit(3)
    if held:
        await ledger.control.campaign(SENDER, CAMPAIGN, held)
    await _expire(ledger)
    await ledger.repair.end(SENDER)
    assert await ledger.state() == ends_as


async def test_a_cancelled_campaign_stays_cancelled_when_it_has_ended(ledger: Ledger) -> None:
    await ledger.submit(3, sealed=False)
    await _cancel(ledger)
    assert await ledger.repair.end(SENDER) == 3
    assert await ledger.state() is CampaignState.CANCELLED


async def test_a_campaign_of_many_batches_ends_over_several_calls(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "_MOST_BATCHES", 2)
    await ledger.submit(20, batch_size=1)
    await ledger.submit(5, batch_size=1, campaign="another1")
    await _cancel(ledger)
    await ledger.control.campaign(SENDER, CampaignId("another1"), "cancel")
    ended = [await ledger.repair.end(SENDER, most_calls=3) for _ in range(6)]
    assert ended == [5, 6, 6, 6, 2, 0]
    assert await ledger.states() == "x" * 20


async def test_a_campaign_without_messages_is_not_looked_at_for_ever(ledger: Ledger) -> None:
    await ledger.submit(0)
    await _expire(ledger)
    assert await ledger.repair.end(SENDER) == 0
    assert await ledger.redis.zcard(ENDS) == 0


async def test_a_campaign_that_got_its_validity_again_meanwhile_does_not_end(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.submit(3, in_doubt="resend")
    await ledger.send_all(b"i")
    await ledger.redis.hset(KEY, "sealed_ms", await ledger.now_ms() - 60_000)
    await _expire(ledger)
    read = ledger.redis.hmget

    async def read_and_be_overtaken(*arguments: Any) -> Any:
        values = await read(*arguments)
        monkeypatch.undo()
        assert (await ledger.repair.settle(SENDER)).resent == 3
        return values

    monkeypatch.setattr(ledger.redis, "hmget", read_and_be_overtaken)
    assert await ledger.repair.end(SENDER) == 0
    assert await ledger.states() == "ppp"
    assert await _in_s(ledger, ENDS, CAMPAIGN) == pytest.approx(60, abs=1)


async def test_a_report_is_waited_for_from_the_moment_a_batch_is_let_go(ledger: Ledger) -> None:
    await ledger.submit(3, report_wait_s=3_600)
    await ledger.send_all()
    assert await _due_s(ledger) == pytest.approx(3_600, abs=1)
    assert await ledger.repair.settle(SENDER) == Settled()


async def test_a_message_without_a_report_has_the_state_no_report_in_the_end(ledger: Ledger) -> None:
    await ledger.submit(6)
    await ledger.send_all()
    await ledger.report("delivered", index=1)
    await ledger.end_report_wait()
    assert await ledger.repair.settle(SENDER) == Settled(no_report=5)
    assert await ledger.states() == "ndnnnn"
    assert await ledger.redis.zcard(DUE) == 0
    before = await ledger.dump()
    assert await ledger.repair.settle(SENDER) == Settled()
    assert await ledger.dump() == before


@pytest.mark.parametrize(("kind", "state"), [("delivered", "d"), ("failed", "f")])
async def test_a_report_that_comes_later_still_counts(ledger: Ledger, kind: str, state: str) -> None:
    await ledger.submit(1)
    await ledger.send_all()
    await ledger.end_report_wait()
    await ledger.repair.settle(SENDER)
    await ledger.report(kind)
    assert await ledger.states() == state


async def test_each_message_waits_for_its_report_from_its_own_moment(ledger: Ledger) -> None:
    await ledger.submit(2, report_wait_s=3_600)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, most=1), b"a")
    await ledger.record(lease, await ledger.open(lease, most=1), b"a")
    await ledger.work.release(lease)
    # The second was let go 100 s after the first, which was 3,650 s ago.
    await ledger.redis.hset(KEY, "created_ms", await ledger.now_ms() - 3_650_000)
    await ledger.redis.setrange(f"{KEY}:m:0", 2 + 5, (0).to_bytes(4, "big"))
    await ledger.redis.setrange(f"{KEY}:m:0", 2 + 21 + 5, (100_000).to_bytes(4, "big"))
    await ledger.look_now()
    assert await ledger.repair.settle(SENDER) == Settled(no_report=1)
    assert await ledger.states() == "na"
    assert await _due_s(ledger) == pytest.approx(50, abs=1)


async def test_what_was_sent_before_a_pause_does_not_wait_longer_for_its_report(ledger: Ledger) -> None:
    await ledger.submit(2, report_wait_s=3_600)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, most=1), b"a")
    await ledger.work.release(lease)
    an_hour_ago = await ledger.now_ms() - 3_600_000
    await ledger.redis.zadd(DUE, {f"{CAMPAIGN}:0": an_hour_ago})
    await ledger.send_all()
    assert await ledger.redis.zscore(DUE, f"{CAMPAIGN}:0") == an_hour_ago


async def test_what_is_in_doubt_stays_so_until_the_validity_ends(ledger: Ledger) -> None:
    await ledger.submit(3, valid_until_ms=await ledger.now_ms() + 60_000)
    await ledger.send_all(b"iar")
    assert await _due_s(ledger) == pytest.approx(60, abs=1)
    await ledger.look_now()
    assert await ledger.repair.settle(SENDER) == Settled()
    assert await ledger.states() == "iar"
    assert await _due_s(ledger) == pytest.approx(60, abs=1)


async def test_what_is_in_doubt_at_the_end_of_the_validity_is_given_up(ledger: Ledger) -> None:
    await ledger.submit(6)
    await ledger.send_all(b"iar")
    await _expire(ledger)
    assert await ledger.repair.settle(SENDER) == Settled(given_up=2)
    assert await ledger.states() == "gargar"
    assert (await ledger.view()).codes == {"push:10": 2, "push:2054": 2}
    assert await _due_s(ledger) == pytest.approx(72 * 3600, abs=1)


async def test_nothing_in_doubt_is_decided_while_the_campaign_still_sends(ledger: Ledger) -> None:
    await ledger.submit(6, in_doubt="resend")
    first, second = await ledger.issue()
    await ledger.work.release(await ledger.push(b"i", await ledger.take(first)))
    lease = await ledger.take(second)
    block = await ledger.open(lease, most=2)
    await _expire(ledger)
    assert await ledger.repair.settle(SENDER) == Settled()
    assert await _due_s(ledger) == pytest.approx(1, abs=0.5)
    await ledger.record(lease, block, b"a")
    await ledger.work.release(lease)
    assert await ledger.states() == "iiiaap"
    await ledger.look_now()
    assert await ledger.repair.settle(SENDER) == Settled()
    await ledger.repair.end(SENDER)
    await ledger.look_now()
    assert await ledger.repair.settle(SENDER) == Settled(resent=3)
    assert await ledger.states() == "pppaae"


async def test_by_policy_everything_in_doubt_is_sent_once_more_and_then_given_up(ledger: Ledger) -> None:
    await ledger.submit(9, in_doubt="resend")
    await ledger.send_all(b"iai")
    await ledger.redis.hset(KEY, "sealed_ms", await ledger.now_ms() - 60_000)
    await _expire(ledger)
    assert await ledger.repair.settle(SENDER) == Settled(resent=6)
    view = await ledger.view()
    assert (view.state, view.finished_ms, view.codes) == (CampaignState.RUNNING, 0, {})
    until_ms = int(await ledger.field("until_ms"))
    assert until_ms - await ledger.now_ms() == pytest.approx(60_000, abs=1_000)
    assert await ledger.redis.zscore(ENDS, CAMPAIGN) == until_ms
    assert await ledger.repair.settle(SENDER) == Settled()
    for ref in await ledger.issue():
        lease = await ledger.take(ref)
        block = await ledger.open(lease)
        assert block.messages == [(0, 1), (2, 1)]
        await ledger.record(lease, block, b"i")
        await ledger.work.release(lease)
    assert await ledger.state() is CampaignState.FINISHED
    await ledger.look_now()
    assert await ledger.repair.settle(SENDER) == Settled()
    await _expire(ledger)
    assert await ledger.repair.settle(SENDER) == Settled(given_up=6)
    assert await ledger.states() == "gaggaggag"


async def test_what_could_not_be_sent_again_within_its_second_validity_expires(ledger: Ledger) -> None:
    await ledger.submit(3, in_doubt="resend")
    await ledger.send_all(b"i")
    await _expire(ledger)
    assert await ledger.repair.settle(SENDER) == Settled(resent=3)
    await _expire(ledger)
    assert await ledger.repair.end(SENDER) == 3
    assert await ledger.states() == "eee"
    assert await ledger.state() is CampaignState.FINISHED


async def test_nothing_of_a_cancelled_campaign_is_sent_again_by_policy(ledger: Ledger) -> None:
    await ledger.submit(3, in_doubt="resend")
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, most=2), b"i")
    await ledger.work.release(lease)
    await _cancel(ledger)
    await ledger.repair.end(SENDER)
    await _expire(ledger)
    assert await ledger.repair.settle(SENDER) == Settled(given_up=2)
    assert await ledger.states() == "ggx"


async def test_a_report_decides_before_the_validity_ends(ledger: Ledger) -> None:
    await ledger.submit(2)
    await ledger.send_all(b"i")
    await ledger.report("delivered", index=0)
    await ledger.report("failed", index=1)
    await _expire(ledger)
    assert await ledger.repair.settle(SENDER) == Settled()
    assert await ledger.states() == "df"


async def test_what_was_given_up_may_still_be_reported(ledger: Ledger) -> None:
    await ledger.submit(2)
    await ledger.send_all(b"i")
    await _expire(ledger)
    await ledger.repair.settle(SENDER)
    assert await ledger.report("delivered", index=0)
    await ledger.report("failed", index=1)
    assert await ledger.states() == "df"


async def test_no_more_than_so_many_batches_are_settled_in_one_call(ledger: Ledger) -> None:
    await ledger.submit(9)
    await ledger.send_all()
    await ledger.end_report_wait()
    assert [(await ledger.repair.settle(SENDER, most=2)).no_report for _ in range(3)] == [6, 3, 0]


async def test_a_batch_that_is_not_there_is_not_looked_at_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.redis.zadd(DUE, {f"{CAMPAIGN}:0": 1, "nobody00:7": 1})
    assert await ledger.repair.settle(SENDER) == Settled()
    assert await ledger.redis.zcard(DUE) == 0


async def test_campaigns_on_which_something_happened_are_told_once(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.submit(3, campaign="another1")
    assert sorted(await ledger.repair.moved(SENDER)) == ["another1", CAMPAIGN]
    assert await ledger.repair.moved(SENDER) == []
    assert await ledger.repair.moved(SenderId("SHOPPY")) == []


async def test_a_breach_of_the_identity_is_told_with_its_numbers(ledger: Ledger) -> None:
    await ledger.submit(3)
    assert await still_wrong(ledger.redis, SENDER, CAMPAIGN) is None
    await ledger.redis.hincrby(KEY, MessageState.ACCEPTED, 1)
    wrong = await still_wrong(ledger.redis, SENDER, CAMPAIGN)
    assert wrong is not None
    assert (wrong["total"], wrong["p"], wrong["a"]) == (3, 3, 1)
    await ledger.redis.hincrby(KEY, MessageState.ACCEPTED, -1)
