"""How many messages a process may have open at once, over all its batches; who asks first is served first."""

import asyncio
from collections import deque
from typing import NamedTuple


class _Waiter(NamedTuple):
    turn: asyncio.Future[None]
    needs: int
    """Free slots that must be there; below 0 if more may be taken than there are."""


class Capacity:
    """Slots for open messages. A slot is taken before the block is opened, so that its messages can be pushed at once.

    The recorder gives a slot back when it has the message's result.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiters: deque[_Waiter] = deque()
        self._is_closed = False

    @property
    def free(self) -> int:
        """Slots that nobody holds; below 0 if more were taken than there are."""
        return self._free

    async def take(self, max_slots: int, *, lookahead: int = 0) -> int:
        """Wait until a slot is free, then take up to *max_slots*; return how many, or 0 when the process stops.

        *lookahead* is how many slots more may be taken than there are. Half of those must be free, so that the ledger
        is not asked for a new block after every single push.
        """
        needs = max(1, min(max_slots, lookahead // 2)) - lookahead
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
        taken = min(max_slots, self._free + lookahead)
        self._free -= taken
        self._wake_first()
        return taken

    def give_back(self, slots: int) -> None:
        """Free slots."""
        self._free += slots
        self._wake_first()

    def close(self) -> None:
        """Hand out no slots any more; everybody who waits gets 0."""
        self._is_closed = True
        for waiter in self._waiters:
            if not waiter.turn.done():
                waiter.turn.set_result(None)

    def _wake_first(self) -> None:
        if self._waiters and self._free >= self._waiters[0].needs and not self._waiters[0].turn.done():
            self._waiters[0].turn.set_result(None)
