"""Opening blocks, which makes messages ``sending``; the pacing of blocks is in test_leases_pacing.py."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.exceptions import ResponseError

from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.openings import BatchClosed, Block, Drained, Wait, new_operation
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.records import RECORD_WIDTH

KEY = campaign_key(SENDER, CAMPAIGN)
Hold = Callable[[Ledger], Awaitable[None]]


async def test_a_block_is_written_as_sending_before_it_is_handed_over(ledger: Ledger) -> None:
    await ledger.submit(3)
    block = await ledger.open(await ledger.take(), max_messages=2)
    assert (block.number, block.messages) == (1, [(0, 0), (1, 0)])
    assert await ledger.states() == "ssp"


async def test_a_sender_without_a_limit_may_send_a_block_at_once(ledger: Ledger) -> None:
    await ledger.submit(3)
    block = await ledger.open(await ledger.take())
    assert (block.starts_in_s, block.interval_s, len(block.messages)) == (0, 0, 3)


async def test_blocks_follow_each_other_until_nothing_is_pending(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    opened = [await ledger.open_block(lease, max_messages=2) for _ in range(3)]
    messages = [block.messages if isinstance(block, Block) else block for block in opened]
    assert messages == [[(0, 0), (1, 0)], [(2, 0)], Drained()]


async def test_a_drained_batch_is_no_longer_out_and_stays_leased(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.open(lease)
    assert await ledger.field("batches_out") == "1"
    assert await ledger.open_block(lease) == Drained()
    assert await ledger.field("batches_out") == "0"
    before = await ledger.dump()
    assert await ledger.open_block(lease) == Drained()
    assert await ledger.dump() == before
    assert await ledger.leases.renew(SENDER, [lease]) == [True]


async def test_an_opening_that_is_repeated_gets_the_same_block_and_changes_nothing(ledger: Ledger) -> None:
    await ledger.submit(5, batch_size=5)
    await ledger.control.set_rate(SENDER, 1000)
    lease = await ledger.take()
    operation = new_operation()
    block = await ledger.leases.open_block(lease, max_messages=2, operation=operation)
    before = await ledger.dump()
    assert await ledger.leases.open_block(lease, max_messages=2, operation=operation) == block
    assert await ledger.leases.open_block(lease, max_messages=500, operation=operation) == block
    assert await ledger.dump() == before


async def test_a_repeated_opening_gets_its_block_also_when_the_campaign_was_paused_meanwhile(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    operation = new_operation()
    block = await ledger.leases.open_block(lease, max_messages=2, operation=operation)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    assert await ledger.leases.open_block(lease, max_messages=2, operation=operation) == block
    assert await ledger.open_block(lease) == BatchClosed("paused")


async def test_a_block_passes_over_what_is_not_pending(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6)
    lease = await ledger.take()
    block = await ledger.open(lease)
    await ledger.record(lease, block, b"apparp")
    again = await ledger.open(lease)
    assert (again.number, again.messages) == (2, [(1, 0), (2, 0), (5, 0)])
    assert await ledger.states() == "assars"


async def test_a_block_that_passes_over_others_keeps_their_records(ledger: Ledger) -> None:
    await ledger.submit(4, batch_size=4)
    lease = await ledger.push(b"apap", await ledger.take())
    before = [message.record for message in await ledger.messages()]
    await ledger.open(lease)
    after = [message.record for message in await ledger.messages()]
    assert (after[0], after[2]) == (before[0], before[2])


async def test_messages_that_are_pending_again_are_opened_also_after_the_batch_was_drained(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    assert await ledger.open_block(lease) == Drained()
    await ledger.record(lease, block, b"apb")
    assert await ledger.field("batches_out") == "1"
    assert (await ledger.open(lease)).messages == [(1, 0), (2, 0)]


async def _pause(ledger: Ledger) -> None:
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)


async def _cancel(ledger: Ledger) -> None:
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)


async def _brake(ledger: Ledger) -> None:
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.BRAKE, reason="no balance")


async def _postpone(ledger: Ledger) -> None:
    await ledger.redis.hset(KEY, "start_ms", await ledger.now_ms() + 60_000)


async def _pause_sender(ledger: Ledger) -> None:
    await ledger.control.pause_sender(SENDER)


async def _brake_sender(ledger: Ledger) -> None:
    await ledger.control.brake_provider(SENDER, PROVIDER, "no balance")


async def _expire(ledger: Ledger) -> None:
    await ledger.end_validity()


@pytest.mark.parametrize(
    ("hold", "why"),
    [
        (_pause, "paused"),
        (_cancel, "cancelled"),
        (_brake, "braked"),
        (_postpone, "scheduled"),
        (_expire, "expired"),
        (_pause_sender, "sender_paused"),
        (_brake_sender, "provider_braked"),
    ],
)
async def test_no_block_is_opened_for_what_does_not_run(ledger: Ledger, hold: Hold, why: str) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.open(lease, max_messages=1)
    await hold(ledger)
    before = await ledger.dump()
    assert await ledger.open_block(lease) == BatchClosed(why)
    assert await ledger.dump() == before


async def test_a_braked_sender_that_was_resumed_opens_blocks_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await _brake_sender(ledger)
    await ledger.control.resume_sender(SENDER)
    assert (await ledger.open(lease)).messages


async def test_the_first_and_the_last_opening_stand_in_the_campaign(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.open(lease, max_messages=1)
    first = (await ledger.view()).first_sent_ms
    assert first == pytest.approx(await ledger.now_ms(), abs=1_000)
    await ledger.redis.hset(KEY, "first_sent_ms", first - 5)
    await ledger.open(lease, max_messages=1)
    view = await ledger.view()
    assert view.first_sent_ms == first - 5
    assert view.last_sent_ms >= first


async def test_a_campaign_of_which_a_block_was_opened_is_one_on_which_something_happened(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.maintenance.take_changed(SENDER)
    await ledger.open(lease)
    assert await ledger.maintenance.take_changed(SENDER) == [CAMPAIGN]


@pytest.mark.parametrize("length", [1, 3, 20, 3 * (1 + RECORD_WIDTH) - 1, 3 * (1 + RECORD_WIDTH) + 1])
async def test_an_opening_changes_nothing_of_a_batch_whose_records_are_damaged(ledger: Ledger, length: int) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=1), b"a")
    messages: Any = await ledger.redis.get(f"{KEY}:m:0")
    damaged = (messages + b"\0")[:length]
    await ledger.redis.set(f"{KEY}:m:0", damaged)
    before = await ledger.dump()
    with pytest.raises(ResponseError, match=f"DAMAGED records of {length} bytes for 3 messages"):
        await ledger.open_block(lease)
    assert await ledger.dump() == before
    await ledger.redis.set(f"{KEY}:m:0", messages)
    assert len((await ledger.open(lease)).messages) == 2


async def test_the_last_block_number_is_followed_by_the_first(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.redis.hset(f"{KEY}:b:0", "last_block", 65_534)
    numbers = []
    for _ in range(3):
        block = await ledger.open(lease, max_messages=1)
        numbers.append(block.number)
        assert await ledger.record(lease, block, b"a") == 1
    assert numbers == [65_535, 0, 1]


async def test_a_sender_that_backs_off_lets_its_workers_wait(ledger: Ledger) -> None:
    await ledger.submit(3)
    lease = await ledger.take()
    until_us = (await ledger.now_ms() + 5_000) * 1000
    await ledger.redis.hset(
        f"{hash_tag(SENDER)}:sender",
        mapping={f"back_off_until_us@{PROVIDER}": until_us, f"back_off_count@{PROVIDER}": 1},
    )
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.reason == "backing_off"
    assert opened.seconds == pytest.approx(5, abs=1)
