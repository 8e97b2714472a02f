"""Repeats a batch's calls to the ledger while the ledger is unavailable."""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from times_dispatch.clock import Clock
from times_dispatch.ledger.errors import LEDGER_ERRORS, LedgerDeadlinePassed, is_transient
from times_dispatch.ledger.model import BatchRef
from times_dispatch.retry import Backoff, retry
from times_dispatch.tls_options import connection_problem
from workers.batch.batch_run import BatchRun

T = TypeVar("T")

log = structlog.get_logger(__name__)


class LedgerRetry:
    """Calls the ledger for one batch until the ledger answers, or until the run's ``ledger_deadline`` has passed."""

    def __init__(self, ref: BatchRef, run: BatchRun, *, max_wait_s: float, clock: Clock, rng: random.Random) -> None:
        """Make the retry of a batch.

        Args:
            ref: the batch, for the log and for errors.
            run: the run of the batch; its ``ledger_deadline`` ends the retries.
            max_wait_s: the longest wait before a call is repeated, in seconds.
            clock: the clock that waits and the deadline use.
            rng: shortens the waits by up to half at random.
        """
        self._ref = ref
        self._run = run
        self._backoff = Backoff(first_s=max_wait_s, max_s=max_wait_s, rng=rng)
        self._clock = clock

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until the ledger answers, and return the result.

        Raises:
            LedgerDeadlinePassed: the ledger did not answer by the deadline.
            LeaseLost: the ledger says that another worker has the batch.
            RedisError: the same call would fail again, however long this worker waits.
        """
        return await retry(
            call,
            on=LEDGER_ERRORS,
            only_if=is_transient,
            backoff=self._backoff,
            before_wait=self._before_wait,
            clock=self._clock,
        )

    def _before_wait(self, error: Exception) -> None:
        log.warning("ledger unavailable", error=connection_problem(error), batch=self._ref.number)
        if self._clock.monotonic() >= self._run.ledger_deadline:
            raise LedgerDeadlinePassed(self._ref) from error
