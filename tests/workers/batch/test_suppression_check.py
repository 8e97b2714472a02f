"""Messages that are suppressed when their block is opened."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisAway

from tests.kit.clock import SkippingClock
from tests.kit.fake_provider import Reply, refused
from tests.kit.waiting import eventually
from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.push_errors import NotSent
from workers.batch.batch_run import BatchEnd
from workers.batch.batch_worker import BatchWorker
from workers.batch.opt_out_cache import OptOutCache
from workers.batch.timings import BatchTimings

SECOND = CampaignId("diwali02")


def number(row: int) -> str:
    return f"9198{row:08}"


async def test_who_opted_out_between_submit_and_opening_is_suppressed_and_nobody_else(rig: WorkerRig) -> None:
    await rig.submit(5)
    await OptOuts(rig.redis).add([number(1), number(4)])
    worker = await rig.send()
    assert await rig.states() == "auaau"
    assert [push.to for push in rig.provider.arrived] == [number(0), number(2), number(3)]
    view = await rig.view()
    assert (view.state, view.codes) == (CampaignState.FINISHED, {"suppressed:31": 2})
    assert [message.record.code for message in await rig.messages()] == [200, 31, 200, 200, 31]
    assert worker.ended == [BatchEnd.DONE]


async def test_a_batch_of_which_all_are_suppressed_ends_without_a_push(rig: WorkerRig) -> None:
    await rig.submit(250, rate_per_s=0.0)
    await OptOuts(rig.redis).add([number(row) for row in range(250)])
    await rig.send(rates={SENDER: 5_000.0})
    assert await rig.count(MessageState.SUPPRESSED) == 250
    assert rig.provider.arrived == []
    assert (await rig.view()).state is CampaignState.FINISHED


async def test_messages_suppressed_at_submit_are_not_pushed_whatever_the_list_says_now(rig: WorkerRig) -> None:
    await rig.submit(4, opted_out=[0, 3])
    await rig.send()
    assert await rig.states() == "uaau"
    assert len(rig.provider.arrived) == 2


async def test_who_opts_out_while_the_batch_is_at_work_is_suppressed_from_the_next_block_on(rig: WorkerRig) -> None:
    await rig.submit(40)
    rig.provider.may_answer.clear()
    async with rig.worker(max_in_flight=10) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 10)
        await OptOuts(rig.redis).add([number(20), number(39)])
        rig.provider.may_answer.set()
        await worker.quiet()
    assert await rig.states() == "a" * 20 + "u" + "a" * 18 + "u"
    assert {number(20), number(39)}.isdisjoint(push.to for push in rig.provider.arrived)


async def test_who_leaves_the_list_while_the_batch_is_at_work_gets_the_message(rig: WorkerRig) -> None:
    await rig.submit(40)
    await OptOuts(rig.redis).add([number(20), number(39)])
    rig.provider.may_answer.clear()
    async with rig.worker(max_in_flight=10) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 10)
        await OptOuts(rig.redis).remove([number(39)])
        rig.provider.may_answer.set()
        await worker.quiet()
    assert await rig.states() == "a" * 20 + "u" + "a" * 19


async def test_the_list_is_looked_up_once_for_a_batch_and_again_only_when_it_changed(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    contains, asked = OptOuts.contains, list[int]()

    async def counted(self: OptOuts, numbers: Sequence[str]) -> list[Listed]:
        asked.append(len(numbers))
        return await contains(self, numbers)

    monkeypatch.setattr(OptOuts, "contains", counted)
    await OptOuts(rig.redis).add([number(7_000)])
    await rig.submit(100)
    async with rig.worker(max_in_flight=10) as worker:
        await rig.issue(worker)
        await worker.quiet()
        assert asked == [100]
        await OptOuts(rig.redis).add([number(7_001)])
        await rig.submit(100, campaign=SECOND, text="Hello {#var#}")
        await rig.issue(worker)
        await worker.quiet()
    assert asked == [100, 100, 100], "the process notices the change with the first block of the second batch"


async def test_nothing_is_pushed_while_the_ledger_does_not_say_who_opted_out(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.submit(3)
    await OptOuts(rig.redis).add([number(1)])
    opted_out, is_back, asked = OptOutCache.opted_out, asyncio.Event(), 0

    async def away_for_a_while(self: OptOutCache, numbers: list[str], *, changes: int) -> list[Listed]:
        nonlocal asked
        asked += 1
        if not is_back.is_set():
            raise RedisAway("away")
        return await opted_out(self, numbers, changes=changes)

    monkeypatch.setattr(OptOutCache, "opted_out", away_for_a_while)
    clock = SkippingClock()
    async with rig.worker(clock=clock, timings=BatchTimings(ledger_retry_s=0.02)) as worker:
        await rig.issue(worker)
        await eventually(lambda: asked >= 3)
        clock.skip(1.0)
        await eventually(lambda: asked >= 6)
        assert rig.provider.arrived == []
        is_back.set()
        await worker.quiet()
    assert worker.ended == [BatchEnd.DONE]
    assert await rig.states() == "aua"
    assert len(rig.provider.arrived) == 2


async def test_messages_that_wait_for_the_ledger_at_a_stop_go_back_unsent(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.submit(3)
    asked = asyncio.Event()

    async def away(self: OptOutCache, numbers: list[str], *, changes: int) -> list[Listed]:
        asked.set()
        raise RedisAway("away")

    monkeypatch.setattr(OptOutCache, "opted_out", away)
    async with rig.worker(grace_s=0.1) as worker:
        (ref,) = await rig.issue(worker)
        await asked.wait()
    assert rig.provider.arrived == []
    await rig.expire_leases(ref)
    # No worker could record that the messages were never begun.
    assert set(await rig.states()) <= {"p", "i"}


@pytest.mark.slow  # waits for two back-offs
async def test_a_suppressed_message_ends_no_backing_off(rig: WorkerRig) -> None:
    await rig.submit(2, batch_size=1)
    await OptOuts(rig.redis).add([number(1)])
    rig.provider.script(*[NotSent(Failure.REFUSED)] * 2)
    async with rig.worker() as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.provider.arrived) == 2)
        assert int(await rig.redis.hget(f"{{{SENDER}}}:sender", "back_off_count@times") or 0) >= 1
        assert await rig.states() in {"pu", "su", "pp", "sp"}
        await worker.quiet(20)
    assert await rig.states() == "au"


async def test_a_dead_number_gets_nothing_and_has_a_reason_of_its_own(rig: WorkerRig) -> None:
    await DeadNumbers(rig.redis, DeadNumberRule(frozenset(), 30)).add({number(1): 910})
    await rig.submit(4)
    await rig.send(dead_codes=["2054"])
    assert await rig.states() == "auaa"
    assert (await rig.view()).codes == {"suppressed:34": 1}


async def test_a_number_whose_push_is_rejected_as_dead_is_not_pushed_by_the_next_campaign(rig: WorkerRig) -> None:
    rig.provider.reply = lambda push: refused(2054) if push.to == number(0) else None
    await rig.submit(2)
    await rig.send(dead_codes=["2054"])
    assert await rig.states() == "ra"
    await rig.submit(2, campaign=SECOND, text="Hello {#var#}")
    await rig.send(dead_codes=["2054"])
    assert await rig.states(SECOND) == "ua"
    assert (await rig.queries.campaign(SECOND)).codes == {"suppressed:34": 1}


async def test_no_number_reaches_the_log_or_the_wake_ups(rig: WorkerRig, capsys: pytest.CaptureFixture[str]) -> None:
    await rig.submit(3)
    await OptOuts(rig.redis).add([number(1)])
    await rig.send()
    output = capsys.readouterr()
    assert number(1) not in output.out + output.err + repr(rig.woken)
    assert CAMPAIGN in output.out + output.err


@pytest.mark.parametrize("rate", [0.0, 2_000.0])
async def test_the_same_texts_of_another_campaign_to_the_same_numbers_are_suppressed(
    rig: WorkerRig, rate: float
) -> None:
    for campaign in ("diwali01", "diwali02"):
        await rig.submit(250, campaign=campaign)
        await rig.send(rates={SENDER: rate})
    await rig.submit(250, campaign="diwali03", text="Hello {#var#}")
    await rig.submit(250, campaign="others01", sender="OTHERS")
    async with rig.worker(rates={SENDER: rate, "OTHERS": rate}) as worker:
        await rig.issue(worker)
        await rig.issue(worker, SenderId("OTHERS"))
        await worker.quiet()
    assert await rig.states() == "a" * 250
    assert (await rig.view(SECOND)).codes == {"suppressed:33": 250}
    assert (await rig.view(SECOND)).state is CampaignState.FINISHED
    assert await rig.states(CampaignId("diwali03")) == await rig.states(CampaignId("others01")) == "a" * 250


async def test_a_sender_may_repeat_a_text_at_once_if_so_configured(rig: WorkerRig) -> None:
    for campaign in (CAMPAIGN, SECOND):
        await rig.submit(3, campaign=campaign)
        await rig.send(sender_options={"repeat_after": "0m"})
    assert await rig.states(SECOND) == "aaa"
    assert await rig.redis.keys("*:recent_texts*") == []


async def test_two_campaigns_of_the_same_rows_on_two_workers_never_send_a_text_twice(rig: WorkerRig) -> None:
    for campaign in (CAMPAIGN, SECOND):
        await rig.submit(600, batch_size=100, campaign=campaign)
    async with rig.worker(max_in_flight=40) as one, rig.worker(max_in_flight=40) as other, asyncio.timeout(120):
        while (await rig.view()).unsent or (await rig.view(SECOND)).unsent:
            for index, ready in enumerate(await rig.leases.issue(SENDER)):
                (one, other)[index % 2].wake([ready.ref])
            await asyncio.sleep(0.02)
        await one.quiet()
        await other.quiet()
    sent = [(push.to, push.text) for push in rig.provider.arrived]
    assert len(set(sent)) == len(sent) == 600
    assert set(await rig.states() + await rig.states(SECOND)) == {"a", "u"}
    for view in (await rig.view(), await rig.view(SECOND)):
        assert view.state is CampaignState.FINISHED


async def test_a_message_waits_while_its_copy_is_in_flight_and_goes_if_the_copy_does_not(rig: WorkerRig) -> None:
    await rig.submit(3)
    rig.provider.may_answer.clear()
    replies: dict[str, Reply] = {number(1): refused(2054)}
    rig.provider.reply = lambda push: replies.pop(push.to, None)
    async with rig.worker() as worker, asyncio.timeout(120):
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 3)
        await rig.submit(3, campaign=SECOND)
        await rig.issue(worker)
        await eventually(lambda: worker.ended == ["copy_on_its_way"])
        assert (await rig.states(), await rig.states(SECOND)) == ("sss", "ppp")
        assert await rig.leases.issue(SENDER) == []
        rig.provider.may_answer.set()
        while (await rig.view(SECOND)).unsent:
            await rig.issue(worker)
            await asyncio.sleep(0.02)
        await worker.quiet()
    assert (await rig.states(), await rig.states(SECOND)) == ("ara", "uau")
    assert [push.to for push in rig.provider.arrived][3:] == [number(1)]


async def test_a_number_gets_two_messages_in_a_day_if_so_configured_and_no_third(rig: WorkerRig) -> None:
    for campaign in ("diwali01", "diwali02", "diwali03"):
        await rig.submit(5, campaign=campaign, text=f"{campaign} {{#var#}}")
        await rig.send(sender_options={"max_per_number": "2 in 24h"})
    assert await rig.states(SECOND) == "aaaaa"
    assert (await rig.view(CampaignId("diwali03"))).codes == {"suppressed:32": 5}


@pytest.mark.parametrize("sender_options", [{}, {"repeat_after": "0m", "max_per_number": "1 in 24h"}])
async def test_a_campaign_that_was_cancelled_after_a_wrong_password_may_be_submitted_again(
    rig: WorkerRig, sender_options: dict[str, str]
) -> None:
    await rig.submit(100)
    rig.provider.reply = lambda _: refused(2070)
    await rig.send(sender_options=sender_options)
    await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    await rig.control.resume_sender(SENDER)
    await rig.maintenance.end_pending(SENDER)

    rig.provider.reply = lambda _: None
    await rig.submit(100, campaign=SECOND)
    await rig.send(sender_options=sender_options)
    assert await rig.states() == "x" * 100
    assert await rig.states(SECOND) == "a" * 100


@pytest.mark.parametrize("sender_options", [{}, {"repeat_after": "0m", "max_per_number": "1 in 24h"}])
async def test_rejected_numbers_may_be_tried_again_and_those_in_doubt_may_not(
    rig: WorkerRig, sender_options: dict[str, str]
) -> None:
    await rig.submit(3)
    replies: dict[str, Reply] = {number(0): refused(2054), number(1): httpx.ReadTimeout("silence")}
    rig.provider.reply = lambda push: replies.pop(push.to, None)
    await rig.send(sender_options=sender_options)
    assert await rig.states() == "ria"
    await rig.submit(3, campaign=SECOND)
    await rig.send(sender_options=sender_options)
    assert await rig.states(SECOND) == "apu", "a message with a copy in doubt is decided later"
    await rig.control.resolve(SENDER, CAMPAIGN, "sent")
    async with rig.worker(sender_options=sender_options) as worker:
        await eventually(lambda: rig.issue(worker))
        await worker.quiet()
    assert await rig.states(SECOND) == "auu"


async def test_a_message_in_doubt_is_resent_although_its_text_may_have_been_sent_just_now(rig: WorkerRig) -> None:
    await rig.submit(2)
    rig.provider.script(httpx.ReadTimeout("silence"))
    await rig.send()
    await rig.control.resolve(SENDER, CAMPAIGN, "resend")
    await rig.send()
    assert await rig.states() == "aa"
    assert len(rig.provider.arrived) == 3


async def test_a_message_that_was_not_sent_is_sent_later_and_counted_once(rig: WorkerRig) -> None:
    await rig.submit(2)
    rig.provider.script(NotSent(Failure.REFUSED))
    await rig.send(sender_options={"max_per_number": "1 in 24h"})
    assert await rig.states() == "aa"


async def test_texts_are_kept_only_while_they_are_needed(rig: WorkerRig, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[BatchWorker] = []
    work = BatchWorker.work

    async def kept(self: BatchWorker) -> str:
        batches.append(self)
        return await work(self)

    monkeypatch.setattr(BatchWorker, "work", kept)
    await rig.submit(50)
    rig.provider.script(refused(2054), NotSent(Failure.REFUSED))
    await rig.send()
    assert batches
    assert all(not batch._check._renderer._texts for batch in batches)
