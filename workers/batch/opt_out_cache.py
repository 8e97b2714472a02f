"""The opt-out list as a worker process sees it, and how often each sender may text one number."""

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.opt_outs import OptOuts


class OptOutCache:
    """Shared by all batches of a process. Remembers how many times the list was changed; raises redis errors."""

    def __init__(self, redis: Redis, limits: Mapping[str, FrequencyLimit] | None = None) -> None:
        """Make the cache of a process.

        Args:
            redis: the ledger's connection.
            limits: how often each sender may text one number, by the sender's header.
        """
        self._limits = limits or {}
        self._optouts = OptOuts(redis)
        self._changes: int | None = None

    def frequency_limit(self, sender: str) -> FrequencyLimit:
        """Return how often a sender may text one number; no limit for a sender that the settings do not name."""
        return self._limits.get(sender, FrequencyLimit())

    async def changes(self) -> int:
        """Return how many times the list had been changed when this process last heard of it.

        The number may be old: every opening of a block brings the present one (``Block.opt_out_changes``).
        """
        if self._changes is None:
            self._changes = await self._optouts.changes()
        return self._changes

    async def opted_out(self, numbers: Sequence[str], *, changes: int) -> list[bool]:
        """Say for each number whether it is on the list, which was changed so many times before the call."""
        self._changes = changes
        if not changes:
            return [False] * len(numbers)
        return await self._optouts.contains(numbers)
