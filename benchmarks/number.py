"""The look-up of a phone number among ten million messages, like the look-up of ``dispatch number``."""

import asyncio
import statistics
import time
from collections.abc import Callable

from redis.asyncio import Redis

from benchmarks import accepted_campaign
from benchmarks.figures import Figure
from benchmarks.rig import sender_names, settings_text
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule
from times_dispatch.ledger.numbers.history import number_history

CAMPAIGNS = 10
MESSAGES = 1_000_000
_LOOKUPS = 20


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure the look-up of several numbers, without the start of Python."""
    (sender,) = sender_names(1)
    stack = Stack(settings=settings_text([sender]))
    try:
        stack.redis.start()
        say(f"{CAMPAIGNS} campaigns of {MESSAGES:,} messages")
        elapsed_ms, cpu_ms = asyncio.run(_time_lookups(stack.redis.url, sender))
    finally:
        stack.stop()
    return [
        Figure(
            name=f"number look-up, {CAMPAIGNS * MESSAGES:,} messages",
            value=statistics.median(elapsed_ms),
            unit="ms",
            better="less",
            must=100,
            note=f"the slowest of {_LOOKUPS}: {max(elapsed_ms):.0f} ms; CPU of one with Redis: {cpu_ms:.0f} ms",
        )
    ]


async def _time_lookups(redis_url: str, sender: SenderId) -> tuple[list[float], float]:
    """Return the time of each look-up, and the mean CPU time of a look-up, both in milliseconds."""
    redis = connect(redis_url)
    try:
        for _ in range(CAMPAIGNS):
            await accepted_campaign.write(redis, sender, MESSAGES, payloads=True)
        elapsed_ms, cpu_s = [], -await _cpu_s(redis)
        for index in range(_LOOKUPS):
            began = time.perf_counter()
            await number_history(redis, f"9187{index * 1_234_567:08}", DeadNumberRule())
            elapsed_ms.append((time.perf_counter() - began) * 1000)
        return elapsed_ms, (cpu_s + await _cpu_s(redis)) / _LOOKUPS * 1000
    finally:
        await redis.aclose()


async def _cpu_s(redis: Redis) -> float:
    used = await redis.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"]) + time.process_time()
