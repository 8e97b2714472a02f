"""Clicks, replies and intermediate reports: each proves that a push arrived, so the message is not sent again."""

from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.maintenance import Settled
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportEffect
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import BrakeRule

DUE = f"{hash_tag(SENDER)}:settle_due"
KEY = campaign_key(SENDER, CAMPAIGN)
A, D, U = ReportEffect.APPLIED, ReportEffect.DUPLICATE, ReportEffect.UNKNOWN

arriving = pytest.mark.parametrize("kind", ["clicked", "replied", "intermediate"])


async def _resend(ledger: Ledger) -> None:
    """Let two messages that were in doubt be pending with their second ids."""
    await ledger.submit(2, in_doubt="resend")
    await ledger.send_all(b"i")
    await ledger.redis.hset(KEY, "sealed_ms", await ledger.now_ms() - 60_000)
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(requeued=2)


@arriving
async def test_a_message_in_doubt_that_arrived_is_accepted_and_never_sent_again(ledger: Ledger, kind: str) -> None:
    await ledger.submit(2, in_doubt="resend")
    await ledger.send_all(b"i")
    assert await ledger.report(kind, index=1) == [A]
    assert await ledger.states() == "ia"
    view = await ledger.view()
    assert (view.codes, view.counts[MessageState.ACCEPTED]) == ({"push:10": 1}, 1)
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(requeued=1)
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 0


@arriving
async def test_a_message_given_up_that_arrived_is_accepted_and_waits_for_its_report(ledger: Ledger, kind: str) -> None:
    await ledger.submit(1, report_wait_s=3_600)
    await ledger.send_all(b"i")
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(given_up=1)
    assert await ledger.redis.zcard(DUE) == 0
    assert await ledger.report(kind) == [A]
    assert (await ledger.states(), (await ledger.view()).codes) == ("a", {})
    assert await ledger.seconds_until(DUE, f"{CAMPAIGN}:0") == pytest.approx(3_600, abs=1)
    await ledger.end_report_wait()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(no_report=1)


@arriving
async def test_a_message_about_to_be_sent_again_whose_first_push_arrived_is_not(ledger: Ledger, kind: str) -> None:
    await _resend(ledger)
    assert await ledger.report(kind, index=0, attempt=0) == [A]
    assert await ledger.stat("reported_while_pending") == 1
    assert (await ledger.open(await ledger.take())).messages == [(1, 1)]


async def test_a_message_that_was_taken_for_not_sent_but_arrived_does_not_go_out_again(ledger: Ledger) -> None:
    await ledger.submit(2)
    lease = await ledger.push(b"p")
    assert await ledger.report("clicked", index=1) == [A]
    assert (await ledger.open(lease)).messages == [(0, 0)]


async def test_the_last_message_that_arrived_finishes_its_campaign(ledger: Ledger) -> None:
    await ledger.submit(1)
    lease = await ledger.push(b"p")
    await ledger.leases.release(lease)
    await ledger.report("replied")
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_second_push_whose_first_arrived_is_not_made_a_third_time(ledger: Ledger) -> None:
    await _resend(ledger)
    lease = await ledger.take()
    block = await ledger.open(lease)
    assert await ledger.report("clicked", index=0, attempt=0) == [A]
    assert await ledger.record(lease, block, b"p") == 1
    assert await ledger.states() == "ap"


async def test_a_message_that_arrived_while_its_worker_was_lost_is_not_in_doubt(ledger: Ledger) -> None:
    await ledger.submit(2, in_doubt="resend", report_wait_s=3_600)
    lease = await ledger.take()
    await ledger.open(lease)
    assert await ledger.report("clicked", index=0) == [A]
    await ledger.leases.release(lease)
    assert await ledger.states() == "ai"
    assert await ledger.seconds_until(DUE, f"{CAMPAIGN}:0") == pytest.approx(3_600, abs=1)


async def test_an_answer_after_the_click_adds_its_id_and_its_parts_once(ledger: Ledger) -> None:
    await ledger.submit(1)
    lease = await ledger.take()
    block = await ledger.open(lease)
    assert await ledger.report("clicked") == [A]
    await ledger.record(lease, block, b"a")
    await ledger.record(lease, block, b"a")
    [message] = await ledger.messages()
    assert (message.record.state, message.record.transaction_id) == (MessageState.ACCEPTED, "1000")
    assert (await ledger.view()).parts == 1


@pytest.mark.parametrize(("kind", "state"), [("delivered", "d"), ("failed", "f")])
@pytest.mark.parametrize("together", [True, False])
async def test_the_report_after_a_click_counts(ledger: Ledger, kind: str, state: str, together: bool) -> None:
    await ledger.submit(1)
    await ledger.send_all(b"i")
    if together:
        assert await ledger.report("clicked", kind, code=916) == [A, A]
    else:
        assert [await ledger.report("clicked"), await ledger.report(kind, code=916)] == [[A], [A]]
    view = await ledger.view()
    assert await ledger.states() == state
    assert view.codes == ({"report:916": 1} if state == "f" else {})
    assert view.stats["reports"] == 1


@arriving
async def test_a_report_of_arrival_changes_nothing_a_second_time(ledger: Ledger, kind: str) -> None:
    await ledger.submit(1)
    await ledger.send_all(b"i")
    assert await ledger.report(kind) == [A]
    before = await ledger.dump()
    assert await ledger.report(kind, kind) == [D, D]
    assert await ledger.dump() == before


async def test_a_look_that_comes_sooner_stays(ledger: Ledger) -> None:
    await ledger.submit(2, valid_until_ms=await ledger.now_ms() + 60_000, report_wait_s=3_600)
    await ledger.send_all(b"i")
    assert await ledger.report("clicked") == [A]
    assert await ledger.seconds_until(DUE, f"{CAMPAIGN}:0") == pytest.approx(60, abs=1)


@pytest.mark.parametrize("state", "arndf")
async def test_a_report_of_arrival_changes_nothing_where_the_ledger_knows_of_the_push(
    ledger: Ledger, state: str
) -> None:
    await ledger.submit(1)
    await ledger.send_all(b"r" if state == "r" else b"a")
    if state in "df":
        await ledger.report("delivered" if state == "d" else "failed")
    if state == "n":
        await ledger.end_report_wait()
        await ledger.maintenance.settle_overdue(SENDER)
    before = await ledger.dump()
    assert await ledger.report("clicked") == [D]
    after = await ledger.dump()
    assert (await ledger.states(), after) == (state, before)


async def test_a_click_still_counts_once_and_no_click_is_among_the_last_reports(ledger: Ledger) -> None:
    await ledger.submit(4, batch_size=20, brake=BrakeRule(reports=4, failed_share=0.5))
    lease = await ledger.push(b"i")
    clicks = [DeliveryReport(CAMPAIGN, index, 0, "clicked", 0, 1_795_000_000, b"click  1") for index in (0, 0)]
    assert await ledger.report_applier.apply(clicks) == [A, D]
    for index in range(1, 4):
        await ledger.report("failed", index=index)
    view: CampaignView = await ledger.view()
    assert (view.stats["clicked"], view.stats["reports"], view.state) == (1, 3, CampaignState.FINISHED)
    await ledger.leases.release(lease)


@pytest.mark.parametrize("kinds", [["clicked"] * 9, ["replied", "intermediate"]])
async def test_the_others_between_those_that_arrived_stay_as_they_are(ledger: Ledger, kinds: list[Any]) -> None:
    await ledger.submit(90, batch_size=60)
    await ledger.send_all(b"i")
    before = [message.record for message in await ledger.messages()]
    indexes = [number * 7 for number in range(len(kinds))]
    reports = [
        DeliveryReport(CAMPAIGN, index, 0, kind, 0, 1_795_000_000) for index, kind in zip(indexes, kinds, strict=True)
    ]
    await ledger.report_applier.apply(reports)
    for index, (was, message) in enumerate(zip(before, await ledger.messages(), strict=True)):
        has_arrived = index in indexes
        assert message.record.state is (MessageState.ACCEPTED if has_arrived else MessageState.IN_DOUBT)
        assert message.record.sent_ms == was.sent_ms
        assert (message.record.code, message.record.reported_s) == (0 if has_arrived else was.code, was.reported_s)


@pytest.mark.parametrize("kind", ["link_scanned", "link_previewed", "link_probed"])
async def test_a_program_that_fetches_a_link_proves_nothing_about_the_push(ledger: Ledger, kind: str) -> None:
    await ledger.submit(2)
    await ledger.send_all(b"i")
    assert await ledger.report(kind, index=0) == [D]
    assert await ledger.states() == "ii"
