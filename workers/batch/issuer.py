"""The issuing of a sender's next batches, when a batch has ended or this process cannot send the batch."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from times_dispatch.clock import Clock
from times_dispatch.ledger.errors import LEDGER_ERRORS
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.ready_batches import BatchReady
from workers.ledger_failures import log_failed_call


class BatchIssuer:
    """Issues the next batches of senders and wakes workers for them."""

    def __init__(
        self,
        leases: BatchLeases,
        *,
        wake_workers: Callable[[Sequence[BatchReady]], Awaitable[None]],
        start_in_background: Callable[[Coroutine[Any, Any, None]], None],
        pause_s: float,
        clock: Clock,
    ) -> None:
        """Make the issuer of a process.

        Args:
            leases: the worker's side of the ledger.
            wake_workers: sends wake-ups for issued batches; raises nothing.
            start_in_background: runs a coroutine until it ends, or until the process closes.
            pause_s: how long ``issue_later`` waits, in seconds.
            clock: the clock of that pause.
        """
        self._leases = leases
        self._wake_workers = wake_workers
        self._start_in_background = start_in_background
        self._pause_s = pause_s
        self._clock = clock
        self._later: set[SenderId] = set()
        """Senders whose next batches are issued after the pause."""
        self._is_stopped = False

    def stop(self) -> None:
        """Issue no more batches."""
        self._is_stopped = True

    async def issue(self, sender: SenderId) -> None:
        """Issue the sender's next batches and wake workers for them; if that fails, upkeep issues them soon."""
        if self._is_stopped:
            return
        try:
            if ready := await self._leases.issue(sender):
                # The caller does not wait for the broker: upkeep repeats a lost wake-up.
                self._start_in_background(self._wake(ready))
        except LEDGER_ERRORS as error:
            log_failed_call(error, doing="issue")

    def issue_later(self, sender: SenderId) -> None:
        """Issue the next batches of a sender after a pause, unless another process does so before.

        Without the pause, a batch that this process cannot send would come back to the process at once, again and
        again.
        """
        if sender not in self._later:
            self._later.add(sender)
            self._start_in_background(self._issue_after_pause(sender))

    async def _issue_after_pause(self, sender: SenderId) -> None:
        await self._clock.sleep(self._pause_s)
        self._later.discard(sender)
        await self.issue(sender)

    async def _wake(self, ready: Sequence[BatchReady]) -> None:
        await self._wake_workers(ready)
