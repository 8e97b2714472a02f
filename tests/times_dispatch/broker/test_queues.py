"""The lengths of Celery's queues, with the broker in the ledger's Redis and elsewhere."""

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from times_dispatch.broker.queues import queue_lengths
from times_dispatch.settings.model import Settings


@pytest.mark.parametrize("path", ["", "?protocol=2"], ids=["in the ledger", "with another address"])
async def test_the_messages_of_each_queue_are_counted(redis: Redis, redis_url: str, path: str) -> None:
    await redis.rpush("bulk", "a", "b")
    lengths = await queue_lengths(Settings(redis_url=redis_url, broker_url=redis_url + path), redis)
    assert lengths == {"upkeep": 0, "urgent": 0, "bulk": 2}


async def test_a_broker_that_is_unavailable_raises_an_error_of_redis(redis: Redis, redis_url: str) -> None:
    with pytest.raises(RedisConnectionError):
        await queue_lengths(Settings(redis_url=redis_url, broker_url="redis://127.0.0.1:1/0"), redis)


async def test_another_broker_than_redis_that_is_unavailable_raises_an_oserror(redis: Redis, redis_url: str) -> None:
    with pytest.raises(OSError, match=r"Error|Refused"):
        await queue_lengths(Settings(redis_url=redis_url, broker_url="amqp://127.0.0.1:1//"), redis)
