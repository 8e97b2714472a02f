"""Writes campaigns of accepted messages directly into Redis, for the benchmarks of reports and ``show``."""

import os

from redis.asyncio import Redis

from benchmarks.seeding import plan, recipients
from producers.submit import BATCH_SIZE
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.records import MessageRecord, pack_recipients, pack_records
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.provider.correlation_ids import new_campaign_id

_PIPELINE_BATCHES = 200


async def write(redis: Redis, sender: SenderId, messages: int, *, payloads: bool = False) -> CampaignId:
    """Write a campaign of full batches in which every message is accepted and waits for its report.

    With *payloads*, the recipients and the fingerprints of their numbers are written too.
    """
    batches, rest = divmod(messages, BATCH_SIZE)
    if rest:
        raise ValueError(f"{messages} is no multiple of {BATCH_SIZE}")
    submissions = Submissions(redis)
    campaign = await submissions.claim(f"accepted-{new_campaign_id()}", sender, CampaignId(new_campaign_id()))
    await submissions.begin(campaign, plan(sender, "accepted"), batch_size=BATCH_SIZE)
    key = campaign_key(sender, campaign)
    packed = pack_recipients(recipients(0, BATCH_SIZE)) if payloads else b""
    records = pack_records(
        MessageRecord(index, MessageState.ACCEPTED, 0, 200, 1, 0, str(index + 1)) for index in range(BATCH_SIZE)
    )
    for first in range(0, batches, _PIPELINE_BATCHES):
        async with redis.pipeline(transaction=False) as pipe:
            for number in range(first, min(first + _PIPELINE_BATCHES, batches)):
                pipe.set(f"{key}:m:{number}", records)
                if payloads:
                    pipe.set(f"{key}:p:{number}", packed)
                    # Each batch gets other fingerprints, so that a search meets fingerprints that are equal by chance.
                    pipe.set(f"{key}:t:{number}", os.urandom(2 * BATCH_SIZE))
            await pipe.execute()
    now_s, _ = await redis.time()
    await redis.hset(
        key,
        mapping={
            "state": "finished",
            "batches": batches,
            "total": messages,
            "next_batch": batches,
            MessageState.ACCEPTED.value: messages,
            "parts": messages,
            "sealed_ms": now_s * 1000,
            "first_sent_ms": now_s * 1000,
            "last_sent_ms": now_s * 1000,
            "finished_ms": now_s * 1000,
        },
    )
    return campaign
