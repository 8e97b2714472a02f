"""The opt-out list as a worker process sees it, and how often each sender may text one number."""

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.frequency_cap import FrequencyCaps, FrequencyLimit
from times_dispatch.ledger.optouts import OptOuts


class OptOutCache:
    """Shared by all batches of a process. Remembers only that the list is empty; raises redis errors."""

    def __init__(
        self,
        redis: Redis,
        limits: Mapping[str, FrequencyLimit] | None = None,
        *,
        empty_for_s: float = 1.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make the cache of a process.

        Args:
            redis: the ledger's connection.
            limits: how often each sender may text one number, by the sender's header.
            empty_for_s: an opt-out list that was found empty is taken for empty for this many seconds, so that an empty
                list costs no call for each block.
            clock: what these seconds are measured with.
        """
        self.frequency_caps = FrequencyCaps(redis)
        self._limits = limits or {}
        self._optouts = OptOuts(redis)
        self._empty_for_s = empty_for_s
        self._clock = clock
        self._empty_until = 0.0

    def frequency_limit(self, sender: str) -> FrequencyLimit:
        """Return how often a sender may text one number; no limit for a sender that the settings do not name."""
        return self._limits.get(sender, FrequencyLimit())

    async def opted_out(self, numbers: Sequence[str]) -> list[bool]:
        """Say for each number whether it is on the opt-out list."""
        asked_at = self._clock.monotonic()
        if asked_at < self._empty_until:
            return [False] * len(numbers)
        if await self._optouts.is_empty():
            self._empty_until = asked_at + self._empty_for_s
            return [False] * len(numbers)
        return await self._optouts.contains(numbers)
