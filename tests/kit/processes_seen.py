"""Heartbeats of processes that a test only claims to run."""

from redis.asyncio import Redis

from times_dispatch.ledger.heartbeats import Heartbeat, ProcessKind


async def let_run(redis: Redis, *kinds: ProcessKind) -> None:
    """Let one process of each kind have sent a heartbeat just now."""
    for kind in kinds:
        await Heartbeat(redis, kind).beat()
