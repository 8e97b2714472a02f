"""How a command reaches the ledger."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from producers.cli import CliContext
from times_dispatch.ledger.connection import check, connect
from times_dispatch.ledger.model import SenderId
from times_dispatch.settings.load import Need

T = TypeVar("T")


def with_ledger(options: CliContext, call: Callable[[Redis], Awaitable[T]]) -> T:
    """Connect to the ledger, run *call* with it and return what it returns.

    Raises:
        SettingsInvalid: the settings or the ledger's address cannot be used.
        RedisUnavailable: the ledger is away, or does not let us in.
    """
    return asyncio.run(_run(options, call))


async def ring_for(options: CliContext, redis: Redis, sender: SenderId) -> None:
    """Let what a sender may send again begin at once; where that fails upkeep does it a little later."""
    from producers import submit as bells  # noqa: PLC0415  # Celery is slow to import

    with suppress(RedisError):
        await bells.ring_for(redis, options.settings(frozenset({Need.LEDGER})), sender)


async def _run(options: CliContext, call: Callable[[Redis], Awaitable[T]]) -> T:
    async with _ledger(options) as redis:
        return await call(redis)


@asynccontextmanager
async def _ledger(options: CliContext) -> AsyncIterator[Redis]:
    redis = connect(options.settings(frozenset({Need.LEDGER})).redis_url)
    try:
        await check(redis)
        yield redis
    finally:
        await redis.aclose()
