"""The counters equal a recount of all records, also after repeated, late and unordered reports and second pushes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import campaign_key, statistics_key
from times_dispatch.ledger.openings import Block
from times_dispatch.ledger.reports.report_applier import DeliveryReport
from times_dispatch.ledger.states import UNSENT, MessageState
from times_dispatch.ledger.statistics.figures import Statistics, statistics_of
from times_dispatch.ledger.statistics.recount import Recount
from times_dispatch.ledger.statistics.rollups import StatisticsReader

KEY = campaign_key(SENDER, CAMPAIGN)


@pytest.fixture
async def ledger(redis: Redis) -> AsyncIterator[Ledger]:
    ledger = Ledger(redis)
    yield ledger
    await ledger.assert_counters_add_up()


async def _statistics(ledger: Ledger) -> Statistics:
    return statistics_of(await StatisticsReader(ledger.redis).campaign(SENDER, CAMPAIGN))


def _event(kind: Any, index: int = 0, attempt: int = 0, **more: Any) -> DeliveryReport:
    return DeliveryReport(CAMPAIGN, index, attempt, kind, 901 if kind == "failed" else 0, 1_795_000_000, **more)


async def test_each_state_is_counted(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6, parts=[1, 2, 3, 1, 1, 2])
    await ledger.send_all(b"aaarua")
    await ledger.report("delivered", index=0)
    await ledger.report("failed", index=1)
    statistics = await _statistics(ledger)
    assert statistics.states == {"accepted": 2, "delivered": 1, "failed": 1, "rejected": 1, "suppressed": 1}
    assert (statistics.sent, statistics.parts, statistics.unpriced_parts) == (4, 8, 8)
    assert [(kept.messages, kept.parts) for kept in statistics.kept_back] == [(1, 1)]


async def test_a_campaign_of_more_batches_than_are_read_at_once_is_recounted_whole(ledger: Ledger) -> None:
    await ledger.submit(43, batch_size=2, parts=[1 + number % 3 for number in range(43)])
    await ledger.send_all()
    recounted = await Recount(ledger.redis).all()
    assert (recounted.messages, recounted.differences) == (43, [])
    await ledger.redis.hincrby(statistics_key(SENDER, CAMPAIGN), "parts", 1)
    assert [difference.field for difference in (await Recount(ledger.redis).all()).differences] == ["parts"]
    await ledger.redis.hincrby(statistics_key(SENDER, CAMPAIGN), "parts", -1)


async def test_doubled_and_late_reports_count_once(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.send_all()
    for kinds in (["failed"], ["failed", "delivered"], ["delivered", "failed"]):
        await ledger.report(*kinds)
    statistics = await _statistics(ledger)
    assert (statistics.sent, statistics.delivered, statistics.errors) == (1, 1, 0)
    assert statistics.codes == []
    assert statistics.delivery_times.messages == 1


async def test_a_report_before_the_result_counts_parts_once(ledger: Ledger) -> None:
    await ledger.submit(1, parts=[3])
    lease = await ledger.take()
    block = await ledger.open(lease)
    await ledger.report("delivered")
    for _ in range(2):
        await ledger.record(lease, block, b"a")
    assert (await _statistics(ledger)).parts == 3


async def test_a_message_that_was_sent_again_counts_once_and_each_accepted_attempt_costs(ledger: Ledger) -> None:
    await ledger.submit(2, batch_size=2, parts=[2, 1])
    await ledger.send_all(b"ia")
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    await ledger.send_all(b"a")
    assert ((await _statistics(ledger)).sent, (await _statistics(ledger)).parts) == (2, 3)
    for _ in range(2):
        await ledger.report("delivered", attempt=0)
        await ledger.report("failed", attempt=1)
    statistics = await _statistics(ledger)
    assert (statistics.sent, statistics.delivered, statistics.parts) == (2, 1, 5)


async def test_a_failed_report_about_the_first_attempt_costs_though_it_changes_nothing(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.send_all(b"i")
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    await ledger.report("failed", attempt=0)
    assert (await _statistics(ledger)).parts == 1
    await ledger.send_all(b"a")
    assert (await _statistics(ledger)).parts == 2


async def test_clicks_count_all_and_each_recipient_once(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.send_all()
    clicks = [
        _event("clicked", index, digest=bytes([number]) * 8, link=1) for index, number in ((0, 1), (0, 2), (1, 3))
    ]
    for _ in range(2):
        await ledger.report_applier.apply(clicks)
    statistics = await _statistics(ledger)
    assert (statistics.clicked, statistics.clickers, statistics.links) == (3, 2, {1: 3})


async def test_a_reply_that_asks_to_stop_is_an_opt_out(ledger: Ledger) -> None:
    await ledger.submit(2)
    await ledger.send_all()
    replies = [
        _event("replied", digest=b"12345678", asks_to_stop=True),
        _event("replied", 1, digest=b"87654321"),
        _event("opted_out", 1, digest=b"abcdefgh"),
    ]
    for _ in range(2):
        await ledger.report_applier.apply(replies)
    statistics = await _statistics(ledger)
    assert (statistics.replied, statistics.opted_out) == (2, 2)


async def test_who_opts_out_twice_counts_as_one_opt_out_and_every_reply_counts(ledger: Ledger) -> None:
    await ledger.submit(3, batch_size=2)
    await ledger.send_all()
    replies = [
        _event("replied", index, digest=bytes([index, at]) * 4, asks_to_stop=True) for index in (0, 1) for at in (1, 2)
    ]
    for _ in range(2):
        await ledger.report_applier.apply(replies)
    statistics = await _statistics(ledger)
    assert (statistics.replied, statistics.opted_out) == (4, 2)
    assert await ledger.stat("opted_out") == 2


@pytest.mark.parametrize("field", ["opted_out", "clickers"])
async def test_a_recount_finds_a_wrong_count_of_messages_with_a_reaction(ledger: Ledger, field: str) -> None:
    await ledger.submit(2)
    await ledger.send_all()
    await ledger.report_applier.apply(
        [_event("replied", digest=b"12345678", asks_to_stop=True), _event("clicked", digest=b"87654321", link=1)]
    )
    await ledger.redis.hincrby(f"{KEY}:statistics", field, 1)
    result = await Recount(ledger.redis).all()
    assert [(each.field, each.counted, each.recounted) for each in result.differences] == [(field, 2, 1)]
    await ledger.redis.hincrby(f"{KEY}:statistics", field, -1)


async def test_opt_outs_that_an_earlier_version_counted_are_not_compared_nor_counted_again(ledger: Ledger) -> None:
    await ledger.submit(2)
    await ledger.send_all()
    reports = [_event("replied", index, digest=bytes([index]) * 8, asks_to_stop=True) for index in (0, 1)]
    await ledger.report_applier.apply(reports[:1])
    await ledger.redis.delete(f"{KEY}:unsubscribers")
    await ledger.redis.sadd(f"{KEY}:opted_out", reports[0].digest)
    for _ in range(2):
        assert (await Recount(ledger.redis).all()).differences == []
        await ledger.report_applier.apply(reports)
        assert (await _statistics(ledger)).opted_out == 2


async def test_refused_rows_count_with_what_they_would_have_cost(ledger: Ledger) -> None:
    await ledger.submit(1, sealed=False)
    await ledger.redis.hset(KEY, "price", 125_000)
    for _ in range(2):
        await ledger.submissions.seal(CAMPAIGN, SENDER, total=1, batches=1, refused={"duplicate": 4})
    (kept,) = (await _statistics(ledger)).kept_back
    assert (kept.reason, kept.messages, kept.parts, str(kept.cost)) == ("duplicate", 4, 4, "0.5")


async def test_the_price_of_a_part_makes_the_cost(ledger: Ledger) -> None:
    await ledger.submit(2, parts=[1, 3], opted_out=[])
    await ledger.redis.hset(KEY, "price", 125_000)
    await ledger.send_all()
    statistics = await _statistics(ledger)
    assert (str(statistics.cost), statistics.unpriced_parts) == ("0.5", 0)


async def test_a_recount_finds_a_counter_that_is_wrong(redis: Redis) -> None:
    ledger = Ledger(redis)
    await ledger.submit(3)
    await ledger.send_all()
    await redis.hincrby(statistics_key(SENDER, CAMPAIGN), "a", 1)
    recounted = await Recount(redis).all()
    assert (recounted.campaigns, recounted.messages) == (1, 3)
    (difference,) = recounted.differences
    assert (difference.where, difference.field) == (f"campaign {CAMPAIGN}", "a")
    assert (difference.counted, difference.recounted) == (4, 3)


async def test_a_recount_finds_a_rollup_that_is_gone(redis: Redis) -> None:
    ledger = Ledger(redis)
    await ledger.submit(1)
    await ledger.send_all()
    (key,) = await redis.keys(f"{{{SENDER}}}:statistics:*")
    await redis.delete(key)
    fields = {difference.field for difference in (await Recount(redis).all()).differences}
    assert {"a", "parts"} <= fields


REPORTS = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 2), st.sampled_from(["delivered", "failed", "clicked", "intermediate"])
    ),
    max_size=12,
)
RESULTS = st.lists(st.sampled_from(b"aaiirpu"), min_size=4, max_size=4).map(bytes)
ROUNDS = st.lists(st.tuples(RESULTS, REPORTS, st.booleans()), min_size=1, max_size=3)


def test_any_results_and_reports_in_any_order_leave_counters_that_equal_a_plain_count(
    redis_server: EmbeddedServer,
) -> None:
    loop = asyncio.new_event_loop()
    redis = connect(redis_server.url)

    @settings(deadline=None, max_examples=min(40, settings().max_examples))
    @given(ROUNDS)
    def compare(rounds: list[tuple[bytes, Any, bool]]) -> None:
        loop.run_until_complete(_send_and_compare(redis, rounds))

    try:
        compare()
    finally:
        loop.run_until_complete(redis.aclose())
        loop.close()


async def _send_and_compare(redis: Redis, rounds: list[tuple[bytes, Any, bool]]) -> None:
    """Push four messages, report about them, send the messages in doubt again, and compare with a plain count."""
    await redis.flushall()
    ledger = Ledger(redis)
    await ledger.submit(4, batch_size=4, parts=[1, 2, 3, 4])
    proved = set[tuple[int, int]]()
    """Messages and attempts that a provider accepted."""
    for results, reports, is_doubled in rounds:
        attempts = [message.record.attempt for message in await ledger.messages()]
        for ref in await ledger.issue():
            lease = await ledger.take(ref)
            block = await ledger.open_block(lease)
            if isinstance(block, Block):
                letters = bytes(results[index] for index, _ in block.messages)
                for _ in range(1 + is_doubled):
                    await ledger.record(lease, block, letters)
                proved |= {(index, attempts[index]) for index, _ in block.messages if results[index] == ord("a")}
            await ledger.leases.release(lease)
        records = [message.record for message in await ledger.messages()]
        events = [
            _event(
                kind, index, min(attempt, attempts[index]), digest=b"click%03d" % index if kind == "clicked" else b""
            )
            for index, attempt, kind in reports
            if records[index].state not in {MessageState.REJECTED, MessageState.PENDING, MessageState.SUPPRESSED}
        ]
        for _ in range(1 + is_doubled):
            await ledger.report_applier.apply(events)
        proved |= {(event.index, event.attempt) for event in events}
        await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    statistics = await _statistics(ledger)
    states = Counter(message.record.state for message in await ledger.messages())
    assert statistics.states == {state.label: count for state, count in states.items() if state not in UNSENT}
    assert statistics.parts == sum(1 + index for index, _ in proved)
    await ledger.assert_counters_add_up()
