"""Warnings about Redis' memory and clock, which commands, logs and pages show before Redis refuses writes."""

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from redis import exceptions
from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.redis_clock import RedisClock, clocks_agree

WARN_MEMORY_SHARE = 0.8
"""The share of maxmemory above which people are warned."""

NODE_AWAY = "does not answer: the senders of this node send nothing until it answers"
"""The warning about a node of a cluster."""


class Memory(NamedTuple):
    """The memory of Redis."""

    used_bytes: int = 0
    """Bytes in use."""
    max_bytes: int = 0
    """The setting maxmemory; 0 if there is no limit, or if Redis does not say."""

    @property
    def share(self) -> float:
        """The share of maxmemory that is in use; 0 without a limit."""
        return self.used_bytes / self.max_bytes if self.max_bytes else 0.0

    def has_room(self, more_bytes: int, *, max_share: float) -> bool:
        """Say whether *more_bytes* more bytes fit below a share of maxmemory."""
        return not self.max_bytes or self.used_bytes + more_bytes <= max_share * self.max_bytes

    @property
    def warning(self) -> str:
        """The warning for people; empty below ``WARN_MEMORY_SHARE``."""
        if self.share < WARN_MEMORY_SHARE:
            return ""
        used = f"{self.share:.0%} of its memory is used ({_megabytes(self.used_bytes)} of {_megabytes(self.max_bytes)})"
        return f"{used}: raise maxmemory before reports and campaigns are refused"


def memory_in(info: Mapping[str, object]) -> Memory:
    """Return the memory that INFO reports; without a limit if INFO reports none."""
    return Memory(int(str(info.get("used_memory", 0))), int(str(info.get("maxmemory", 0))))


async def read_memory(redis: Redis) -> Memory:
    """Return the memory in use now; without a limit if this user may not run INFO. Raises other Redis errors."""
    try:
        return memory_in(await redis.info("memory"))
    except exceptions.NoPermissionError:
        return Memory()


async def urgent_warnings(redis: Redis, *, clock: Clock = SYSTEM_CLOCK) -> list[str]:
    """Return warnings about problems of Redis, one line each. Raises Redis errors."""
    if not isinstance(redis, ClusterRedis):
        warnings = [clock_warning(await _ahead_s(redis, clock)), (await read_memory(redis)).warning]
        return [f"Redis: {warning}" for warning in warnings if warning]
    lines = list[str]()
    await read_memory(redis)  # if a node does not answer, this call finds the node that has taken over
    for address, node in (await redis.primaries()).items():
        try:
            warnings = [clock_warning(await _ahead_of_node_s(node, clock)), (await read_memory(node)).warning]
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            warnings = [NODE_AWAY]
        lines += [f"Redis at {address}: {warning}" for warning in warnings if warning]
    return lines


async def clock_warnings(redis: Redis, *, clock: Clock = SYSTEM_CLOCK) -> list[str]:
    """Return a warning for each server whose clock and this host's differ; none for a node of a cluster that is away.

    Raises Redis errors.
    """
    if not isinstance(redis, ClusterRedis):
        warning = clock_warning(await _ahead_s(redis, clock))
        return [f"Redis: {warning}"] if warning else []
    lines = list[str]()
    for address, node in (await redis.primaries()).items():
        with suppress(exceptions.ConnectionError, exceptions.TimeoutError):
            if warning := clock_warning(await _ahead_of_node_s(node, clock)):
                lines.append(f"Redis at {address}: {warning}")
    return lines


async def _ahead_s(redis: Redis, clock: Clock) -> float:
    return await RedisClock(redis, clock=clock).ahead_s()


async def _ahead_of_node_s(node: Redis, clock: Clock) -> float:
    seconds, microseconds = await node.time()
    return float(int(seconds) + int(microseconds) / 1e6 - clock.time())


def clock_warning(ahead_s: float) -> str:
    """Return the warning about a difference between the clocks; empty while they agree."""
    if clocks_agree(ahead_s):
        return ""
    side = "ahead of" if ahead_s > 0 else "behind"
    consequence = "nothing is started by its time, ended, expired or settled until they agree"
    return f"its clock is {abs(ahead_s):,.0f} s {side} this host's: {consequence}; set the wrong clock"


def configuration_warnings(info: Mapping[str, object]) -> list[str]:
    """Return warnings about the settings and the memory of Redis, one line each; *info* is all of INFO."""
    warnings = []
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        warnings.append(f"maxmemory-policy is {policy}: it may throw messages away; set it to noeviction")
    if info.get("aof_enabled") == 0:
        warnings.append("appendonly is off: a restart of Redis loses campaigns; set it to yes")
    # INFO has the number of good replicas only while min-replicas-to-write is set.
    if info.get("connected_slaves") and "min_slaves_good_slaves" not in info:
        warnings.append(
            "it has replicas and min-replicas-to-write is 0: a primary that still serves after a failover sends "
            "messages twice; set it to 1"
        )
    if memory_warning := memory_in(info).warning:
        warnings.append(memory_warning)
    return warnings


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.0f} MB"
