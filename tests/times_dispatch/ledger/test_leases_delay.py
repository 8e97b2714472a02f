"""The delay of a pace: while the ledger is slow for one worker, all workers push later than the send times."""

from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from tests.kit.redis_clock import MovedClock, moved_clock
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.openings import Block, new_operation


@pytest.fixture
def clock(redis: Redis) -> Iterator[MovedClock]:
    with moved_clock(redis) as clock:
        yield clock


@pytest.fixture
def ledger(redis: Redis, clock: MovedClock) -> Ledger:
    return Ledger(redis)


async def open_with(ledger: Ledger, lease: Lease, delay_s: float) -> Block:
    opened = await ledger.leases.open_block(lease, max_messages=1, operation=new_operation(), delay_s=delay_s)
    assert isinstance(opened, Block)
    assert opened.messages
    return opened


@pytest.mark.parametrize("limit", ["sender", "campaign"])
async def test_the_delay_of_one_worker_delays_all_and_becomes_shorter_slowly(
    ledger: Ledger, clock: MovedClock, limit: str
) -> None:
    """The delay shrinks by 2 % of the time that passes, and grows at once."""
    await ledger.submit(10, batch_size=5, rate_per_s=1_000.0 if limit == "campaign" else 0.0)
    await ledger.control.set_rate(SENDER, 1_000.0 if limit == "sender" else 0.0)
    slow, quick = [await ledger.take(ref) for ref in await ledger.issue()]
    delays_s = [(await open_with(ledger, slow, 0.4)).delay_s]
    for ahead_s, lease, delay_s in ((0, quick, 0.0), (5, quick, 0.1), (5, slow, 0.5), (100, quick, 0.1)):
        await clock.set_ahead(ahead_s)
        delays_s.append((await open_with(ledger, lease, delay_s)).delay_s)
    assert delays_s == pytest.approx([0.4, 0.4, 0.3, 0.5, 0.1], abs=0.04)


async def test_a_confirmed_block_has_the_delay_of_the_worker_that_got_it_late(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.control.set_rate(SENDER, 1_000.0)
    lease = await ledger.take()
    block = await open_with(ledger, lease, 0.0)
    confirmed = await ledger.leases.confirm_block(lease, block, provider="times", units=1, delay_s=0.3)
    assert block.delay_s == 0.0
    assert confirmed
    assert confirmed.delay_s == pytest.approx(0.3, abs=0.01)
    assert (await open_with(ledger, lease, 0.0)).delay_s == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize(("delay_s", "kept_s"), [(5.0, 0.6), (0.0, 0.0)])
async def test_a_delay_is_bounded_and_one_from_before_the_clock_was_set_back_does_not_count(
    ledger: Ledger, clock: MovedClock, delay_s: float, kept_s: float
) -> None:
    await ledger.submit(3)
    await ledger.control.set_rate(SENDER, 1_000.0)
    lease = await ledger.take()
    assert (await open_with(ledger, lease, delay_s)).delay_s == pytest.approx(kept_s)
    await clock.set_ahead(-60)
    assert (await open_with(ledger, lease, 0.0)).delay_s == 0.0


async def test_without_a_limit_there_is_no_delay(ledger: Ledger) -> None:
    await ledger.submit(3)
    assert (await open_with(ledger, await ledger.take(), 0.4)).delay_s == 0.0
    for key in (f"{hash_tag(SENDER)}:sender", campaign_key(SENDER, CAMPAIGN)):
        assert not await ledger.redis.hexists(key, "delay_ends_us")
