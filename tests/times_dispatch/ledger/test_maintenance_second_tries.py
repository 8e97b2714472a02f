"""Second tries: failed messages with a code of the campaign's rule are sent again, once each time is due."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from tests.kit.frequency import ONE_A_DAY, check_of
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger, recipients
from tests.kit.ledger_machine.clock import MachineClock, machine_clock
from times_dispatch.ledger.forgetting import NumberForgetting
from times_dispatch.ledger.keys import CampaignField, CampaignKey, campaign_key, hash_tag
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.maintenance import Settled
from times_dispatch.ledger.model import BatchRef, CampaignId, RetryRule, WaitsFor
from times_dispatch.ledger.openings import BatchClosed, Block, Drained, Opened, new_operation
from times_dispatch.ledger.protocol import CloseReason, ControlAction
from times_dispatch.ledger.records import pack_recipients
from times_dispatch.ledger.report_applier import DeliveryReport, ReportEffect
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.statistics.figures import Statistics, statistics_of
from times_dispatch.ledger.statistics.rollups import StatisticsReader

NOON_S = 1_893_825_420
"""4 January 2030, 12:07 in India; Redis' own clock is years behind."""
RULE = RetryRule(codes=[912, 914], after_s=[900, 3_600], at_most=2)
MINUTE_S = 60
KEY = campaign_key(SENDER, CAMPAIGN)


class Tries:
    """A ledger whose clock a test moves."""

    def __init__(self, ledger: Ledger, clock: MachineClock) -> None:
        self.ledger, self._clock = ledger, clock
        self.now_s = NOON_S

    async def begin(self, messages: int = 3, *, rule: RetryRule | None = RULE, **changes: Any) -> None:
        await self._set_clock()
        changes = {"valid_until_ms": (NOON_S + 86_400) * 1000, **changes}
        await self.ledger.submit(messages, retry=rule, **changes)
        await self.ledger.send_all()

    async def later(self, seconds: float) -> Settled:
        """Let time pass, and let upkeep settle what is due."""
        self.now_s += int(seconds)
        await self._set_clock()
        return await self.ledger.maintenance.settle_overdue(SENDER)

    async def _set_clock(self) -> None:
        self._clock.now_us = self.now_s * 1_000_000
        await self._clock.write(self.ledger.redis)

    async def fail(self, index: int = 0, *, attempt: int = 0, code: int = 912) -> list[ReportEffect]:
        return await self.ledger.report("failed", index=index, attempt=attempt, code=code, ts=self.now_s)

    async def waiting(self) -> int:
        view = await self.ledger.view()
        bits = await self.ledger.redis.bitcount(f"{KEY}:{CampaignKey.RETRIES}")
        assert bits == view.retries_waiting
        return view.retries_waiting

    async def attempts(self) -> list[int]:
        return [message.record.attempt for message in await self.ledger.messages()]

    async def codes(self) -> list[int]:
        return [message.record.code for message in await self.ledger.messages()]

    async def statistics(self) -> Statistics:
        return statistics_of(await StatisticsReader(self.ledger.redis).campaign(SENDER, CAMPAIGN))


@pytest.fixture
async def tries(redis: Redis) -> AsyncIterator[Tries]:
    """Second tries on a stopped clock; at the end of the test the books must balance."""
    with machine_clock(redis) as clock:
        ledger = Ledger(redis)
        yield Tries(ledger, clock)
        await ledger.assert_counters_add_up()


async def test_a_failed_message_is_sent_again_after_its_time_and_not_before(tries: Tries) -> None:
    await tries.begin(3)
    await tries.fail(1)
    assert (await tries.ledger.states(), await tries.waiting()) == ("afa", 1)
    assert await tries.later(14 * MINUTE_S) == Settled()
    assert await tries.later(2 * MINUTE_S) == Settled(tried_again=1)
    assert (await tries.ledger.states(), await tries.attempts(), await tries.waiting()) == ("apa", [0, 1, 0], 0)
    lease = await tries.ledger.take()
    block = await tries.ledger.open(lease)
    assert block.messages == [(1, 1)]
    await tries.ledger.record(lease, block, b"a")
    await tries.ledger.leases.release(lease)
    await tries.ledger.report("delivered", index=1, attempt=1, ts=tries.now_s)
    statistics = await tries.statistics()
    assert (statistics.retried, statistics.recovered, statistics.recovered_percent) == ({1: 1}, {1: 1}, 100)
    assert statistics.parts == 4


async def test_a_second_try_is_due_when_the_ledger_says_so(tries: Tries) -> None:
    await tries.begin(1)
    await tries.fail()
    due_ms = await tries.ledger.redis.zscore(f"{hash_tag(SENDER)}:settle_due", f"{CAMPAIGN}:0")
    assert due_ms is not None
    assert 15 * MINUTE_S <= due_ms / 1000 - NOON_S <= 16 * MINUTE_S


@pytest.mark.parametrize("offset_s", [-86_400, 86_400])
async def test_a_report_with_an_impossible_time_counts_from_the_sending(tries: Tries, offset_s: int) -> None:
    await tries.begin(1)
    await tries.ledger.report("failed", code=912, ts=NOON_S + offset_s)
    assert await tries.later(14 * MINUTE_S) == Settled()
    assert await tries.later(2 * MINUTE_S) == Settled(tried_again=1)


async def test_other_codes_and_campaigns_without_a_rule_get_no_second_try(tries: Tries) -> None:
    await tries.begin(1)
    await tries.fail(code=901)
    assert await tries.waiting() == 0
    assert await tries.later(3_600) == Settled()
    assert await tries.ledger.state() is CampaignState.FINISHED


async def test_a_campaign_without_a_rule_has_no_keys_for_second_tries(tries: Tries) -> None:
    await tries.begin(1, rule=None)
    await tries.fail()
    await tries.ledger.report("clicked")
    keys = list(map(text, await tries.ledger.redis.keys()))
    assert not [key for key in keys if key.endswith((CampaignKey.RETRIES, CampaignKey.REACTED, CampaignKey.ATTEMPTS))]
    assert not await tries.ledger.redis.hexists(KEY, CampaignField.RETRIES_WAITING)


async def test_each_further_try_waits_longer_and_their_number_is_limited(tries: Tries) -> None:
    await tries.begin(1)
    await tries.fail()
    await tries.later(16 * MINUTE_S)
    await tries.ledger.send_all()
    await tries.fail(attempt=1, code=914)
    assert await tries.later(59 * MINUTE_S) == Settled()
    assert await tries.later(2 * MINUTE_S) == Settled(tried_again=1)
    await tries.ledger.send_all()
    await tries.fail(attempt=2)
    assert await tries.waiting() == 0
    assert (await tries.ledger.states(), await tries.attempts(), await tries.codes()) == ("f", [2], [912])
    assert await tries.later(20_000) == Settled()
    statistics = await tries.statistics()
    assert (statistics.retried, statistics.recovered, statistics.recovered_percent) == ({1: 1, 2: 1}, {}, 0)
    assert (statistics.parts, statistics.sent, statistics.errors) == (3, 1, 1)
    assert await tries.ledger.state() is CampaignState.FINISHED


async def test_the_code_of_the_failure_stays_until_the_next_try_has_a_result(tries: Tries) -> None:
    await tries.begin(1)
    await tries.fail()
    await tries.later(16 * MINUTE_S)
    assert (await tries.ledger.states(), await tries.codes()) == ("p", [912])
    lease = await tries.ledger.take()
    block = await tries.ledger.open(lease)
    assert (await tries.ledger.states(), await tries.codes()) == ("s", [912])
    await tries.ledger.record(lease, block, b"a")
    await tries.ledger.leases.release(lease)
    assert (await tries.ledger.states(), await tries.codes()) == ("a", [912])
    await tries.ledger.end_report_wait()
    await tries.ledger.maintenance.settle_overdue(SENDER)
    assert (await tries.ledger.states(), await tries.codes()) == ("n", [0])


@pytest.mark.parametrize("moment", ["waiting", "pending", "sending", "accepted", "in doubt"])
async def test_a_late_delivery_of_an_earlier_attempt_wins_and_stops_the_second_try(tries: Tries, moment: str) -> None:
    ledger = tries.ledger
    await tries.begin(1)
    await tries.fail()
    lease, block = None, None
    if moment != "waiting":
        await tries.later(16 * MINUTE_S)
    if moment in {"sending", "accepted", "in doubt"}:
        lease = await ledger.take()
        block = await ledger.open(lease)
        if moment != "sending":
            await ledger.record(lease, block, b"a" if moment == "accepted" else b"i")
    await ledger.report("delivered", attempt=0, ts=tries.now_s)
    assert (await ledger.states(), await tries.waiting()) == ("d", 0)
    if lease and block and moment == "sending":
        await ledger.record(lease, block, b"a")
    if lease:
        await ledger.leases.release(lease)
    assert await tries.later(20_000) == Settled()
    was_pushed = moment in {"sending", "accepted", "in doubt"}
    if was_pushed:
        await ledger.report("failed", attempt=1, code=912, ts=tries.now_s)
    assert await ledger.issue() == []
    assert await ledger.states() == "d"
    assert (await ledger.view()).parts == (2 if moment in {"sending", "accepted"} else 1)
    statistics = await tries.statistics()
    assert statistics.retried == ({1: 1} if was_pushed else {})
    assert statistics.recovered == ({1: 1} if moment == "sending" else {})
    assert statistics.parts == (2 if was_pushed else 1)


@pytest.mark.parametrize("result", [b"r", b"u"])
async def test_a_try_that_is_not_sent_leaves_the_message_failed_for_good(tries: Tries, result: bytes) -> None:
    await tries.begin(1)
    await tries.fail()
    await tries.later(16 * MINUTE_S)
    await tries.ledger.send_all(result)
    assert (await tries.ledger.states(), await tries.codes(), await tries.waiting()) == ("f", [912], 0)
    assert await tries.later(20_000) == Settled()
    view = await tries.ledger.view()
    assert view.codes == {"report:912": 1, f"retry:{2054 if result == b'r' else 31}": 1}
    assert (view.parts, await tries.ledger.field("parts_out")) == (1, "1")
    assert (await tries.statistics()).retried == {}
    await tries.ledger.report("delivered", attempt=0, ts=tries.now_s)
    assert await tries.ledger.states() == "d"
    assert (await tries.ledger.view()).parts == 1


@pytest.mark.parametrize("letter", [b"p", b"b"])
async def test_a_try_that_was_not_sent_yet_is_made_later(tries: Tries, letter: bytes) -> None:
    await tries.begin(1)
    await tries.fail()
    await tries.later(16 * MINUTE_S)
    lease = await tries.ledger.push(letter)
    assert (await tries.ledger.states(), await tries.codes(), await tries.attempts()) == ("p", [912], [1])
    await tries.ledger.push(b"a", lease)
    await tries.ledger.leases.release(lease)
    assert (await tries.ledger.states(), await tries.attempts()) == ("a", [1])


async def test_a_try_in_doubt_is_never_repeated(tries: Tries) -> None:
    await tries.begin(1, in_doubt="resend")
    await tries.fail()
    await tries.later(16 * MINUTE_S)
    lease = await tries.ledger.take()
    await tries.ledger.open(lease)
    await tries.ledger.leases.release(lease)
    assert (await tries.ledger.states(), await tries.codes()) == ("i", [13])
    assert await tries.later(20_000) == Settled()
    await tries.ledger.report("intermediate", attempt=0, ts=tries.now_s)
    assert await tries.ledger.states() == "i"
    await tries.ledger.end_validity()
    assert await tries.ledger.maintenance.settle_overdue(SENDER) == Settled(given_up=1)


async def test_a_report_of_a_try_in_doubt_decides_and_may_bring_the_next_try(tries: Tries) -> None:
    await tries.begin(1)
    await tries.fail()
    await tries.later(16 * MINUTE_S)
    await tries.ledger.send_all(b"i")
    await tries.fail(attempt=1)
    assert (await tries.ledger.states(), await tries.attempts(), await tries.waiting()) == ("f", [1], 1)
    assert (await tries.statistics()).retried == {1: 1}


async def test_a_late_report_of_the_failed_attempt_changes_nothing(tries: Tries) -> None:
    await tries.begin(1)
    await tries.fail()
    assert await tries.fail(code=914) == [ReportEffect.DUPLICATE]
    assert await tries.ledger.report("intermediate", ts=tries.now_s) == [ReportEffect.DUPLICATE]
    await tries.later(16 * MINUTE_S)
    assert await tries.fail(code=914) == [ReportEffect.STALE]
    assert await tries.ledger.report("intermediate", ts=tries.now_s) == [ReportEffect.DUPLICATE]
    assert (await tries.ledger.states(), await tries.attempts(), await tries.codes()) == ("p", [1], [912])


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
    assert await tries.ledger.states() == ("a" if moment == "pending" else "f")
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
    assert await tries.later(16 * MINUTE_S) == Settled(tried_again=1)
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
    assert await tries.later(16 * MINUTE_S) == Settled(tried_again=1)
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
    # The ledger lost the second try itself, and its report comes.
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
