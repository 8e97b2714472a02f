"""The connection of commands to the ledger."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from producers.cli import CliContext
from producers.cli.output import echo
from times_dispatch.ledger.connection import check, connect
from times_dispatch.ledger.health import urgent_warnings
from times_dispatch.ledger.model import SenderId
from times_dispatch.settings.load import Need
from times_dispatch.status.roles import missing_workers

T = TypeVar("T")


def with_ledger(options: CliContext, call: Callable[[Redis], Awaitable[T]], *, repeats: bool = True) -> T:
    """Connect to the ledger, await ``call`` with the connection, and return what it returns.

    Args:
        options: the options of the command line.
        call: what to do.
        repeats: whether the Redis client may repeat a command whose answer was lost. A plain write that overwrites what
            somebody else has written meanwhile may not: the person is told that the answer was lost, and decides.

    Raises:
        SettingsInvalid: the settings or the ledger's address cannot be used.
        RedisUnavailable: the ledger does not answer, or refuses the login.
    """
    redis_url = options.settings(Need.LEDGER).redis_url

    async def connect_and_call() -> T:
        async with open_ledger(redis_url, repeats=repeats) as redis:
            return await call(redis)

    return asyncio.run(connect_and_call())


@asynccontextmanager
async def open_ledger(redis_url: str, *, repeats: bool = True) -> AsyncIterator[Redis]:
    """Connect to the ledger for the time of a block; raise RedisUnavailable if the ledger cannot be used."""
    redis = connect(redis_url) if repeats else connect(redis_url, retries=0)
    try:
        await check(redis, needs_memory=False)
        for warning in await urgent_warnings(redis):
            echo(f"warning: {warning}", err=True)
        yield redis
    finally:
        await redis.aclose()


async def warn_without_workers(redis: Redis) -> None:
    """Say on stderr since when no worker runs, if none does; say nothing if nobody can know."""
    with suppress(RedisError):
        if line := await missing_workers(redis):
            echo(f"warning: {line}", err=True)


async def notify_workers(options: CliContext, redis: Redis, sender: SenderId) -> None:
    """Let workers begin at once with what a sender may send again; if that fails, upkeep does it some seconds later."""
    from producers.submit import notify_workers as notify  # noqa: PLC0415  # imports Celery, which is slow

    with suppress(RedisError):
        await notify(redis, options.settings(Need.LEDGER), sender)
