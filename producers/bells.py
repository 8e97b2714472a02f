"""Rings for what a sender has ready, so that it does not wait for upkeep's next round."""

import asyncio

from redis.asyncio import Redis

from times_dispatch.broker.app import BrokerAway, celery_app, ring
from times_dispatch.ledger.leases import Work
from times_dispatch.ledger.model import SenderId
from times_dispatch.settings.model import Settings


async def ring_for(redis: Redis, settings: Settings, sender: SenderId) -> str:
    """Hand out the sender's next batches and ring for them; return a warning if nobody could hear it, else nothing."""
    rings = await Work(redis, lease_s=settings.worker.lease_s).issue(sender)
    try:
        await asyncio.to_thread(ring, celery_app(settings), rings)
    except BrokerAway as away:
        return str(away)
    return ""
