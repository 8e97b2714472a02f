"""The backlog: posted reports that are stored and that no reconciler has finished yet."""

import asyncio
from typing import Any, Final, NamedTuple

import structlog
from redis.asyncio import Redis

from callbacks.retry_loop import run_forever
from callbacks.streams import REPORTS
from times_dispatch.clock import SYSTEM_CLOCK, Clock

log = structlog.get_logger(__name__)

WATCH_EVERY_S: Final = 60.0
LATE_S: Final = 60.0
"""Reconcilers apply a report within about a second, and within a minute if one of them died with it."""


class Backlog(NamedTuple):
    """How much is waiting in the stream ``reports``."""

    entries: int
    """Each entry holds one posted body or more."""
    oldest_s: float
    """For how long the oldest entry has been waiting."""


async def read_backlog(redis: Redis) -> Backlog:
    """Return the backlog as it is now. Raises Redis errors."""
    entries = int(await redis.xlen(REPORTS))
    oldest: Any = await redis.xrange(REPORTS, count=1)
    if not oldest:
        return Backlog(0, 0.0)
    seconds, microseconds = await redis.time()
    stored_ms = int(oldest[0][0].partition(b"-")[0])
    return Backlog(entries, max(0.0, int(seconds) + int(microseconds) / 1e6 - stored_ms / 1000))


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
        every_s: seconds from one look to the next.
        late_s: seconds after which a waiting entry is late.
        clock: the clock that the waits use.
    """

    async def step() -> None:
        backlog = await read_backlog(redis)
        if backlog.oldest_s >= late_s:
            log.warning("reports wait for a reconciler", entries=backlog.entries, oldest_s=round(backlog.oldest_s))
        await clock.wait(stop, every_s)

    await run_forever(step, stop, clock=clock)
