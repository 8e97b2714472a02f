"""One scrape of the metrics of 200 senders with live campaigns and eight days of statistics."""

import asyncio
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from redis.asyncio import Redis

from benchmarks import seeding
from benchmarks.figures import Figure
from benchmarks.rig import sender_names, settings_text
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import SenderKey, sender_key
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.statistics.rollups import RollupKey
from times_dispatch.metrics.counted import CountedReader
from times_dispatch.metrics.families import SnapshotCollector
from times_dispatch.metrics.reader import read_snapshot

SENDERS = 200
_DAYS = 8
_TEMPLATES = 3
_SCRAPES = 5
_FIELDS = {
    "a": 10,
    "d": 1_600,
    "f": 21,
    "parts": 1_631,
    **{f"f:{code}": 3 for code in (901, 905, 910, 912, 913, 914, 916)},
    **{f"t{bucket}": 40 for bucket in range(40)},
}


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure the cost of one scrape in the metrics process and in Redis."""
    senders = sender_names(SENDERS)
    stack = Stack(settings=settings_text(senders))
    try:
        stack.redis.start()
        say(f"{SENDERS} senders, each with a campaign and {_DAYS * _TEMPLATES} rollups")
        elapsed_s, cpu_s, redis_s, size = asyncio.run(_scrape(stack.redis.url, senders))
    finally:
        stack.stop()
    note = f"CPU of the process {cpu_s * 1000:.0f} ms, of Redis {redis_s * 1000:.0f} ms; {size / 1000:,.0f} kB"
    return [
        Figure(
            name=f"scrape, {SENDERS} senders", value=elapsed_s * 1000, unit="ms", better="less", must=2_000, note=note
        )
    ]


async def _scrape(redis_url: str, senders: list[SenderId]) -> tuple[float, float, float, int]:
    """Return the time, the CPU times of this process and of Redis (all in seconds), and the size of the page."""
    async with connect(redis_url) as redis:
        for sender in senders:
            await seeding.write(redis, sender, 10)
            await _write_rollups(redis, sender)
        counted = CountedReader(redis)  # the first scrape also reads the older days, and is not counted
        await read_snapshot(redis, _no_queues, days=_DAYS, max_memory_share=0.9, counted=counted)
        elapsed_s, cpu_s, redis_s, page = list[float](), -time.process_time(), -await _redis_cpu_s(redis), b""
        for _ in range(_SCRAPES):
            began_s = time.perf_counter()
            registry = CollectorRegistry(auto_describe=False)
            snapshot = await read_snapshot(redis, _no_queues, days=_DAYS, max_memory_share=0.9, counted=counted)
            registry.register(SnapshotCollector(snapshot))
            page = generate_latest(registry)
            elapsed_s.append(time.perf_counter() - began_s)
        cpu_s, redis_s = cpu_s + time.process_time(), redis_s + await _redis_cpu_s(redis)
        return statistics.median(elapsed_s), cpu_s / _SCRAPES, redis_s / _SCRAPES, len(page)


async def _write_rollups(redis: Redis, sender: SenderId) -> None:
    today = datetime.now(UTC).date()
    fields: Any = {name: str(number) for name, number in _FIELDS.items()}
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(_DAYS):
            for template in range(_TEMPLATES):
                key = RollupKey(today - timedelta(days=number), sender, "timesmobile", f"template-{template}")
                pipe.hset(key.key, mapping=fields)
                pipe.zadd(sender_key(sender, SenderKey.STATISTICS), {key.member: (key.day - date(1970, 1, 1)).days})
        await pipe.execute()


async def _redis_cpu_s(redis: Redis) -> float:
    used = await redis.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


async def _no_queues() -> dict[str, int]:
    return {}
