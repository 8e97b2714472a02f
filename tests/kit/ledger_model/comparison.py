"""The comparison of the ledger with its model."""

from redis.asyncio import Redis

from tests.kit.ledger import SENDER
from tests.kit.ledger_model.model import Model
from times_dispatch.ledger.keys import CampaignField, SenderField, SenderKey, campaign_key, sender_key
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.records import read_records
from times_dispatch.ledger.states import MessageState


async def assert_agrees(redis: Redis, model: Model) -> None:
    """Fail unless the ledger's counters and records equal the model's."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(sender_key(SENDER, SenderKey.SENDER))
        pipe.zrange(sender_key(SENDER, SenderKey.LEASES), 0, -1)
        for name, campaign in model.campaigns.items():
            key = campaign_key(SENDER, CampaignId(name))
            pipe.hgetall(key)
            pipe.mget([f"{key}:m:{number}" for number in range(campaign.batches)])
        sender, leases, *replies = await pipe.execute()
    assert set(leases) == {f"{name}:{number}".encode() for name, number in model.out}
    assert sender.get(SenderField.PAUSED.encode()) == (b"1" if model.is_paused else None)
    assert int(sender.get(SenderField.DAY_PARTS.encode(), 0)) == model.day_parts
    for campaign, fields, batches in zip(model.campaigns.values(), replies[::2], replies[1::2], strict=True):
        counts = {state.value: int(fields[state.value.encode()]) for state in MessageState}
        assert sum(counts.values()) == len(campaign.messages), "the counters do not add up to the total"
        assert {state: count for state, count in counts.items() if count} == campaign.counts()
        assert fields[CampaignField.STATE.encode()].decode() == campaign.state
        assert int(fields[CampaignField.PARTS_OUT.encode()]) == campaign.parts_out
        assert {number for number, records in enumerate(batches) if records} == campaign.begun
        unopened_state = fields.get(CampaignField.UNOPENED_STATE.encode(), b"").decode()
        unopened_before = int(fields.get(CampaignField.UNOPENED_BEFORE.encode(), 0))
        assert unopened_state == campaign.unopened_state
        for number, records in enumerate(batches):
            batch = campaign.batch(number)
            without_records = MessageState(unopened_state if unopened_state and number < unopened_before else "p")
            records_read = [
                (record.state.value, record.attempt, record.code, record.sent_ms)
                for record in read_records(records, len(batch), without_records=without_records)
            ]
            assert records_read == [
                (message.state, message.attempt, message.code, message.sent_ms) for message in batch
            ]
