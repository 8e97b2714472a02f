"""Whether Redis has room for more reports: the receiver refuses them before the ledger has no memory left."""

import asyncio
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from callbacks.retry_loop import run_forever
from callbacks.streams import DEFAULT_STREAM_LIMITS, REPORTS, stream_bytes
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.monitoring.health import read_memory, urgent_warnings

log = structlog.get_logger(__name__)

CHECK_EVERY_S: Final = 1.0


class ReportRoom:
    """Checks the room once a second; between two checks the last result holds.

    The provider repeats a refused request for hours. The remaining memory lets workers and reconcilers write the
    results of messages that were sent already.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        max_memory_share: float = 0.9,
        max_waiting_bytes: int = DEFAULT_STREAM_LIMITS.max_waiting_bytes,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a room.

        Args:
            redis: where the stream ``reports`` is.
            max_memory_share: the share of Redis' maxmemory above which no report is taken.
            max_waiting_bytes: the bytes of reports that may wait for a reconciler.
            clock: the clock of the checks.
        """
        self._redis = redis
        self._max_memory_share = max_memory_share
        self._max_waiting_bytes = max_waiting_bytes
        self._clock = clock
        self.refusal = ""
        """Why the receiver takes no reports; empty if it takes reports."""

    async def check(self) -> None:
        """Check whether there is room. After a Redis error, which is raised, the last result holds."""
        refusal, memory = "", await read_memory(self._redis)
        if not memory.has_room(0, max_share=self._max_memory_share):
            refusal = f"Redis uses {memory.share:.0%} of its memory"
        elif await stream_bytes(self._redis, REPORTS) > self._max_waiting_bytes:
            refusal = "too many reports wait for a reconciler"
        if refusal and not self.refusal:
            log.error("no reports are taken; posts are answered with 503", reason=refusal)
        elif self.refusal and not refusal:
            log.info("reports are taken again")
        self.refusal = refusal

    async def warnings(self) -> list[str]:
        """Return the warnings about Redis, for the response about the receiver's health."""
        try:
            return await urgent_warnings(self._redis, clock=self._clock)
        except (RedisError, OSError):
            return []  # the response says that Redis is unavailable

    async def watch(self, stop: asyncio.Event) -> None:
        """Check every second until the stop is set."""

        async def step() -> None:
            await self.check()
            await self._clock.wait(stop, CHECK_EVERY_S)

        await run_forever(step, stop, clock=self._clock)
