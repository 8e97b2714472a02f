"""The state that the parts of a running batch share: its deadlines, its tasks, and whether it must stop."""

import asyncio
import math
from collections.abc import Callable, Coroutine

from times_dispatch.clock import Clock
from workers.batch.batch_end import BatchEnd


class BatchRun:
    """One run of a batch in this process.

    The parts of a batch are the opening of blocks, the pacing, the pushing and the recording. Each part asks this
    object whether it may begin something; each part, and the dispatcher, can end the run here.
    """

    def __init__(self, *, lease_deadline: float, clock: Clock) -> None:
        self.lease_deadline = lease_deadline
        """On the monotonic clock: from then on no push of this batch may start. Each renewal moves this deadline."""
        self.ledger_deadline = math.inf
        """On the monotonic clock: from then on a call to an unavailable ledger is not repeated."""
        self.stopping = asyncio.Event()
        """Set when the batch must begin nothing more."""
        self.write_forbidden_by: BatchEnd | None = None
        """Why nothing may be written for the batch any more; None while the batch may write."""
        self.unexpected: BaseException | None = None
        """The first unexpected error of a part of the batch; ``BatchWorker.work`` raises it."""
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._notified = asyncio.Event()

    @property
    def has_tasks(self) -> bool:
        """Whether a part of the batch is at work: the opening of blocks, the pacing of a block, the recording."""
        return bool(self._tasks)

    @property
    def may_write(self) -> bool:
        """Whether the batch may write to the ledger."""
        return self.write_forbidden_by is None

    def may_push(self, start_by: float) -> bool:
        """Say whether a push that must start by this moment (on the monotonic clock) may start now."""
        now = self._clock.monotonic()
        return now < start_by and now < self.lease_deadline and not self.stopping.is_set()

    def stop(self, *, grace_s: float = 0.0) -> None:
        """Begin nothing more; pushes in flight may end, and the ledger has *grace_s* seconds to take the results."""
        self.ledger_deadline = min(self.ledger_deadline, self._clock.monotonic() + grace_s)
        self.stopping.set()
        self.notify()

    def forbid_writes(self, reason: BatchEnd) -> None:
        """Begin nothing more and write nothing more, for this reason."""
        self.write_forbidden_by = self.write_forbidden_by or reason
        self.stop()

    def fail(self, error: BaseException) -> None:
        """Begin nothing more after an unexpected error: the next message would fail in the same way."""
        self.unexpected = self.unexpected or error
        self.stop(grace_s=math.inf)

    def start_task(self, coroutine: Coroutine[None, None, None]) -> None:
        """Run a part of the batch as a task; an error that the part raises fails the batch."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    async def cancel_tasks(self) -> None:
        """End all parts of the batch; they lose the results that they have not written."""
        self.forbid_writes(BatchEnd.CANCELLED)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def notify(self) -> None:
        """Let ``wait_while`` check its condition again."""
        self._notified.set()

    async def wait_while(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition is false; the condition is checked again after each ``notify``."""
        while condition():
            self._notified.clear()
            await self._notified.wait()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.fail(error)
        self.notify()
