"""The pushes of a process: as many at once as it may have in flight, by tasks that go from one to the next."""

import asyncio
import time
from collections import deque
from typing import NamedTuple, Protocol

MOST_AHEAD = 200
"""The most pushes that wait for one of those in flight to end."""
_AHEAD_S = 0.04
"""They are what is pushed in this time …"""
_LOOK_S = 0.05
"""… at the rate of at least so long a time."""


class Pushing(Protocol):
    """Whose messages are pushed: a batch."""

    async def push(self, turn: "QueuedPush") -> None:
        """Push one message, or give it back; raise nothing."""

    def give_up(self, turn: "QueuedPush") -> None:
        """Give back a message whose turn never came."""


class QueuedPush(NamedTuple):
    """A message of an open block, that waits for its push."""

    batch: Pushing
    place: int
    """Index within the batch."""
    attempt: int
    block: int
    provider: int
    """Place in the campaign's chain."""
    start_by: float
    """On the monotonic clock: from then on the push must not begin."""


class PushQueue:
    """Pushes what it is given, first come, first served; but what is due now goes before what may go at any time.

    A task goes on to the next as long as there is one: a task for each push would cost a tenth of the push.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._due: deque[QueuedPush] = deque()
        self._any_time: deque[QueuedPush] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pushed = 0
        self._since = time.monotonic()
        self._ahead = 0

    def add(self, turn: QueuedPush, *, due: bool) -> None:
        """Give one a turn."""
        (self._due if due else self._any_time).append(turn)
        if len(self._tasks) < self._places:
            task = asyncio.create_task(self._push_on())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def ahead(self) -> int:
        """Say how many turns may wait here beyond the places, so that a push that ends is followed at once.

        It is what is pushed in a moment, so that nothing waits here for long: much if the provider is quick, nothing if
        it is not.
        """
        elapsed_s = (now := time.monotonic()) - self._since
        if elapsed_s >= _LOOK_S:
            self._ahead = min(MOST_AHEAD, int(self._pushed / elapsed_s * _AHEAD_S))
            self._pushed, self._since = 0, now
        return self._ahead

    def drop(self) -> None:
        """Give back all that waits for its turn."""
        for turns in (self._due, self._any_time):
            while turns:
                turn = turns.popleft()
                turn.batch.give_up(turn)

    def cut_short(self) -> None:
        """End every push in flight; nothing is pushed from now on."""
        self._places = 0
        for task in self._tasks:
            task.cancel()

    async def _push_on(self) -> None:
        due, any_time = self._due, self._any_time
        while due or any_time:
            turn = (due or any_time).popleft()
            await turn.batch.push(turn)
            self._pushed += 1
