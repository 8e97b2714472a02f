"""The clock of the state machine: one number is the time of the scripts, of Redis and of the host."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from redis.asyncio import Redis

from tests.kit.redis_clock import STOPPED_AT, stopped_clock
from times_dispatch.clock import SystemClock

NOON_US = 1_893_825_420_000_000
"""4 January 2030, 12:07 in India. The real clock of Redis is years behind, so that no key expires during a test."""


class MachineClock(SystemClock):
    """A clock that stands still; the machine sets it, and writes it into the ledger."""

    def __init__(self) -> None:
        self.now_us = NOON_US

    def time(self) -> float:
        return self.now_us / 1e6

    async def redis_time(self) -> tuple[int, int]:
        return divmod(self.now_us, 1_000_000)

    async def write(self, redis: Redis) -> None:
        await redis.set(STOPPED_AT, self.now_us)


@contextmanager
def machine_clock(redis: Redis) -> Iterator[MachineClock]:
    """Give a clock to *redis*, and to the scripts that are made inside this context."""
    clock = MachineClock()
    with stopped_clock(redis), patch.object(redis, "time", clock.redis_time):
        yield clock
