"""The backlog: posted reports that are stored and not applied to the ledger. While there is any, no doubt is settled.

A report in the backlog may prove that a message in doubt was sent. Whoever decides about doubt, upkeep or a person,
asks ``unapplied_reports`` before.
"""

from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.ledger.keys import RECONCILERS, REPORTS

FRESH_S: Final = 5.0
"""A living reconciler applies a report within about a second: only reports that wait for longer hold up a decision."""
ALIVE_S: Final = 10.0
"""A reconciler that waits for reports asks for them every second, and one that applies many shows itself every five
seconds: one that was silent for this long is dead or cut off."""


class Backlog(NamedTuple):
    """How much is waiting in the stream ``reports``."""

    entries: int
    """Each entry holds one posted body or more."""
    oldest_s: float
    """For how long the oldest entry has been waiting."""


class UnappliedReports(NamedTuple):
    """Why doubt cannot be settled now."""

    backlog: Backlog
    is_reconciler_alive: bool

    def __str__(self) -> str:
        """Say in one line what waits and what to do."""
        if not self.backlog.entries:
            return "no reconciler runs, so reports may be on their way: start one (python -m callbacks.reconciler)"
        waiting = f"{self.backlog.entries:,} posts of reports wait, the oldest for {self.backlog.oldest_s:,.0f} s"
        if self.is_reconciler_alive:
            return f"{waiting}: a reconciler is at work, wait until it has applied them"
        return f"{waiting}, and no reconciler runs: start one (python -m callbacks.reconciler)"


async def read_backlog(redis: Redis) -> Backlog:
    """Return the backlog as it is now, with what reconcilers hold and have not finished. Raises Redis errors."""
    entries = int(await redis.xlen(REPORTS))
    oldest: Any = await redis.xrange(REPORTS, count=1)
    if not oldest:
        return Backlog(0, 0.0)
    seconds, microseconds = await redis.time()
    stored_ms = int(oldest[0][0].partition(b"-")[0])
    return Backlog(entries, max(0.0, int(seconds) + int(microseconds) / 1e6 - stored_ms / 1000))


async def unapplied_reports(redis: Redis, *, alive_s: float = ALIVE_S) -> UnappliedReports | None:
    """Return why doubt cannot be settled now; None if it can.

    It can if no stored report has waited for ``FRESH_S``, and a reconciler lives that applies the fresher ones. A
    reconciler lives if it was silent for less than *alive_s* seconds. In a deployment without callbacks no reconciler
    ever read from this Redis, so the consumer group is missing: then it can if nothing at all is stored. Raises Redis
    errors.
    """
    idle_s = await _idle_reconcilers_s(redis)
    backlog = await read_backlog(redis)
    if idle_s is None:
        return UnappliedReports(backlog, is_reconciler_alive=False) if backlog.entries else None
    is_alive = min(idle_s, default=alive_s) < alive_s
    if is_alive and backlog.oldest_s < FRESH_S:
        return None
    return UnappliedReports(backlog, is_alive)


async def _idle_reconcilers_s(redis: Redis) -> list[float] | None:
    """Return for how long each reconciler has been silent; None if no reconciler ever read from this Redis."""
    try:
        consumers: Any = await redis.xinfo_consumers(REPORTS, RECONCILERS)
    except ResponseError as error:
        if "no such key" in str(error) or str(error).startswith("NOGROUP"):
            return None
        raise
    return [consumer["idle"] / 1000 for consumer in consumers]
