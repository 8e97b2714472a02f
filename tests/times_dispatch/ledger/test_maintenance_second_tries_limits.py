"""What ends, stops or counts second tries: reactions, cancels, brakes, budgets, caps and forgotten numbers."""

from typing import Any

import msgspec
import pytest

from tests.kit.frequency import ONE_A_DAY, check_of
from tests.kit.ledger import CAMPAIGN, SENDER, recipients
from tests.kit.second_tries import KEY, MINUTE_S, NOON_S, RULE, Tries
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.maintenance import Settled
from times_dispatch.ledger.model import BatchRef, CampaignId, WaitsFor
from times_dispatch.ledger.numbers.forgetting import NumberForgetting
from times_dispatch.ledger.openings import BatchClosed, Block, Drained, Opened, new_operation
from times_dispatch.ledger.protocol import CloseReason, ControlAction
from times_dispatch.ledger.records import pack_recipients
from times_dispatch.ledger.reports.report_applier import DeliveryReport
from times_dispatch.ledger.states import CampaignState


@pytest.mark.parametrize("kind", ["clicked", "replied"])
@pytest.mark.parametrize("moment", ["before the report", "with the report", "waiting", "pending"])
async def test_somebody_who_reacted_gets_no_second_try(tries: Tries, kind: Any, moment: str) -> None:
    await tries.begin(1)
    reaction = DeliveryReport(CAMPAIGN, 0, 0, kind, 0, tries.now_s, digest=b"12345678")
    failed = DeliveryReport(CAMPAIGN, 0, 0, "failed", 912, tries.now_s)
    apply = tries.ledger.report_applier.apply
    if moment == "with the report":
        await apply([failed, reaction])
    elif moment == "before the report":
        await apply([reaction])
        await apply([failed])
    else:
        await apply([failed])
        if moment == "pending":
            await tries.later(16 * MINUTE_S)
        await apply([reaction])
    assert await tries.waiting() == 0
    assert await tries.later(20_000) == Settled()
    assert (await tries.ledger.states(), await tries.codes(), await tries.attempts()) == ("f", [912], [0])
    assert (await tries.ledger.view()).codes == {"report:912": 1}
    assert await tries.ledger.state() is CampaignState.FINISHED
    for ref in await tries.ledger.issue():
        lease = await tries.ledger.take(ref)
        assert isinstance(await tries.ledger.open_block(lease), Drained)
        await tries.ledger.leases.release(lease)
    assert (await tries.ledger.view()).parts == 1


async def test_a_program_that_fetched_a_link_does_not_stop_the_second_try(tries: Tries) -> None:
    await tries.begin(1)
    scan = DeliveryReport(CAMPAIGN, 0, 0, "link_scanned", 0, tries.now_s, digest=b"12345678")
    await tries.fail()
    await tries.ledger.report_applier.apply([scan])
    assert await tries.waiting() == 1


async def test_a_cancel_ends_all_waits(tries: Tries) -> None:
    await tries.begin(3)
    await tries.fail(0)
    await tries.fail(1)
    await tries.later(16 * MINUTE_S)
    await tries.fail(2)
    assert (await tries.ledger.states(), await tries.waiting()) == ("ppf", 1)
    await tries.ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    assert await tries.waiting() == 0
    await tries.ledger.maintenance.end_pending(SENDER)
    assert (await tries.ledger.states(), await tries.codes()) == ("fff", [912] * 3)
    assert await tries.attempts() == [0, 0, 0]
    assert (await tries.ledger.view()).codes == {"report:912": 3}
    assert await tries.later(20_000) == Settled()
    await tries.fail(0)
    assert await tries.ledger.issue() == []


async def test_the_end_of_the_validity_ends_all_waits(tries: Tries) -> None:
    await tries.begin(3)
    await tries.fail(0)
    await tries.later(16 * MINUTE_S)
    await tries.fail(1)
    await tries.ledger.report("delivered", index=2)
    assert (await tries.ledger.states(), await tries.waiting()) == ("pfd", 1)
    await tries.ledger.end_validity()
    assert await tries.ledger.maintenance.end_pending(SENDER) == 1
    assert (await tries.ledger.states(), await tries.waiting()) == ("ffd", 0)
    assert await tries.ledger.maintenance.settle_overdue(SENDER) == Settled()
    assert await tries.ledger.state() is CampaignState.FINISHED


async def test_a_try_that_would_be_due_after_the_validity_is_not_waited_for(tries: Tries) -> None:
    await tries.begin(1, valid_until_ms=(NOON_S + 14 * MINUTE_S) * 1000)
    await tries.fail()
    assert await tries.waiting() == 0
    assert await tries.ledger.state() is CampaignState.FINISHED


async def test_no_second_try_begins_after_the_validity_though_it_was_decided_before(tries: Tries) -> None:
    until_ms = (NOON_S + 20 * MINUTE_S) * 1000
    await tries.begin(1, valid_until_ms=until_ms)
    await tries.fail()
    assert await tries.later(20 * MINUTE_S, decided_ms=until_ms - 1) == Settled()
    assert (await tries.ledger.states(), await tries.waiting()) == ("f", 1)
    assert await tries.ledger.redis.hget(KEY, "until_ms") == str(until_ms).encode(), "the validity gets no longer"
    assert await tries.ledger.maintenance.end_pending(SENDER) == 0
    assert (await tries.ledger.states(), await tries.waiting()) == ("f", 0)
    assert await tries.ledger.state() is CampaignState.FINISHED


async def test_a_clock_that_jumps_after_the_decision_puts_no_second_try_off(tries: Tries) -> None:
    await tries.begin(2)
    await tries.fail(0)
    await tries.later(10 * MINUTE_S)
    await tries.fail(1)
    decided_ms = (NOON_S + 17 * MINUTE_S) * 1000
    assert await tries.later(120 * MINUTE_S, decided_ms=decided_ms) == Settled(second_tries=1)
    due_ms = await tries.ledger.redis.zscore(f"{hash_tag(SENDER)}:settle_due", f"{CAMPAIGN}:0")
    assert decided_ms < (due_ms or 0) <= (NOON_S + 27 * MINUTE_S) * 1000


async def test_a_campaign_is_finished_when_no_report_can_bring_a_second_try(tries: Tries) -> None:
    await tries.begin(2)
    view = await tries.ledger.view()
    assert (view.state, view.unsent, view.waits_for) == (CampaignState.RUNNING, 0, WaitsFor.REPORTS)
    await tries.fail(0)
    await tries.ledger.report("delivered", index=1)
    assert await tries.ledger.state() is CampaignState.RUNNING
    await tries.ledger.report("delivered", index=0)
    assert await tries.ledger.state() is CampaignState.FINISHED


async def test_a_campaign_without_failures_is_finished_at_the_end_of_its_validity(tries: Tries) -> None:
    await tries.begin(1)
    await tries.ledger.end_validity()
    await tries.ledger.maintenance.end_pending(SENDER)
    assert await tries.ledger.state() is CampaignState.FINISHED
    await tries.fail()
    assert (await tries.waiting(), await tries.ledger.state()) == (0, CampaignState.FINISHED)


@pytest.mark.parametrize("action", [ControlAction.PAUSE, ControlAction.BRAKE])
async def test_the_second_tries_of_a_stopped_campaign_wait_for_its_resume(tries: Tries, action: ControlAction) -> None:
    await tries.begin(1)
    await tries.ledger.control.campaign(SENDER, CAMPAIGN, action)
    await tries.fail()
    assert await tries.later(16 * MINUTE_S) == Settled(second_tries=1)
    assert await tries.ledger.issue() == []
    await tries.ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert await tries.ledger.issue() == [BatchRef(SENDER, CAMPAIGN, 0)]


async def test_the_budget_holds_for_second_tries(tries: Tries) -> None:
    await tries.begin(2, max_parts=2)
    await tries.fail(0)
    await tries.later(16 * MINUTE_S)
    lease = await tries.ledger.take()
    assert await tries.ledger.open_block(lease) == BatchClosed(CloseReason.BUDGET_SPENT)
    await tries.ledger.leases.release(lease)


async def test_a_second_try_counts_for_the_frequency_cap_like_a_first(tries: Tries) -> None:
    await tries.begin(1, rule=None, valid_until_ms=NOON_S * 1000 + 1)
    await tries.ledger.submit(1, campaign="second01", retry=RULE, valid_until_ms=(NOON_S + 86_400) * 1000)
    campaign = CampaignId("second01")
    lease = await tries.ledger.take()

    async def open_with_limit(lease: Lease) -> Opened:
        check = check_of(lease, ONE_A_DAY)
        return await tries.ledger.leases.open_block(lease, max_messages=1, operation=new_operation(), check=check)

    block = await open_with_limit(lease)
    assert isinstance(block, Block)
    await tries.ledger.record(lease, block, b"a")
    await tries.ledger.leases.release(lease)
    await tries.ledger.report_applier.apply([DeliveryReport(campaign, 0, 0, "failed", 912, tries.now_s)])
    assert await tries.later(16 * MINUTE_S) == Settled(second_tries=1)
    lease = await tries.ledger.take()
    suppressed = await open_with_limit(lease)
    assert isinstance(suppressed, Block)
    assert (suppressed.messages, suppressed.suppressed) == ([], 1)
    await tries.ledger.leases.release(lease)
    (message,) = await tries.ledger.messages(campaign)
    assert (message.record.state, message.record.attempt, message.record.code) == ("f", 0, 912)
    assert message.record.transaction_id == "1000"
    assert await tries.ledger.state(campaign) is CampaignState.FINISHED


async def test_the_brake_counts_the_report_of_each_attempt(tries: Tries) -> None:
    await tries.begin(1)
    await tries.fail()
    await tries.later(16 * MINUTE_S)
    await tries.ledger.send_all()
    await tries.fail(attempt=1)
    assert await tries.ledger.stat("reports") == 2


async def test_a_batch_that_is_out_opens_the_second_try_too(tries: Tries) -> None:
    await tries.begin(2)
    await tries.fail(0)
    await tries.fail(1)
    await tries.later(16 * MINUTE_S)
    lease = await tries.ledger.take()
    block = await tries.ledger.leases.open_block(lease, max_messages=1, operation=new_operation())
    assert isinstance(block, Block)
    await tries.ledger.record(lease, block, b"a")
    await tries.fail(0, attempt=1)
    await tries.later(61 * MINUTE_S)
    again = await tries.ledger.open(lease)
    assert again.messages == [(0, 2), (1, 1)]
    await tries.ledger.record(lease, again, b"a")
    await tries.ledger.leases.release(lease)


async def test_a_repeated_settlement_changes_nothing(tries: Tries) -> None:
    await tries.begin(1)
    await tries.fail()
    await tries.later(16 * MINUTE_S)
    before = await tries.ledger.dump()
    assert await tries.later(0) == Settled()
    assert await tries.ledger.dump() == before


async def test_the_second_try_of_a_push_that_the_ledger_lost_is_not_made_twice(tries: Tries) -> None:
    await tries.begin(1)
    await tries.fail()
    # The ledger lost the record of the second try, and a report about the second try arrives.
    await tries.ledger.report("clicked", attempt=1, ts=tries.now_s)
    assert (await tries.ledger.states(), await tries.attempts(), await tries.waiting()) == ("a", [1], 0)
    assert (await tries.ledger.view()).parts == 2


@pytest.mark.parametrize("moment", ["accepted", "waiting", "pending"])
async def test_a_forgotten_number_gets_no_second_try(tries: Tries, moment: str) -> None:
    await tries.begin(2)
    if moment != "accepted":
        await tries.fail(1)
    if moment == "pending":
        await tries.later(16 * MINUTE_S)
    forgetting = NumberForgetting(tries.ledger.redis, "919800000001")
    async for view, batch in forgetting.batches(damaged=[]):
        await forgetting.forget_batch(view, batch)
    if moment == "accepted":
        await tries.fail(1)
    assert (await tries.ledger.states(), (await tries.codes())[1], await tries.waiting()) == ("af", 912, 0)
    assert await tries.attempts() == [0, 0]
    assert await tries.later(20_000) == Settled()


async def test_a_message_whose_values_are_blank_gets_no_second_try(tries: Tries) -> None:
    await tries.begin(2)
    batch = recipients(0, 2)
    named = msgspec.structs.replace(batch, slots=[["call 9800000001", "nobody"]])
    await tries.ledger.redis.set(f"{KEY}:p:0", pack_recipients(named))
    await tries.fail(0)
    assert await tries.waiting() == 1
    forgetting = NumberForgetting(tries.ledger.redis, "919800000001")
    await forgetting.forget_batch(await tries.ledger.view(), 0)
    assert await tries.waiting() == 0
    assert await tries.later(20_000) == Settled()
