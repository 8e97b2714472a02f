"""Heartbeats of processes that do not run."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis

from tests.kit.background import repeating
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.monitoring.heartbeats import EVERY_S, Heartbeat, ProcessKind


async def let_run(redis: Redis, *kinds: ProcessKind) -> None:
    """Write a heartbeat of one process of each kind, sent just now."""
    for kind in kinds:
        await Heartbeat(redis, kind).beat()


@contextmanager
def running(redis_url: str, kind: ProcessKind) -> Iterator[None]:
    """Send the heartbeats of one process until the block ends: on a busy machine, a test can outlast one heartbeat."""

    async def beat() -> None:
        async with connect(redis_url) as redis:
            await let_run(redis, kind)

    asyncio.run(beat())
    with repeating(lambda: asyncio.run(beat()), every_s=EVERY_S):
        yield
