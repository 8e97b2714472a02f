"""The opt-out list as a worker process sees it."""

from collections.abc import Sequence

from redis.asyncio import Redis

from times_dispatch.ledger.opt_outs import OptOuts


class OptOutCache:
    """Looks numbers up in the opt-out list; all batches of a process share this object. Raises redis errors.

    The cache remembers only how many times the list was changed; 0 means that the list is empty, and then no number is
    looked up.
    """

    def __init__(self, redis: Redis) -> None:
        self._opt_outs = OptOuts(redis)
        self._changes: int | None = None

    async def changes(self) -> int:
        """Return how many times the list had been changed when the ledger last told this process.

        The number may be old: every opening of a block brings the present number (``Block.opt_out_changes``).
        """
        if self._changes is None:
            self._changes = await self._opt_outs.changes()
        return self._changes

    async def opted_out(self, numbers: Sequence[str], *, changes: int) -> list[bool]:
        """Return for each number whether it is on the list; *changes* is how many times the list has been changed."""
        self._changes = changes
        if not changes:
            return [False] * len(numbers)
        return await self._opt_outs.contains(numbers)
