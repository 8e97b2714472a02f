"""The batches that wait for a place in a full worker process."""

from collections import deque
from typing import NamedTuple

from times_dispatch.clock import Clock
from times_dispatch.ledger.model import BatchRef

MAX_WAIT_S = 2.0
"""A batch that has waited for this many seconds is overdue: another process may have a place for it."""
_MAX_WAITING = 1_000
"""Batches of each kind, urgent and others, that a process remembers; the oldest are forgotten."""


class _WaitingBatch(NamedTuple):
    ref: BatchRef
    since: float
    """The moment from which the batch waits, on the monotonic clock."""


class WaitingBatches:
    """The waiting batches of a process, urgent ones and others, the oldest first.

    Nobody holds their leases: if the process dies, or forgets a batch, upkeep wakes workers for the batch again after
    the time of a lease.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._urgent: deque[_WaitingBatch] = deque(maxlen=_MAX_WAITING)
        self._others: deque[_WaitingBatch] = deque(maxlen=_MAX_WAITING)

    def count(self, *, is_urgent: bool) -> int:
        """Return how many batches wait; may be called from any thread."""
        return len(self._of(is_urgent=is_urgent))

    def add(self, ref: BatchRef, *, is_urgent: bool) -> None:
        """Let a batch wait."""
        self._of(is_urgent=is_urgent).append(_WaitingBatch(ref, self._clock.monotonic()))

    def take(self, *, is_urgent: bool) -> BatchRef | None:
        """Take the batch that has waited longest; None if none waits."""
        waiting = self._of(is_urgent=is_urgent)
        return waiting.popleft().ref if waiting else None

    def take_overdue(self) -> BatchRef | None:
        """Take a batch that has waited for ``MAX_WAIT_S``, an urgent one first; None if there is none."""
        since = self._clock.monotonic() - MAX_WAIT_S
        overdue = next(
            (waiting for waiting in (self._urgent, self._others) if waiting and waiting[0].since <= since), None
        )
        return overdue.popleft().ref if overdue else None

    def take_all(self) -> list[BatchRef]:
        """Take all batches, the urgent ones first."""
        refs = [waiting.ref for waiting in (*self._urgent, *self._others)]
        self._urgent.clear()
        self._others.clear()
        return refs

    def _of(self, *, is_urgent: bool) -> deque[_WaitingBatch]:
        return self._urgent if is_urgent else self._others
