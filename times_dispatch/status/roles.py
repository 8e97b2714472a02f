"""The kinds of processes: the command that starts a process, and the effect of a missing process."""

from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.keys import UPKEEP_SINCE
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind, read_processes
from times_dispatch.sms.rules.send_window import INDIA_ZONE

_INDIA: Final = ZoneInfo(INDIA_ZONE)
_STARTS_WITHIN_S: Final = 30.0
"""How long, in seconds, upkeep may be missing after the start of the first worker."""


class Role(NamedTuple):
    """The purpose of a kind of process."""

    start: str
    """The command that starts one process."""
    without: str
    """The effect if no such process runs."""
    is_vital: bool = False
    """Whether nothing works without such a process."""
    is_optional: bool = False
    """Whether most deployments have no such process; the kind is listed only if such a process was ever seen."""


ROLES: Final = {
    ProcessKind.WORKER: Role(
        "celery -A workers.app worker --queues=upkeep,urgent,bulk", "nothing is sent", is_vital=True
    ),
    ProcessKind.BEAT: Role(
        "celery -A workers.beat beat",
        "no campaign starts or ends by its time, and the work of lost workers stays undone",
        is_vital=True,
    ),
    ProcessKind.RECEIVER: Role("python -m callbacks.receiver", "no delivery report is taken"),
    ProcessKind.RECONCILER: Role("python -m callbacks.reconciler", "delivery reports wait in Redis"),
    ProcessKind.LINKS: Role("python -m callbacks.links", "nobody can open a tracked link", is_optional=True),
    ProcessKind.METRICS: Role("python -m times_dispatch.metrics", "Prometheus gets no metrics", is_optional=True),
    ProcessKind.ALERTS: Role("python -m times_dispatch.alerts", "nobody is notified of alerts", is_optional=True),
    ProcessKind.CONSOLE: Role("python -m console", "its pages cannot be opened", is_optional=True),
    ProcessKind.FLOWER: Role("python -m times_dispatch.broker.flower", "its page cannot be opened"),
}
"""The kinds of processes that people start."""
DISPENSABLE: Final = tuple(kind for kind, role in ROLES.items() if not role.is_vital)
"""The kinds of processes that a deployment may do without."""


def clock_time(epoch_ms: int, *, now_s: float) -> str:
    """Return a time in India, such as ``22:41``, with the date if the day is not today."""
    moment, now = (datetime.fromtimestamp(seconds, _INDIA) for seconds in (epoch_ms / 1000, now_s))
    return f"{moment:%H:%M}" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M}"


def absence(kind: ProcessKind, last_seen_ms: int, *, now_s: float) -> str:
    """Return since when no process of a kind runs, such as ``no worker since 22:41``."""
    return f"no {kind} since {clock_time(last_seen_ms, now_s=now_s)}" if last_seen_ms else f"no {kind} has run yet"


async def missing_workers(redis: Redis, *, clock: Clock = SYSTEM_CLOCK) -> str:
    """Return one line for people if no worker runs, or if workers get no work; otherwise an empty text.

    Raises Redis errors.
    """
    seen = await read_processes(redis)
    if workers := seen.alive(ProcessKind.WORKER):
        since_ms = min(process.record.started_ms for process in workers)
        if clock.time() - since_ms / 1000 < _STARTS_WITHIN_S or await redis.exists(UPKEEP_SINCE):
            return ""
        if not seen.alive(ProcessKind.BEAT):
            beat, role = ProcessKind.BEAT, ROLES[ProcessKind.BEAT]
            since = absence(beat, seen.kinds_seen_ms.get(beat, 0), now_s=clock.time())
            return f"{since}, so {role.without}: start one ({role.start}); dispatch status shows all processes"
        return (
            "workers and beat run, but workers get no work: start the broker, or correct DISPATCH_BROKER_URL; "
            "dispatch status shows more"
        )
    since = absence(ProcessKind.WORKER, seen.kinds_seen_ms.get(ProcessKind.WORKER, 0), now_s=clock.time())
    role = ROLES[ProcessKind.WORKER]
    return f"{since}, so {role.without}: start one ({role.start}); dispatch status shows all processes"
