"""How Redis' memory grew in the last day, so that people know how long the rest lasts at this pace.

Upkeep notes the used memory once in each span of ten minutes.
"""

from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from times_dispatch.ledger.health import Memory, read_memory
from times_dispatch.ledger.keys import MEMORY_HISTORY
from times_dispatch.ledger.redis_clock import RedisClock

SPAN_S: Final = 600
_KEPT_SPANS: Final = 24 * 3600 // SPAN_S
_MIN_SPANS: Final = 3600 // SPAN_S
"""A pace over less than an hour says nothing about a day."""


class MemoryPace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the used memory grows, and how long the rest lasts."""

    grown_bytes: int
    """How much more memory Redis uses than at the beginning of the time below; below 0 if it uses less."""
    over_s: int
    """The time over which the memory was compared, up to a day; 0 if upkeep has not noted it for an hour yet."""
    left_bytes: int | None
    """The memory that campaigns and reports may still take; None if Redis has no limit."""

    @property
    def lasts_s(self) -> float | None:
        """For how long the rest lasts at this pace; None if the memory does not grow, or if nobody knows."""
        if self.left_bytes is None or not self.over_s or self.grown_bytes <= 0:
            return None
        return self.left_bytes * self.over_s / self.grown_bytes


async def note_memory(redis: Redis) -> None:
    """Note how much memory Redis uses now, unless it is noted for this span of time. Raises Redis errors."""
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
        max_share: the share of maxmemory above which no campaign and no report is taken.
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
