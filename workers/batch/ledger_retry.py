"""Repeats a batch's calls to the ledger while the ledger is away."""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from times_dispatch.clock import Clock
from times_dispatch.ledger.errors import LeaseLost, is_transient
from times_dispatch.ledger.model import BatchRef
from times_dispatch.retry import Backoff, retry
from workers.batch.batch_run import BatchRun

T = TypeVar("T")

log = structlog.get_logger(__name__)


class LedgerRetry:
    """Calls the ledger for one batch until the ledger answers, or until the run's ``ledger_deadline`` has passed."""

    def __init__(self, ref: BatchRef, run: BatchRun, *, max_wait_s: float, clock: Clock, rng: random.Random) -> None:
        self._ref = ref
        self._run = run
        self._backoff = Backoff(first_s=max_wait_s, max_s=max_wait_s, rng=rng)
        self._clock = clock

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until there is an answer, and return it.

        Raises:
            LeaseLost: the ledger did not answer by the deadline; nobody has renewed the lease meanwhile.
            RedisError: the call failed in a way that waiting does not mend.
        """
        return await retry(
            call, on=is_transient, backoff=self._backoff, before_wait=self._before_wait, clock=self._clock
        )

    def _before_wait(self, error: Exception) -> None:
        log.warning("ledger away", error=type(error).__name__, batch=self._ref.number)
        if self._clock.monotonic() >= self._run.ledger_deadline:
            raise LeaseLost(self._ref) from error
