"""The pacing of opened blocks: each message enters the push queue at its send time.

A send time is the moment at which the sender's limit lets a message be pushed. The ledger gives the first send time of
a block, and the time between two send times.
"""

from collections import deque
from weakref import WeakValueDictionary

from times_dispatch.clock import Clock
from times_dispatch.ledger.model import BatchRef, Plan
from times_dispatch.ledger.openings import Block
from workers.batch.batch_run import BatchRun
from workers.batch.push_queue import PushHandler, PushQueue, QueuedPush

_CLOSE_ENOUGH_S = 0.001
"""A message does not wait for a send time that is less than this many seconds away: timers of the event loop are
accurate to 1 ms."""
_BURST_S = 0.05
"""After a delay, the messages that the rate allows in this time may be pushed at once: 5 % of a second
(docs/concepts.md)."""

_MAX_STALL_S = 0.04
"""A message whose push is overdue by more seconds than this, and by more than half the time between two send times, is
returned unsent: the process was stalled, and other workers push at the send times that follow. Without this limit the
messages of several stalled workers would be pushed together with those of other workers, above the rate."""


class Spacing:
    """Spaces the pushes of a process: those of one sender, or of one campaign with a rate of its own.

    The ledger gives each block its send times. But a block that arrives late begins at its arrival, and an event loop
    that was stalled pushes at once. Without this spacing the messages would be pushed together with those of the next
    block, above the rate. The spacing is GCRA (generic cell rate algorithm) on the clock of the process. Like a pace
    of the ledger, the spacing keeps only the moment of the last push and the cost of the pushed message, so that a new
    rate acts at once.
    """

    def __init__(self) -> None:
        self.interval_s = 0.0
        """The time between two send times of the last block, in seconds; 0 without a limit, and before the first."""
        self.delay_s = 0.0
        """The ``Block.delay_s`` of the last block: how many seconds after its send time a message is pushed."""
        self._last_at = 0.0
        self._last_cost = 0

    def earliest(self, interval_s: float) -> float:
        """Return the moment on the monotonic clock before which the next message must not be pushed.

        Args:
            interval_s: the time between two send times at the present rate, in seconds.
        """
        return self._last_at + self._last_cost * interval_s - _BURST_S

    def take(self, at: float, cost: int, interval_s: float) -> None:
        """Note that a message is pushed.

        Args:
            at: the moment of the push on the monotonic clock.
            cost: how many send times the message takes.
            interval_s: the time between two send times at the present rate, in seconds.
        """
        self._last_at = max(self._last_at + self._last_cost * interval_s, at)
        self._last_cost = cost


class Spacings:
    """The spacings of a process; a spacing is forgotten when no batch uses it any more."""

    def __init__(self) -> None:
        self._spacings = WeakValueDictionary[tuple[str, bool], Spacing]()

    def get(self, ref: BatchRef, plan: Plan) -> Spacing:
        """Return the spacing of a batch: its sender's, or its campaign's if the campaign has a rate of its own."""
        key = ref.campaign if plan.rate_per_s else ref.sender, plan.urgent
        if (spacing := self._spacings.get(key)) is None:
            spacing = self._spacings[key] = Spacing()
        return spacing


class Pacer:
    """Spreads the messages of a batch's blocks over their send times, so that they are pushed at the sender's rate."""

    def __init__(
        self,
        plan: Plan,
        parts: list[int],
        *,
        handler: PushHandler,
        push_queue: PushQueue,
        run: BatchRun,
        spacing: Spacing,
        max_sleep_s: float,
        clock: Clock,
    ) -> None:
        """Make the pacer of a batch.

        Args:
            plan: the plan of the campaign; its ``cost_unit`` says whether a message takes one send time, or one for
                each SMS part.
            parts: SMS parts of each message, by index in the batch.
            handler: pushes the messages that leave the queue, or returns them unsent.
            push_queue: the queue of the process.
            run: the run of the batch; a stop ends the wait for a send time.
            spacing: shared by all batches of the process with the same sender, or with the same campaign.
            max_sleep_s: the longest single wait, in seconds.
            clock: the clock on which send times are measured.
        """
        self._parts = parts if plan.cost_unit == "parts" else None
        self._handler = handler
        self._push_queue = push_queue
        self._run = run
        self._spacing = spacing
        self._max_sleep_s = max_sleep_s
        self._clock = clock

    def cost(self, block: Block) -> int:
        """Return how many send times the messages of a block take."""
        parts = self._parts
        return sum(parts[index] for index, _ in block.messages) if parts else len(block.messages)

    def enqueue_block(self, block: Block, *, opened_at: float, start_by: float) -> None:
        """Put each message of a block into the push queue at its send time, or at once if the sender has no limit.

        Args:
            block: the opened block, without its suppressed messages.
            opened_at: the moment on the monotonic clock from which the block's send times count.
            start_by: the moment on the monotonic clock from which a message is returned unsent instead of being pushed.
        """
        if block.interval_s:
            self._run.start_task(self._enqueue_at_send_times(block, opened_at, start_by))
            return
        for index, attempt in block.messages:
            self._enqueue(
                QueuedPush(self._handler, index, attempt, block.number, block.chain_index, start_by), is_paced=False
            )

    async def _enqueue_at_send_times(self, block: Block, opened_at: float, start_by: float) -> None:
        send_time = opened_at + block.starts_in_s
        waiting = deque(
            QueuedPush(self._handler, index, attempt, block.number, block.chain_index, start_by)
            for index, attempt in block.messages
        )
        try:
            while waiting:
                can_start = await self._wait_until(send_time, start_by, block.interval_s)
                queued = waiting.popleft()
                if can_start:
                    self._enqueue(queued, is_paced=True)
                else:
                    self._handler.return_unsent(queued)
                cost = self._parts[queued.message_index] if self._parts else 1
                if can_start:
                    self._spacing.take(self._clock.monotonic(), cost, block.interval_s)
                send_time += cost * block.interval_s
        finally:
            for queued in waiting:  # only if the wait was cancelled or failed
                self._handler.return_unsent(queued)

    async def _wait_until(self, send_time: float, start_by: float, interval_s: float) -> bool:
        """Wait for a send time and the spacing; return False if the push cannot start in time or the batch stops.

        The push cannot start in time if this process was stalled for too long after the wait.
        """
        while (at := max(send_time, self._spacing.earliest(interval_s))) < start_by and not self._run.stopping.is_set():
            wait_s = at - self._clock.monotonic()
            if wait_s <= _CLOSE_ENOUGH_S:
                return -wait_s <= max(_MAX_STALL_S, interval_s / 2)
            await self._clock.wait(self._run.stopping, min(wait_s, self._max_sleep_s))
        return False

    def _enqueue(self, queued: QueuedPush, *, is_paced: bool) -> None:
        if self._run.may_push(queued.start_by):
            self._push_queue.add(queued, is_paced=is_paced)
        else:
            self._handler.return_unsent(queued)
