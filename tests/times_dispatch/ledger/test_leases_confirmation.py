"""Confirmation of a block that came late: whether it may be pushed, and its new send times."""

from typing import Any

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.leases import Lease

SENDER_KEY = f"{hash_tag(SENDER)}:sender"


async def _lease(ledger: Ledger, sender_rate_per_s: float, *, messages: int = 500, **changes: Any) -> Lease:
    await ledger.control.configure_rate(SENDER, sender_rate_per_s)
    await ledger.submit(messages, batch_size=500, **changes)
    return await ledger.take()


@pytest.mark.parametrize("limit", ["sender", "campaign"])
async def test_a_confirmed_block_gets_the_send_times_after_the_last_that_was_given_out(
    ledger: Ledger, limit: str
) -> None:
    lease = await _lease(ledger, 10 if limit == "sender" else 0, rate_per_s=10.0 if limit == "campaign" else 0.0)
    block = await ledger.open(lease)
    assert len(block.messages) == 1
    key = SENDER_KEY if limit == "sender" else campaign_key(SENDER, CAMPAIGN)
    others_us = (await ledger.now_ms() + 200) * 1_000
    await ledger.redis.hset(key, "last_send_time_us", others_us)

    confirmed = await ledger.leases.confirm_block(lease, block, provider="times", units=1)

    assert confirmed
    assert 0.2 < confirmed.starts_in_s <= 0.3
    assert float(await ledger.redis.hget(key, "last_send_time_us") or 0) == pytest.approx(others_us + 100_000)


async def test_a_confirmed_block_whose_send_times_nobody_followed_is_pushed_at_once(ledger: Ledger) -> None:
    lease = await _lease(ledger, 10)
    block = await ledger.open(lease)
    await ledger.redis.hset(SENDER_KEY, "last_send_time_us", await ledger.sender_field("last_send_time_us") - 200_000)

    confirmed = await ledger.leases.confirm_block(lease, block, provider="times", units=1)

    assert confirmed
    assert confirmed.starts_in_s == 0


async def test_a_block_whose_new_send_times_are_too_far_ahead_is_not_confirmed_and_takes_none(ledger: Ledger) -> None:
    lease = await _lease(ledger, 10)
    block = await ledger.open(lease)
    await ledger.redis.hset(SENDER_KEY, "last_send_time_us", (await ledger.now_ms() + 350) * 1_000)
    before = await ledger.dump()

    assert await ledger.leases.confirm_block(lease, block, provider="times", units=1) is None
    assert await ledger.dump() == before


async def test_a_block_that_keeps_its_send_times_is_confirmed_without_a_change(ledger: Ledger) -> None:
    lease = await _lease(ledger, 10)
    block = await ledger.open(lease)
    before = await ledger.dump()

    assert await ledger.leases.confirm_block(lease, block, provider="times") == block
    assert await ledger.dump() == before
