"""Finds, in the ledger's records, the messages that a lost worker was sending, before upkeep takes its batches."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import cast

from redis.exceptions import RedisError

from tests.chaos.settings import TOTAL_TIMEOUT_S
from tests.chaos.testbed import ChaosTestbed, LostWorker, MessageKey
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.records import RECORD_WIDTH, MessageRecord, read_records
from times_dispatch.ledger.states import LIVE, MessageState
from times_dispatch.provider.failures import Failure

_PUSHES_END_S = TOTAL_TIMEOUT_S + 2.0
"""Seconds after which every push of a live worker has ended and is recorded in the ledger."""
_RENEWAL_SHARE = 0.2
"""Workers renew a lease after this share of its duration."""


async def record_lost_worker(testbed: ChaosTestbed, name: str) -> None:
    """Record that a worker was killed, or frozen for longer than its leases, with the messages that it was sending.

    The lost worker's messages stay ``sending`` until its leases expire. So they are the messages that are ``sending``
    now, and that are still ``sending``, with the same send time, when every push of a live worker has ended.
    """
    lost = LostWorker(time.time(), name)
    testbed.events.lost_workers.append(lost)
    before_s = lost.at_s + testbed.lease_s * (1 - _RENEWAL_SHARE) - 1.0
    first = await _sending(testbed, before_s)
    await asyncio.sleep(max(0.0, lost.at_s + min(_PUSHES_END_S, testbed.lease_s / 2) - time.time()))
    later = await _sending(testbed, before_s)
    if first is not None and later is not None:
        lost.open = {key for key, sent_ms in first.items() if later.get(key) == sent_ms}


async def in_doubt_after_loss(testbed: ChaosTestbed, view: CampaignView) -> set[MessageKey]:
    """Return the messages of a campaign that are in doubt because their worker was lost."""
    return {
        key
        async for key, record in _records(testbed, view)
        if record.state is MessageState.IN_DOUBT and record.code == Failure.WORKER_LOST
    }


async def _sending(testbed: ChaosTestbed, before_s: float) -> dict[MessageKey, int] | None:
    """Return the messages that are ``sending``, with their send times; None if Redis does not answer in time."""
    while time.time() < before_s:
        try:
            sending = {}
            for campaign in list(testbed.campaigns):
                view = await testbed.queries.campaign(campaign)
                if view.state in LIVE and view.counts[MessageState.SENDING]:
                    async for key, record in _records(testbed, view):
                        if record.state is MessageState.SENDING:
                            sending[key] = record.sent_ms
        except RedisError:
            await asyncio.sleep(0.1)
        else:
            return sending
    return None


async def _records(testbed: ChaosTestbed, view: CampaignView) -> AsyncIterator[tuple[MessageKey, MessageRecord]]:
    for lane in view.lanes or [view]:
        key = campaign_key(lane.plan.sender, lane.id)
        stored = await testbed.redis.mget([f"{key}:m:{number}" for number in range(lane.batches)])
        for number, packed in enumerate(cast("list[bytes | None]", stored)):
            for record in read_records(packed, len(packed) // (1 + RECORD_WIDTH)) if packed else ():
                yield (lane.id, number, record.index), record
