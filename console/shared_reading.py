"""A reading of the ledger that several people share: who asks at the same time, or a moment later, gets the same."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from times_dispatch.clock import SYSTEM_CLOCK, Clock

T = TypeVar("T")


class SharedReading(Generic[T]):
    """Reads at most once in a while, and never twice at the same time, however many ask."""

    def __init__(self, read: Callable[[], Awaitable[T]], *, fresh_s: float = 1.0, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make a shared reading.

        Args:
            read: reads the ledger.
            fresh_s: for how many seconds a reading is given out.
            clock: measures that time.
        """
        self._read = read
        self._fresh_s = fresh_s
        self._clock = clock
        self._one_reads = asyncio.Lock()
        self._latest: tuple[float, T] | None = None
        self.readings = 0

    async def get(self, *, max_age_s: float | None = None) -> T:
        """Return a reading that is fresh, or at most *max_age_s* old; errors of the ledger go to the caller."""
        max_age_s = self._fresh_s if max_age_s is None else max_age_s
        async with self._one_reads:
            if self._latest is None or self._clock.monotonic() - self._latest[0] >= max_age_s:
                value = await self._read()
                self.readings += 1
                self._latest = self._clock.monotonic(), value
            return self._latest[1]
