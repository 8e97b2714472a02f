import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.batch_columns import read_batches
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import BatchKey, batch_key


async def test_columns_say_the_same_as_the_messages_one_by_one(ledger: Ledger) -> None:
    await ledger.submit(7)
    await ledger.push(b"ari")
    await ledger.report("delivered", index=0)
    view, at = await ledger.view(), 0
    messages = await ledger.messages()
    async for batch in read_batches(ledger.redis, view):
        records = batch.records
        for position, number in enumerate(batch.recipients.to):
            message = messages[at]
            assert (message.to, message.record.state.value) == (number, records.states[position])
            assert message.record.sent_ms == records.sent_ms[position]
            assert message.record.reported_s == records.reported_s[position]
            assert message.record.transaction_id == records.transaction_ids[position]
            assert (message.record.code, message.record.attempt) == (
                records.codes[position],
                records.attempts[position],
            )
            at += 1
    assert at == 7


@pytest.mark.parametrize("kind", [BatchKey.RECIPIENTS, BatchKey.MESSAGES])
async def test_a_damaged_batch_is_named(ledger: Ledger, kind: BatchKey) -> None:
    await ledger.submit(3)
    await ledger.redis.set(batch_key(SENDER, CAMPAIGN, kind, 0), b"damaged")
    with pytest.raises(CampaignDamaged, match="batch 1 cannot be read"):
        _ = [batch async for batch in read_batches(ledger.redis, await ledger.view())]
    await ledger.redis.flushall()  # the fixture reads every batch, and would fail at the damaged batch
