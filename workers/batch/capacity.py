"""How many messages a process may have open at once, over all its batches; who asks first is served first."""

import asyncio
from collections import deque
from typing import NamedTuple


class _Waiter(NamedTuple):
    turn: asyncio.Future[None]
    needs: int
    """Free permits that must be there; below 0 if more may be taken than there are."""


class Capacity:
    """Permits for open messages: one for each message, from before its block is opened until it has its result.

    A batch takes permits before it opens a block, so that the messages of the block can be pushed at once.
    """

    def __init__(self, permits: int) -> None:
        self._free = permits
        self._waiters: deque[_Waiter] = deque()
        self._is_closed = False

    @property
    def free(self) -> int:
        """Permits that nobody holds; below 0 if more were taken than there are."""
        return self._free

    async def take(self, max_permits: int, *, lookahead: int = 0) -> int:
        """Wait until a permit is free, then take up to *max_permits*; return how many, or 0 when the process stops.

        *lookahead* is how many permits may be taken beyond those that are free. The wait then ends when at least half
        that many can be taken, and not after every single push: each take costs a call to the ledger.
        """
        needs = max(1, min(max_permits, lookahead // 2)) - lookahead
        if not self._is_closed and (self._free < needs or self._waiters):
            waiter = _Waiter(asyncio.get_running_loop().create_future(), needs)
            self._waiters.append(waiter)
            try:
                # The waiter stays in the row until it runs, so that nobody overtakes it.
                await waiter.turn
            except asyncio.CancelledError:
                self._waiters.remove(waiter)
                self._wake_first()
                raise
            self._waiters.remove(waiter)
        if self._is_closed:
            return 0
        taken = min(max_permits, self._free + lookahead)
        self._free -= taken
        self._wake_first()
        return taken

    def give_back(self, permits: int) -> None:
        self._free += permits
        self._wake_first()

    def close(self) -> None:
        """Hand out no permits any more; everybody who waits gets 0."""
        self._is_closed = True
        for waiter in self._waiters:
            if not waiter.turn.done():
                waiter.turn.set_result(None)

    def _wake_first(self) -> None:
        if self._waiters and self._free >= self._waiters[0].needs and not self._waiters[0].turn.done():
            self._waiters[0].turn.set_result(None)
