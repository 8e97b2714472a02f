"""Delivery reports: duplicated, in any order, before the push's response, of unknown messages."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.keys import BatchKey, batch_key, campaign_key
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportApplier, ReportEffect
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import BrakeRule

KEY = campaign_key(SENDER, CAMPAIGN)
A, D, S, U = ReportEffect.APPLIED, ReportEffect.DUPLICATE, ReportEffect.STALE, ReportEffect.UNKNOWN
C = ReportEffect.CORRECTED


async def _in_state(ledger: Ledger, state: str) -> Lease | None:
    """Bring the only message of a campaign into a state; return the lease if a worker still holds it."""
    await ledger.submit(1, batch_size=3)
    match state:
        case "p":
            return await ledger.push(b"p")
        case "s":
            lease = await ledger.take()
            await ledger.open(lease)
            return lease
        case "a" | "r" | "i":
            return await ledger.push(state.encode())
        case "n":
            await ledger.send_all()
            await ledger.end_report_wait()
            await ledger.maintenance.settle_overdue(SENDER)
        case "g":
            await ledger.send_all(b"i")
            await ledger.end_validity()
            await ledger.maintenance.settle_overdue(SENDER)
        case "d" | "f":
            await ledger.send_all()
            await ledger.report("delivered" if state == "d" else "failed")
        case "e" | "x":
            await ledger.leases.release(await ledger.take())
            if state == "e":
                await ledger.end_validity()
            else:
                await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
            await ledger.maintenance.end_pending(SENDER)
    return None


@pytest.mark.parametrize("state", "psarignfexd")
@pytest.mark.parametrize("kind", ["delivered", "failed"])
async def test_delivered_replaces_every_state_and_failed_replaces_states_without_a_better_report(
    ledger: Ledger, state: str, kind: str
) -> None:
    await _in_state(ledger, state)
    assert await ledger.states() == state
    to = "d" if kind == "delivered" else "f" if state in "psaingex" else state
    assert await ledger.report(kind, code=903) == [D if state == to else C if state == "f" else A]
    assert await ledger.states() == to


@pytest.mark.parametrize("state", "psarign")
async def test_a_report_that_comes_twice_changes_nothing_but_the_count_of_duplicates(
    ledger: Ledger, state: str
) -> None:
    await _in_state(ledger, state)
    await ledger.report("delivered")
    before = await ledger.dump()
    assert await ledger.report("delivered") == [D]
    after = await ledger.dump()
    assert after[KEY].pop(b"stat:duplicate_reports") == b"1"
    assert after == before


async def test_the_same_row_twice_in_one_call_counts_once(ledger: Ledger) -> None:
    await _in_state(ledger, "a")
    assert await ledger.report("failed", "failed") == [A, D]
    assert (await ledger.view()).counts[MessageState.FAILED] == 1
    assert (await ledger.stat("reports"), await ledger.stat("duplicate_reports")) == (1, 1)


@pytest.mark.parametrize("order", list(permutations(["failed", "delivered", "intermediate"])), ids="-".join)
@pytest.mark.parametrize("together", [True, False])
async def test_the_order_of_reports_does_not_matter(ledger: Ledger, order: tuple[str, ...], together: bool) -> None:
    await _in_state(ledger, "a")
    if together:
        await ledger.report(*order)
    else:
        for kind in order:
            await ledger.report(kind)
    assert await ledger.states() == "d"
    assert (await ledger.view()).codes == {}


async def test_among_failures_the_first_stays(ledger: Ledger) -> None:
    await _in_state(ledger, "a")
    assert await ledger.report("failed", code=901) == [A]
    assert await ledger.report("failed", code=914, ts=1_795_000_099) == [D]
    [message] = await ledger.messages()
    assert (message.record.code, message.record.reported_s) == (901, 1_795_000_000)
    assert (await ledger.view()).codes == {"report:901": 1}


async def test_delivered_takes_a_failure_back_also_from_the_errors(ledger: Ledger) -> None:
    await _in_state(ledger, "a")
    await ledger.report("failed", code=901)
    assert await ledger.report("delivered") == [C]
    [message] = await ledger.messages()
    assert message.record.code == 0
    assert (await ledger.view()).codes == {}


@pytest.mark.parametrize(("state", "code"), [("i", 10), ("g", 10), ("r", 2054)])
async def test_delivered_takes_an_error_of_the_push_back(ledger: Ledger, state: str, code: int) -> None:
    await _in_state(ledger, state)
    assert (await ledger.view()).codes == {f"push:{code}": 1}
    await ledger.report("delivered")
    assert (await ledger.view()).codes == {}


@pytest.mark.parametrize("state", "ig")
async def test_failed_replaces_an_error_of_the_push(ledger: Ledger, state: str) -> None:
    await _in_state(ledger, state)
    await ledger.report("failed", code=916)
    assert (await ledger.view()).codes == {"report:916": 1}


async def test_a_report_keeps_the_transaction_and_the_time_of_sending(ledger: Ledger) -> None:
    await _in_state(ledger, "a")
    [before] = await ledger.messages()
    await ledger.report("failed", code=70_000)
    [after] = await ledger.messages()
    assert after.record.transaction_id == before.record.transaction_id == "1000"
    assert after.record.sent_ms == before.record.sent_ms
    assert after.record.code == 65_535


async def test_a_message_reported_while_it_is_pending_was_sent_after_all_and_does_not_go_out_again(
    ledger: Ledger,
) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"p")
    assert await ledger.report("delivered", index=1) == [A]
    assert await ledger.report("failed", index=2) == [A]
    assert await ledger.stat("reported_while_pending") == 2
    assert (await ledger.open(lease)).messages == [(0, 0)]


async def test_the_last_pending_message_of_a_campaign_that_is_reported_finishes_it(ledger: Ledger) -> None:
    lease = await _in_state(ledger, "p")
    assert lease
    await ledger.leases.release(lease)
    await ledger.report("delivered")
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_report_before_the_answer_stays_and_the_answer_only_adds_its_id(ledger: Ledger) -> None:
    await ledger.submit(1)
    lease = await ledger.take()
    block = await ledger.open(lease)
    assert await ledger.report("delivered") == [A]
    await ledger.record(lease, block, b"a")
    [message] = await ledger.messages()
    assert (message.record.state, message.record.transaction_id) == (MessageState.DELIVERED, "1000")


async def test_a_report_about_no_known_message_is_unknown(ledger: Ledger) -> None:
    await ledger.submit(4, batch_size=3)
    await ledger.send_all()
    assert await ledger.report("delivered", index=4) == [U]
    assert await ledger.report("delivered", index=6) == [U]
    assert await ledger.report_applier.apply([DeliveryReport(CampaignId("nobody00"), 0, 0, "delivered", 0, 1)]) == [U]
    assert await ledger.states() == "aaaa"


async def test_a_report_for_an_id_whose_submit_died_is_unknown_until_the_submit_is_repeated(ledger: Ledger) -> None:
    await ledger.submissions.claim(CAMPAIGN, SENDER, CAMPAIGN)
    assert await ledger.report("delivered") == [U]
    await ledger.submit(1)
    await ledger.send_all()
    assert await ledger.report("delivered") == [A]


async def test_no_reports_are_no_error(ledger: Ledger) -> None:
    assert await ledger.report_applier.apply([]) == []


async def test_answers_come_in_the_order_of_the_reports_whatever_their_batches(ledger: Ledger) -> None:
    other = CampaignId("another1")
    for campaign in (CAMPAIGN, other):
        await ledger.submit(5, batch_size=3, campaign=campaign)
    await ledger.send_all()

    def report(campaign: CampaignId, index: int, kind: Any = "delivered") -> DeliveryReport:
        return DeliveryReport(campaign, index, 0, kind, 901, 1_795_000_000)

    answers = await ledger.report_applier.apply(
        [
            report(other, 4),
            report(CAMPAIGN, 0),
            report(CAMPAIGN, 5),
            report(other, 0, "failed"),
            report(CampaignId("nobody00"), 0),
            report(CAMPAIGN, 0),
            report(CAMPAIGN, 3, "failed"),
        ]
    )
    assert answers == [A, A, U, A, U, D, A]
    assert (await ledger.states(), await ledger.states(other)) == ("daafa", "faaad")


@settings(
    max_examples=min(25, settings().max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 99),
            st.sampled_from(["delivered", "failed", "intermediate"]),
            st.integers(900, 920),
            st.integers(1, 2**32 - 1),
        ),
        min_size=1,
        max_size=60,
    )
)
async def test_reports_far_and_near_change_their_own_messages_and_no_others(
    ledger: Ledger, rows: list[tuple[int, Any, int, int]]
) -> None:
    await ledger.redis.flushall()
    await ledger.submit(90, batch_size=60)
    await ledger.send_all()
    before = [message.record for message in await ledger.messages()]
    expected = {index: before[index] for index in range(90)}
    answers = []
    for index, kind, code, ts in rows:
        known = expected.get(index)
        better = known and (
            (kind == "delivered" and known.state != "d") or (kind == "failed" and known.state not in {"d", "f"})
        )
        answers.append(U if known is None else A if better else D)
        if known and better:
            state = MessageState(kind[0])
            expected[index] = replace(known, state=state, code=code if state == "f" else 0, reported_s=ts)
    applier = ReportApplier(ledger.redis)
    assert (
        await applier.apply([DeliveryReport(CAMPAIGN, index, 0, kind, code, ts) for index, kind, code, ts in rows])
        == answers
    )
    assert [message.record for message in await ledger.messages()] == list(expected.values())


async def test_reports_find_their_campaigns_also_when_more_are_reported_than_are_remembered(ledger: Ledger) -> None:
    campaigns = [CampaignId(f"campaig{number}") for number in range(3)]
    for campaign in campaigns:
        await ledger.submit(1, campaign=campaign)
    await ledger.send_all()
    reports = [DeliveryReport(campaign, 0, 0, "delivered", 0, 1_795_000_000) for campaign in campaigns]
    applier = ReportApplier(ledger.redis, max_known_campaigns=1)
    assert await applier.apply(reports) == [A, A, A]


async def test_very_many_reports_of_one_batch_are_applied_in_their_order(ledger: Ledger) -> None:
    await ledger.submit(2)
    await ledger.send_all()
    failed, delivered = (DeliveryReport(CAMPAIGN, 1, 0, kind, 0, 1_795_000_000) for kind in ("failed", "delivered"))
    effects = await ledger.report_applier.apply([failed] * 6_000 + [delivered])
    assert [effects[0], *set(effects[1:-1]), effects[-1]] == [A, D, C]
    assert await ledger.states() == "ad"


async def test_the_phones_of_messages_of_many_batches_stand_in_the_order_of_the_reports(ledger: Ledger) -> None:
    await ledger.submit(80, batch_size=2)
    phones = [message.to for message in await ledger.messages()]
    order = [*range(79, -1, -3), 5, 5, 999]
    reports = [DeliveryReport(CAMPAIGN, index, 0, "failed", 910, 1_795_000_000) for index in order]
    reports.insert(2, DeliveryReport(CampaignId("unknown1"), 0, 0, "failed", 910, 1_795_000_000))
    found = await ledger.report_applier.phones(reports)
    assert found == [phones[79], phones[76], "", *(phones[index] for index in order[2:-1]), ""]


async def test_damaged_recipients_have_no_phones_and_hide_no_others(ledger: Ledger) -> None:
    await ledger.submit(4, batch_size=2)
    phones = [message.to for message in await ledger.messages()]
    key = batch_key(SENDER, CAMPAIGN, BatchKey.RECIPIENTS, 0)
    recipients = await ledger.redis.get(key)
    await ledger.redis.set(key, b"damaged")
    reports = [DeliveryReport(CAMPAIGN, index, 0, "failed", 910, 1_795_000_000) for index in range(4)]
    assert await ledger.report_applier.phones(reports) == ["", "", *phones[2:]]
    await ledger.redis.set(key, recipients or b"")


FAILED = BrakeRule(reports=4, failed_share=0.5)


@pytest.mark.parametrize(
    ("kinds", "braked"), [("fff", False), ("ffdd", False), ("fffd", True), ("ffddddff", False), ("ffddddfff", True)]
)
async def test_a_campaign_brakes_when_too_many_of_the_last_reports_say_failed(
    ledger: Ledger, kinds: str, braked: bool
) -> None:
    await ledger.submit(len(kinds) + 1, batch_size=20, brake=FAILED)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=len(kinds)), b"a")
    for index, kind in enumerate(kinds):
        assert await ledger.state() is CampaignState.RUNNING
        await ledger.report("failed" if kind == "f" else "delivered", index=index)
    view = await ledger.view()
    assert (view.state is CampaignState.BRAKED) is braked
    assert (view.reason == "too many of the last delivery reports say failed") is braked


async def test_reports_that_change_nothing_are_not_among_the_last_reports(ledger: Ledger) -> None:
    await ledger.submit(5, batch_size=20, brake=FAILED)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=4), b"a")
    await ledger.report("failed", "failed", "failed", "intermediate", "clicked")
    await ledger.report("failed", index=1)
    await ledger.report("failed", index=2)
    assert await ledger.state() is CampaignState.RUNNING
    await ledger.report("failed", index=3)
    assert await ledger.state() is CampaignState.BRAKED


async def test_a_resume_forgets_the_failures_too(ledger: Ledger) -> None:
    await ledger.submit(8, batch_size=20, brake=FAILED)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=7), b"a")
    for index in range(4):
        await ledger.report("failed", index=index)
    await Control(ledger.redis).campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    for index in range(4, 7):
        await ledger.report("failed", index=index)
    assert await ledger.state() is CampaignState.RUNNING


async def test_reports_do_not_brake_what_is_finished(ledger: Ledger) -> None:
    await ledger.submit(4, batch_size=20, brake=FAILED)
    await ledger.send_all()
    for index in range(4):
        await ledger.report("failed", index=index)
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_reported_campaign_is_one_on_which_something_happened(ledger: Ledger) -> None:
    await _in_state(ledger, "a")
    await ledger.maintenance.take_changed(SENDER)
    await ledger.report("delivered")
    assert await ledger.maintenance.take_changed(SENDER) == [CAMPAIGN]
