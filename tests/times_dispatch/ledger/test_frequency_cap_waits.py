"""Messages that wait because a copy in another campaign is sending or in doubt, and the batches of such messages."""

import pytest

from tests.kit.frequency import period_start, sending
from tests.kit.ledger import SENDER, Ledger
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.openings import BatchClosed, Drained
from times_dispatch.ledger.protocol import CloseReason, ControlAction

COPY_ON_ITS_WAY = BatchClosed(CloseReason.COPY_ON_ITS_WAY)


async def test_messages_that_wait_are_passed_over_and_the_others_are_sent(ledger: Ledger) -> None:
    first, second = await sending(ledger, "diwali01", 2), await sending(ledger, "diwali02", 4)
    await first.open(most=2)
    block = await second.open()
    assert ([index for index, _ in block.messages], block.next_index) == ([2, 3], 4)
    assert await second.states() == "ppss"
    await ledger.assert_counters_add_up()


async def test_a_batch_whose_messages_all_wait_is_released_and_issued_later(ledger: Ledger) -> None:
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02", 4)
    block = await first.open()
    assert await second.send() == "pppa"
    assert await second.open_block() == COPY_ON_ITS_WAY
    await second.release()
    assert await ledger.issue() == []
    await ledger.record(first.lease, block, b"ara")
    refs = await ledger.issue_eventually()
    assert refs == [second.lease.ref]
    await second.take_again()
    assert await second.send() == "uaua"
    assert await second.open_block() == Drained()
    await second.release()
    await first.release()
    await ledger.assert_counters_add_up()


async def test_a_batch_with_messages_that_are_pending_again_is_issued_at_once(ledger: Ledger) -> None:
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02", 4)
    await first.open()
    block = await second.open()
    assert await second.open_block() == COPY_ON_ITS_WAY
    await ledger.record(second.lease, block, b"p")
    await second.release()
    assert await ledger.issue() == [second.lease.ref]


async def test_a_batch_that_waits_is_checked_again_after_times_that_grow(ledger: Ledger) -> None:
    began_s = await period_start(ledger)
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02")
    await first.send(at_s=began_s, results=b"i")
    for age_s, wait_ms in ((0, 500), (10, 5_000), (200, 60_000), (1780, 20_000)):
        await second.open(at_s=began_s + age_s)
        await second.open_block(at_s=began_s + age_s)
        await second.release()
        again_ms = await ledger.redis.zscore(f"{hash_tag(SENDER)}:blocked", f"{second.campaign}:0")
        assert again_ms == (began_s + age_s) * 1000 + wait_ms
        await second.take_again()
    assert await second.send(at_s=began_s + 1800) == "aaa"


@pytest.mark.parametrize(("action", "is_out"), [(ControlAction.CANCEL, False), (ControlAction.PAUSE, True)])
async def test_a_batch_that_waits_and_whose_campaign_is_stopped(
    ledger: Ledger, action: ControlAction, is_out: bool
) -> None:
    first, second = await sending(ledger, "diwali01"), await sending(ledger, "diwali02")
    await first.open()
    await second.open()
    await second.open_block()
    await second.release()
    await ledger.control.campaign(SENDER, second.campaign, action)
    await ledger.redis.zadd(f"{hash_tag(SENDER)}:blocked", {f"{second.campaign}:0": 1})
    assert await ledger.issue() == []
    if is_out:
        await ledger.control.campaign(SENDER, second.campaign, ControlAction.RESUME)
    else:
        await ledger.maintenance.end_pending(SENDER)
        assert await second.states() == "xxx"
    assert await ledger.issue() == ([second.lease.ref] if is_out else [])
