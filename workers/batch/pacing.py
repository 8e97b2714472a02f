"""The pacing of opened blocks: each message enters the push queue at its slot.

A slot is the moment at which the sender's limit lets a message be pushed. The ledger says when the first slot of a
block is, and how much time lies between two slots.
"""

from collections import deque
from weakref import WeakValueDictionary

from times_dispatch.clock import Clock
from times_dispatch.ledger.model import BatchRef, Plan
from times_dispatch.ledger.openings import Block
from workers.batch.batch_run import BatchRun
from workers.batch.push_queue import PushHandler, PushQueue, QueuedPush

_CLOSE_ENOUGH_S = 0.001
"""A message does not wait for a slot that is less than this away: timers of the event loop are accurate to 1 ms."""
_BUNCH_S = 0.05
"""What may go at once after a delay: as much as the rate allows in this time, 5 % of a second (docs/concepts.md)."""


class Spacing:
    """Keeps apart the pushes of all blocks that one sender, or one campaign with a rate of its own, has in a process.

    The ledger gives each block its slots. A block that arrives late begins at its arrival, and a loop that was stalled
    goes on at once: without this spacing the messages would meet those of the next block, and the provider would see
    more than the rate. This is GCRA once more, on the process' own clock. Only the last moment and its cost are kept,
    as in the ledger, so that a new rate acts at once.
    """

    def __init__(self) -> None:
        self._last_at = 0.0
        self._last_cost = 0

    def earliest(self, interval_s: float) -> float:
        """Return the moment on the monotonic clock before which the next message must not go.

        Args:
            interval_s: the time between two slots at the present rate, in seconds.
        """
        return self._last_at + self._last_cost * interval_s - _BUNCH_S

    def take(self, at: float, cost: int, interval_s: float) -> None:
        """Note that a message goes.

        Args:
            at: the moment on the monotonic clock.
            cost: how many slots the message takes.
            interval_s: the time between two slots at the present rate, in seconds.
        """
        self._last_at = max(self._last_at + self._last_cost * interval_s, at)
        self._last_cost = cost


class Spacings:
    """The spacings of a process, each as long as a batch uses it."""

    def __init__(self) -> None:
        self._spacings = WeakValueDictionary[tuple[str, bool], Spacing]()

    def get(self, ref: BatchRef, plan: Plan) -> Spacing:
        """Return what spaces the batch: the spacing of its sender, or of its campaign if that has a rate of its own."""
        key = ref.campaign if plan.rate_per_s else ref.sender, plan.urgent
        if (spacing := self._spacings.get(key)) is None:
            spacing = self._spacings[key] = Spacing()
        return spacing


class Pacer:
    """Spreads the messages of a batch's blocks over their slots, so that they are pushed at the sender's rate."""

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
            plan: the plan of the campaign; its ``cost_unit`` says whether a message takes one slot, or one slot for
                each SMS part.
            parts: SMS parts of each message, by index in the batch.
            handler: pushes the messages that leave the queue, or returns them unsent.
            push_queue: the queue of the process.
            run: the run of the batch; a stop ends the wait for a slot.
            spacing: shared by all batches of the process that go at the same pace.
            max_sleep_s: the longest single wait, in seconds.
            clock: the clock on which slots are measured.
        """
        self._parts = parts if plan.cost_unit == "parts" else None
        self._handler = handler
        self._push_queue = push_queue
        self._run = run
        self._spacing = spacing
        self._max_sleep_s = max_sleep_s
        self._clock = clock

    def cost(self, block: Block) -> int:
        """Return how many slots the messages of a block take."""
        parts = self._parts
        return sum(parts[index] for index, _ in block.messages) if parts else len(block.messages)

    def enqueue_block(self, block: Block, *, opened_at: float, start_by: float) -> None:
        """Put each message of a block into the push queue at its slot; put all in at once if the sender has no limit.

        Args:
            block: the opened block, without its suppressed messages.
            opened_at: the moment on the monotonic clock from which the block's slots count.
            start_by: the moment on the monotonic clock from which a message is returned unsent instead of being pushed.
        """
        if block.interval_s:
            self._run.start_task(self._enqueue_at_slots(block, opened_at, start_by))
            return
        for index, attempt in block.messages:
            self._enqueue(
                QueuedPush(self._handler, index, attempt, block.number, block.chain_index, start_by), is_paced=False
            )

    async def _enqueue_at_slots(self, block: Block, opened_at: float, start_by: float) -> None:
        slot = opened_at + block.starts_in_s
        waiting = deque(
            QueuedPush(self._handler, index, attempt, block.number, block.chain_index, start_by)
            for index, attempt in block.messages
        )
        try:
            while waiting:
                can_start = await self._wait_until(slot, start_by, block.interval_s)
                queued = waiting.popleft()
                if can_start:
                    self._enqueue(queued, is_paced=True)
                else:
                    self._handler.return_unsent(queued)
                cost = self._parts[queued.message_index] if self._parts else 1
                if can_start:
                    self._spacing.take(self._clock.monotonic(), cost, block.interval_s)
                slot += cost * block.interval_s
        finally:
            for queued in waiting:  # only if the wait was cancelled or failed
                self._handler.return_unsent(queued)

    async def _wait_until(self, slot: float, start_by: float, interval_s: float) -> bool:
        """Wait for a slot and for the spacing; return False if the push cannot start in time or the batch stops."""
        while (at := max(slot, self._spacing.earliest(interval_s))) < start_by and not self._run.stopping.is_set():
            wait_s = at - self._clock.monotonic()
            if wait_s <= _CLOSE_ENOUGH_S:
                return True
            await self._clock.wait(self._run.stopping, min(wait_s, self._max_sleep_s))
        return False

    def _enqueue(self, queued: QueuedPush, *, is_paced: bool) -> None:
        if self._run.may_push(queued.start_by):
            self._push_queue.add(queued, is_paced=is_paced)
        else:
            self._handler.return_unsent(queued)
