"""Pausing, resuming and changing campaigns and senders; the effects on blocks are in test_leases_blocks.py."""

from typing import Any

import pytest
from redis.exceptions import ResponseError

from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, Ledger
from times_dispatch.ledger.errors import CampaignUnknown
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.maintenance import Settled
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.openings import BatchClosed, Wait
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState

STATES = {
    "submitting": [],
    "running": ["seal"],
    "paused": ["seal", "pause"],
    "braked": ["seal", "brake"],
    "cancelled": ["seal", "cancel"],
    "finished": ["seal", "finish"],
}
BECOMES = {
    "pause": {"running": "paused", "braked": "paused"},
    "resume": {"paused": "running", "braked": "running"},
    "cancel": dict.fromkeys(("submitting", "running", "paused", "braked"), "cancelled"),
    "brake": {"running": "braked"},
}


async def _bring(ledger: Ledger, state: str) -> None:
    await ledger.submit(3, sealed=False)
    for step in STATES[state]:
        if step == "seal":
            await ledger.submissions.seal(CAMPAIGN, SENDER, total=3, batches=1)
        elif step == "finish":
            await ledger.send_all()
        else:
            await _act(ledger, step)


async def _act(ledger: Ledger, action: str, reason: str = "") -> tuple[bool, CampaignState]:
    return await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction(action), reason=reason)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", BECOMES)
async def test_each_action_changes_the_states_it_should_and_no_other(ledger: Ledger, action: str, state: str) -> None:
    await _bring(ledger, state)
    becomes = BECOMES[action].get(state)
    assert await _act(ledger, action, "because") == (becomes is not None, CampaignState(becomes or state))
    view = await ledger.view()
    assert view.state == (becomes or state)
    assert (view.reason == "because") is (becomes is not None)


@pytest.mark.parametrize("action", BECOMES)
async def test_an_action_done_twice_changes_nothing_the_second_time(ledger: Ledger, action: str) -> None:
    await _bring(ledger, next(iter(BECOMES[action])))
    await _act(ledger, action, "because")
    before = await ledger.dump()
    await _act(ledger, action, "again")
    assert await ledger.dump() == before


async def test_a_resumed_campaign_goes_on_where_it_stopped(ledger: Ledger) -> None:
    await ledger.submit(6)
    lease, untaken = await ledger.take(), await ledger.issue()
    await ledger.record(lease, await ledger.open(lease, max_messages=2), b"a")
    await _act(ledger, "pause", "lunch")
    assert isinstance(await ledger.open_block(lease), BatchClosed)
    await ledger.leases.release(lease)
    await _act(ledger, "resume")
    assert (await ledger.view()).reason == ""
    assert (await ledger.open(await ledger.take())).messages == [(2, 0)]
    assert untaken == []


async def test_an_answer_for_a_paused_campaign_is_recorded(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    await _act(ledger, "pause")
    assert await ledger.record(lease, block, b"a") == 3
    await ledger.leases.release(lease)
    assert await ledger.state() is CampaignState.FINISHED


async def test_an_unknown_campaign_cannot_be_paused_or_resumed(ledger: Ledger) -> None:
    with pytest.raises(CampaignUnknown, match="campaign nobody00"):
        await ledger.control.campaign(SENDER, CampaignId("nobody00"), ControlAction.PAUSE)
    assert await ledger.redis.keys(f"{campaign_key(SENDER, CampaignId('nobody00'))}*") == []


async def test_an_error_of_redis_itself_is_not_taken_for_an_unknown_campaign(ledger: Ledger) -> None:
    await ledger.redis.set(campaign_key(SENDER, CAMPAIGN), "not a campaign")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await _act(ledger, "pause")


async def test_the_configured_rate_holds_until_a_person_sets_another(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 100)
    assert (await ledger.queries.sender(SENDER)).rate_per_s == 100
    await ledger.control.set_rate(SENDER, 20)
    await ledger.control.configure_rate(SENDER, 100)
    assert (await ledger.queries.sender(SENDER)).rate_per_s == 20
    await ledger.control.configure_rate(SENDER, 150)
    assert (await ledger.queries.sender(SENDER)).rate_per_s == 150


async def test_a_configured_sender_is_known_before_its_first_campaign(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SenderId("SHOPPY"), 0)
    assert await ledger.queries.senders() == ["SHOPPY"]


async def test_the_first_reason_of_a_braked_sender_stays_until_it_is_resumed(ledger: Ledger) -> None:
    await ledger.control.brake_provider(SENDER, PROVIDER, "insufficient balance")
    await ledger.control.brake_provider(SENDER, PROVIDER, "authentication failure")
    assert (await ledger.queries.sender(SENDER)).unavailable[0].brake == "insufficient balance"
    await ledger.control.resume_sender(SENDER)
    assert (await ledger.queries.sender(SENDER)).unavailable == []
    await ledger.control.brake_provider(SENDER, PROVIDER, "authentication failure")
    assert (await ledger.queries.sender(SENDER)).unavailable[0].brake == "authentication failure"


async def test_resuming_a_sender_lifts_the_pause_the_brake_and_the_backing_off(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.control.pause_sender(SENDER)
    await ledger.control.brake_provider(SENDER, PROVIDER, "no balance")
    held: Any = {
        f"back_off_until_us@{PROVIDER}": (await ledger.now_ms() + 60_000) * 1000,
        f"back_off_count@{PROVIDER}": 3,
        f"back_off_reason@{PROVIDER}": "overloaded",
    }
    await ledger.redis.hset(f"{hash_tag(SENDER)}:sender", mapping=held)
    assert await ledger.open_block(lease) == BatchClosed("sender_paused")
    await ledger.redis.hdel(f"{hash_tag(SENDER)}:sender", "paused")
    assert await ledger.open_block(lease) == BatchClosed("provider_braked")
    await ledger.redis.hdel(f"{hash_tag(SENDER)}:sender", f"brake@{PROVIDER}")
    assert isinstance(await ledger.open_block(lease), Wait)
    await ledger.control.resume_sender(SENDER)
    assert len((await ledger.open(lease)).messages) == 3


async def test_pausing_or_resuming_one_sender_leaves_the_others_alone(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.control.pause_sender(SenderId("SHOPPY"))
    await ledger.control.brake_provider(SenderId("SHOPPY"), PROVIDER, "no balance")
    assert (await ledger.open(await ledger.take())).messages


async def _in_doubt(ledger: Ledger, *, batches: int = 2, **changes: Any) -> None:
    """Submit a campaign in batches of three messages, which are in doubt, accepted, and in doubt."""
    await ledger.submit(3 * batches, **changes)
    await ledger.send_all(b"iai")


async def test_a_person_may_count_what_is_in_doubt_as_sent(ledger: Ledger) -> None:
    await _in_doubt(ledger)
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "sent") == 4
    assert await ledger.states() == "aaaaaa"
    view = await ledger.view()
    assert (view.state, view.codes) == (CampaignState.FINISHED, {})
    before = await ledger.dump()
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "sent") == 0
    assert (await ledger.dump())[campaign_key(SENDER, CAMPAIGN)] == before[campaign_key(SENDER, CAMPAIGN)]


async def test_messages_that_a_person_counted_as_sent_may_still_be_reported(ledger: Ledger) -> None:
    await _in_doubt(ledger)
    await ledger.control.resolve(SENDER, CAMPAIGN, "sent")
    await ledger.report("failed")
    assert await ledger.states() == "faaaaa"
    await ledger.end_report_wait()
    assert (await ledger.maintenance.settle_overdue(SENDER)).no_report == 5


async def test_a_person_may_have_what_is_in_doubt_sent_again_with_another_id(ledger: Ledger) -> None:
    await _in_doubt(ledger)
    assert await ledger.state() is CampaignState.FINISHED
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 4
    view = await ledger.view()
    assert (view.state, view.codes, view.finished_ms) == (CampaignState.RUNNING, {}, 0)
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 0
    refs = await ledger.issue()
    assert sorted(ref.number for ref in refs) == [0, 1]
    for ref in refs:
        lease = await ledger.take(ref)
        block = await ledger.open(lease)
        assert block.messages == [(0, 1), (2, 1)]
        await ledger.record(lease, block, b"a")
        await ledger.leases.release(lease)
    assert await ledger.state() is CampaignState.FINISHED


async def test_messages_to_be_sent_again_join_a_batch_that_is_in_work(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"iai")
    await ledger.open_block(lease)
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 2
    assert await ledger.field("batches_out") == "1"
    assert await ledger.issue() == []
    assert (await ledger.open(lease)).messages == [(0, 1), (2, 1)]


async def test_messages_to_be_sent_again_join_a_batch_that_waits_to_be_issued_and_wake_one_worker(
    ledger: Ledger,
) -> None:
    await ledger.submit(3)
    await ledger.leases.release(await ledger.push(b"iap"))
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    [ref] = await ledger.issue()
    assert (await ledger.open(await ledger.take(ref))).messages == [(0, 1), (2, 0)]
    assert await ledger.issue() == []


async def test_messages_to_be_sent_again_join_a_batch_that_is_on_its_way_to_a_worker(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"iap")
    await ledger.leases.release(lease)
    [ref] = await ledger.issue()
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 1
    assert await ledger.issue() == []
    assert (await ledger.open(await ledger.take(ref))).messages == [(0, 1), (2, 0)]


async def test_sending_again_after_the_validity_lends_it_once_more(ledger: Ledger) -> None:
    await _in_doubt(ledger)
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN), "sealed_ms", await ledger.now_ms() - 60_000)
    await ledger.end_validity()
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 4
    until_ms = int(await ledger.field("until_ms"))
    assert until_ms - await ledger.now_ms() == pytest.approx(60_000, abs=1_000)
    assert await ledger.redis.zscore(f"{hash_tag(SENDER)}:validity_ends", CAMPAIGN) == until_ms


async def test_sending_again_within_the_validity_leaves_it_as_it_is(ledger: Ledger) -> None:
    await _in_doubt(ledger)
    until = await ledger.field("until_ms")
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    assert await ledger.field("until_ms") == until


async def test_nothing_of_a_cancelled_campaign_is_sent_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=2), b"i")
    await ledger.leases.release(lease)
    await _act(ledger, "cancel")
    await ledger.maintenance.end_pending(SENDER)
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 0
    assert await ledger.states() == "iix"
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "sent") == 2


async def test_sending_again_does_not_resume_a_paused_campaign(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=2), b"i")
    await ledger.leases.release(lease)
    await _act(ledger, "pause")
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 2
    assert await ledger.state() is CampaignState.PAUSED
    assert await ledger.issue() == []
    await _act(ledger, "resume")
    assert (await ledger.open(await ledger.take())).messages == [(0, 1), (1, 1), (2, 0)]


async def test_a_paused_campaign_of_which_only_doubt_is_left_is_finished_by_its_resume(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"iai")
    await _act(ledger, "pause", "lunch")
    await ledger.leases.release(lease)
    view = await ledger.view()
    assert (view.state, view.reason, view.finished_ms) == (CampaignState.PAUSED, "lunch", 0)
    assert await _act(ledger, "resume") == (True, CampaignState.FINISHED)
    assert await ledger.issue() == []


async def test_sending_again_by_hand_does_not_resume_a_campaign_of_which_only_doubt_was_left(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"iai")
    await _act(ledger, "pause")
    await ledger.leases.release(lease)
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN), "sealed_ms", await ledger.now_ms() - 60_000)
    await ledger.end_validity()
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 2
    assert await ledger.state() is CampaignState.PAUSED
    assert await ledger.issue() == []
    assert await _act(ledger, "resume") == (True, CampaignState.RUNNING)
    assert (await ledger.open(await ledger.take())).messages == [(0, 1), (2, 1)]


async def test_a_paused_campaign_is_finished_when_its_doubt_is_counted_as_sent(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.push(b"iai")
    await _act(ledger, "pause")
    await ledger.leases.release(lease)
    assert await ledger.state() is CampaignState.PAUSED
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "sent") == 2
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_finished_campaign_can_be_cancelled_while_something_is_in_doubt_and_nothing_is_sent_again(
    ledger: Ledger,
) -> None:
    await _in_doubt(ledger, in_doubt="resend")
    assert await _act(ledger, "cancel", "by hand") == (True, CampaignState.CANCELLED)
    view = await ledger.view()
    assert (view.reason, view.finished_ms) == ("by hand", 0)
    assert await ledger.maintenance.end_pending(SENDER) == 0
    assert await ledger.redis.zcard(f"{hash_tag(SENDER)}:validity_ends") == 0
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 0
    await ledger.end_validity()
    assert await ledger.maintenance.settle_overdue(SENDER) == Settled(given_up=4)
    assert await ledger.states() == "gaggag"
    assert await ledger.issue() == []


async def test_a_message_whose_attempts_a_record_cannot_count_any_more_stays_in_doubt(ledger: Ledger) -> None:
    await ledger.submit(1, batch_size=1)
    await ledger.send_all(b"i")
    key = f"{campaign_key(SENDER, CAMPAIGN)}:m:0"
    await ledger.redis.setrange(key, 1, b"\xfe")
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 1
    await ledger.send_all(b"i")
    assert (await ledger.messages())[0].record.attempt == 255
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 0
    assert await ledger.states() == "i"


async def test_a_campaign_of_which_nothing_was_begun_has_nothing_in_doubt(ledger: Ledger) -> None:
    await ledger.submit(6)
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 0
    assert await ledger.control.resolve(SENDER, CampaignId("nobody00"), "sent") == 0
