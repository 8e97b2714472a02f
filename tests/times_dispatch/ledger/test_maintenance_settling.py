"""Settling overdue messages: without a report, or in doubt at the end of the validity."""

from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.maintenance import Settled
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.records import RECORD_WIDTH
from times_dispatch.ledger.states import CampaignState
from times_dispatch.provider.failures import Failure

KEY = campaign_key(SENDER, CAMPAIGN)
DUE, ENDS = f"{hash_tag(SENDER)}:settle_due", f"{hash_tag(SENDER)}:validity_ends"


async def test_the_wait_for_a_report_begins_when_a_batch_is_released(ledger: Ledger) -> None:
    await ledger.submit(3, report_wait_s=3_600)
    await ledger.send_all()
    assert await ledger.seconds_until(DUE, f"{CAMPAIGN}:0") == pytest.approx(3_600, abs=1)
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled()


async def test_a_message_without_a_report_has_the_state_no_report_in_the_end(ledger: Ledger) -> None:
    await ledger.submit(6)
    await ledger.send_all()
    await ledger.report("delivered", index=1)
    await ledger.end_report_wait()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(no_report=5)
    assert await ledger.states() == "ndnnnn"
    assert await ledger.redis.zcard(DUE) == 0
    before = await ledger.dump()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled()
    assert await ledger.dump() == before


@pytest.mark.parametrize(("kind", "state"), [("delivered", "d"), ("failed", "f")])
async def test_a_report_that_comes_later_still_counts(ledger: Ledger, kind: str, state: str) -> None:
    await ledger.submit(1)
    await ledger.send_all()
    await ledger.end_report_wait()
    await ledger.maintenance.settle_overdue(SENDER)
    await ledger.report(kind)
    assert await ledger.states() == state


async def test_each_message_waits_for_its_report_from_its_own_moment(ledger: Ledger) -> None:
    await ledger.submit(2, report_wait_s=3_600)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=1), b"a")
    await ledger.record(lease, await ledger.open(lease, max_messages=1), b"a")
    await ledger.leases.release(lease)
    # The second message was sent 100 s after the first, which was sent 3,650 s ago.
    await ledger.redis.hset(KEY, "created_ms", await ledger.now_ms() - 3_650_000)
    await ledger.redis.setrange(f"{KEY}:m:0", 2 + 5, (0).to_bytes(5, "big"))
    ledger.records_are_as_scripts_wrote = False
    await ledger.redis.setrange(f"{KEY}:m:0", 2 + RECORD_WIDTH + 5, (100_000).to_bytes(5, "big"))
    await ledger.make_all_due()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(no_report=1)
    assert await ledger.states() == "na"
    assert await ledger.seconds_until(DUE, f"{CAMPAIGN}:0") == pytest.approx(50, abs=1)


async def test_messages_sent_before_a_pause_do_not_wait_longer_for_their_reports(ledger: Ledger) -> None:
    await ledger.submit(2, report_wait_s=3_600)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=1), b"a")
    await ledger.leases.release(lease)
    an_hour_ago = await ledger.now_ms() - 3_600_000
    await ledger.redis.zadd(DUE, {f"{CAMPAIGN}:0": an_hour_ago})
    await ledger.send_all()
    assert await ledger.redis.zscore(DUE, f"{CAMPAIGN}:0") == an_hour_ago


async def test_messages_in_doubt_stay_in_doubt_until_the_validity_ends(ledger: Ledger) -> None:
    await ledger.submit(3, valid_until_ms=await ledger.now_ms() + 60_000)
    await ledger.send_all(b"iar")
    assert await ledger.seconds_until(DUE, f"{CAMPAIGN}:0") == pytest.approx(60, abs=1)
    await ledger.make_all_due()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled()
    assert await ledger.states() == "iar"
    assert await ledger.seconds_until(DUE, f"{CAMPAIGN}:0") == pytest.approx(60, abs=1)


async def test_messages_in_doubt_at_the_end_of_the_validity_are_given_up(ledger: Ledger) -> None:
    await ledger.submit(6)
    await ledger.send_all(b"iar")
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(given_up=2)
    assert await ledger.states() == "gargar"
    assert (await ledger.view()).codes == {"push:10": 2, "push:2054": 2}
    assert await ledger.seconds_until(DUE, f"{CAMPAIGN}:0") == pytest.approx(72 * 3600, abs=1)


async def test_nothing_in_doubt_is_decided_while_the_campaign_still_sends(ledger: Ledger) -> None:
    await ledger.submit(6, in_doubt="resend")
    first, second = await ledger.issue()
    await ledger.leases.release(await ledger.push(b"i", await ledger.take(first)))
    lease = await ledger.take(second)
    block = await ledger.open(lease, max_messages=2)
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled()
    assert await ledger.seconds_until(DUE, f"{CAMPAIGN}:0") == pytest.approx(1, abs=0.5)
    await ledger.record(lease, block, b"a")
    await ledger.leases.release(lease)
    assert await ledger.states() == "iiiaap"
    await ledger.make_all_due()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled()
    await ledger.maintenance.end_pending(SENDER)
    await ledger.make_all_due()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(requeued=3)
    assert await ledger.states() == "pppaae"


async def test_by_policy_everything_in_doubt_is_sent_once_more_and_then_given_up(ledger: Ledger) -> None:
    await ledger.submit(9, in_doubt="resend")
    await ledger.send_all(b"iai")
    await ledger.redis.hset(KEY, "sealed_ms", await ledger.now_ms() - 60_000)
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(requeued=6)
    view = await ledger.view()
    assert (view.state, view.finished_ms, view.codes) == (CampaignState.RUNNING, 0, {})
    until_ms = int(await ledger.field("until_ms"))
    assert until_ms - await ledger.now_ms() == pytest.approx(60_000, abs=1_000)
    assert await ledger.redis.zscore(ENDS, CAMPAIGN) == until_ms
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled()
    for ref in await ledger.issue():
        lease = await ledger.take(ref)
        block = await ledger.open(lease)
        assert block.messages == [(0, 1), (2, 1)]
        await ledger.record(lease, block, b"i")
        await ledger.leases.release(lease)
    assert await ledger.state() is CampaignState.FINISHED
    await ledger.make_all_due()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled()
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(given_up=6)
    assert await ledger.states() == "gaggaggag"


async def test_messages_that_could_not_be_sent_again_within_their_second_validity_are_given_up(ledger: Ledger) -> None:
    await ledger.submit(3, in_doubt="resend")
    await ledger.send_all(b"i")
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(requeued=3)
    await ledger.end_validity()
    assert await ledger.maintenance.end_pending(SENDER) == 3
    assert await ledger.states() == "ggg"
    assert (await ledger.view()).codes == {f"push:{Failure.NOT_SENT_AGAIN}": 3}
    assert await ledger.state() is CampaignState.FINISHED


async def test_nothing_of_a_cancelled_campaign_is_sent_again_by_policy(ledger: Ledger) -> None:
    await ledger.submit(3, in_doubt="resend")
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=2), b"i")
    await ledger.leases.release(lease)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    await ledger.maintenance.end_pending(SENDER)
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(given_up=2)
    assert await ledger.states() == "ggx"


@pytest.mark.parametrize(("action", "state"), [(ControlAction.PAUSE, "paused"), (ControlAction.BRAKE, "braked")])
async def test_by_policy_nothing_of_a_stopped_campaign_is_sent_before_its_resume(
    ledger: Ledger, action: ControlAction, state: str
) -> None:
    await ledger.submit(6, in_doubt="resend")
    first, second = await ledger.issue()
    await ledger.leases.release(await ledger.push(b"iia", await ledger.take(first)))
    await ledger.leases.release(await ledger.take(second))
    await ledger.control.campaign(SENDER, CAMPAIGN, action, reason="a wrong price")
    await ledger.redis.hset(KEY, "sealed_ms", await ledger.now_ms() - 60_000)
    await ledger.end_validity()
    await ledger.maintenance.end_pending(SENDER)
    assert await ledger.states() == "iiaeee"
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(requeued=2)
    view = await ledger.view()
    assert (view.state, view.reason, view.finished_ms) == (state, "a wrong price", 0)
    assert await ledger.issue() == []
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert (await ledger.open(await ledger.take())).messages == [(0, 1), (1, 1)]


async def test_by_policy_nothing_goes_that_was_in_flight_when_its_campaign_was_paused(ledger: Ledger) -> None:
    await ledger.submit(3, in_doubt="resend")
    lease = await ledger.take()
    block = await ledger.open(lease)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    await ledger.record(lease, block, b"iaa")
    await ledger.leases.release(lease)
    assert await ledger.state() is CampaignState.PAUSED
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(requeued=1)
    assert await ledger.state() is CampaignState.PAUSED
    assert await ledger.issue() == []


async def test_resent_messages_of_a_stopped_campaign_that_nobody_resumes_are_given_up(ledger: Ledger) -> None:
    await _paused_in_doubt(ledger, in_doubt="resend")
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(requeued=2)
    await ledger.end_validity()
    await ledger.maintenance.end_pending(SENDER)
    assert await ledger.states() == "gag"
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_stopped_campaign_is_finished_when_its_last_message_in_doubt_is_given_up(ledger: Ledger) -> None:
    await _paused_in_doubt(ledger)
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(given_up=2)
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_stopped_campaign_is_finished_when_its_last_message_in_doubt_is_reported(ledger: Ledger) -> None:
    await _paused_in_doubt(ledger)
    await ledger.report("delivered", index=0)
    await ledger.report("failed", index=2)
    assert await ledger.state() is CampaignState.FINISHED


async def _paused_in_doubt(ledger: Ledger, **changes: Any) -> None:
    """Submit and pause a campaign of three messages: in doubt, accepted, in doubt."""
    await ledger.submit(3, **changes)
    lease = await ledger.push(b"iai")
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    await ledger.leases.release(lease)
    assert await ledger.state() is CampaignState.PAUSED


async def test_a_report_decides_before_the_validity_ends(ledger: Ledger) -> None:
    await ledger.submit(2)
    await ledger.send_all(b"i")
    await ledger.report("delivered", index=0)
    await ledger.report("failed", index=1)
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled()
    assert await ledger.states() == "df"


async def test_messages_that_were_given_up_may_still_be_reported(ledger: Ledger) -> None:
    await ledger.submit(2)
    await ledger.send_all(b"i")
    await ledger.end_validity()
    await ledger.maintenance.settle_overdue(SENDER)
    assert await ledger.report("delivered", index=0)
    await ledger.report("failed", index=1)
    assert await ledger.states() == "df"


async def test_no_more_than_so_many_batches_are_settled_in_one_call(ledger: Ledger) -> None:
    await ledger.submit(9)
    await ledger.send_all()
    await ledger.end_report_wait()
    assert [(await ledger.maintenance.settle_overdue(SENDER, max_batches=2)).no_report for _ in range(3)] == [6, 3, 0]


async def test_a_batch_that_is_not_there_is_not_looked_at_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.redis.zadd(DUE, {f"{CAMPAIGN}:0": 1, "nobody00:7": 1})
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled()
    assert await ledger.redis.zcard(DUE) == 0
