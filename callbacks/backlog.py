"""Says how many reports wait for a reconciler: the receiver takes them in whether or not anybody applies them."""

import asyncio
from typing import Any, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callbacks.streams import REPORTS

log = structlog.get_logger(__name__)

EVERY_S = 60.0
LATE_S = 60.0
"""Reconcilers apply a report within a second or so, and one that another died over within a minute."""


class Backlog(NamedTuple):
    """What is stored and not yet applied."""

    entries: int
    """Each holds one or more posted bodies."""
    oldest_s: float
    """How long the first has been waiting."""


async def backlog(redis: Redis) -> Backlog:
    """Look at the stream; entries leave it when they are done."""
    entries = int(await redis.xlen(REPORTS))
    oldest: Any = await redis.xrange(REPORTS, count=1)
    if not oldest:
        return Backlog(0, 0.0)
    seconds, microseconds = await redis.time()
    stored_ms = int(oldest[0][0].partition(b"-")[0])
    return Backlog(entries, max(0.0, int(seconds) + int(microseconds) / 1e6 - stored_ms / 1000))


async def watch(redis: Redis, *, every_s: float = EVERY_S, late_s: float = LATE_S) -> None:
    """Warn again and again, as long as reports wait for too long; never ends by itself."""
    while True:
        try:
            waiting = await backlog(redis)
        except (RedisError, OSError) as error:
            log.warning("ledger away", error=type(error).__name__, doing="backlog")
        else:
            if waiting.oldest_s >= late_s:
                log.warning("reports wait for a reconciler", entries=waiting.entries, oldest_s=round(waiting.oldest_s))
        await asyncio.sleep(every_s)
