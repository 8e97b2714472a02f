"""The state that the parts of a running batch share: its deadlines, its tasks, and whether it must stop."""

import asyncio
import math
from collections.abc import Callable, Coroutine

from times_dispatch.clock import Clock


class BatchRun:
    """One run of a batch in this process.

    The parts of a batch are the opening of blocks, the pacing, the pushing and the recording. Each part looks here
    before it begins something; each part, and the dispatcher, can end the run here.
    """

    def __init__(self, *, lease_deadline: float, clock: Clock) -> None:
        self.lease_deadline = lease_deadline
        """On the monotonic clock: from then on no push of this batch may start. Each renewal moves it."""
        self.ledger_deadline = math.inf
        """On the monotonic clock: from then on a call to a ledger that is away is not repeated."""
        self.stopping = asyncio.Event()
        """Set when the batch must begin nothing more."""
        self.is_lost = False
        """Whether the lease has gone to another worker: then nothing may be written for the batch either."""
        self.unexpected: BaseException | None = None
        """The first error of a part of the batch for which nothing is provided; ``Batch.work`` raises it."""
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._progress = asyncio.Event()

    @property
    def has_tasks(self) -> bool:
        """Whether a part of the batch is at work: the opening of blocks, the pacing of one, the recording."""
        return bool(self._tasks)

    def may_push(self, start_by: float) -> bool:
        """Say whether a push that must start by this moment (on the monotonic clock) may start now."""
        now = self._clock.monotonic()
        return now < start_by and now < self.lease_deadline and not self.stopping.is_set()

    def stop(self, *, grace_s: float = 0.0) -> None:
        """Begin nothing more; pushes in flight may end, and the ledger has *grace_s* seconds to take the results."""
        self.ledger_deadline = min(self.ledger_deadline, self._clock.monotonic() + grace_s)
        self.stopping.set()
        self.progress()

    def lose(self) -> None:
        """Begin nothing more and write nothing more: the lease has gone to another worker."""
        self.is_lost = True
        self.stop()

    def fail(self, error: BaseException) -> None:
        """Begin nothing more after an unexpected error: the next message would meet it as well."""
        self.unexpected = self.unexpected or error
        self.stop(grace_s=math.inf)

    def start_task(self, coroutine: Coroutine[None, None, None]) -> None:
        """Run a part of the batch as a task; an error that the part raises fails the batch."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    async def cancel_tasks(self) -> None:
        """End all parts of the batch; they lose what they have not written."""
        self.lose()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def progress(self) -> None:
        """Tell those in ``wait_while`` that their condition may have changed."""
        self._progress.set()

    async def wait_while(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition is false; it is looked at again after each progress."""
        while condition():
            self._progress.clear()
            await self._progress.wait()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.fail(error)
        self.progress()
