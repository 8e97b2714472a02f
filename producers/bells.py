"""Rings for what a sender has ready, so that it does not wait for upkeep's next round."""

import asyncio

from redis.asyncio import Redis

from campaigns.model import SenderId
from campaigns.work import Work
from settings.broker import BrokerAway, celery_app, ring
from settings.model import Settings


async def ring_for(redis: Redis, settings: Settings, sender: SenderId) -> str:
    """Hand out the sender's next batches and ring for them; return a warning if nobody could hear it, else nothing."""
    rings = await Work(redis, lease_s=settings.worker.lease_s).issue(sender)
    try:
        await asyncio.to_thread(ring, celery_app(settings), rings)
    except BrokerAway as away:
        return str(away)
    return ""
