"""How a command reaches the ledger."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from redis.asyncio import Redis

from campaigns.connection import check, connect
from producers.cli import Globals
from settings.load import Need

T = TypeVar("T")


def with_ledger(options: Globals, call: Callable[[Redis], Awaitable[T]]) -> T:
    """Connect to the ledger, run *call* with it and return what it returns.

    Raises:
        SettingsInvalid: the settings or the ledger's address cannot be used.
        RedisUnavailable: the ledger is away, or does not let us in.
    """
    return asyncio.run(_run(options, call))


async def _run(options: Globals, call: Callable[[Redis], Awaitable[T]]) -> T:
    async with _ledger(options) as redis:
        return await call(redis)


@asynccontextmanager
async def _ledger(options: Globals) -> AsyncIterator[Redis]:
    redis = connect(options.settings(frozenset({Need.LEDGER})).redis_url)
    try:
        await check(redis)
        yield redis
    finally:
        await redis.aclose()
