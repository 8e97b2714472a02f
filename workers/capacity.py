"""How many pushes a process may have in flight; who asks first is served first."""

import asyncio
from collections import deque


class Capacity:
    """Places for pushes. A place is taken before the block is opened, so that what is opened can be pushed at once."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        """Places that nobody holds."""
        return self._free

    async def take(self, most: int) -> int:
        """Wait until a place is free, then take up to ``most``; return how many."""
        while self._free == 0 or self._waiting:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake()
                raise
            finally:
                if turn in self._waiting:
                    self._waiting.remove(turn)
            if self._free > 0:
                break
        taken = min(most, self._free)
        self._free -= taken
        if self._free > 0:
            self._wake()
        return taken

    def give_back(self, places: int) -> None:
        """Free places."""
        self._free += places
        if places > 0:
            self._wake()

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
