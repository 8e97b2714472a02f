"""Finds problems of a deployment, with the remedy of each problem, the most serious first."""

from collections.abc import Iterator
from typing import Final

import msgspec

from times_dispatch.ledger.monitoring.health import Memory, clock_warning
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind
from times_dispatch.ledger.redis_clock import clocks_agree
from times_dispatch.plurals import counted
from times_dispatch.settings.values.durations import format_duration
from times_dispatch.status.model import (
    DeploymentStatus,
    KindStatus,
    RedisStatus,
    ReportsStatus,
    Severity,
    StatusFinding,
)
from times_dispatch.status.roles import ROLES, absence, clock_time

CRITICAL, WARNING, NOTE = Severity.CRITICAL, Severity.WARNING, Severity.NOTE

_ORDER: Final = (CRITICAL, WARNING, NOTE)
LATE_S: Final = 60.0
"""A report that waits for longer, in seconds, is late: a running reconciler applies a report within about a second."""
FORWARD_LATE_S: Final = 600.0
"""A report that waits for longer, in seconds, to be forwarded or relayed is late."""
_SOON_S: Final = 2 * 24 * 3600.0
"""There is a warning if the memory lasts for a shorter time than this, in seconds."""
_MANY_WAKEUPS: Final = 1_000
_MAX_STOPS: Final = 20
"""The maximum number of stops that become findings; ``DeploymentStatus.stops`` has all stops."""


START_REDIS = "start Redis, or correct DISPATCH_REDIS_URL and its password; nothing works without Redis"
"""The remedy if Redis cannot be used."""


def unavailable(reason: str, *, advice: str = START_REDIS) -> StatusFinding:
    """Return the finding that Redis, or the data in Redis, cannot be used."""
    return StatusFinding(CRITICAL, reason, advice)


def find(status: DeploymentStatus, *, max_memory_share: float) -> DeploymentStatus:
    """Return the status with its findings.

    Args:
        status: the status, without findings.
        max_memory_share: the share of maxmemory above which no campaign and no report is taken.
    """
    findings = [
        *(_of_redis(status.redis, max_memory_share) if status.redis else ()),
        *_of_processes(status),
        *_of_upkeep(status),
        *_of_queues(status),
        *(_of_reports(status.reports) if status.reports else ()),
        *_of_stops(status),
        *_of_alert_targets(status),
        *_of_retention(status),
        *_of_memory(status),
    ]
    # The sort is stable: findings of the same severity keep the order of the functions above.
    return msgspec.structs.replace(status, findings=sorted(findings, key=lambda item: _ORDER.index(item.severity)))


def _of_redis(redis: RedisStatus, max_memory_share: float) -> Iterator[StatusFinding]:
    memory = Memory(redis.used_bytes, redis.max_bytes)
    if warning := clock_warning(redis.ahead_s):
        yield StatusFinding(CRITICAL, f"Redis: {warning}")
    if not redis.last_write_ok:
        yield StatusFinding(CRITICAL, "Redis cannot write its append-only file", "free disk space on its host")
    if redis.evicted_keys:
        yield StatusFinding(
            CRITICAL,
            f"Redis has deleted {counted(redis.evicted_keys, 'key')} to free memory: messages may be lost",
            "set maxmemory-policy to noeviction, raise maxmemory, and restore a backup",
        )
    if memory.share >= max_memory_share:
        yield StatusFinding(
            CRITICAL,
            f"Redis uses {memory.share:.0%} of its memory: no campaign and no report is taken",
            "raise maxmemory; start reconcilers if reports wait",
        )
    for warning in redis.warnings:
        if warning != memory.warning or memory.share < max_memory_share:
            yield StatusFinding(WARNING, f"Redis: {warning}")
    if redis.version and not redis.max_bytes:
        yield StatusFinding(NOTE, "Redis has no maxmemory", "set it below the memory of its host (docs/operations.md)")


def _of_processes(status: DeploymentStatus) -> Iterator[StatusFinding]:
    for kind in status.kinds:
        yield from _of_kind(kind, now_s=status.at_ms / 1000)
    versions = sorted({version for kind in status.kinds for version in kind.versions})
    if len(versions) > 1:
        by_kind = ", ".join(f"{kind.kind} {' and '.join(kind.versions)}" for kind in status.kinds if kind.versions)
        yield StatusFinding(
            WARNING, f"processes of different versions run: {by_kind}", "finish the upgrade: restart the old processes"
        )


def _of_kind(kind: KindStatus, *, now_s: float) -> Iterator[StatusFinding]:
    for process in kind.silent:
        name = f"{kind.kind} {process.record.host}:{process.record.pid}"
        yield StatusFinding(
            WARNING,
            f"{name} has been silent for {process.silent_s:,.0f} s",
            "it was killed, is frozen, or cannot reach Redis: look at its log, and start it again",
        )
    for process in kind.alive:
        if not clocks_agree(process.ahead_s):
            side = "ahead of" if process.ahead_s > 0 else "behind"
            yield StatusFinding(
                WARNING,
                f"the clock of host {process.record.host} ({kind.kind}) is {abs(process.ahead_s):,.0f} s {side} Redis'",
                "set the wrong clock (NTP)",
            )
    if kind.alive or kind.kind not in ROLES:
        return
    known = ProcessKind(kind.kind)
    role = ROLES[known]
    since = absence(known, kind.last_seen_ms, now_s=now_s)
    # A deployment may do without a kind of process that is not vital; the kind is missing only if it ran before.
    is_missed = kind.last_seen_ms and known is not ProcessKind.FLOWER
    severity = CRITICAL if role.is_vital else WARNING if is_missed else NOTE
    forget = f"; or, if you run none any more: dispatch status --forget {kind.kind}"
    to_do = f"start one: {role.start}{forget if severity is WARNING else ''}"
    yield StatusFinding(severity, f"{since}: {role.without}", to_do)


def _of_upkeep(status: DeploymentStatus) -> Iterator[StatusFinding]:
    both = (ProcessKind.WORKER, ProcessKind.BEAT)
    if status.upkeep_since_ms is None and all(kind.alive for kind in status.kinds if kind.kind in both):
        yield StatusFinding(
            CRITICAL,
            "workers and beat run, but upkeep does not: no campaign starts or ends by its time",
            "workers must read the queue upkeep, and all processes must have the same broker; if they were just "
            "started, wait some seconds",
        )


def _of_alert_targets(status: DeploymentStatus) -> Iterator[StatusFinding]:
    for name, target in sorted(status.alert_targets.items()):
        if target.failing_since_ms:
            since = clock_time(target.failing_since_ms, now_s=status.at_ms / 1000)
            yield StatusFinding(
                WARNING,
                f"alerts do not reach {name} since {since} ({target.reason})",
                f"correct {name}'s address, or the service behind it: dispatch alerts test {name}",
            )


def _of_retention(status: DeploymentStatus) -> Iterator[StatusFinding]:
    if status.retention_problem:
        yield StatusFinding(
            WARNING,
            f"retention: {status.retention_problem}",
            "fix the reason; dispatch archive run says whether everything is archived and erased then",
        )


def _of_queues(status: DeploymentStatus) -> Iterator[StatusFinding]:
    if status.queues is None:
        yield StatusFinding(
            CRITICAL, "the broker is unavailable: workers get no work", "start it, or correct DISPATCH_BROKER_URL"
        )
        return
    for queue, length in status.queues.items():
        if length > _MANY_WAKEUPS:
            yield StatusFinding(
                NOTE, f"{length:,} wake-ups wait in the queue {queue}", "start more workers if this lasts"
            )


def _of_reports(reports: ReportsStatus) -> Iterator[StatusFinding]:
    backlog = reports.backlog
    if backlog.oldest_s >= LATE_S:
        yield StatusFinding(
            WARNING,
            f"{counted(backlog.entries, 'post of reports waits', 'posts of reports wait')}, "
            f"the oldest for {format_duration(backlog.oldest_s)}",
            f"start reconcilers: {ROLES[ProcessKind.RECONCILER].start}",
        )
    if reports.relay_oldest_s >= FORWARD_LATE_S:
        yield StatusFinding(
            WARNING,
            f"{counted(reports.relay_waiting, 'post waits', 'posts wait')} to be relayed, "
            f"the oldest for {format_duration(reports.relay_oldest_s)}",
            "see whether the host of callbacks.relay_url answers, and whether reconcilers run with that setting",
        )
    forward = reports.forward
    if forward.oldest_s >= FORWARD_LATE_S:
        yield StatusFinding(
            WARNING,
            f"{counted(forward.events, 'report waits', 'reports wait')} to be forwarded, "
            f"the oldest for {format_duration(forward.oldest_s)}",
            "see whether the host of callbacks.forward_url answers, and whether reconcilers run with that setting",
        )
    if forward.dropped:
        yield StatusFinding(
            NOTE,
            f"{counted(forward.dropped, 'report was', 'reports were')} never forwarded, "
            "because too many waited or they waited for too long",
            "dispatch report exports the results of the messages",
        )
    if reports.dead_letters:
        yield StatusFinding(
            NOTE,
            f"{counted(reports.dead_letters, 'report')} could not be used",
            "dispatch reports rejected says why; dispatch reports replay tries them again",
        )


def _of_stops(status: DeploymentStatus) -> Iterator[StatusFinding]:
    # Stops by persons come last, because the list may be cut; the sort is stable.
    for stop in sorted(status.stops, key=lambda stop: stop.by_person)[:_MAX_STOPS]:
        severity = NOTE if stop.by_person or stop.reason == "parts of the day used up" else WARNING
        to_do = f"when that is fixed: {stop.command}" if stop.command else "it ends by itself"
        yield StatusFinding(severity, f"{stop.subject}: {stop.reason}", to_do)
    if (more := len(status.stops) - _MAX_STOPS) > 0:
        yield StatusFinding(
            WARNING,
            f"{counted(more, 'more sender or campaign is', 'more senders and campaigns are')} stopped",
            "dispatch list shows them",
        )
    if status.work.damaged:
        yield StatusFinding(
            WARNING,
            f"campaigns that cannot be read: {', '.join(status.work.damaged[:_MAX_STOPS])}",
            "restore them (docs/operations.md)",
        )


def _of_memory(status: DeploymentStatus) -> Iterator[StatusFinding]:
    lasts_s = status.memory.lasts_s if status.memory else None
    if lasts_s is not None and lasts_s < _SOON_S:
        yield StatusFinding(
            WARNING,
            f"at the pace of the last day, the memory that is left lasts {format_duration(lasts_s)}",
            "raise maxmemory, or submit less",
        )
