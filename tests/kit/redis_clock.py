"""A clock of the scripts that a test sets back, sets forward or stops; the host's clock does not change."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis

from times_dispatch.ledger.scripts import replaced_lib

_MOVED = """
local function now_us()
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000000 + microseconds + tonumber(redis.call('GET', 'test:ahead_s') or '0') * 1000000
end
"""

STOPPED_AT = "test:now_us"
"""The key of the time at which a test stopped the clock, in microseconds since the epoch."""

_STOPPED = f"""
local function now_us()
  return tonumber(redis.call('GET', '{STOPPED_AT}'))
end
"""


class MovedClock:
    """Moves the clock that the scripts read."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def set_ahead(self, seconds: float) -> None:
        """Set how many seconds the clock is ahead of the real time; a negative number sets the clock back."""
        await self._redis.set("test:ahead_s", seconds)


@contextmanager
def moved_clock(redis: Redis) -> Iterator[MovedClock]:
    """Give the scripts that are made inside this context a clock that the test moves."""
    with replaced_lib("clock", _MOVED):
        yield MovedClock(redis)


class StoppedClock:
    """The clock that the scripts read; its time changes only when the test sets it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def set(self, seconds: float) -> None:
        """Set the time, in seconds since the epoch."""
        await self._redis.set(STOPPED_AT, round(seconds * 1e6))


@contextmanager
def stopped_clock(redis: Redis) -> Iterator[StoppedClock]:
    """Give the scripts that are made inside this context a clock that stands still; the test must set the time."""
    with replaced_lib("clock", _STOPPED):
        yield StoppedClock(redis)
