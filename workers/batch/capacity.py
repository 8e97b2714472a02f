"""How many messages a process may have open; who asks first is served first."""

import asyncio
from collections import deque
from typing import NamedTuple


class _Waiting(NamedTuple):
    turn: asyncio.Future[None]
    needs: int
    """Free places, below 0 if more may be taken than there are."""


class Capacity:
    """Places for pushes. A place is taken before the block is opened, so that what is opened can be pushed at once."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[_Waiting] = deque()
        self._closed = False

    @property
    def free(self) -> int:
        """Places that nobody holds; below 0 if more were taken than there are."""
        return self._free

    async def take(self, most: int, *, ahead: int = 0) -> int:
        """Wait until a place is free, then take up to ``most``; return how many, 0 if there will be none any more.

        ``ahead`` is how many more may be taken than there are. Of those half must be there, so that the ledger is not
        asked again for every single push that ends.
        """
        needs = max(1, min(most, ahead // 2)) - ahead
        if not self._closed and (self._free < needs or self._waiting):
            waiting = _Waiting(asyncio.get_running_loop().create_future(), needs)
            self._waiting.append(waiting)
            try:
                # It stays first in the row until it runs, so that nobody slips in between.
                await waiting.turn
            except asyncio.CancelledError:
                self._waiting.remove(waiting)
                self._wake()
                raise
            self._waiting.remove(waiting)
        if self._closed:
            return 0
        taken = min(most, self._free + ahead)
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
        for waiting in self._waiting:
            if not waiting.turn.done():
                waiting.turn.set_result(None)

    def _wake(self) -> None:
        if self._waiting and self._free >= self._waiting[0].needs and not self._waiting[0].turn.done():
            self._waiting[0].turn.set_result(None)
