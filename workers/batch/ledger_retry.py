"""Patience with the ledger: it may be away for a while, and a worker only waits as long as there is a point in it."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from times_dispatch.ledger.errors import LeaseLost, is_transient
from times_dispatch.ledger.model import BatchRef

_RETRY_S = 0.25

T = TypeVar("T")

log = structlog.get_logger(__name__)


class LedgerRetry:
    """Calls the ledger for one batch until it answers."""

    def __init__(self, ref: BatchRef) -> None:
        self._ref = ref
        self._until = math.inf

    def end(self, *, within_s: float) -> None:
        """Give up at the first failure after this time."""
        self._until = min(self._until, time.monotonic() + within_s)

    async def call(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until there is an answer.

        Raises ``LeaseLost`` when it gives up (nobody renewed meanwhile), and Redis' error if waiting would not mend it.
        """
        while True:
            try:
                return await call()
            except RedisError as error:
                if not is_transient(error):
                    raise
                log.warning("ledger away", error=type(error).__name__, batch=self._ref.number)
                if time.monotonic() >= self._until:
                    raise LeaseLost(self._ref) from error
                await asyncio.sleep(_RETRY_S)
