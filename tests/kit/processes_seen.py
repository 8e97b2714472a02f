"""Heartbeats of processes that do not run."""

from redis.asyncio import Redis

from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind


async def let_run(redis: Redis, *kinds: ProcessKind) -> None:
    """Write a heartbeat of one process of each kind, sent just now."""
    for kind in kinds:
        await Heartbeat(redis, kind).beat()
