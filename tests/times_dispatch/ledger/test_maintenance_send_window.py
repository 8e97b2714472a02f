"""Daily send windows, outside of which nothing is opened; and missed starts."""

from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.model import MissedStart
from times_dispatch.ledger.openings import BatchClosed, Block
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState

BY_DAY: dict[str, Any] = {"send_from_min": 600, "send_until_min": 1260}
HOUR_MS = 3_600_000


async def _set_send_window(ledger: Ledger, from_ms: int, until_ms: int) -> None:
    """Set the send window, relative to now, in milliseconds."""
    now_ms = await ledger.now_ms()
    await ledger.maintenance.set_send_window(SENDER, CAMPAIGN, opens_ms=now_ms + from_ms, closes_ms=now_ms + until_ms)


async def test_nothing_is_sent_before_the_send_window_is_known(ledger: Ledger) -> None:
    await ledger.submit(3, **BY_DAY)
    assert await ledger.issue() == []
    assert (await ledger.view()).reason == "outside its send window"

    (closed,) = await ledger.maintenance.closed_send_windows(SENDER)
    assert (closed.campaign, closed.plan.send_from_min) == (CAMPAIGN, 600)
    assert closed.now_ms == pytest.approx(await ledger.now_ms(), abs=1_000)
    await _set_send_window(ledger, -1_000, HOUR_MS)
    assert await ledger.maintenance.closed_send_windows(SENDER) == []
    await ledger.send_all()
    assert await ledger.states() == "aaa"


async def test_a_campaign_without_a_send_window_waits_for_none(ledger: Ledger) -> None:
    await ledger.submit(3)
    assert await ledger.maintenance.closed_send_windows(SENDER) == []
    await ledger.send_all()


async def test_a_campaign_waits_for_its_send_window_and_then_goes_on_by_itself(ledger: Ledger) -> None:
    await ledger.submit(3, **BY_DAY)
    await _set_send_window(ledger, 200, HOUR_MS)
    assert await ledger.issue() == []
    assert (await ledger.view()).reason.startswith("goes on at ")
    lease = await ledger.take((await ledger.issue_eventually())[0])
    assert isinstance(await ledger.open_block(lease), Block)


async def test_a_campaign_whose_validity_ends_before_its_send_window_does_not_say_that_it_goes_on(
    ledger: Ledger,
) -> None:
    await ledger.submit(3, valid_until_ms=await ledger.now_ms() + HOUR_MS, **BY_DAY)
    await _set_send_window(ledger, 2 * HOUR_MS, 3 * HOUR_MS)
    assert (await ledger.view()).reason.startswith("sends nothing more: its validity ends at ")


async def test_when_the_send_window_closes_the_batch_is_released_and_the_rest_is_sent_the_next_day(
    ledger: Ledger,
) -> None:
    await ledger.submit(6, **BY_DAY)
    await _set_send_window(ledger, -1_000, HOUR_MS)
    first, _ = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.record(first, await ledger.open(first, max_messages=2), b"aa")

    await ledger.close_send_window()
    assert await ledger.open_block(first) == BatchClosed("outside_send_window")
    await ledger.leases.release(first)
    assert await ledger.issue() == []
    assert await ledger.states() == "aapppp"
    assert await ledger.state() is CampaignState.RUNNING

    await _set_send_window(ledger, -1_000, HOUR_MS)
    (again,) = await ledger.issue()
    assert again == first.ref


async def test_messages_opened_at_the_last_moment_have_begun_when_the_send_window_closes(ledger: Ledger) -> None:
    """A push begins at most 750 ms after the worker asked for its block (workers/batch/batch_worker.py)."""
    await ledger.submit(6, **BY_DAY)
    await _set_send_window(ledger, -1_000, HOUR_MS)
    lease, other = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.close_send_window(in_ms=2_000)
    assert isinstance(await ledger.open_block(lease, max_messages=1), Block)
    await ledger.close_send_window(in_ms=850)
    assert await ledger.open_block(other) == BatchClosed("outside_send_window")


async def test_a_send_window_that_is_set_twice_or_late_changes_nothing(ledger: Ledger) -> None:
    await ledger.submit(3, **BY_DAY)
    await _set_send_window(ledger, -1_000, HOUR_MS)
    before = await ledger.dump()
    await ledger.maintenance.set_send_window(SENDER, CAMPAIGN, opens_ms=1, closes_ms=2)
    assert await ledger.dump() == before


async def test_a_pause_outlasts_the_send_window(ledger: Ledger) -> None:
    await ledger.submit(3, **BY_DAY)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    await _set_send_window(ledger, -1_000, HOUR_MS)
    assert await ledger.issue() == []
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert len(await ledger.issue()) == 1


async def test_the_send_window_of_a_campaign_that_is_over_is_not_asked_for(ledger: Ledger) -> None:
    await ledger.submit(3, **BY_DAY)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    await ledger.maintenance.end_pending(SENDER)
    await _set_send_window(ledger, -1_000, HOUR_MS)
    assert await ledger.redis.zcard(f"{hash_tag(SENDER)}:send_windows") == 0
    assert await ledger.issue() == []


async def test_messages_resent_after_the_validity_keep_to_the_send_window(ledger: Ledger) -> None:
    await ledger.submit(3, **BY_DAY, in_doubt="resend")
    await _set_send_window(ledger, -1_000, HOUR_MS)
    await ledger.leases.release(await ledger.push(b"iaa"))
    assert await ledger.state() is CampaignState.FINISHED
    await ledger.close_send_window()
    await _set_send_window(ledger, -2_000, -1_000)  # upkeep tracks the campaign no longer
    await ledger.end_validity()
    await ledger.maintenance.settle_overdue(SENDER)
    assert await ledger.states() == "paa"
    assert await ledger.issue() == []
    assert [closed.campaign for closed in await ledger.maintenance.closed_send_windows(SENDER)] == [CAMPAIGN]


@pytest.mark.parametrize(
    ("policy", "state", "states"),
    [
        ("send", CampaignState.RUNNING, "ppp"),
        ("skip", CampaignState.CANCELLED, "xxx"),
        ("ask", CampaignState.PAUSED, "ppp"),
    ],
)
async def test_a_start_that_was_missed_is_sent_skipped_or_asked_about(
    ledger: Ledger, policy: MissedStart, state: CampaignState, states: str
) -> None:
    await ledger.submit(3, start_at_ms=await ledger.now_ms() + HOUR_MS, missed_start=policy)
    assert await ledger.issue() == []
    await ledger.move_start(-61_000)
    issued = await ledger.issue()
    await ledger.maintenance.end_pending(SENDER)
    assert await ledger.state() is state
    assert await ledger.states() == states
    assert len(issued) == (policy == "send")
    assert ("missed" in (await ledger.view()).reason) == (policy != "send")


async def test_a_campaign_whose_missed_start_is_asked_about_is_sent_when_resumed(ledger: Ledger) -> None:
    await ledger.submit(3, start_at_ms=await ledger.now_ms() + HOUR_MS, missed_start="ask")
    await ledger.move_start(-61_000)
    await ledger.issue()
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    await ledger.send_all()
    assert await ledger.states() == "aaa"


@pytest.mark.parametrize("policy", ["skip", "ask"])
async def test_a_start_at_which_a_worker_was_there_is_not_missed_however_late_the_first_message_is_sent(
    ledger: Ledger, policy: MissedStart
) -> None:
    await ledger.submit(3, start_at_ms=await ledger.now_ms() + HOUR_MS, missed_start=policy)
    await ledger.control.pause_sender(SENDER)
    await ledger.move_start(-1_000)
    assert await ledger.issue() == []  # a person paused the sender
    await ledger.move_start(-HOUR_MS)
    await ledger.control.resume_sender(SENDER)
    assert len(await ledger.issue()) == 1
    assert await ledger.state() is CampaignState.RUNNING


async def test_a_campaign_that_is_resumed_after_its_start_has_not_missed_the_start_on_the_next_day(
    ledger: Ledger,
) -> None:
    await ledger.submit(3, start_at_ms=await ledger.now_ms() + HOUR_MS, missed_start="skip", **BY_DAY)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    await ledger.move_start(-HOUR_MS)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    await _set_send_window(ledger, -1_000, HOUR_MS)
    assert len(await ledger.issue()) == 1
    assert await ledger.state() is CampaignState.RUNNING


async def test_a_start_that_comes_while_it_is_submitted_is_not_missed(ledger: Ledger) -> None:
    await ledger.submit(3, start_at_ms=await ledger.now_ms() + HOUR_MS, missed_start="skip", sealed=False, **BY_DAY)
    await ledger.move_start(-HOUR_MS)
    await ledger.submissions.seal(CAMPAIGN, SENDER, total=3, batches=1)
    await _set_send_window(ledger, -1_000, HOUR_MS)
    assert len(await ledger.issue()) == 1


async def test_resent_messages_get_a_validity_with_a_send_window_in_it(ledger: Ledger) -> None:
    await ledger.submit(3, **BY_DAY, in_doubt="resend")
    await _set_send_window(ledger, -1_000, HOUR_MS)
    await ledger.leases.release(await ledger.push(b"iaa"))
    await ledger.end_validity()
    await ledger.maintenance.settle_overdue(SENDER)
    assert int(await ledger.field("until_ms")) >= await ledger.now_ms() + 24 * HOUR_MS - 10_000
