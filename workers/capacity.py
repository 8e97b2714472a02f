"""How many pushes a process may have in flight; who asks first is served first."""

import asyncio
from collections import deque


class Capacity:
    """Places for pushes. A place is taken before the block is opened, so that what is opened can be pushed at once."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @property
    def free(self) -> int:
        """Places that nobody holds."""
        return self._free

    async def take(self, most: int) -> int:
        """Wait until a place is free, then take up to ``most``; return how many, 0 if there will be none any more."""
        if not self._closed and (self._free == 0 or self._waiting):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                # It stays first in the row until it runs, so that nobody slips in between.
                await turn
            except asyncio.CancelledError:
                self._waiting.remove(turn)
                self._wake()
                raise
            self._waiting.remove(turn)
        if self._closed:
            return 0
        taken = min(most, self._free)
        self._free -= taken
        self._wake()
        return taken

    def give_back(self, places: int) -> None:
        """Free places."""
        self._free += places
        self._wake()

    def close(self) -> None:
        """Give no place any more; whoever waits for one goes home."""
        self._closed = True
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)

    def _wake(self) -> None:
        if self._free > 0 and self._waiting and not self._waiting[0].done():
            self._waiting[0].set_result(None)
