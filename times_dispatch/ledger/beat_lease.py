"""The lease of beat: of several beat processes only the holder starts upkeep; when it ends, another process takes over.

The lease has a fencing token. Each Celery message of beat carries the token, and a worker ignores a message with a
token older than the newest token. A beat process also stops by its own clock if it could not renew the lease in time.
"""

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import LEDGER_ERRORS
from times_dispatch.ledger.keys import BEAT_LEASE, PROCESSES, BeatField
from times_dispatch.ledger.openings import new_operation
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.scripts import Script, text

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

LEASE_S: Final = 2.5
"""How long a lease lasts without renewal, in seconds; in all, a second beat process takes over within 5 s."""
RENEW_EVERY_S: Final = 0.7
_CALL_WITHIN_S: Final = 1.0
_OLD_AFTER_S: Final = 5.0
"""A message that waited for longer than this starts no upkeep, because newer messages follow."""


class _Held(NamedTuple):
    """A lease as this process knows it; by default, the process holds no lease."""

    token: int = 0
    until_s: float = 0.0
    """When the lease ends, on the monotonic clock of the process."""
    ledger_ahead_ms: float = 0.0
    """By how many milliseconds Redis' clock (epoch) is ahead of the monotonic clock."""


class BeatLease:
    """The lease of one beat process. ``run`` belongs to one event loop; any thread may use the other members."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make the lease of a process.

        Args:
            clock: times the waits, and the end of the lease.
        """
        self._clock = clock
        self._operation = new_operation()
        self._process = f"{socket.gethostname()}:{os.getpid()}"
        self._held = _Held()
        self._is_refused = False

    @property
    def token(self) -> int:
        """The fencing token; 0 while this process does not hold the lease."""
        held = self._held
        return held.token if self._clock.monotonic() < held.until_s else 0

    @property
    def now_ms(self) -> int:
        """The time by Redis' clock, in epoch milliseconds; 0 while this time is not known."""
        ahead_ms = self._held.ledger_ahead_ms
        return round(self._clock.monotonic() * 1000 + ahead_ms) if ahead_ms else 0

    @property
    def may_send(self) -> bool:
        """Whether this process may send messages: it holds the lease, or Redis does not permit this user to take it."""
        return self._is_refused or self.token > 0

    async def run(self, redis: Redis, stop: asyncio.Event) -> None:
        """Hold the lease, or wait for the lease, until the stop is set; then release the lease."""
        script = Script(redis, "hold_beat")
        try:
            while not stop.is_set():
                await self._renew(script)
                await self._clock.wait(stop, RENEW_EVERY_S)
        finally:
            self._held = _Held()
            with suppress(*LEDGER_ERRORS):
                async with self._clock.timeout(_CALL_WITHIN_S):
                    await self._call(script, lease_ms=0)

    async def _renew(self, script: Script) -> None:
        asked_at = self._clock.monotonic()
        try:
            async with self._clock.timeout(_CALL_WITHIN_S):
                token, now_ms = await self._call(script, lease_ms=round(LEASE_S * 1000))
        except NoPermissionError:
            if not self._is_refused:
                _log().warning(
                    "the lease of beat is refused", to_do="load redis-users.acl of this version", user_of="beat"
                )
            self._is_refused = True
            return
        except LEDGER_ERRORS as error:
            _log().debug("no lease of beat", error=type(error).__name__)
            return
        before, self._is_refused = self.token, False
        self._held = _Held(token, asked_at + LEASE_S, now_ms - self._clock.monotonic() * 1000)
        if bool(before) != bool(token):
            _log().info("this beat works" if token else "another beat works", token=token or before)

    async def _call(self, script: Script, *, lease_ms: int) -> tuple[int, int]:
        reply = await script(PROCESSES, operation=self._operation, process=self._process, lease_ms=lease_ms)
        return int(reply["token"]), int(reply["now_ms"])


async def why_ignored(redis: Redis, *, token: int, sent_ms: int) -> str:
    """Return why a worker ignores a message of beat; empty if the message counts. Raises Redis errors.

    Messages wait in the broker while no worker runs. Redis' clock gives the age of a message, because the clocks of
    hosts may differ.

    Args:
        redis: the ledger.
        token: the fencing token of the beat that sent the message; 0 for beats without a lease, whose messages count.
        sent_ms: when the message was sent, by Redis' clock, in epoch milliseconds.
    """
    if not token:
        return ""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.hget(BEAT_LEASE, BeatField.TOKEN)
        pipe.time()
        newest, (seconds, microseconds) = await pipe.execute()
    if token < int(newest or 0):
        return "of a replaced beat"
    age_ms = seconds * 1000 + microseconds // 1000 - sent_ms
    return "old" if abs(age_ms) > _OLD_AFTER_S * 1000 else ""


async def working_beat(redis: Redis) -> str:
    """Return host and process id of the holder of the lease; empty if there is no holder. Raises Redis errors."""
    process, until_ms = await redis.hmget(BEAT_LEASE, [BeatField.PROCESS, BeatField.UNTIL_MS])
    is_held = int(until_ms or 0) > await RedisClock(redis).now_ms()
    return text(process) if process and is_held else ""


def _log() -> "BoundLogger":
    import structlog  # noqa: PLC0415  # slow to import, and commands only read the lease

    logger: BoundLogger = structlog.get_logger(__name__)
    return logger
