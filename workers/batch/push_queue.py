"""The pushes of a process: as many at once as it may have in flight, the rest in a queue."""

import asyncio
from collections import deque
from functools import partial
from typing import NamedTuple, Protocol

from times_dispatch.clock import SYSTEM_CLOCK, Clock

MAX_LOOKAHEAD = 200
"""At most this many messages may wait in the queue while all pushes that the process may have are in flight."""
_LOOKAHEAD_S = 0.04
"""The queue may hold as many waiting messages as are pushed in this time, so that none waits longer than about that."""
_MEASURE_EVERY_S = 0.05
"""The rate of pushes is measured over at least this time."""


class PushHandler(Protocol):
    """Does the pushes of one batch; the queue calls one of its methods for each message that was put in."""

    is_urgent: bool
    """Whether the messages of the batch are pushed before all others."""

    async def push(self, queued: "QueuedPush") -> None:
        """Push the message, and see to it that its result is recorded, also when the push is cancelled."""

    def give_back(self, queued: "QueuedPush") -> None:
        """Record that the push of the message was never begun."""

    def fail(self, error: BaseException) -> None:
        """Take notice of an error that ``push`` raised; the message's result is recorded by then."""


class QueuedPush(NamedTuple):
    """A message of an open block on its way to its push."""

    handler: PushHandler
    message_index: int
    """Of the message in its batch."""
    attempt: int
    block: int
    """Number of the block in which the message was opened."""
    chain_index: int
    """Of the provider in the campaign's chain (``Plan.chain``)."""
    start_by: float
    """On the monotonic clock: from then on the push must not start."""


class PushQueue:
    """Pushes what is put in, in order; messages whose slot has come overtake messages without a slot.

    Urgent messages overtake all others. The last of the pushes in flight are kept for them.
    """

    def __init__(self, max_in_flight: int, *, kept: int = 0, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make the queue of a process.

        Args:
            max_in_flight: how many pushes are in flight at once.
            kept: how many of them are kept for urgent messages.
            clock: what the rate of pushes is measured with.
        """
        self._max_in_flight = max_in_flight
        self._max_not_urgent = max_in_flight - kept
        self._not_urgent_in_flight = 0
        self._clock = clock
        self._urgent: deque[QueuedPush] = deque()
        self._due: deque[QueuedPush] = deque()
        self._any_time: deque[QueuedPush] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pushed = 0
        self._measured_at = clock.monotonic()
        self._lookahead = 0

    def add(self, queued: QueuedPush, *, is_due: bool) -> None:
        """Put in a message; *is_due* says that its slot has come."""
        if queued.handler.is_urgent:
            self._urgent.append(queued)
            max_in_flight = self._max_in_flight
        else:
            (self._due if is_due else self._any_time).append(queued)
            max_in_flight = self._max_not_urgent
        if len(self._tasks) < max_in_flight:
            self._start_task()

    def lookahead(self) -> int:
        """Return how many messages may wait in the queue, so that a push that ends is followed by another at once.

        It is the number of pushes in a moment: many with a quick provider, none with a slow one.
        """
        now = self._clock.monotonic()
        elapsed_s = now - self._measured_at
        if elapsed_s >= _MEASURE_EVERY_S:
            self._lookahead = min(MAX_LOOKAHEAD, int(self._pushed / elapsed_s * _LOOKAHEAD_S))
            self._pushed, self._measured_at = 0, now
        return self._lookahead

    def drop(self) -> None:
        """Give back every message that waits in the queue."""
        for waiting in (self._urgent, self._due, self._any_time):
            while waiting:
                queued = waiting.popleft()
                queued.handler.give_back(queued)

    def cut_short(self) -> None:
        """Cancel every push in flight; nothing is pushed from now on."""
        self._max_in_flight = self._max_not_urgent = 0
        for task in self._tasks:
            task.cancel()

    def _start_task(self) -> None:
        task = asyncio.create_task(self._push_on())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _push_on(self) -> None:
        """Do one push after the other while any waits: a task for each push would cost a tenth of the push."""
        urgent, due, any_time = self._urgent, self._due, self._any_time
        queued: QueuedPush | None = None
        try:
            while urgent or ((due or any_time) and self._not_urgent_in_flight < self._max_not_urgent):
                if urgent:
                    queued = urgent.popleft()
                    await queued.handler.push(queued)
                else:
                    queued = (due or any_time).popleft()
                    self._not_urgent_in_flight += 1
                    try:
                        await queued.handler.push(queued)
                    finally:
                        self._not_urgent_in_flight -= 1
                self._pushed += 1
                queued = None
        finally:
            if queued and (task := asyncio.current_task()):
                task.add_done_callback(partial(self._push_broken_off, queued))

    def _push_broken_off(self, queued: QueuedPush, task: asyncio.Task[None]) -> None:
        """Pass on an error that ended a task in the middle of a push, and replace the task."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        queued.handler.fail(error)
        if (self._urgent or self._due or self._any_time) and len(self._tasks) < self._max_in_flight:
            self._start_task()
