"""The watch over the id key: a worker pushes nothing before its key is the ledger's, and ends when it is not."""

import random
from collections.abc import Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.clock import Clock
from times_dispatch.ledger.connection import RedisUnavailable, check
from times_dispatch.ledger.errors import IdKeyRefused
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.retry import Backoff, retry
from workers.sender_limits import log_ledger_away_at_start

log = structlog.get_logger(__name__)

_MAX_WAIT_S = 1.0
_CHECK_EVERY_S = 300.0
"""How often a running worker looks whether the key was changed."""


class IdKeyWatch:
    """Compares a process' id key with the ledger's record at its start, and again while it runs."""

    def __init__(
        self,
        redis: Redis,
        guard: IdKeyGuard,
        *,
        on_refused: Callable[[IdKeyRefused], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """Make the watch of a process.

        Args:
            redis: the ledger.
            guard: has the process' keys.
            on_refused: is called when the ledger refuses the key; it ends the process.
            clock: what the waits are taken from.
            rng: shortens the waits at random.
        """
        self._redis = redis
        self._guard = guard
        self._on_refused = on_refused
        self._clock = clock
        self._rng = rng

    async def register(self) -> bool:
        """Compare the keys at the start, as soon as the ledger is there; return whether the process may make ids."""
        try:
            await retry(
                self._register_once,
                on=lambda error: isinstance(error, RedisUnavailable | RedisError | OSError),
                backoff=Backoff(first_s=_MAX_WAIT_S, max_s=_MAX_WAIT_S, rng=self._rng),
                before_wait=log_ledger_away_at_start,
                clock=self._clock,
            )
        except IdKeyRefused as refused:
            self._on_refused(refused)
            return False
        return True

    async def _register_once(self) -> None:
        await check(self._redis)
        await self._guard.register()

    async def run(self) -> None:
        """Check from time to time, until the key is refused or the task is cancelled."""
        while True:
            await self._clock.sleep(_CHECK_EVERY_S)
            try:
                if warning := await self._guard.check_making():
                    log.warning("id key", warning=warning)
            except IdKeyRefused as refused:
                self._on_refused(refused)
                return
            except (RedisError, OSError) as error:
                log.warning("ledger away", error=type(error).__name__, doing="check of the id key")
