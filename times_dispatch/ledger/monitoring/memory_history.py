"""The growth of Redis' memory in the last day, so that people know how long the free memory will last.

Upkeep notes the used memory once in each span of ten minutes.
"""

from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from times_dispatch.ledger.keys import MEMORY_HISTORY
from times_dispatch.ledger.monitoring.health import Memory, read_memory
from times_dispatch.ledger.redis_clock import RedisClock

SPAN_S: Final = 600
_KEPT_SPANS: Final = 24 * 3600 // SPAN_S
_MIN_SPANS: Final = 3600 // SPAN_S
"""The fewest spans over which growth is computed: one hour, because growth in less time predicts nothing."""


class MemoryPace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the used memory grows, and how long the free memory lasts."""

    grown_bytes: int
    """By how many bytes the used memory grew within ``over_s``; below 0 if it shrank."""
    over_s: int
    """The time of the comparison, up to a day; 0 if upkeep has noted the memory for less than an hour."""
    left_bytes: int | None
    """The memory that campaigns and reports may still take; None if Redis has no limit."""

    @property
    def lasts_s(self) -> float | None:
        """How many seconds the free memory lasts at this growth; None without growth, or if this is unknown."""
        if self.left_bytes is None or not self.over_s or self.grown_bytes <= 0:
            return None
        return self.left_bytes * self.over_s / self.grown_bytes


async def note_memory(redis: Redis) -> None:
    """Note how much memory Redis uses now, unless a note for this span of time exists. Raises Redis errors."""
    span = await _span(redis)
    memory = await read_memory(redis)
    if not memory.used_bytes:
        return  # this user may not run INFO
    try:
        is_new = await redis.hsetnx(MEMORY_HISTORY, str(span), str(memory.used_bytes))
    except OutOfMemoryError:
        return
    if is_new:
        noted = await redis.hkeys(MEMORY_HISTORY)
        old = [name for name in noted if not span - _KEPT_SPANS <= int(name) <= span]
        if old:
            await redis.hdel(MEMORY_HISTORY, *old)


async def read_memory_pace(redis: Redis, memory: Memory, *, max_share: float) -> MemoryPace:
    """Return how fast the memory grows. Raises Redis errors.

    Args:
        redis: the ledger.
        memory: the memory in use now.
        max_share: the share of maxmemory above which campaigns and reports are refused.
    """
    span = await _span(redis)
    noted = {int(name): int(used) for name, used in (await redis.hgetall(MEMORY_HISTORY)).items()}
    first = min((name for name in noted if span - _KEPT_SPANS <= name <= span - _MIN_SPANS), default=None)
    left_bytes = max(0, int(max_share * memory.max_bytes) - memory.used_bytes) if memory.max_bytes else None
    return MemoryPace(
        grown_bytes=0 if first is None else memory.used_bytes - noted[first],
        over_s=0 if first is None else (span - first) * SPAN_S,
        left_bytes=left_bytes,
    )


async def _span(redis: Redis) -> int:
    return await RedisClock(redis).now_ms() // (SPAN_S * 1000)
