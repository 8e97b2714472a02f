"""What must not be pushed, although its block was opened: asked between the opening and the first push."""

import time
from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from times_dispatch.ledger.frequency_cap import Admissions, Frequency
from times_dispatch.ledger.optouts import OptOuts

_EMPTY_FOR_S = 1.0
"""An empty opt-out list is believed to be empty for so long, so that it costs nothing per block."""


class Screen:
    """The screen of a process; all its batches ask it. Raises redis errors: who gets one pushes nothing."""

    def __init__(self, redis: Redis, frequencies: Mapping[str, Frequency] | None = None) -> None:
        self.admissions = Admissions(redis)
        self._frequencies = frequencies or {}
        self._optouts = OptOuts(redis)
        self._nobody_until = 0.0

    def frequency(self, sender: str) -> Frequency:
        """Return how often a sender may text one number; a sender that the settings do not know, as it likes."""
        return self._frequencies.get(sender, Frequency())

    async def opted_out(self, numbers: Sequence[str]) -> list[bool]:
        """Say for each number whether it is on the opt-out list."""
        if time.monotonic() < self._nobody_until:
            return [False] * len(numbers)
        asked_at = time.monotonic()
        if await self._optouts.is_empty():
            self._nobody_until = asked_at + _EMPTY_FOR_S
            return [False] * len(numbers)
        return await self._optouts.contains(numbers)
