"""A click or a reply stops a second try at any moment, and the earlier failed report is never lost."""

from typing import Any, NamedTuple

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER
from tests.kit.second_tries import MINUTE_S, Tries
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.maintenance import Settled
from times_dispatch.ledger.openings import Block
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportEffect
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.statistics.recount import Recount

REACTIONS: dict[str, dict[str, Any]] = {
    "click": {"kind": "clicked", "digest": b"12345678"},
    "reply": {"kind": "replied", "digest": b"12345678"},
    "opt-out": {"kind": "opted_out", "digest": b"12345678"},
    "visit": {"kind": "clicked", "visit": "ab-1", "link": 1},
}

reactions = pytest.mark.parametrize("reaction", REACTIONS)


class Message(NamedTuple):
    """The state, the attempt and the code of the only message in the ledger."""

    state: str
    attempt: int
    code: int


FAILED_FIRST, PUSHED_AGAIN = Message("f", 0, 912), Message("a", 1, 912)


async def _message(tries: Tries) -> Message:
    """Return the only message, after a comparison of all counters with the records."""
    await tries.ledger.assert_counters_add_up()
    assert (await Recount(tries.ledger.redis).all()).differences == []
    [message] = await tries.ledger.messages()
    failed = {name: count for name, count in (await tries.ledger.view()).codes.items() if name.startswith("report:")}
    assert failed == ({f"report:{message.record.code}": 1} if message.record.state == "f" else {})
    return Message(message.record.state.value, message.record.attempt, message.record.code)


async def _react(tries: Tries, reaction: str, attempt: int = 0) -> ReportEffect:
    [effect] = await tries.ledger.report_applier.apply(
        [DeliveryReport(CAMPAIGN, 0, attempt, code=0, ts=tries.now_s, **REACTIONS[reaction])]
    )
    return effect


async def _second_try(tries: Tries) -> None:
    """Let the only message fail; its second try is pending afterwards."""
    await tries.begin(1)
    await tries.fail()
    assert await tries.later(16 * MINUTE_S) == Settled(second_tries=1)


async def _open(tries: Tries) -> tuple[Lease, Block]:
    lease = await tries.ledger.take()
    return lease, await tries.ledger.open(lease)


@reactions
@pytest.mark.parametrize("moment", ["waiting", "pending", "pending again"])
async def test_a_second_try_that_was_not_pushed_leaves_the_message_failed(
    tries: Tries, reaction: str, moment: str
) -> None:
    await tries.begin(1)
    await tries.fail()
    if moment != "waiting":
        await tries.later(16 * MINUTE_S)
    if moment == "pending again":
        await tries.ledger.leases.release(await tries.ledger.push(b"p"))
    effect = await _react(tries, reaction)
    assert effect is (ReportEffect.DUPLICATE if moment == "waiting" else ReportEffect.APPLIED)
    assert await _message(tries) == FAILED_FIRST
    assert await tries.ledger.stat("reports") == 1
    assert await tries.ledger.state() is CampaignState.FINISHED
    assert await tries.later(20_000) == Settled()
    assert await tries.ledger.issue() == []
    statistics = await tries.statistics()
    assert (statistics.errors, statistics.retried, statistics.parts) == (1, {}, 1)
    await tries.ledger.report("delivered", ts=tries.now_s)
    assert await _message(tries) == Message("d", 0, 0)


@reactions
@pytest.mark.parametrize("together", [("failed", "delivered"), ("delivered", "failed")])
async def test_reports_that_come_with_a_reaction_decide_as_they_do_alone(
    tries: Tries, reaction: str, together: tuple[str, str]
) -> None:
    await _second_try(tries)
    click = DeliveryReport(CAMPAIGN, 0, 0, code=0, ts=tries.now_s, **REACTIONS[reaction])
    first, last = (DeliveryReport(CAMPAIGN, 0, 0, kind, 912, tries.now_s) for kind in together)  # type: ignore[arg-type]
    await tries.ledger.report_applier.apply([first, click, last])
    assert await _message(tries) == Message("d", 0, 0)


@reactions
@pytest.mark.parametrize("result", [b"p", b"b", b"r", b"u"])
async def test_a_second_try_that_was_open_and_was_not_sent_leaves_the_message_failed(
    tries: Tries, reaction: str, result: bytes
) -> None:
    await _second_try(tries)
    lease, block = await _open(tries)
    await _react(tries, reaction)
    assert await _message(tries) == PUSHED_AGAIN
    assert await tries.ledger.record(lease, block, result) == 1
    assert await _message(tries) == FAILED_FIRST
    assert await tries.ledger.record(lease, block, result) == 0
    await tries.ledger.leases.release(lease)
    assert await tries.ledger.state() is CampaignState.FINISHED
    view, statistics = await tries.ledger.view(), await tries.statistics()
    assert (view.parts, statistics.parts, statistics.retried, statistics.errors) == (1, 1, {}, 1)
    assert await tries.ledger.field("parts_out") == "1"
    assert await tries.later(20_000) == Settled()
    assert await tries.ledger.issue() == []


@reactions
@pytest.mark.parametrize(
    ("kind", "attempt", "expected"),
    [
        ("failed", 0, PUSHED_AGAIN),
        ("failed", 1, Message("f", 1, 914)),
        ("delivered", 0, Message("d", 0, 0)),
        ("delivered", 1, Message("d", 1, 0)),
    ],
)
@pytest.mark.parametrize("moment", ["sending", "accepted"])
async def test_a_second_try_that_was_sent_decides_and_is_the_last(
    tries: Tries, *, reaction: str, moment: str, kind: Any, attempt: int, expected: Message
) -> None:
    await _second_try(tries)
    lease, block = await _open(tries)
    if moment == "sending":
        await _react(tries, reaction)
    await tries.ledger.record(lease, block, b"a")
    if moment == "accepted":
        assert await _react(tries, reaction) is ReportEffect.DUPLICATE
    await tries.ledger.leases.release(lease)
    assert await _message(tries) == PUSHED_AGAIN
    await tries.ledger.report(kind, attempt=attempt, code=914, ts=tries.now_s)
    assert await _message(tries) == expected
    assert await tries.waiting() == 0
    view, statistics = await tries.ledger.view(), await tries.statistics()
    assert (view.parts, statistics.parts, statistics.retried) == (2, 2, {1: 1})


@reactions
@pytest.mark.parametrize("moment", ["sending", "in doubt", "given up"])
@pytest.mark.parametrize(
    ("kind", "attempt", "expected"),
    [
        ("failed", 0, None),
        ("failed", 1, Message("f", 1, 914)),
        ("delivered", 0, Message("d", 1, 0)),  # the result of the second try may still come
        ("delivered", 1, Message("d", 1, 0)),
    ],
)
async def test_a_second_try_of_which_nothing_is_known_waits_for_its_report(
    tries: Tries, *, reaction: str, moment: str, kind: Any, attempt: int, expected: Message | None
) -> None:
    await _second_try(tries)
    lease, _ = await _open(tries)
    if moment == "sending":
        await _react(tries, reaction)
    await tries.ledger.leases.release(lease)  # the worker was lost
    if moment == "given up":
        await tries.ledger.end_validity()
        assert await tries.ledger.maintenance.settle_overdue(SENDER) == Settled(given_up=1)
    if moment != "sending":
        await _react(tries, reaction)
    accepted = PUSHED_AGAIN if moment == "sending" else Message("a", 1, 0)
    assert await _message(tries) == accepted
    await tries.ledger.report(kind, attempt=attempt, code=914, ts=tries.now_s)
    assert await _message(tries) == (expected or accepted)
    assert await tries.waiting() == 0
    assert (await tries.statistics()).parts == 1 + (attempt == 1)
    assert await tries.ledger.issue() == []


async def test_a_reaction_to_a_second_try_that_the_ledger_lost_proves_that_try(tries: Tries) -> None:
    await _second_try(tries)
    assert await _react(tries, "click", attempt=1) is ReportEffect.APPLIED
    state, attempt, _ = await _message(tries)
    assert (state, attempt) == ("a", 1)
    assert (await tries.statistics()).retried == {1: 1}


async def test_an_event_on_the_way_stops_no_second_try(tries: Tries) -> None:
    await _second_try(tries)
    assert await tries.ledger.report("intermediate", ts=tries.now_s) == [ReportEffect.DUPLICATE]
    assert await _message(tries) == Message("p", 1, 912)
