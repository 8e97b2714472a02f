"""The reconciler applies reports from the stream to a real ledger."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.reconciler import GROUP
from callbacks.streams import BODY, RELAY, REPORTS
from tests.kit.callbacks import ID_KEY, SentCampaign, payloads, posted, row, send_campaign
from tests.kit.clock import FakeClock
from tests.kit.reconciler import accept, is_settled, make_reconciler, settle
from times_dispatch.ledger.reports.test_sends import SendTestReport, SendTestReports
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import SEND_TEST_CAMPAIGN, CorrelationIds


async def test_reports_reach_the_ledger_and_leave_the_stream(
    redis: Redis, sent: SentCampaign, lines: list[Any]
) -> None:
    await accept(
        redis,
        posted("delivered", row(sent.meta(0)), row(sent.meta(11))),
        posted("failed", row(sent.meta(1), code="910")),
    )
    await accept(redis, posted("clicked", row(sent.meta(0), url="https://example.test")))
    await accept(redis, posted("replied", row(sent.meta(0), incomingText="STOP")))
    await settle(make_reconciler(redis))
    assert await sent.count(MessageState.DELIVERED) == 2
    assert await sent.count(MessageState.FAILED) == 1
    assert await sent.stat("clicked") == await sent.stat("replied") == 1
    assert await is_settled(redis)
    assert (await redis.xpending(REPORTS, GROUP))["pending"] == 0
    assert [line["applied"] for line in lines if line["event"] == "reports reconciled"] == [3]
    assert "STOP" not in repr(lines)
    assert "example.test" not in repr(lines)


async def test_reports_of_test_messages_wait_for_whoever_sent_them(redis: Redis, sent: SentCampaign) -> None:
    meta = CorrelationIds(ID_KEY.encode()).make(SEND_TEST_CAMPAIGN, 7)
    await accept(redis, posted("delivered", row(meta), row(sent.meta(0))))
    await settle(make_reconciler(redis))
    (report,) = await SendTestReports(redis).of(7)
    assert isinstance(report, SendTestReport)
    assert report.kind == "delivered"
    assert await is_settled(redis)
    assert await DeadLetters(redis).totals() == {}


async def test_doubled_and_reordered_reports_change_nothing_more(redis: Redis, sent: SentCampaign) -> None:
    bodies = [
        posted("delivered", row(sent.meta(0))),
        posted("failed", row(sent.meta(0), code="901")),
        posted("delivered", row(sent.meta(0))),
        posted("clicked", row(sent.meta(0), url="u")),
        posted("clicked", row(sent.meta(0), url="u")),
    ]
    await accept(redis, *bodies, *reversed(bodies))
    await settle(make_reconciler(redis))
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await sent.count(MessageState.ACCEPTED) == sent.total - 1
    assert await sent.stat("clicked") == 1


async def test_two_reconcilers_share_the_work(redis: Redis, sent: SentCampaign) -> None:
    for index in range(sent.total):
        await accept(redis, posted("delivered", row(sent.meta(index))))
    ann, bob = (make_reconciler(redis, name=name, read_entries=2) for name in ("ann", "bob"))
    await settle(ann, bob, steps=2)
    assert 0 < await redis.xlen(REPORTS) < sent.total
    await settle(ann, bob, steps=5)
    assert await sent.count(MessageState.DELIVERED) == sent.total
    assert await sent.stat("duplicate_reports") == 0


async def test_a_group_is_cut_at_its_size_and_none_is_left_out(redis: Redis, sent: SentCampaign) -> None:
    for index in range(sent.total):
        await accept(redis, posted("delivered", row(sent.meta(index), description="x" * (index * 40))))
    await settle(make_reconciler(redis, group_bytes=300), steps=sent.total + 2)
    assert await sent.count(MessageState.DELIVERED) == sent.total


async def test_entries_that_come_in_short_succession_are_processed_together(redis: Redis, sent: SentCampaign) -> None:
    clock = FakeClock()
    reconciler = make_reconciler(redis, clock=clock, read_every_s=0.05, claim_every_s=60.0)
    await settle(reconciler)
    await accept(redis, posted("delivered", row(sent.meta(0))))
    await settle(reconciler, steps=1)
    assert await sent.count(MessageState.DELIVERED) == 1  # a report after a pause is applied at once
    next_step = asyncio.create_task(reconciler.step())
    await clock.advance(0.049)
    for index in (1, 2):
        await accept(redis, posted("delivered", row(sent.meta(index))))
    assert not next_step.done()
    await clock.advance(0.001)
    await next_step
    assert await sent.count(MessageState.DELIVERED) == 3
    assert await is_settled(redis)


@pytest.mark.parametrize("limits", [{"read_entries": 1}, {"small_read_bytes": 1}])
async def test_after_a_read_that_returned_much_the_next_begins_at_once(
    redis: Redis, sent: SentCampaign, limits: dict[str, Any]
) -> None:
    clock = FakeClock()
    reconciler = make_reconciler(redis, clock=clock, read_every_s=0.05, claim_every_s=60.0, **limits)
    await settle(reconciler)
    for index in (0, 1):
        await accept(redis, posted("delivered", row(sent.meta(index))))
        await settle(reconciler, steps=1)
    assert await sent.count(MessageState.DELIVERED) == 2
    assert clock.slept == []


async def test_foreign_forged_unknown_and_bad_rows_become_dead_letters_and_ours_are_applied(
    redis: Redis, sent: SentCampaign
) -> None:
    forged = sent.meta(0)[:-1] + "-"
    forged = forged.replace("-", "0" if sent.meta(0)[-1] != "0" else "1")
    ids = CorrelationIds(ID_KEY.encode())
    await accept(
        redis,
        posted("delivered", row("theirs"), row(forged), row(ids.make("zzzzzzzz", 1)), row(sent.meta(3))),
        posted("delivered", row(sent.meta(999)), {"ts": 1}),
        b"no json",
    )
    await redis.xadd(REPORTS, {BODY: posted("delivered", row(sent.meta(4)))})  # an entry that a person added
    await redis.xadd(REPORTS, {"x": "y"})
    await settle(make_reconciler(redis))
    assert await sent.count(MessageState.DELIVERED) == 2
    assert await DeadLetters(redis).count() == {
        DeadLetterReason.NOT_OURS: 1,
        DeadLetterReason.FORGED: 1,
        DeadLetterReason.UNKNOWN: 2,
        DeadLetterReason.UNREADABLE: 2,
        DeadLetterReason.UNUSABLE: 1,
    }
    assert await is_settled(redis)


async def test_a_report_about_an_unknown_message_is_applied_when_it_is_replayed_later(
    redis: Redis, ids: CorrelationIds
) -> None:
    sent = await send_campaign(redis, ids)
    everything: dict[Any, Any] = {key: await redis.dump(key) for key in await redis.keys()}
    await redis.flushall()
    await accept(redis, posted("delivered", row(sent.meta(0))))
    await settle(make_reconciler(redis))
    assert await DeadLetters(redis).count() == {DeadLetterReason.UNKNOWN: 1}
    for key, value in everything.items():
        await redis.restore(key, 0, value)
    assert await DeadLetters(redis).replay() == 1
    await settle(make_reconciler(redis))
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await DeadLetters(redis).count() == {}


async def test_foreign_rows_are_queued_for_the_relay_if_there_is_one(redis: Redis, sent: SentCampaign) -> None:
    foreign = b'[ {"event" : "delivered", "data": {"ts": 1, "meta": "theirs"}} ]'
    await accept(redis, foreign, posted("delivered", row(sent.meta(0))))
    await settle(make_reconciler(redis, relaying=True))
    assert await payloads(redis, RELAY) == [foreign]
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await DeadLetters(redis).count() == {}


async def test_a_flushed_server_is_no_end(redis: Redis, ids: CorrelationIds) -> None:
    reconciler = make_reconciler(redis)
    await settle(reconciler)
    await redis.flushall()
    sent = await send_campaign(redis, ids)
    await accept(redis, posted("delivered", row(sent.meta(0))))
    await settle(reconciler)
    assert await sent.count(MessageState.DELIVERED) == 1
