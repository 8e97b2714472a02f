"""Second tries: failed messages with a code of the campaign's rule are sent again when they are due."""

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER
from tests.kit.second_tries import KEY, MINUTE_S, NOON_S, Tries
from times_dispatch.ledger.keys import CampaignField, CampaignKey, hash_tag
from times_dispatch.ledger.maintenance import Settled
from times_dispatch.ledger.reports.report_applier import ReportEffect
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import CampaignState


async def test_a_failed_message_is_sent_again_after_its_time_and_not_before(tries: Tries) -> None:
    await tries.begin(3)
    await tries.fail(1)
    assert (await tries.ledger.states(), await tries.waiting()) == ("afa", 1)
    assert await tries.later(14 * MINUTE_S) == Settled()
    assert await tries.later(2 * MINUTE_S) == Settled(second_tries=1)
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
    assert await tries.later(2 * MINUTE_S) == Settled(second_tries=1)


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
    assert await tries.later(2 * MINUTE_S) == Settled(second_tries=1)
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
