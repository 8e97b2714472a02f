"""Redis' clock, read as the scripts read it, and its difference from the clock of this host."""

from typing import NamedTuple

from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.cluster.routes import HOME
from times_dispatch.ledger.scripts import Script

MAX_DIFFERENCE_S = 60.0
"""The greatest difference of the clocks, in seconds, at which messages are ended, expired or settled: with a greater
difference it is unknown which clock is right. ``lua/issue.lua`` has the same limit."""

_OWNER = HOME
"""The hash tag of a call that uses no key."""


class ComparedClock(NamedTuple):
    """Redis' clock, compared with the clock of this host."""

    now_ms: int
    """The time of Redis' clock, in milliseconds since the epoch."""
    ahead_s: float
    """By how many seconds Redis' clock is ahead of this host's; below 0 if it is behind."""


class RedisClock:
    """Redis' clock, by which the ledger makes all decisions; a test replaces it with ``scripts.replaced_lib``."""

    def __init__(self, redis: Redis, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._read_clock = Script(redis, "read_clock")
        self._clock = clock

    async def now_ms(self, owner: str = _OWNER) -> int:
        """Return milliseconds since the epoch; on a cluster, by the clock of the node that has the keys of *owner*."""
        return (await self.now_us(owner)) // 1000

    async def now_us(self, owner: str = _OWNER) -> int:
        """Return microseconds since the epoch, as ``now_ms`` does."""
        return int((await self._read_clock(owner))["now_us"])

    async def compared(self, owner: str = _OWNER) -> ComparedClock:
        """Compare Redis' clock with this host's clock, whose time is taken in the middle of the call."""
        before_s = self._clock.time()
        now_us = await self.now_us(owner)
        return ComparedClock(now_us // 1000, now_us / 1e6 - (before_s + self._clock.time()) / 2)

    async def ahead_s(self, owner: str = _OWNER) -> float:
        """Return by how many seconds Redis' clock is ahead of this host's clock; below 0 if Redis' clock is behind."""
        return (await self.compared(owner)).ahead_s


def clocks_agree(ahead_s: float) -> bool:
    """Say whether the clocks are close enough to end, expire or settle messages by them."""
    return abs(ahead_s) <= MAX_DIFFERENCE_S
