"""The backlog: posted reports that are stored and not yet applied to the ledger.

A report in the backlog may prove that a message in doubt was sent. So upkeep and ``dispatch resolve`` call
``unapplied_reports`` before they settle messages in doubt.
"""

from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.ledger.keys import RECONCILERS, REPORTS
from times_dispatch.plurals import counted

FRESH_S: Final = 5.0
"""Seconds for which a report may wait without delaying a decision: a reconciler applies it within about a second."""
ALIVE_S: Final = 10.0
"""Seconds after which a reconciler that did not read the stream is dead or cut off. A reconciler that waits for reports
reads the stream every second, and a reconciler that applies many reports reads it every five seconds."""


class Backlog(NamedTuple):
    """The size and the age of the backlog."""

    entries: int
    """How many entries wait in the stream ``reports``; each entry holds one posted body or more."""
    oldest_s: float
    """For how long the oldest entry has been waiting, in seconds."""


class UnappliedReports(NamedTuple):
    """Why messages in doubt cannot be settled now."""

    backlog: Backlog
    is_reconciler_alive: bool

    def __str__(self) -> str:
        """Return one line for people: which reports wait, and what to do."""
        if not self.backlog.entries:
            return "no reconciler runs, so reports may be on their way: start one (python -m callbacks.reconciler)"
        posts = counted(self.backlog.entries, "post of reports waits", "posts of reports wait")
        waiting = f"{posts}, the oldest for {self.backlog.oldest_s:,.0f} s"
        if self.is_reconciler_alive:
            return f"{waiting}: a reconciler is at work, wait until it has applied them"
        return f"{waiting}, and no reconciler runs: start one (python -m callbacks.reconciler)"


async def read_backlog(redis: Redis, *, stream: str = REPORTS) -> Backlog:
    """Return the backlog, including entries that a reconciler holds and has not finished. Raises Redis errors.

    The stream ``relay`` has a backlog too: bodies that wait to be relayed.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.xlen(stream)
        pipe.xrange(stream, count=1)
        pipe.time()  # the clock of the server that made the ids of the entries
        replies: list[Any] = await pipe.execute()
    entries, oldest, (seconds, microseconds) = replies
    if not oldest:
        return Backlog(0, 0.0)
    ((entry_id, _fields),) = oldest
    stored_ms = int(entry_id.partition(b"-")[0])
    return Backlog(entries, max(0.0, int(seconds) + int(microseconds) / 1e6 - stored_ms / 1000))


async def unapplied_reports(redis: Redis, *, alive_s: float = ALIVE_S) -> UnappliedReports | None:
    """Return why messages in doubt cannot be settled now; None if they can.

    Messages in doubt can be settled if no stored report has waited for ``FRESH_S``, and a reconciler runs that applies
    the newer reports. A reconciler counts as running if it was silent for less than *alive_s* seconds. In a deployment
    without callbacks, no reconciler ever read from this Redis, so the consumer group is missing. Then messages in doubt
    can be settled if no report at all is stored. Raises Redis errors.
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
