"""Retention in the background of a worker: one run at a time among all workers, in steps short enough for pushes."""

import asyncio
from contextlib import suppress
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from times_dispatch.archive.errors import ArchiveError
from times_dispatch.archive.retention import Retention, RetentionResult, RetentionRule
from times_dispatch.archive.wrapped_keys import MasterKeys
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import LEDGER_ERRORS, is_transient
from times_dispatch.ledger.keys import RETENTION_LOCK, RETENTION_PROBLEM
from times_dispatch.plurals import counted
from times_dispatch.settings.logs import failure
from times_dispatch.tls_options import connection_problem

log = structlog.get_logger(__name__)

RUN_EVERY_S: Final = 60.0
"""Seconds from the begin of one run of this process to the begin of the next run."""
_LOCK_S: Final = 60.0
"""How long, in seconds, a worker that died in a run blocks the runs of other workers."""
_EXTEND_EVERY_S: Final = 10.0
_PROBLEM_S: Final = 7 * 86_400
_MAX_PROBLEM: Final = 300
_PAUSE_S: Final = 0.05
"""How long, in seconds, a run rests after each step. A step stores one batch, or deletes some keys."""


class BackgroundRetention:
    """Runs the retention of a ledger beside the other work of a worker.

    The lock only saves work: two runs at the same time would do no harm.
    """

    def __init__(
        self,
        redis: Redis,
        rule: RetentionRule,
        keys: MasterKeys,
        *,
        forget_key: bytes = b"",
        clock: Clock = SYSTEM_CLOCK,
        pause_s: float = _PAUSE_S,
    ) -> None:
        """Make the retention of a worker; raise ``ArchiveUnavailable`` if the folder is of an unknown kind.

        Args:
            redis: the ledger.
            rule: how long campaigns stay in Redis and in the archive.
            keys: the master keys, which wrap and open the keys of the archives.
            forget_key: the key of the digests of forgotten numbers; empty without such a key.
            clock: decides when a run begins.
            pause_s: how long a run rests after each step, in seconds.
        """
        self._redis = redis
        self._retention = Retention(redis, rule, keys, forget_key=forget_key, pause=self._rest)
        self._lock: Lock = redis.lock(RETENTION_LOCK, timeout=_LOCK_S, blocking=False, thread_local=False)
        self._clock = clock
        self._pause_s = pause_s
        self._begin_at = clock.monotonic()
        self._extend_at = 0.0
        self._run: asyncio.Task[None] | None = None

    async def round(self) -> None:
        """Begin a run if a run is due, and return without waiting for the run."""
        if self._run and self._run.done():
            ended, self._run = self._run, None
            error = None if ended.cancelled() else ended.exception()
            if isinstance(error, Exception):
                log.error("retention failed", **failure(error))
        if self._run is None and self._clock.monotonic() >= self._begin_at:
            self._begin_at = self._clock.monotonic() + RUN_EVERY_S
            self._run = asyncio.create_task(self._run_alone(), name="retention")

    async def close(self) -> None:
        """End a run between two steps; the next run goes on after the last step."""
        if self._run:
            self._run.cancel()
            await asyncio.wait([self._run])

    async def _run_alone(self) -> None:
        try:
            if not await self._lock.acquire():
                return
            self._extend_at = self._clock.monotonic() + _EXTEND_EVERY_S
            try:
                result = await self._retention.run()
                _log(result)
                await self._note_problem(result)
            finally:
                with suppress(LockError):  # the lock has run out
                    await self._lock.release()
        except LEDGER_ERRORS as error:
            if is_transient(error):
                log.warning("ledger unavailable", error=connection_problem(error), doing="retention")
            else:
                log.error("a call to the ledger failed", doing="retention", **failure(error))
        except ArchiveError as error:
            log.error("the archive cannot be used", reason=str(error))

    async def _note_problem(self, result: RetentionResult) -> None:
        """Note for ``dispatch status`` which steps failed, or that no step failed."""
        if result.failed:
            campaign, reason = result.failed[0]
            others = f", and {counted(len(result.failed) - 1, 'other')}" if len(result.failed) > 1 else ""
            problem = f"{reason if campaign in reason else f'{campaign} {reason}'.strip()}{others}"
            await self._redis.set(RETENTION_PROBLEM, problem[:_MAX_PROBLEM], ex=_PROBLEM_S)
        else:
            await self._redis.delete(RETENTION_PROBLEM)

    async def _rest(self) -> None:
        if self._clock.monotonic() >= self._extend_at:
            self._extend_at = self._clock.monotonic() + _EXTEND_EVERY_S
            with suppress(LockError):  # another worker has begun: both go on
                await self._lock.extend(_LOCK_S, replace_ttl=True)
        await self._clock.sleep(self._pause_s)


def _log(result: RetentionResult) -> None:
    if result.archived or result.erased:
        log.info("retention", archived=result.archived, messages=result.rows, erased=result.erased)
    if result.opted_out:
        log.info("late stop replies", opted_out=result.opted_out)
    for campaign, reason in result.failed:
        log.error("retention failed", campaign=campaign, reason=reason)
