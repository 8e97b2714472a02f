"""The queues of Celery, and the number of wake-ups in each queue; a broker in Redis is read without Celery."""

from typing import Final

from redis.asyncio import Redis

from times_dispatch.ledger.connection import connect
from times_dispatch.settings.model import Settings

UPKEEP_QUEUE: Final = "upkeep"
URGENT_QUEUE: Final = "urgent"
BULK_QUEUE: Final = "bulk"

QUEUES: Final = (UPKEEP_QUEUE, URGENT_QUEUE, BULK_QUEUE)
"""The queues, in the order in which a free worker reads them. The queue of upkeep is first, because it gets only one
message a second, and upkeep repairs the work of lost workers.
"""

_TIMEOUT_S: Final = 2.0


async def queue_lengths(settings: Settings, ledger: Redis) -> dict[str, int]:
    """Return the number of waiting messages, by the name of the queue.

    Raises:
        OSError: the broker is unavailable.
        RedisError: the broker, a Redis, is unavailable.
    """
    if settings.broker_url == settings.redis_url:
        return await _lengths(ledger)
    if settings.broker_url.startswith("redis"):
        async with connect(settings.broker_url, socket_timeout_s=_TIMEOUT_S, retries=0) as broker:
            return await _lengths(broker)
    from times_dispatch.broker.app import BROKER_ERRORS, celery_app, waiting_wakeups  # noqa: PLC0415  # slow to import

    app = celery_app(settings)
    app.conf.broker_connection_timeout = _TIMEOUT_S
    try:
        waiting = await waiting_wakeups(app)
    except BROKER_ERRORS as error:
        raise OSError(type(error).__name__) from error
    return {URGENT_QUEUE: waiting.urgent, BULK_QUEUE: waiting.bulk}


async def _lengths(broker: Redis) -> dict[str, int]:
    async with broker.pipeline(transaction=False) as pipe:
        for queue in QUEUES:
            pipe.llen(queue)
        return dict(zip(QUEUES, await pipe.execute(), strict=True))
