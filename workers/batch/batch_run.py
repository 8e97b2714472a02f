"""The state that the steps of the work on a batch share: deadlines, tasks, whether to stop, and why the work ended."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from enum import StrEnum

from times_dispatch.clock import Clock
from times_dispatch.ledger.errors import BatchWritesEnded, LedgerDeadlinePassed
from times_dispatch.ledger.openings import BatchClosed
from times_dispatch.ledger.protocol import CloseReason
from times_dispatch.ledger.states import CampaignState


class BatchEnd(StrEnum):
    """The worker's own reasons why the work on a batch ended, or did not begin. The log and Flower show the values."""

    DONE = "done"
    """No message of the batch is pending or being pushed, and every result is written."""
    STOPPING = "stopping"
    """The process stops."""
    LEASE_LOST = "lease_lost"
    """The ledger says that another worker has the batch, or that the lease was not renewed in time."""
    LEDGER_DEADLINE_PASSED = "ledger_deadline_passed"
    """The process stops, and the ledger did not take the last results within the ``grace_s`` of ``BatchRun.stop``."""
    CANCELLED = "work_cancelled"
    """The process gave up waiting for the batch."""
    FULL = "full"
    """The process works on as many batches as it may. The batch waits in the process, or for another worker."""
    NOTHING_TO_DO = "nothing_to_do"
    """The batch has another worker, or no pending message, or its campaign is unknown."""
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    """The ledger could not be asked for the lease."""
    PROVIDER_UNKNOWN = "provider_unknown"
    """The campaign's first provider is not in the settings of the worker."""
    LINK_KEY_UNKNOWN = "link_key_unknown"
    """The campaign has tracked links, and the worker lacks the key with which the campaign was submitted."""
    PROVIDER_LOST = "provider_lost"
    """This process gets no response from the provider. The batch is left to another worker, which may get one."""
    FAILED = "failed"
    """An unexpected error."""
    NOT_STARTED = "not_started"
    """The process has not started yet."""


WorkEnd = BatchEnd | CloseReason | CampaignState
"""Why the work on a batch ended: a reason of the worker, a reason of the ledger, or the state of the campaign."""


class OwnWaitReason(StrEnum):
    """Why a worker waits before it asks the ledger for the next block; the ledger's reasons are ``WaitReason``."""

    LEASE_RENEWAL = "lease_renewal"
    """The lease deadline has passed, and the next renewal says whether this worker still holds the lease."""


class BatchRun:
    """One run of a batch in this process.

    The steps of the work are the opening of blocks, the pacing, the pushing and the recording. Each step asks this
    object whether it may begin something; each step, and the dispatcher, can end the run here.
    """

    def __init__(self, *, lease_deadline: float, clock: Clock) -> None:
        self.lease_deadline = lease_deadline
        """The moment on the monotonic clock from which no push of this batch may start. Each renewal moves the
        moment."""
        self.ledger_deadline = math.inf
        """The moment on the monotonic clock from which a call to an unavailable ledger is not repeated."""
        self.stopping = asyncio.Event()
        """Set when the batch must begin nothing more."""
        self.write_forbidden_by: BatchEnd | None = None
        """Why nothing may be written for the batch any more; None while the batch may write."""
        self.unexpected: BaseException | None = None
        """The first unexpected error of a step; ``BatchWorker.work`` raises this error."""
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._notified = asyncio.Event()

    @property
    def has_tasks(self) -> bool:
        """Whether a step is at work: the opening of blocks, the pacing of a block, the recording."""
        return bool(self._tasks)

    @property
    def may_write(self) -> bool:
        """Whether the batch may write to the ledger."""
        return self.write_forbidden_by is None

    def may_push(self, start_by: float) -> bool:
        """Return whether a push may start now that must start by *start_by*, a moment on the monotonic clock."""
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
        """Run a step as a task; an error that the step raises fails the batch."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    async def cancel_tasks(self) -> None:
        """End all steps; results that are not written yet are lost."""
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


def end_of_closed(closed: BatchClosed) -> WorkEnd:
    """Return why the ledger, or the worker itself, closed a batch."""
    for kind in (CloseReason, CampaignState, BatchEnd):
        if closed.reason in set(kind):
            return kind(closed.reason)
    raise ValueError(f"no such reason to close a batch: {closed.reason}")


def end_of_writes(error: BatchWritesEnded) -> BatchEnd:
    """Return why a worker may write nothing more for its batch."""
    return BatchEnd.LEDGER_DEADLINE_PASSED if isinstance(error, LedgerDeadlinePassed) else BatchEnd.LEASE_LOST
