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
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.status.roles import missing_workers

T = TypeVar("T")

_ANSWER_TIMEOUT_S = 2.0
"""If Redis does not answer a command for so long at its start, the command says so and ends."""


def with_ledger(options: CliContext, call: Callable[[Redis], Awaitable[T]], *, repeats: bool = True) -> T:
    """Connect to the ledger, await ``call`` with the connection, and return what it returns.

    Args:
        options: the options of the command line.
        call: what to do.
        repeats: whether the Redis client may repeat a command whose answer was lost. A plain write that overwrites what
            somebody else has written meanwhile may not: the person is told that the answer was lost, and decides.

    Raises:
        SettingsInvalid: the ledger's address is missing or cannot be used.
        RedisUnavailable: the ledger does not answer, or refuses the login.
    """
    redis_url = options.ledger_url()

    async def connect_and_call() -> T:
        async with open_ledger(redis_url, repeats=repeats) as redis:
            return await call(redis)

    return asyncio.run(connect_and_call())


@asynccontextmanager
async def open_ledger(redis_url: str, *, repeats: bool = True) -> AsyncIterator[Redis]:
    """Connect to the ledger for the time of a block; raise RedisUnavailable if the ledger cannot be used."""
    async with connect(redis_url, socket_timeout_s=_ANSWER_TIMEOUT_S, repeat_after_timeout=False) as probe:
        await check(probe, needs_memory=False)
    redis = connect(redis_url) if repeats else connect(redis_url, retries=0)
    try:
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
    from times_dispatch.settings.load import Need  # noqa: PLC0415  # slow to import

    with suppress(RedisError, SettingsInvalid):
        await notify(redis, options.settings(Need.LEDGER), sender)
