"""A call that is executed again some seconds later, after other calls, does no harm.

The Redis client repeats a call whose answer was lost. The table says for each script and command of the ledger why a
repeated call is harmless:

| call | repeated after other events |
|---|---|
| ``begin`` | creates a campaign only if the ledger does not have the campaign |
| ``number_campaign`` | a campaign keeps its number |
| ``add_batch`` | stores only the number that comes next, and only before the seal |
| ``seal`` | changes only a campaign that is being submitted |
| ``control`` pause, brake | stops a campaign that was resumed meanwhile: nothing is sent, and people see the stop |
| ``control`` resume | passes the time of the decision: resumes no campaign that was stopped later |
| ``control`` cancel | a cancelled campaign stays cancelled |
| ``append_to_trail``, entries of all trails | an entry that was written twice is shown once |
| ``set_silence`` | holds messages back or ends the holding back; the next observation corrects a wrong change |
| ``resume_sender`` | passes the time of the decision: ends no later pause, brake or back-off |
| pause and brake of a sender | stop the sender again, at the time of the repetition; people see the stop |
| rate, budget, ``optout remove`` | a plain write, which the command line does not repeat: the person decides |
| ``optout add`` | a number that was removed meanwhile is on the list again, and gets no message |
| ``configure_rate`` | changes the rate of the settings only if the stored rate is the rate that was read |
| daily cap of the settings | a plain write of the same value; no command sets the cap |
| ``issue`` | issues the next batches; upkeep wakes workers again for the batches of the lost answer |
| ``take`` | the same operation gets its own lease again or a new lease, never the lease of another operation |
| ``renew``, ``release`` | fenced by the token, which is given out only once |
| ``open_block`` | the same operation gets the same block; repeated after later blocks, it opens nothing |
| ``record`` | an outcome counts once, for the block that holds its message; the token fences |
| ``confirm_block`` | gives later send times again; the send times of the first call stay unused |
| ``expire_leases``, ``end_pending``, ``set_send_window`` | decide by the state of the ledger at the time of the call |
| ``take_changed`` | the campaigns of the lost answer are shown by the next worker that asks after ten seconds |
| ``settle_overdue`` by policy | decides by the clock at the time of the call, and requeues a message at most once |
| ``settle_overdue`` by a person | passes the time of the decision: leaves messages that were sent later |
| ``apply_reports`` | in any order, any number of times |
| ``forget_messages`` | changes only the recipients that the caller has read |
| ``restore_archived`` | a campaign that Redis already has does not change |
| ``queue_copies`` | queues no copy that waits; a copy without room is dropped, and counted, again |
| ``remove_copies`` | a copy that is gone does not count again |
| ``replace_body`` | an entry that was replaced is gone, and is not replaced again |
| ``keep_alerts`` | fenced by the token, and by the number of the call: writes nothing after a later call |
| ``begin_archive`` | begins another attempt, or finds the campaign archived |
| ``commit_archive`` | an attempt that another one followed is refused; the campaign is archived once |
| ``delete_archived`` | deletes only keys of archived campaigns, which nobody reads |
| ``erase_archive`` | an erased archive stays erased |
| ``note_heartbeat`` | notes again that the process runs, as it did a moment before |
| ``note_upkeep`` | notes again that upkeep reaches the sender, as it did a moment before |
| ``note_dead_numbers`` | notes again the provider's code about a number |
| ``hold_beat`` | the holder gets its own lease again; a release that is repeated ends no lease of another beat |
| replay of dead letters, relay | post the same reports again: every reader of reports accepts duplicates |
"""

from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, Ledger
from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.openings import Block
from times_dispatch.ledger.protocol import BackOffPolicy, BrakeTarget, ControlAction, Settlement, Status
from times_dispatch.ledger.push_results import Consequence
from times_dispatch.ledger.scripts import Reply, Script, text
from times_dispatch.ledger.states import CampaignState

KEY = campaign_key(SENDER, CAMPAIGN)


async def _now_us(ledger: Ledger) -> int:
    seconds, microseconds = await ledger.redis.time()
    return int(seconds) * 1_000_000 + int(microseconds)


async def _settle(ledger: Ledger, settlement: Settlement, decided_ms: int) -> Reply:
    script = Script(ledger.redis, "settle_overdue")
    return await script(
        SENDER, campaign=CAMPAIGN, batch_number=0, settlement=settlement, decided_ms=decided_ms, trail=""
    )


async def _resume(ledger: Ledger, decided_us: int) -> str:
    script = Script(ledger.redis, "control")
    reply = await script(
        SENDER, campaign=CAMPAIGN, action="resume", reason="", decided_us=decided_us, replaces_reason=0, trail=""
    )
    return text(reply["state"])


async def _resume_sender(ledger: Ledger, decided_us: int) -> str:
    return text((await Script(ledger.redis, "resume_sender")(SENDER, decided_us=decided_us, trail=""))["status"])


@pytest.mark.parametrize("settlement", [Settlement.RESEND, Settlement.SENT])
async def test_a_decision_about_doubt_that_is_repeated_leaves_what_was_pushed_since(
    ledger: Ledger, settlement: Settlement
) -> None:
    await ledger.submit(3)
    await ledger.send_all(b"iaa")
    decided_ms = await ledger.now_ms() + 1
    while await ledger.now_ms() < decided_ms:
        pass
    assert (await _settle(ledger, Settlement.RESEND, decided_ms))["requeued"] == 1
    await ledger.send_all(b"i")
    before = await ledger.dump()
    reply = await _settle(ledger, settlement, decided_ms)
    assert (reply["requeued"], reply["as_sent"]) == (0, 0)
    assert await ledger.dump() == before
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 1


async def test_a_person_can_decide_at_once_about_what_was_just_put_in_doubt(ledger: Ledger) -> None:
    await ledger.submit(3)
    for attempt in range(4):
        await ledger.send_all(b"i")
        assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 3, attempt


@pytest.mark.parametrize("stop", ["pause", "brake", "too many rejected"])
async def test_a_resume_that_is_repeated_undoes_no_later_pause_or_brake(ledger: Ledger, stop: str) -> None:
    await ledger.submit(3, batch_size=1)
    lease = await ledger.take()
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    decided_us = await _now_us(ledger)
    assert await _resume(ledger, decided_us) == "running"
    if stop == "too many rejected":
        brake = Consequence(brake=BrakeTarget.CAMPAIGN, reason="no balance")
        await ledger.record(lease, await ledger.open(lease), b"p", brake)
    else:
        await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction(stop))
    stopped = await ledger.state()
    assert stopped in {CampaignState.PAUSED, CampaignState.BRAKED}
    assert await _resume(ledger, decided_us) == stopped
    assert await ledger.state() is stopped
    assert await _resume(ledger, await _now_us(ledger)) == "running"


@pytest.mark.parametrize("stop", ["pause", "brake by hand", "brake by a worker"])
async def test_a_resume_of_a_sender_that_is_repeated_ends_no_later_pause_or_brake(ledger: Ledger, stop: str) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.control.pause_sender(SENDER)
    decided_us = await _now_us(ledger)
    assert await _resume_sender(ledger, decided_us) == Status.CHANGED
    if stop == "pause":
        await ledger.control.pause_sender(SENDER)
    elif stop == "brake by hand":
        await ledger.control.brake_provider(SENDER, PROVIDER, "no balance")
    else:
        brake = Consequence(brake=BrakeTarget.SENDER, reason="no balance")
        await ledger.record(lease, await ledger.open(lease), b"p", brake)
    assert await _resume_sender(ledger, decided_us) == Status.UNCHANGED
    view = await ledger.queries.sender(SENDER)
    assert view.paused or view.unavailable
    assert await ledger.control.resume_sender(SENDER)
    view = await ledger.queries.sender(SENDER)
    assert not view.paused
    assert not view.unavailable


async def test_a_pause_of_a_sender_that_is_repeated_moves_the_time_of_a_later_brake_not_back(ledger: Ledger) -> None:
    pause = Script(ledger.redis, "set_sender")
    fields = [{"name": "paused", "value": 1}]
    await pause(SENDER, keep_first=0, is_stop=1, fields=fields, trail="")
    await ledger.control.resume_sender(SENDER)
    decided_us = await _now_us(ledger)
    await ledger.control.brake_provider(SENDER, PROVIDER, "no balance")
    await pause(SENDER, keep_first=0, is_stop=1, fields=fields, trail="")
    assert await _resume_sender(ledger, decided_us) == Status.UNCHANGED
    view = await ledger.queries.sender(SENDER)
    assert view.paused
    assert [held.brake for held in view.unavailable] == ["no balance"]


async def test_a_resume_of_a_sender_that_is_repeated_ends_no_later_back_off(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    later_us = await _now_us(ledger) - 1
    unavailable = Consequence(back_off=BackOffPolicy.ALWAYS, reason="503")
    await ledger.record(lease, await ledger.open(lease), b"p", unavailable)
    before = await ledger.dump()
    assert await _resume_sender(ledger, later_us) == Status.CHANGED
    assert await ledger.dump() == before
    assert await ledger.control.resume_sender(SENDER)
    assert not (await ledger.queries.sender(SENDER)).unavailable


async def test_the_settings_rate_that_is_written_again_later_leaves_a_rate_that_was_set_by_hand(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 10)
    configure = Script(ledger.redis, "configure_rate")
    known = await ledger.redis.hget(f"{hash_tag(SENDER)}:sender", "configured_rate")
    assert known
    assert text((await configure(SENDER, known_rate=known, rate=20.0, trail=""))["status"]) == Status.CHANGED
    await ledger.control.set_rate(SENDER, 5)
    assert text((await configure(SENDER, known_rate=known, rate=20.0, trail=""))["status"]) == Status.UNCHANGED
    assert await ledger.sender_field("rate") == 5
    await ledger.control.configure_rate(SENDER, 30)
    assert await ledger.sender_field("rate") == 30


async def test_a_clock_that_was_set_back_keeps_nobody_from_resuming(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    await ledger.control.pause_sender(SENDER)
    in_an_hour_us = await _now_us(ledger) + 3_600_000_000
    await ledger.redis.hset(KEY, "stopped_us", in_an_hour_us)
    await ledger.redis.hset("{TIMESM}:sender", "stopped_us", in_an_hour_us)
    assert await ledger.control.resume_sender(SENDER)
    assert await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME) == (True, CampaignState.RUNNING)


async def test_a_seal_that_is_repeated_says_what_became_of_the_campaign_since(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    assert await ledger.submissions.seal(CAMPAIGN, SENDER, total=1, batches=1) is CampaignState.CANCELLED


async def test_the_outcome_that_is_repeated_after_its_message_was_opened_again_changes_nothing(ledger: Ledger) -> None:
    await ledger.submit(1)
    lease = await ledger.take()
    first = await ledger.open(lease)
    await ledger.record(lease, first, b"p")
    await ledger.end_back_off()
    await ledger.open(lease)
    before = await ledger.dump()
    for result in (b"p", b"b", b"a", b"i"):
        assert await ledger.record(lease, first, result) == 0
    assert await ledger.dump() == before


@pytest.mark.parametrize("letter", [b"p", b"b", b"r", b"u"])
@pytest.mark.parametrize("attempt", [0, 1])
async def test_a_repeated_result_returns_the_parts_of_a_push_once_also_after_a_report(
    ledger: Ledger, letter: bytes, attempt: int
) -> None:
    await ledger.submit(2)
    await ledger.send_all(b"ia")
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 1
    lease = await ledger.take()
    block = await ledger.open(lease)
    await ledger.record(lease, block, letter)
    await ledger.report("delivered", attempt=attempt)
    assert await ledger.record(lease, block, letter) == 0
    assert (await ledger.states(), await ledger.field("parts_out")) == ("da", "2")


async def test_an_opening_that_is_repeated_late_leaves_no_messages_in_sending(
    ledger: Ledger,
) -> None:
    await ledger.submit(4, batch_size=4)
    lease = await ledger.take()
    first: Any = {"max_messages": 1, "operation": "first", "last_block": 0}
    opened = await ledger.leases.open_block(lease, **first)
    assert await ledger.leases.open_block(lease, **first) == opened
    assert isinstance(await ledger.leases.open_block(lease, max_messages=1, operation="next", last_block=1), Block)
    with pytest.raises(LeaseLost):
        await ledger.leases.open_block(lease, **first)
    assert await ledger.states() == "sspp"
    assert isinstance(await ledger.leases.open_block(lease, max_messages=1, operation="last", last_block=2), Block)
    await ledger.leases.release(lease)
