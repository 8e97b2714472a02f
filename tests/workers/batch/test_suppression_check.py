"""Whom nothing is pushed to, although the batch holds a message for them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisAway
from structlog.testing import capture_logs

from tests.workers.conftest import CAMPAIGN, SENDER, House, Reply, refused, until
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.optouts import OptOuts
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.provider.failures import Failure, NotSent
from workers.batch.suppression_check import OptOutCache
from workers.batch.worker import Batch

SECOND = CampaignId("diwali02")


def number(row: int) -> str:
    return f"9198{row:08}"


async def test_who_opted_out_between_submit_and_opening_is_suppressed_and_nobody_else(house: House) -> None:
    await house.submit(5)
    await OptOuts(house.redis).add([number(1), number(4)])
    worker = await house.send()
    assert await house.states() == "auaau"
    assert [push.to for push in house.gateway.arrived] == [number(0), number(2), number(3)]
    view = await house.view()
    assert (view.state, view.codes) == (CampaignState.FINISHED, {"suppressed:31": 2})
    assert [message.record.code for message in await house.messages()] == [200, 31, 200, 200, 31]
    assert worker.ended == ["done"]


async def test_a_batch_of_which_all_are_suppressed_ends_without_a_push(house: House) -> None:
    await house.submit(250, rate_per_s=0.0)
    await OptOuts(house.redis).add([number(row) for row in range(250)])
    await house.send(rates={SENDER: 5_000.0})
    assert await house.count(MessageState.SUPPRESSED) == 250
    assert house.gateway.arrived == []
    assert (await house.view()).state is CampaignState.FINISHED


async def test_what_was_suppressed_at_submit_is_not_pushed_whatever_the_list_says_now(house: House) -> None:
    await house.submit(4, opted_out=[0, 3])
    await house.send()
    assert await house.states() == "uaau"
    assert len(house.gateway.arrived) == 2


async def test_who_opts_out_while_the_process_runs_is_suppressed_within_a_second_or_so(house: House) -> None:
    await house.submit(1)
    async with house.worker() as worker:
        await house.issue(worker)
        await worker.quiet()  # now it believes that the list is empty
        await OptOuts(house.redis).add([number(0)])
        await asyncio.sleep(1.1)
        await house.submit(1, campaign="diwali02", text="Dear {#var#}!")
        await house.issue(worker)
        await worker.quiet()
    assert [push.text for push in house.gateway.arrived] == ["Dear name 0"]


async def test_nothing_is_pushed_while_the_ledger_does_not_say_who_opted_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.submit(3)
    await OptOuts(house.redis).add([number(1)])
    answers = OptOutCache.opted_out
    away_until = asyncio.get_running_loop().time() + 1.2

    async def away_for_a_while(self: OptOutCache, numbers: list[str]) -> list[bool]:
        if asyncio.get_running_loop().time() < away_until:
            raise RedisAway("away")
        return await answers(self, numbers)

    monkeypatch.setattr(OptOutCache, "opted_out", away_for_a_while)
    async with house.worker() as worker:
        await house.issue(worker)
        await asyncio.sleep(0.9)
        assert house.gateway.arrived == []
        await worker.quiet()
    assert worker.ended == ["done"]
    assert await house.states() == "aua"
    assert len(house.gateway.arrived) == 2


async def test_what_the_ledger_lets_through_late_does_not_arrive_in_a_bunch(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block's slots have passed by then: it goes back, and out again at the pace."""
    opted_out, late = OptOutCache.opted_out, [0.5]

    async def slow(self: OptOutCache, numbers: Sequence[str]) -> list[bool]:
        if late:
            await asyncio.sleep(late.pop())
        return await opted_out(self, numbers)

    monkeypatch.setattr(OptOutCache, "opted_out", slow)
    await house.submit(30)
    with capture_logs() as logs:
        worker = await house.send(rates={SENDER: 200.0})
    assert await house.states() == "a" * 30
    assert len(set(house.gateway.ids)) == len(house.gateway.ids) == 30
    assert worker.ended == ["done"]
    (batch,) = (log for log in logs if log["event"] == "batch")
    assert batch["never_begun"] >= 8, "what goes in 40 ms at 200/s"


async def test_a_ledger_that_is_always_late_holds_nothing_up_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    opted_out = OptOutCache.opted_out

    async def slow(self: OptOutCache, numbers: Sequence[str]) -> list[bool]:
        await asyncio.sleep(0.12)
        return await opted_out(self, numbers)

    monkeypatch.setattr(OptOutCache, "opted_out", slow)
    await house.submit(10)
    await house.send(rates={SENDER: 200.0})
    assert await house.states() == "a" * 10


async def test_what_waits_for_the_ledger_at_a_stop_goes_back_unsent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.submit(3)
    asked = asyncio.Event()

    async def away(self: OptOutCache, numbers: list[str]) -> list[bool]:
        asked.set()
        raise RedisAway("away")

    monkeypatch.setattr(OptOutCache, "opted_out", away)
    async with house.worker(grace_s=0.1) as worker:
        (ref,) = await house.issue(worker)
        await asked.wait()
    assert house.gateway.arrived == []
    await house.run_out(ref)
    # Nobody could write that they were never begun.
    assert set(await house.states()) <= {"p", "i"}


async def test_a_suppressed_message_ends_no_backing_off(house: House) -> None:
    await house.submit(2, batch_size=1)
    await OptOuts(house.redis).add([number(1)])
    house.gateway.script(*[NotSent(Failure.REFUSED)] * 3)
    async with house.worker() as worker:
        await house.issue(worker)
        await until(lambda: len(house.gateway.arrived) == 2)
        assert int(await house.redis.hget(f"{{{SENDER}}}:pace", "hold_count@times") or 0) >= 1
        assert await house.states() in {"pu", "su", "pp", "sp"}
        await worker.quiet(20)
    assert await house.states() == "au"


async def test_no_number_reaches_the_log_or_the_bells(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    await house.submit(3)
    await OptOuts(house.redis).add([number(1)])
    await house.send()
    said = capsys.readouterr()
    assert number(1) not in said.out + said.err + repr(house.rung)
    assert CAMPAIGN in said.out + said.err


@pytest.mark.parametrize("rate", [0.0, 2_000.0])
async def test_the_same_texts_of_another_campaign_to_the_same_numbers_are_suppressed(house: House, rate: float) -> None:
    for campaign in ("diwali01", "diwali02"):
        await house.submit(250, campaign=campaign)
        await house.send(rates={SENDER: rate})
    await house.submit(250, campaign="diwali03", text="Hello {#var#}")
    await house.submit(250, campaign="others01", sender="OTHERS")
    async with house.worker(rates={SENDER: rate, "OTHERS": rate}) as worker:
        await house.issue(worker)
        await house.issue(worker, SenderId("OTHERS"))
        await worker.quiet()
    assert await house.states() == "a" * 250
    assert (await house.view(SECOND)).codes == {"suppressed:33": 250}
    assert (await house.view(SECOND)).state is CampaignState.FINISHED
    assert await house.states(CampaignId("diwali03")) == await house.states(CampaignId("others01")) == "a" * 250


async def test_the_same_text_may_go_again_after_the_time_that_the_sender_has_for_it(house: House) -> None:
    await house.submit(3)
    await house.send()
    said = f"{hash_tag(SENDER)}:recent_texts"
    members: Any = await house.redis.zrange(said, 0, -1, withscores=True)
    ((member, until_s),) = members
    digest, campaign, created_s, buckets = text(member).split(":")
    await house.redis.delete(said)
    await house.redis.zadd(said, {f"{digest}:{campaign}:{int(created_s) - 1800}:{buckets}": until_s})
    await house.submit(3, campaign=SECOND)
    await house.send()
    assert await house.states(SECOND) == "aaa"


async def test_a_sender_may_repeat_itself_at_once_if_it_is_told_to(house: House) -> None:
    for campaign in (CAMPAIGN, SECOND):
        await house.submit(3, campaign=campaign)
        await house.send(of_senders={"repeat_after": "0m"})
    assert await house.states(SECOND) == "aaa"
    assert await house.redis.keys("*:recent_texts*") == []


async def test_two_campaigns_of_the_same_rows_on_two_workers_never_send_a_text_twice(house: House) -> None:
    for campaign in (CAMPAIGN, SECOND):
        await house.submit(600, batch_size=100, campaign=campaign)
    async with house.worker(max_in_flight=40) as one, house.worker(max_in_flight=40) as other:
        while refs := await house.work.issue(SENDER):
            for place, ring in enumerate(refs):
                (one, other)[place % 2].ring([ring.ref])
            await one.quiet()
            await other.quiet()
    sent = [(push.to, push.text) for push in house.gateway.arrived]
    assert len(set(sent)) == len(sent) == 600
    assert set(await house.states() + await house.states(SECOND)) == {"a", "u"}
    for view in (await house.view(), await house.view(SECOND)):
        assert view.state is CampaignState.FINISHED


async def test_a_number_gets_two_messages_in_a_day_if_so_configured_and_no_third(house: House) -> None:
    for campaign in ("diwali01", "diwali02", "diwali03"):
        await house.submit(5, campaign=campaign, text=f"{campaign} {{#var#}}")
        await house.send(of_senders={"max_per_number": "2 in 24h"})
    assert await house.states(SECOND) == "aaaaa"
    assert (await house.view(CampaignId("diwali03"))).codes == {"suppressed:32": 5}


@pytest.mark.parametrize("of_senders", [{}, {"repeat_after": "0m", "max_per_number": "1 in 24h"}])
async def test_a_campaign_that_was_cancelled_after_a_wrong_password_may_be_submitted_again(
    house: House, of_senders: dict[str, str]
) -> None:
    await house.submit(100)
    house.gateway.reply = lambda _: refused(2070)
    await house.send(of_senders=of_senders)
    await house.control.campaign(SENDER, CAMPAIGN, "cancel")
    await house.control.resume_sender(SENDER)
    await house.repair.end_pending(SENDER)

    house.gateway.reply = lambda _: None
    await house.submit(100, campaign=SECOND)
    await house.send(of_senders=of_senders)
    assert await house.states() == "x" * 100
    assert await house.states(SECOND) == "a" * 100


@pytest.mark.parametrize("of_senders", [{}, {"repeat_after": "0m", "max_per_number": "1 in 24h"}])
async def test_rejected_numbers_may_be_tried_again_and_those_in_doubt_may_not(
    house: House, of_senders: dict[str, str]
) -> None:
    await house.submit(3)
    replies: dict[str, Reply] = {number(0): refused(2054), number(1): httpx.ReadTimeout("silence")}
    house.gateway.reply = lambda push: replies.pop(push.to, None)
    await house.send(of_senders=of_senders)
    assert await house.states() == "ria"
    await house.submit(3, campaign=SECOND)
    await house.send(of_senders=of_senders)
    assert await house.states(SECOND) == "auu"


async def test_a_message_in_doubt_is_resent_although_its_text_may_have_been_sent_just_now(house: House) -> None:
    await house.submit(2)
    house.gateway.script(httpx.ReadTimeout("silence"))
    await house.send()
    await house.control.resolve(SENDER, CAMPAIGN, "resend")
    await house.send()
    assert await house.states() == "aa"
    assert len(house.gateway.arrived) == 3


async def test_what_was_not_sent_is_sent_later_and_marked_once(house: House) -> None:
    await house.submit(2)
    house.gateway.script(NotSent(Failure.REFUSED))
    await house.send(of_senders={"max_per_number": "1 in 24h"})
    assert await house.states() == "aa"


async def test_texts_and_marks_are_kept_only_while_they_are_needed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[Batch] = []
    run = Batch.run

    async def kept(self: Batch) -> None:
        batches.append(self)
        await run(self)

    monkeypatch.setattr(Batch, "run", kept)
    await house.submit(50)
    house.gateway.script(refused(2054), NotSent(Failure.REFUSED))
    await house.send()
    assert batches
    assert all(not batch._messages._texts and not batch._gate._marks for batch in batches)
