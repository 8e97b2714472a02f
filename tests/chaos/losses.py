"""What a lost worker had open: read from the ledger, record by record, before anybody repairs anything."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import cast

from redis.exceptions import RedisError

from tests.chaos.settings import TOTAL_TIMEOUT_S
from tests.chaos.stage import Loss, MessageKey, Stage
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.records import WIDTH, MessageRecord, read
from times_dispatch.ledger.states import LIVE, MessageState
from times_dispatch.provider.failures import Failure

_OTHERS_END_S = TOTAL_TIMEOUT_S + 2.0
"""What the living had in flight has come to its end by then, and stands in the ledger."""
_RENEWED_EVERY = 0.2
"""Of a lease."""


async def note_loss(stage: Stage, name: str) -> None:
    """Note that a worker was killed, or frozen for longer than its leases, and what it had open.

    That stays ``sending`` until its leases run out, and what the living have open does not: it is what is ``sending``
    now and, let go at the same time, still when every push of the living has ended.
    """
    loss = Loss(time.time(), name)
    stage.notes.losses.append(loss)
    before_s = loss.at_s + stage.lease_s * (1 - _RENEWED_EVERY) - 1.0
    first = await _sending(stage, before_s)
    await asyncio.sleep(max(0.0, loss.at_s + min(_OTHERS_END_S, stage.lease_s / 2) - time.time()))
    later = await _sending(stage, before_s)
    if first is not None and later is not None:
        loss.open = {key for key, let_go_ms in first.items() if later.get(key) == let_go_ms}


async def doubted(stage: Stage, view: CampaignView) -> set[MessageKey]:
    """Return the messages of a campaign that are in doubt because their worker was lost."""
    return {
        key
        async for key, record in _records(stage, view)
        if record.state is MessageState.IN_DOUBT and record.code == Failure.WORKER_LOST
    }


async def _sending(stage: Stage, before_s: float) -> dict[MessageKey, int] | None:
    """Return what is ``sending``, and when it was let go; None if Redis does not answer before a moment."""
    while time.time() < before_s:
        try:
            found = {}
            for campaign in list(stage.campaigns):
                view = await stage.views.campaign(campaign)
                if view.state in LIVE and view.counts[MessageState.SENDING]:
                    async for key, record in _records(stage, view):
                        if record.state is MessageState.SENDING:
                            found[key] = record.let_go_ms
        except RedisError:
            await asyncio.sleep(0.1)
        else:
            return found
    return None


async def _records(stage: Stage, view: CampaignView) -> AsyncIterator[tuple[MessageKey, MessageRecord]]:
    key = campaign_key(view.plan.sender, view.id)
    stored = await stage.redis.mget([f"{key}:m:{number}" for number in range(view.batches)])
    for number, packed in enumerate(cast("list[bytes | None]", stored)):
        for record in read(packed, len(packed) // (1 + WIDTH)) if packed else ():
            yield (view.id, number, record.index), record
