"""The pacing of opened blocks: each message enters the push queue at its slot.

A slot is the moment at which the sender's limit lets a message be pushed. The ledger says when the first slot of a
block is, and how much time lies between two slots.
"""

from collections import deque

from times_dispatch.clock import Clock
from times_dispatch.ledger.model import Plan
from times_dispatch.ledger.openings import Block
from workers.batch.batch_run import BatchRun
from workers.batch.push_queue import PushHandler, PushQueue, QueuedPush

_CLOSE_ENOUGH_S = 0.001
"""A message does not wait for a slot that is less than this away: timers of the event loop are accurate to 1 ms."""


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
            max_sleep_s: the longest single wait, in seconds.
            clock: the clock on which slots are measured.
        """
        self._parts = parts if plan.cost_unit == "parts" else None
        self._handler = handler
        self._push_queue = push_queue
        self._run = run
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
                wait_s = slot - self._clock.monotonic()
                if wait_s > _CLOSE_ENOUGH_S:
                    await self._clock.wait(self._run.stopping, min(wait_s, self._max_sleep_s))
                queued = waiting.popleft()
                self._enqueue(queued, is_paced=True)
                slot += block.interval_s * (self._parts[queued.message_index] if self._parts else 1)
        finally:
            for queued in waiting:  # only if the wait was cancelled or failed
                self._handler.return_unsent(queued)

    def _enqueue(self, queued: QueuedPush, *, is_paced: bool) -> None:
        if self._run.may_push(queued.start_by):
            self._push_queue.add(queued, is_paced=is_paced)
        else:
            self._handler.return_unsent(queued)
