"""The opt-out list and the dead numbers as a worker process sees them."""

from collections.abc import Mapping, Sequence

from redis.asyncio import Redis

from times_dispatch.ledger.numbers.dead_numbers import DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.opt_outs import Listed, OptOuts

NO_DEAD_NUMBERS = DeadNumberRule()
"""The rule by which no number is dead."""


class OptOutCache:
    """Looks numbers up in the opt-out list; all batches of a process share this object. Raises redis errors.

    The cache remembers only how many times the list was changed; 0 means that the list is empty, and then no number is
    looked up.
    """

    def __init__(self, redis: Redis, dead_numbers: DeadNumberRule = NO_DEAD_NUMBERS) -> None:
        self._opt_outs = OptOuts(redis, dead_keep_days=dead_numbers.keep_days)
        self._dead_numbers = DeadNumbers(redis, dead_numbers)
        self._changes: int | None = None

    async def changes(self) -> int:
        """Return how many times the list was changed, according to the last answer of the ledger to this process.

        The number may be old: every opening of a block brings the present number (``Block.opt_out_changes``).
        """
        if self._changes is None:
            self._changes = await self._opt_outs.changes()
        return self._changes

    async def opted_out(self, numbers: Sequence[str], *, changes: int) -> list[Listed]:
        """Return for each number whether it is on the list or dead.

        *changes* is how many times the list has been changed.
        """
        self._changes = changes
        if not changes:
            return [Listed.NOT_LISTED] * len(numbers)
        return await self._opt_outs.contains(numbers)

    @property
    def dead_codes(self) -> frozenset[int]:
        """The codes of rejected pushes after which a number is dead."""
        return self._dead_numbers.rule.codes

    async def note_dead(self, codes: Mapping[str, int]) -> None:
        """Keep numbers as dead, each with the provider's code which says that nobody has the number."""
        await self._dead_numbers.add(codes)
