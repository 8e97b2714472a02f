"""Reads the status of a deployment from the ledger: ``read_status``."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, NoPermissionError, RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.beat_lease import working_beat
from times_dispatch.ledger.campaigns.live_campaigns import LiveCampaign, LiveCampaigns, LiveWork
from times_dispatch.ledger.connection import RedisUnavailable, address_of, check
from times_dispatch.ledger.errors import RESTORE, LedgerNewer, cluster_trouble, damage_of
from times_dispatch.ledger.keys import (
    DEAD_LETTER_TOTALS,
    DEAD_LETTERS,
    FOREIGN_DEAD_LETTERS,
    LONG_DEAD_LETTERS,
    LONG_FOREIGN_DEAD_LETTERS,
    RELAY,
    RETENTION_PROBLEM,
    UPKEEP_SINCE,
)
from times_dispatch.ledger.monitoring.alerts import TargetState, read_target_states
from times_dispatch.ledger.monitoring.health import configuration_warnings, memory_in
from times_dispatch.ledger.monitoring.heartbeats import ProcessesSeen, ProcessKind, program_version, read_processes
from times_dispatch.ledger.monitoring.memory_history import read_memory_pace
from times_dispatch.ledger.protocol import StopReason, stop_reason_in_words
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.reports.forward_backlog import read_forward_backlog
from times_dispatch.ledger.reports.report_backlog import read_backlog
from times_dispatch.ledger.schema import refuse_newer_ledger
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState
from times_dispatch.status.findings import START_REDIS, find, unavailable
from times_dispatch.status.model import DeploymentStatus, KindStatus, RedisStatus, ReportsStatus, Stop, Work
from times_dispatch.status.roles import ROLES
from times_dispatch.tls_options import certificate_problem
from times_dispatch.visible_text import without_long_numbers

Queues = Callable[[], Awaitable[dict[str, int]]]
"""Returns the number of waiting wake-ups, by queue; raises RedisError or OSError if the broker is unavailable."""
ReadWork = Callable[[], Awaitable[LiveWork]]
"""Returns the senders and their live campaigns; raises RedisError or OSError."""

_LOOK_AT_NODES: Final = "look at its nodes; the senders of these data wait, and go on by themselves (docs/cluster.md)"
_WAIT: Final = "wait: sending goes on by itself when the data are loaded"
_SECTIONS: Final = ("server", "memory", "persistence", "stats", "replication")
"""The sections of INFO that are read. Reading all sections for each update of a page would cost more than reading all
campaigns.
"""
_DEAD_LETTER_STREAMS: Final = (DEAD_LETTERS, FOREIGN_DEAD_LETTERS, LONG_DEAD_LETTERS, LONG_FOREIGN_DEAD_LETTERS)


async def read_status(
    redis: Redis,
    queues: Queues,
    *,
    max_memory_share: float = 0.9,
    clock: Clock = SYSTEM_CLOCK,
    may_write: bool = True,
    read_work: ReadWork | None = None,
) -> DeploymentStatus:
    """Return the status of the deployment; the cost grows with the number of live campaigns.

    An unavailable Redis is a finding, and not an error. Give *redis* a short time-out, so that people do not wait.

    Args:
        redis: the ledger.
        queues: reads the lengths of the queues.
        max_memory_share: the share of maxmemory above which no campaign and no report is taken.
        clock: this host's clock, which is compared with Redis' clock.
        may_write: whether to try a write; False for a Redis user who may only read.
        read_work: reads the senders and the live campaigns, for a caller that needs the same data; by default this
            function reads the data itself.
    """
    try:
        if may_write:
            await check(redis, needs_memory=False)
        await refuse_newer_ledger(redis)
        work = read_work or LiveCampaigns(redis, clock=clock).read
        status = await _read(redis, queues, max_memory_share, clock, work)
    except (RedisUnavailable, LedgerNewer, BusyLoadingError) as error:
        loads = isinstance(error.__cause__ or error, BusyLoadingError)
        reason = f"Redis at {address_of(redis)} is still loading its data" if loads else str(error)
        return _without_redis(reason, clock, advice=_WAIT if loads else START_REDIS)
    except (RedisTimeout, TimeoutError):
        return _without_redis(f"Redis at {address_of(redis)} did not answer in time", clock)
    except (RedisError, OSError) as error:
        if damage := damage_of(error):
            return _without_redis(damage, clock, advice=RESTORE)
        if trouble := cluster_trouble(error):
            return _without_redis(f"Redis at {address_of(redis)} {trouble}", clock, advice=_LOOK_AT_NODES)
        reason = certificate_problem(error) or f"went away ({type(error).__name__})"
        return _without_redis(f"Redis at {address_of(redis)} {reason}", clock)
    return find(status, max_memory_share=max_memory_share)


def _without_redis(reason: str, clock: Clock, *, advice: str = START_REDIS) -> DeploymentStatus:
    findings = [unavailable(reason, advice=advice)]
    return DeploymentStatus(at_ms=int(clock.time() * 1000), version=program_version(), findings=findings)


async def _read(
    redis: Redis, queues: Queues, max_memory_share: float, clock: Clock, read_work: ReadWork
) -> DeploymentStatus:
    """Read the status, without findings. The arguments are those of ``read_status``."""
    info = await _info(redis)
    work = await read_work()
    live = [campaign for sender in work.senders for campaign in sender.live]
    since_ms = await redis.get(UPKEEP_SINCE)
    return DeploymentStatus(
        at_ms=int(clock.time() * 1000),
        version=program_version(),
        findings=[],
        redis=await _redis_status(redis, info, clock),
        kinds=_kinds(await read_processes(redis), await working_beat(redis)),
        upkeep_since_ms=int(since_ms) if since_ms else None,
        queues=await _lengths(queues),
        reports=await _reports(redis),
        stops=[
            *(stop for sender in work.senders for stop in _stops_of(sender.sender)),
            *(_stop_of(campaign) for campaign in live if campaign.state in _STOPPED),
        ],
        work=Work(
            campaigns=len(live),
            unsent=sum(campaign.unsent for campaign in live),
            damaged=[damage.campaign for damage in work.damaged],
        ),
        alert_targets=await _alert_targets(redis),
        retention_problem=await _retention_problem(redis),
        memory=await read_memory_pace(redis, memory_in(info), max_share=max_memory_share),
    )


async def _retention_problem(redis: Redis) -> str:
    try:
        problem: bytes | str | None = await redis.get(RETENTION_PROBLEM)
    except NoPermissionError:  # an older redis-users.acl
        return ""
    return text(problem or b"")


async def _alert_targets(redis: Redis) -> dict[str, TargetState]:
    try:
        return await read_target_states(redis)
    except NoPermissionError:  # an older redis-users.acl
        return {}


async def _info(redis: Redis) -> Mapping[str, Any]:
    try:
        info: dict[str, Any] = await redis.info(*_SECTIONS)
    except NoPermissionError:
        return {}
    return info


async def _redis_status(redis: Redis, info: Mapping[str, Any], clock: Clock) -> RedisStatus:
    memory = memory_in(info)
    product = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    version = info.get("valkey_version") or info.get("redis_version", "")
    return RedisStatus(
        product=product,
        version=str(version),
        used_bytes=memory.used_bytes,
        max_bytes=memory.max_bytes,
        eviction_policy=str(info.get("maxmemory_policy", "")),
        appendonly=bool(info["aof_enabled"]) if "aof_enabled" in info else None,
        last_write_ok=info.get("aof_last_write_status", "ok") == "ok",
        evicted_keys=int(info.get("evicted_keys", 0)),
        replicas=int(info.get("connected_slaves", 0)),
        good_replicas=info.get("min_slaves_good_slaves"),
        ahead_s=round(await RedisClock(redis, clock=clock).ahead_s(), 3),
        warnings=configuration_warnings(info),
    )


def _kinds(seen: ProcessesSeen, beat: str) -> list[KindStatus]:
    """Return the kinds that a deployment needs, even without a process, and all other kinds that were ever seen."""
    needed = [kind for kind, role in ROLES.items() if not role.is_optional or kind in seen.kinds_seen_ms]
    names = [*needed, *sorted(seen.kinds_seen_ms.keys() - set(ROLES))]
    return [
        KindStatus(
            kind=str(name),
            alive=[process for process in seen.processes if process.record.kind == name and process.is_alive],
            silent=[process for process in seen.processes if process.record.kind == name and not process.is_alive],
            last_seen_ms=seen.kinds_seen_ms.get(name, 0),
            working=beat if name == ProcessKind.BEAT else "",
        )
        for name in names
    ]


async def _lengths(queues: Queues) -> dict[str, int] | None:
    try:
        return await queues()
    except (RedisError, OSError):
        return None


async def _reports(redis: Redis) -> ReportsStatus:
    async with redis.pipeline(transaction=False) as pipe:
        for stream in _DEAD_LETTER_STREAMS:
            pipe.xlen(stream)
        pipe.hgetall(DEAD_LETTER_TOTALS)
        *kept, totals = await pipe.execute()
    relay = await read_backlog(redis, stream=RELAY)
    return ReportsStatus(
        backlog=await read_backlog(redis),
        relay_waiting=relay.entries,
        relay_oldest_s=relay.oldest_s,
        forward=await read_forward_backlog(redis),
        dead_letters=sum(kept),
        dead_letters_ever=sum(map(int, totals.values())),
    )


_STOPPED: Final = frozenset({CampaignState.PAUSED, CampaignState.BRAKED})
_MISSED_START: Final = stop_reason_in_words(StopReason.MISSED_START_ASKS, "")


def _stops_of(view: SenderView) -> list[Stop]:
    subject, resume = f"sender {view.id}", f"dispatch sender resume {view.id}"
    why = f"paused: {without_long_numbers(view.pause_reason)}" if view.pause_reason else "paused"
    stops = [Stop(subject=subject, reason=why, command=resume, by_person=True)] if view.paused else []
    if view.day_is_used_up:
        stops.append(Stop(subject=subject, reason="parts of the day used up", command="", by_person=False))
    for provider in view.unavailable:
        reason = f"provider {provider.provider} is {without_long_numbers(provider.why)}"
        command = resume if provider.brake else ""
        stops.append(Stop(subject=subject, reason=reason, command=command, by_person=False))
    return stops


def _stop_of(view: LiveCampaign) -> Stop:
    reason = f"{view.state.value}: {without_long_numbers(view.reason)}" if view.reason else view.state.value
    return Stop(
        subject=f"campaign {view.id} ({without_long_numbers(view.plan.name)})",
        reason=reason,
        command=f"dispatch resume {view.id}",
        by_person=not needs_person(view),
    )


def needs_person(campaign: LiveCampaign) -> bool:
    """Return whether a campaign stopped without a person's command, so that a person must find out why."""
    is_paused = campaign.state is CampaignState.PAUSED
    return campaign.state is CampaignState.BRAKED or (is_paused and campaign.reason == _MISSED_START)
