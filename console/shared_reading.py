"""A reading of the ledger that several people share if they ask at the same time, or within a short time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from times_dispatch.clock import SYSTEM_CLOCK, Clock

T = TypeVar("T")


class SharedReading(Generic[T]):
    """Reads only if the last reading is too old, and never twice at the same time, whatever the number of callers."""

    def __init__(self, read: Callable[[], Awaitable[T]], *, fresh_s: float = 1.0, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make a shared reading.

        Args:
            read: reads the ledger.
            fresh_s: for how many seconds callers get the same reading.
            clock: measures the age of a reading.
        """
        self._read = read
        self._fresh_s = fresh_s
        self._clock = clock
        self._one_reads = asyncio.Lock()
        self._latest: tuple[float, T] | None = None
        self.readings = 0

    async def get(self, *, max_age_s: float | None = None) -> T:
        """Return a reading that is fresh, or at most *max_age_s* old; errors of the ledger are raised to the caller."""
        max_age_s = self._fresh_s if max_age_s is None else max_age_s
        async with self._one_reads:
            if self._latest is None or self._clock.monotonic() - self._latest[0] >= max_age_s:
                value = await self._read()
                self.readings += 1
                self._latest = self._clock.monotonic(), value
            return self._latest[1]
