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
    agree("leases", set(leases), {f"{name}:{number}".encode() for name, number in model.out})
    agree("the sender is paused", sender.get(SenderField.PAUSED.encode()) == b"1", model.is_paused)
    agree("parts of the day", int(sender.get(SenderField.DAY_PARTS.encode(), 0)), model.day_parts)
    campaigns = zip(model.campaigns.items(), replies[::2], replies[1::2], strict=True)
    for (name, campaign), fields, batches in campaigns:
        counts = {state.value: int(fields[state.value.encode()]) for state in MessageState}
        assert sum(counts.values()) == len(campaign.messages), "the counters do not add up to the total"
        agree(f"counters of {name}", {state: count for state, count in counts.items() if count}, campaign.counts())
        agree(f"state of {name}", fields[CampaignField.STATE.encode()].decode(), campaign.state)
        agree(f"parts of {name}", int(fields[CampaignField.PARTS_OUT.encode()]), campaign.parts_out)
        agree(f"batches with records of {name}", {n for n, records in enumerate(batches) if records}, campaign.begun)
        waiting = int(fields.get(CampaignField.RETRIES_WAITING.encode(), 0))
        agree(f"messages of {name} that wait for a second try", waiting, len(campaign.waiting))
        unopened_state = fields.get(CampaignField.UNOPENED_STATE.encode(), b"").decode()
        unopened_before = int(fields.get(CampaignField.UNOPENED_BEFORE.encode(), 0))
        agree(f"state of unopened batches of {name}", unopened_state, campaign.unopened_state)
        for number, records in enumerate(batches):
            batch = campaign.batch(number)
            without_records = MessageState(unopened_state if unopened_state and number < unopened_before else "p")
            agree(
                f"records of batch {number} of {name}",
                [
                    (record.state.value, record.attempt, record.code, record.sent_ms)
                    for record in read_records(records, len(batch), without_records=without_records)
                ],
                [(message.state, message.attempt, message.code, message.sent_ms) for message in batch],
            )


def agree(what: str, ledger: object, model: object) -> None:
    assert ledger == model, f"{what}: the ledger has {ledger}, and the model has {model}"
