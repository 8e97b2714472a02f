"""The watch over the id key: a worker pushes nothing before the ledger accepts its key, and ends if it is refused."""

import random
from collections.abc import Callable

import structlog
from redis.asyncio import Redis

from times_dispatch.clock import Clock
from times_dispatch.ledger.connection import check
from times_dispatch.ledger.errors import LEDGER_ERRORS, IdKeyRefused, LedgerNewer
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.schema import refuse_newer_ledger
from workers.ledger_failures import call_at_start, log_failed_call

log = structlog.get_logger(__name__)

_CHECK_EVERY_S = 300.0
"""How often a running worker checks whether the key was changed, in seconds."""


class IdKeyWatch:
    """Compares a process' id key with the ledger's record at its start, and again while it runs."""

    def __init__(
        self,
        redis: Redis,
        guard: IdKeyGuard,
        *,
        on_refused: Callable[[IdKeyRefused | LedgerNewer], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """Make the watch of a process.

        Args:
            redis: the ledger.
            guard: compares the keys of the process with the record.
            on_refused: called when the ledger refuses the key, or is newer than this program; the call ends the
                process.
            clock: the clock that the waits use.
            rng: shortens the waits at random.
        """
        self._redis = redis
        self._guard = guard
        self._on_refused = on_refused
        self._clock = clock
        self._rng = rng

    async def register(self) -> bool:
        """Compare schema and keys as soon as the ledger is available; return whether the process may make ids."""
        try:
            await call_at_start(self._register_once, clock=self._clock, rng=self._rng)
        except (IdKeyRefused, LedgerNewer) as refused:
            self._on_refused(refused)
            return False
        return True

    async def _register_once(self) -> None:
        await check(self._redis)
        await refuse_newer_ledger(self._redis)
        await self._guard.register()

    async def run(self) -> None:
        """Check every ``_CHECK_EVERY_S`` seconds, until the key is refused or the task is cancelled."""
        while True:
            await self._clock.sleep(_CHECK_EVERY_S)
            try:
                if warning := await self._guard.check_making():
                    log.warning("id key", warning=warning)
            except IdKeyRefused as refused:
                self._on_refused(refused)
                return
            except LEDGER_ERRORS as error:
                log_failed_call(error, doing="check of the id key")
