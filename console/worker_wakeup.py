"""Wakes workers after an action, so that a campaign goes on at once, and not after the next round of upkeep."""

from contextlib import suppress

from redis.exceptions import RedisError

from console.visit import Visit
from times_dispatch.ledger.model import SenderId


async def wake_workers_of(visit: Visit, sender: SenderId) -> None:
    """Wake workers for the batches that a sender may send now."""
    from producers.submit import notify_workers  # noqa: PLC0415  # imports Celery, which is slow

    with suppress(RedisError, OSError):
        await notify_workers(visit.redis, visit.settings, sender)
