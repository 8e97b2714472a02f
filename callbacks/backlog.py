"""The watch over the backlog: the receiver logs a warning while reports wait too long for a reconciler."""

import asyncio
from typing import Final

import structlog
from redis.asyncio import Redis

from callbacks.retry_loop import run_forever
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.reports.report_backlog import read_backlog

log = structlog.get_logger(__name__)

WATCH_EVERY_S: Final = 60.0
LATE_S: Final = 60.0
"""Reconcilers apply a report within about a second, and within a minute if a reconciler died with the report."""


async def watch_backlog(
    redis: Redis,
    stop: asyncio.Event,
    *,
    every_s: float = WATCH_EVERY_S,
    late_s: float = LATE_S,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Log a warning every *every_s* while the oldest entry has been waiting for *late_s* or longer.

    Args:
        redis: the Redis with the stream ``reports``.
        stop: ends the watch when it is set.
        every_s: seconds from one check to the next.
        late_s: seconds after which a waiting entry is late.
        clock: the clock that the waits use.
    """

    async def step() -> None:
        backlog = await read_backlog(redis)
        if backlog.oldest_s >= late_s:
            log.warning("reports wait for a reconciler", entries=backlog.entries, oldest_s=round(backlog.oldest_s))
        await clock.wait(stop, every_s)

    await run_forever(step, stop, clock=clock)
