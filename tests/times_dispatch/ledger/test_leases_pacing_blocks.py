"""The pacing of single blocks: their size, the limits, and what a damaged pace or a changed clock does."""

import math
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from tests.kit.redis_clock import StoppedClock, stopped_clock
from tests.kit.send_times import max_cost_per_second
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.openings import TOLERANCE_US, Block, Drained, Wait

SENDER_KEY = f"{hash_tag(SENDER)}:sender"


@pytest.fixture
async def ledger(redis: Redis) -> AsyncIterator[Ledger]:
    """An empty ledger whose time stands still; at the end of the test its counters must add up."""
    with stopped_clock(redis) as clock:
        await clock.set(time.time())
        ledger = Ledger(redis)
        yield ledger
        await ledger.assert_counters_add_up()


async def _lease(ledger: Ledger, sender_rate_per_s: float, *, messages: int = 500, **changes: Any) -> Lease:
    await ledger.control.configure_rate(SENDER, sender_rate_per_s)
    await ledger.submit(messages, batch_size=500, **changes)
    return await ledger.take()


@pytest.mark.parametrize(("rate_per_s", "messages"), [(1, 1), (10, 1), (40, 3), (100, 6), (1000, 51)])
async def test_a_block_after_idle_time_holds_a_twentieth_of_a_seconds_worth_and_one_message(
    ledger: Ledger, rate_per_s: float, messages: int
) -> None:
    block = await ledger.open(await _lease(ledger, rate_per_s), max_messages=500)
    assert len(block.messages) == messages
    assert block.starts_in_s == pytest.approx(-TOLERANCE_US / 1e6)
    assert block.interval_s == pytest.approx(1 / rate_per_s)


async def test_a_block_is_no_larger_than_the_worker_asks_for(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1000)
    assert len((await ledger.open(lease, max_messages=1)).messages) == 1
    assert len((await ledger.open(lease, max_messages=7)).messages) == 7


async def test_the_times_in_a_block_are_the_times_in_the_records(ledger: Ledger) -> None:
    lease = await _lease(ledger, 100)
    block = await ledger.open(lease)
    view = await ledger.view()
    sent = [message.record.sent_ms for message in (await ledger.messages())[: len(block.messages)]]
    opened_ms = view.first_sent_ms - view.created_ms
    send_times_s = [block.starts_in_s + index * block.interval_s for index in range(len(block.messages))]
    assert sent == [opened_ms + max(0, int(send_time_s * 1000 + 1e-6)) for send_time_s in send_times_s]


async def test_blocks_of_different_batches_share_the_senders_rate(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 100)
    await ledger.submit(6)
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    assert len((await ledger.open(first)).messages) == 3
    assert len((await ledger.open(second)).messages) == 3
    assert isinstance(await ledger.open_block(first), Drained)
    opened = await ledger.open_block(second)
    assert isinstance(opened, Drained)


@pytest.mark.parametrize("value", ["12 34", "\x00\x01", "nan", "-nan", "inf", "-inf", "1e400", "-5", ""])
@pytest.mark.parametrize("field", ["last_send_time_us", "last_send_time_cost", "delay_ends_us"])
async def test_a_pace_with_a_damaged_number_begins_anew(ledger: Ledger, field: str, value: str) -> None:
    lease = await _lease(ledger, 100)
    await ledger.open(lease, max_messages=2)
    await ledger.redis.hset(f"{hash_tag(SENDER)}:sender", field, value)
    block = await ledger.open(lease, max_messages=2)
    assert len(block.messages) == 2
    assert -0.06 <= block.starts_in_s <= 0.35
    assert 0 <= block.delay_s < 0.01
    assert math.isfinite(await ledger.sender_field("last_send_time_us"))


async def test_senders_do_not_share_a_rate(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SenderId("SHOPPY"), 1)
    await ledger.submit(campaign="shoppy01", sender=SenderId("SHOPPY"))
    [other] = await ledger.issue(SenderId("SHOPPY"))
    await ledger.open(await ledger.take(other))
    assert len((await ledger.open(await _lease(ledger, 10))).messages) == 1


async def test_a_worker_that_asks_too_early_gets_the_time_to_wait(ledger: Ledger) -> None:
    lease = await _lease(ledger, 10)
    await ledger.open(lease)
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.reason == "rate_limit"
    assert opened.seconds == pytest.approx(0.05, abs=0.02)


async def test_a_lower_limit_of_the_campaigns_own_holds_only_that_campaign(ledger: Ledger) -> None:
    slow = await _lease(ledger, 1000, rate_per_s=10)
    await ledger.submit(500, batch_size=500, campaign="another1")
    fast = await ledger.take()
    assert len((await ledger.open(slow)).messages) == 1
    opened = await ledger.open_block(slow)
    assert isinstance(opened, Wait)
    assert opened.reason == "campaign_limit"
    assert opened.seconds == pytest.approx(0.06, abs=0.02)
    assert len((await ledger.open(fast)).messages) >= 40


async def test_a_limit_of_the_campaigns_own_holds_also_where_the_sender_has_none(ledger: Ledger) -> None:
    lease = await _lease(ledger, 0, rate_per_s=10)
    assert len((await ledger.open(lease)).messages) == 1
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.reason == "rate_limit"


async def test_a_lower_rate_acts_at_the_next_block(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1000)
    await ledger.open(lease)
    await ledger.control.set_rate(SENDER, 5)
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.seconds == pytest.approx(0.2, abs=0.03)
    earlier_us = await ledger.sender_field("last_send_time_us") - opened.seconds * 1e6
    await ledger.redis.hset(SENDER_KEY, "last_send_time_us", earlier_us)
    block = await ledger.open(lease)
    assert len(block.messages) == 1
    assert block.interval_s == pytest.approx(0.2)


async def test_a_higher_rate_acts_at_the_next_block_however_low_the_old_one_was(ledger: Ledger) -> None:
    lease = await _lease(ledger, 0.001)
    await ledger.open(lease)
    assert isinstance(await ledger.open_block(lease), Wait)
    await ledger.control.set_rate(SENDER, 1000)
    block = await ledger.open(lease)
    assert len(block.messages) > 40
    assert block.interval_s == pytest.approx(0.001)


async def test_a_lifted_limit_acts_at_the_next_block(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1)
    await ledger.open(lease)
    await ledger.control.set_rate(SENDER, 0)
    assert len((await ledger.open(lease)).messages) == 100


async def test_a_clock_that_was_set_back_delays_no_worker(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1000)
    await ledger.open(lease)
    in_an_hour_us = (await ledger.now_ms() + 3_600_000) * 1000
    await ledger.redis.hset(SENDER_KEY, "last_send_time_us", in_an_hour_us)
    assert isinstance(await ledger.open_block(lease), Block)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate_per_s=st.integers(1, 5_000),
    asks=st.lists(st.tuples(st.floats(0, 1.5) | st.floats(0, 0.06), st.integers(1, 300)), min_size=1, max_size=30),
)
async def test_no_second_exceeds_the_rate_and_a_worker_that_waits_as_long_as_asked_is_served(
    ledger: Ledger, rate_per_s: int, asks: list[tuple[float, int]]
) -> None:
    await ledger.redis.flushall()
    await StoppedClock(ledger.redis).set(time.time())
    lease = await _lease(ledger, rate_per_s)
    created_ms = (await ledger.view()).created_ms
    passed_s, left_at_s = 0.0, dict[int, float]()
    wait_s = math.inf
    for after_s, limit in asks:
        # Instead of waiting, move the send times that were given out into the past.
        passed_s += after_s
        await ledger.redis.hset(
            SENDER_KEY, "last_send_time_us", await ledger.sender_field("last_send_time_us") - after_s * 1e6
        )
        opened = await ledger.open_block(lease, limit)
        if isinstance(opened, Wait):
            assert opened.seconds > 0
            assert after_s < wait_s, "the worker waited as long as required, and must wait again"
            wait_s = opened.seconds
            continue
        if isinstance(opened, Drained):
            break
        wait_s = math.inf
        assert isinstance(opened, Block)
        left_at_s.update((index, passed_s) for index, _ in opened.messages)
    messages = await ledger.messages()
    sent = [(int(messages[index].record.sent_ms + created_ms + at_s * 1000), 1) for index, at_s in left_at_s.items()]
    a_millisecond = rate_per_s / 1000
    assert max_cost_per_second(sorted(sent)) <= rate_per_s + max(rate_per_s / 20, 1) + a_millisecond


@pytest.mark.parametrize("limit", ["sender", "campaign"])
async def test_a_send_time_from_before_the_clock_was_set_back_delays_nothing(ledger: Ledger, limit: str) -> None:
    await ledger.submit(3, rate_per_s=5.0 if limit == "campaign" else 0.0)
    await ledger.control.set_rate(SENDER, 5.0 if limit == "sender" else 1_000.0)
    future_us = (await ledger.now_ms() + 600_000) * 1_000
    for key in (f"{hash_tag(SENDER)}:sender", campaign_key(SENDER, CAMPAIGN)):
        await ledger.redis.hset(key, mapping={"last_send_time_us": future_us, "last_send_time_cost": 1})
    block = await ledger.open(await ledger.take())
    assert block.messages
