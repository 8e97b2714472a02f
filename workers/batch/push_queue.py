"""The pushes of a process: at most ``max_in_flight`` at once; the other messages wait in a queue."""

import asyncio
from collections import deque
from functools import partial
from typing import NamedTuple, Protocol

from times_dispatch.clock import SYSTEM_CLOCK, Clock

MAX_LOOKAHEAD = 200
"""At most this many messages may wait in the queue while the process has ``max_in_flight`` pushes in flight."""
_LOOKAHEAD_S = 0.04
"""The queue may hold as many waiting messages as are pushed in this time, so that no message waits much longer."""
_MEASURE_EVERY_S = 0.05
"""The rate of pushes is measured over at least this time."""


class PushHandler(Protocol):
    """Does the pushes of one batch; the queue calls one of its methods for each message that was added."""

    is_urgent: bool
    """Whether the messages of the batch are pushed before all others."""

    async def push(self, queued: "QueuedPush") -> None:
        """Push the message, and record its result, also when the push is cancelled."""

    def return_unsent(self, queued: "QueuedPush") -> None:
        """Record that the push of the message was never begun."""

    def fail(self, error: BaseException) -> None:
        """Handle an error that ``push`` raised; the result of the message is already recorded."""


class QueuedPush(NamedTuple):
    """A message of an open block that waits for its push."""

    handler: PushHandler
    message_index: int
    """Index of the message in its batch."""
    attempt: int
    block: int
    """Number of the block in which the message was opened."""
    chain_index: int
    """Index of the provider in the campaign's chain (``Plan.chain``)."""
    start_by: float
    """On the monotonic clock: from then on the push must not start."""


class PushQueue:
    """Pushes messages in the order in which they were added; messages with a send time overtake the others.

    Urgent messages overtake all others, and some of the pushes in flight are kept for urgent messages.
    """

    def __init__(self, max_in_flight: int, *, kept: int = 0, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make the queue of a process.

        Args:
            max_in_flight: how many pushes are in flight at once.
            kept: how many of these pushes are kept for urgent messages.
            clock: the clock with which the rate of pushes is measured.
        """
        self._max_in_flight = max_in_flight
        self._max_not_urgent = max_in_flight - kept
        self._not_urgent_in_flight = 0
        self._clock = clock
        self._urgent: deque[QueuedPush] = deque()
        self._paced: deque[QueuedPush] = deque()
        self._unpaced: deque[QueuedPush] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pushed = 0
        self._measured_at = clock.monotonic()
        self._lookahead = 0

    def add(self, queued: QueuedPush, *, is_paced: bool) -> None:
        """Add a message; *is_paced* says that the message has a send time, and that this time has come."""
        if queued.handler.is_urgent:
            self._urgent.append(queued)
            max_in_flight = self._max_in_flight
        else:
            (self._paced if is_paced else self._unpaced).append(queued)
            max_in_flight = self._max_not_urgent
        if len(self._tasks) < max_in_flight:
            self._start_task()

    def lookahead(self) -> int:
        """Return how many messages may wait in the queue, so that a push that ends is followed by another at once.

        The number is how many pushes end in ``_LOOKAHEAD_S`` at the measured rate: many with a quick provider, none
        with a slow provider.
        """
        now = self._clock.monotonic()
        elapsed_s = now - self._measured_at
        if elapsed_s >= _MEASURE_EVERY_S:
            self._lookahead = min(MAX_LOOKAHEAD, int(self._pushed / elapsed_s * _LOOKAHEAD_S))
            self._pushed, self._measured_at = 0, now
        return self._lookahead

    def return_all(self) -> None:
        """Return every message that waits in the queue, unsent."""
        for waiting in (self._urgent, self._paced, self._unpaced):
            while waiting:
                queued = waiting.popleft()
                queued.handler.return_unsent(queued)

    def cancel_all(self) -> None:
        """Cancel every push in flight; no push starts from now on."""
        self._max_in_flight = self._max_not_urgent = 0
        for task in self._tasks:
            task.cancel()

    def _start_task(self) -> None:
        task = asyncio.create_task(self._run_pushes())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_pushes(self) -> None:
        """Do one push after another while messages wait: a task for each push would cost a tenth of the push."""
        urgent, paced, unpaced = self._urgent, self._paced, self._unpaced
        queued: QueuedPush | None = None
        try:
            while urgent or ((paced or unpaced) and self._not_urgent_in_flight < self._max_not_urgent):
                if urgent:
                    queued = urgent.popleft()
                    await queued.handler.push(queued)
                else:
                    queued = (paced or unpaced).popleft()
                    self._not_urgent_in_flight += 1
                    try:
                        await queued.handler.push(queued)
                    finally:
                        self._not_urgent_in_flight -= 1
                self._pushed += 1
                queued = None
        finally:
            if queued and (task := asyncio.current_task()):
                task.add_done_callback(partial(self._on_task_error, queued))

    def _on_task_error(self, queued: QueuedPush, task: asyncio.Task[None]) -> None:
        """Pass an error that ended a task in the middle of a push to the handler, and replace the task."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        queued.handler.fail(error)
        if (self._urgent or self._paced or self._unpaced) and len(self._tasks) < self._max_in_flight:
            self._start_task()
