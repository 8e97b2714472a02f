"""Replies that ask for no more messages; the tests of the reconciler cover the other effects of an entry."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from redis import exceptions
from redis.asyncio import Redis

from callbacks.classifier import ReportClassifier
from callbacks.dead_letters import DeadLetterReason, DeadLetters
from callbacks.entry_applier import EntryApplier, Forwarding
from callbacks.relay.forward_queue import ForwardQueue
from callbacks.relay.forward_rows import ForwardRows
from callbacks.stream_reader import Entry
from callbacks.streams import BODY, REPORTS
from tests.kit.callbacks import ID_KEY, NOW_S, SENDER, SentCampaign, posted, row
from tests.kit.reconciler import accept, is_settled, make_reconciler, settle
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.reports.forward_backlog import LANES
from times_dispatch.ledger.reports.late_stops import LateStops
from times_dispatch.ledger.reports.report_applier import ReportApplier
from times_dispatch.ledger.reports.test_sends import SendTestReports
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import SEND_TEST_CAMPAIGN, CorrelationIds


async def opted_out(redis: Redis) -> list[str]:
    return sorted([number async for numbers in OptOuts(redis).iterate() for number in numbers])


async def test_who_replies_with_a_stop_word_is_put_on_the_opt_out_list(
    redis: Redis, sent: SentCampaign, lines: list[Any]
) -> None:
    await accept(
        redis,
        posted("replied", row(sent.meta(3), incomingText="stop!"), row(sent.meta(4), incomingText="Thanks, stop")),
        posted("replied", row(sent.meta(17), incomingText="Stop please")),
        posted("delivered", row(sent.meta(5))),
    )
    await settle(make_reconciler(redis))
    assert await opted_out(redis) == ["919876500003", "919876500007"]
    assert await sent.stat("replied") == 3
    assert await is_settled(redis)
    assert [line["stop_replies"] for line in lines if line["event"] == "reports reconciled"] == [2]
    assert "9876500003" not in repr(lines)
    assert "please" not in repr(lines)


async def test_reports_about_an_archived_campaign_are_dead_letters_and_a_stop_reply_is_noted(
    redis: Redis, sent: SentCampaign
) -> None:
    key = campaign_key(SENDER, sent.campaign)
    await redis.delete(key)
    await redis.hset(key, mapping={"archive": "archived", "archive_batches": 2})
    await accept(
        redis,
        posted("replied", row(sent.meta(3), incomingText="STOP"), row(sent.meta(4), incomingText="Thanks")),
        posted("failed", row(sent.meta(5), code="910")),
    )
    await settle(make_reconciler(redis, dead_numbers=DeadNumberRule(frozenset({910}), 30)))
    assert await DeadLetters(redis).count() == {DeadLetterReason.ARCHIVED: 3}
    assert await LateStops(redis).all() == [(sent.campaign, 3)]
    assert await opted_out(redis) == []
    assert await is_settled(redis)


async def test_a_reply_that_is_settled_twice_opts_out_once(redis: Redis, sent: SentCampaign) -> None:
    reply = posted("replied", row(sent.meta(3), incomingText="STOP"))
    await accept(redis, reply, reply)
    await accept(redis, reply)
    await settle(make_reconciler(redis))
    assert await opted_out(redis) == ["919876500003"]


async def test_a_number_that_a_failed_report_calls_dead_is_noted_also_by_a_repeated_report(
    redis: Redis, sent: SentCampaign, lines: list[Any]
) -> None:
    numbers = DeadNumbers(redis, DeadNumberRule(frozenset({910}), 30))
    await accept(redis, posted("failed", row(sent.meta(3), code="910"), row(sent.meta(4), code="912")))
    await settle(make_reconciler(redis))
    assert await numbers.find("919876500003") is None
    await accept(redis, posted("failed", row(sent.meta(3), code="910"), row(sent.meta(4), code="912")))
    await settle(make_reconciler(redis, dead_numbers=numbers.rule))
    dead = await numbers.find("919876500003")
    assert dead is not None
    assert dead.code == 910
    assert await numbers.find("919876500004") is None
    assert "9876500003" not in repr(lines)


async def test_the_number_of_a_delivered_message_is_not_dead(redis: Redis, sent: SentCampaign) -> None:
    numbers = DeadNumbers(redis, DeadNumberRule(frozenset({910}), 30))
    await accept(redis, posted("delivered", row(sent.meta(3))))
    await accept(redis, posted("failed", row(sent.meta(3), code="910"), row(sent.meta(4), code="910")))
    await settle(make_reconciler(redis, dead_numbers=numbers.rule))
    assert await numbers.find("919876500003") is None
    assert await numbers.find("919876500004") is not None


async def test_the_number_of_a_message_that_fails_and_is_delivered_in_one_call_is_not_dead(
    redis: Redis, sent: SentCampaign
) -> None:
    numbers = DeadNumbers(redis, DeadNumberRule(frozenset({910}), 30))
    await accept(redis, posted("failed", row(sent.meta(3), code="910"), row(sent.meta(4), code="910")))
    await accept(redis, posted("delivered", row(sent.meta(3))))
    await settle(make_reconciler(redis, dead_numbers=numbers.rule))
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await numbers.find("919876500003") is None
    assert await numbers.find("919876500004") is not None


async def test_the_number_of_a_message_that_is_delivered_after_its_failed_report_is_no_longer_dead(
    redis: Redis, sent: SentCampaign
) -> None:
    numbers = DeadNumbers(redis, DeadNumberRule(frozenset({910}), 30))
    await accept(redis, posted("failed", row(sent.meta(3), code="910"), row(sent.meta(4), code="910")))
    await settle(make_reconciler(redis, dead_numbers=numbers.rule))
    assert await numbers.find("919876500003") is not None
    await accept(redis, posted("delivered", row(sent.meta(3)), row(sent.meta(5))))
    await settle(make_reconciler(redis, dead_numbers=numbers.rule))
    assert await sent.count(MessageState.DELIVERED) == 2
    assert await numbers.find("919876500003") is None
    assert await numbers.find("919876500004") is not None


async def test_a_number_is_not_dead_if_another_process_applies_the_delivery_before_the_note(
    redis: Redis, sent: SentCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = DeadNumbers(redis, DeadNumberRule(frozenset({910}), 30))
    add, other = DeadNumbers.add, make_reconciler(redis, dead_numbers=numbers.rule)

    async def deliver_and_add(noting: DeadNumbers, codes: Mapping[str, int]) -> None:
        monkeypatch.setattr(DeadNumbers, "add", add)
        await accept(redis, posted("delivered", row(sent.meta(3))))
        await settle(other)
        await add(noting, codes)

    monkeypatch.setattr(DeadNumbers, "add", deliver_and_add)
    await accept(redis, posted("failed", row(sent.meta(3), code="910"), row(sent.meta(4), code="910")))
    await settle(make_reconciler(redis, dead_numbers=numbers.rule))
    assert await sent.count(MessageState.DELIVERED) == 1
    assert await numbers.find("919876500003") is None
    assert await numbers.find("919876500004") is not None


async def test_without_stop_words_nobody_is_opted_out(redis: Redis, sent: SentCampaign) -> None:
    await accept(redis, posted("replied", row(sent.meta(3), incomingText="STOP")))
    await settle(make_reconciler(redis, stop_words=()))
    assert await opted_out(redis) == []
    assert await is_settled(redis)


async def test_a_stop_for_a_message_that_the_ledger_does_not_know_opts_nobody_out(
    redis: Redis, sent: SentCampaign
) -> None:
    await accept(redis, posted("replied", row(sent.meta(20), incomingText="STOP")))
    await accept(
        redis, posted("replied", row(CorrelationIds(ID_KEY.encode()).make("0nowhere", 1), incomingText="STOP"))
    )
    await settle(make_reconciler(redis))
    assert await opted_out(redis) == []
    assert (await DeadLetters(redis).count())[DeadLetterReason.UNKNOWN] == 2


async def test_an_entry_leaves_the_stream_only_when_its_stops_are_on_the_list(
    redis: Redis, sent: SentCampaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: OptOuts, numbers: Sequence[str]) -> int:
        raise exceptions.ConnectionError("away")

    await accept(redis, posted("replied", row(sent.meta(3), incomingText="STOP")))
    reconciler = make_reconciler(redis)
    with monkeypatch.context() as broken:
        broken.setattr(OptOuts, "add", away)
        with pytest.raises(exceptions.ConnectionError):
            await reconciler.step()
    assert not await is_settled(redis)
    await settle(reconciler)
    assert await opted_out(redis) == ["919876500003"]
    assert await sent.stat("replied") == 1
    assert await is_settled(redis)


@pytest.mark.parametrize("damage", ["other bytes", "another type"])
async def test_a_stop_whose_batch_is_damaged_becomes_a_dead_letter_and_costs_no_other(
    redis: Redis, sent: SentCampaign, damage: str
) -> None:
    key = f"{{TIMESM}}:c:{sent.campaign}:p:0"
    await redis.delete(key)
    if damage == "other bytes":
        await redis.set(key, b"damaged")
    else:
        await redis.hset(key, "damaged", "1")
    replies = [row(sent.meta(index), incomingText="STOP") for index in (3, 17)]
    await accept(redis, posted("replied", *replies))
    await settle(make_reconciler(redis))
    assert await opted_out(redis) == ["919876500007"]
    assert (await DeadLetters(redis).count()) == {DeadLetterReason.NOT_APPLIED: 1}
    assert await is_settled(redis)


async def test_who_replies_with_a_stop_word_to_a_test_message_is_opted_out(redis: Redis) -> None:
    ids = CorrelationIds(ID_KEY.encode())
    await SendTestReports(redis).remember_number(7, "919876543210")
    stops = [row(ids.make(SEND_TEST_CAMPAIGN, index), incomingText="STOP") for index in (7, 8)]
    await accept(redis, posted("replied", *stops, row(ids.make(SEND_TEST_CAMPAIGN, 7), incomingText="thanks")))
    await settle(make_reconciler(redis))
    assert await opted_out(redis) == ["919876543210"]
    assert await DeadLetters(redis).totals() == {DeadLetterReason.NOT_APPLIED: 1}
    assert await is_settled(redis)


async def forwarded(redis: Redis) -> list[tuple[str, dict[str, Any]]]:
    """Return the events that wait to be forwarded, with their rows, by message."""
    queue = ForwardQueue(redis)
    heads = [await queue.head(lane, 1_000) for lane in range(LANES)]
    events = [event.content for head in heads for event in head]
    return [(event.event, msgspec.json.decode(event.row)) for event in events]


def forwarding(redis: Redis) -> Forwarding:
    return Forwarding(ForwardRows(["reports", "clicks"]), ForwardQueue(redis))


async def test_reports_of_our_messages_are_queued_to_be_forwarded(redis: Redis, sent: SentCampaign) -> None:
    await accept(
        redis,
        posted("delivered", row(sent.meta(3)), row("of-another-system")),
        posted("failed", row(sent.meta(3), code="912"), row(sent.meta(3).upper(), code=910)),
    )
    await accept(redis, posted("clicked", row(sent.meta(3), url="https://a.example/", shorturl="go.brand.in/x")))
    await accept(redis, posted("replied", row(sent.meta(3), incomingText="STOP")))
    await settle(make_reconciler(redis, forwarding=forwarding(redis)))
    meta = {"ts": NOW_S, "meta": sent.meta(3)}
    assert await forwarded(redis) == [
        ("delivered", meta),
        ("failed", {**meta, "code": "912"}),
        ("failed", {**meta, "code": "910"}),
        ("clicked", {**meta, "url": "https://a.example/", "shorturl": "go.brand.in/x"}),
        ("replied", {**meta, "incomingText": "STOP"}),
    ]
    assert await is_settled(redis)


async def test_reports_of_unknown_messages_and_of_test_messages_are_not_forwarded(
    redis: Redis, ids: CorrelationIds, sent: SentCampaign
) -> None:
    metas = [ids.make("nocampgn", 0), ids.make(sent.campaign, sent.total), ids.make(SEND_TEST_CAMPAIGN, 5)]
    await accept(redis, posted("delivered", *map(row, metas)))
    await settle(make_reconciler(redis, forwarding=forwarding(redis)))
    assert await forwarded(redis) == []


async def test_a_report_that_changes_nothing_is_forwarded_because_its_reconciler_may_have_died(
    redis: Redis, sent: SentCampaign
) -> None:
    delivered = posted("delivered", row(sent.meta(3)))
    await accept(redis, delivered)
    await settle(make_reconciler(redis))
    assert await forwarded(redis) == []
    await accept(redis, delivered)
    await settle(make_reconciler(redis, forwarding=forwarding(redis)))
    assert len(await forwarded(redis)) == 1


async def test_an_entry_whose_reports_are_applied_one_by_one_is_forwarded_once(
    redis: Redis, sent: SentCampaign
) -> None:
    await accept(redis, posted("delivered", row(sent.meta(3)), row(sent.meta(4))))
    entries: Any = await redis.xrange(REPORTS)
    applier = EntryApplier(
        redis,
        ReportApplier(redis),
        ReportClassifier(CorrelationIds(ID_KEY.encode()), relaying=False),
        IdKeyGuard(redis, ID_KEY.encode()),
        forwarding=forwarding(redis),
    )
    entry = Entry(entries[0][0], entries[0][1][BODY], 1)
    together = await applier.apply_together([entry])
    assert together
    await applier.store_side_effects(together)

    async def nothing() -> None: ...

    await applier.store_side_effects(await applier.apply_one_by_one(entry, before_each=nothing))
    await redis.delete(REPORTS)
    assert len(await forwarded(redis)) == 2
