"""A Redis whose clock a test sets back and forward; the host's clock stays."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis

from times_dispatch.ledger.scripts import replaced_lib

_LIB = """
local function now_us()
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000000 + microseconds + tonumber(redis.call('GET', 'test:ahead_s') or '0') * 1000000
end
"""


class MovedClock:
    """Moves the clock that the scripts read."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def set_ahead(self, seconds: float) -> None:
        """Let Redis' clock be so many seconds ahead of the real time; behind it if below 0."""
        await self._redis.set("test:ahead_s", seconds)


@contextmanager
def moved_clock(redis: Redis) -> Iterator[MovedClock]:
    """Give the scripts that are made inside this context a clock that the test moves."""
    with replaced_lib("clock", _LIB):
        yield MovedClock(redis)
