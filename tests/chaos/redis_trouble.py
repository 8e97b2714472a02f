"""Faults of Redis: killed and restarted, frozen, full, read-only, or forgetting its clients."""

import asyncio
import signal
import time

from redis.exceptions import RedisError

from tests.chaos.fault import Fault
from tests.chaos.stage import REDIS, Stage

_HEALED_WITHIN_S = 30.0
_NOBODY = ("127.0.0.1", "1")


async def _kill(stage: Stage, _target: str, _chance: float) -> None:
    stage.down.add(REDIS)
    stage.stack.redis.kill()


async def _restart(stage: Stage, _target: str, _chance: float) -> None:
    stage.stack.redis.start()
    stage.down.discard(REDIS)


async def _freeze(stage: Stage, _target: str, _chance: float) -> None:
    stage.down.add(REDIS)
    stage.stack.redis.send(signal.SIGSTOP)


async def _thaw(stage: Stage, _target: str, _chance: float) -> None:
    stage.stack.redis.send(signal.SIGCONT)
    stage.down.discard(REDIS)


async def _fill(stage: Stage, _target: str, _chance: float) -> None:
    stage.down.add(REDIS)
    await _told(stage, "CONFIG", "SET", "maxmemory", "1mb")


async def _make_room(stage: Stage, _target: str, _chance: float) -> None:
    await _told(stage, "CONFIG", "SET", "maxmemory", "0")
    stage.down.discard(REDIS)


async def _demote(stage: Stage, _target: str, _chance: float) -> None:
    """Make it a replica of nobody, as after a failover: it keeps its data and refuses writes."""
    stage.down.add(REDIS)
    await _told(stage, "REPLICAOF", *_NOBODY)


async def _promote(stage: Stage, _target: str, _chance: float) -> None:
    await _told(stage, "REPLICAOF", "NO", "ONE")
    stage.down.discard(REDIS)


async def _drop_clients(stage: Stage, _target: str, chance: float) -> None:
    """Drop every connection again and again: calls break off in the middle, and are repeated by the client."""
    stage.down.add(REDIS)
    until = time.monotonic() + 0.5 + 1.5 * chance
    while time.monotonic() < until:
        await _told(stage, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.sleep(0.05)
    stage.down.discard(REDIS)


async def _nothing(_stage: Stage, _target: str, _chance: float) -> None:
    """Be over by itself."""


async def _told(stage: Stage, *command: str) -> None:
    """Give Redis a command until it takes it."""
    until = time.monotonic() + _HEALED_WITHIN_S
    while True:
        try:
            await stage.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except RedisError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)
        else:
            return


KILLED = Fault("kill -9", (0.1, 3.0), _kill, _restart)
FROZEN = Fault("frozen", (0.5, 7.0), _freeze, _thaw)
FULL = Fault("out of memory", (1.0, 3.0), _fill, _make_room)
READ_ONLY = Fault("read-only", (1.0, 3.0), _demote, _promote)
FORGETFUL = Fault("drops its clients", (0.0, 0.0), _drop_clients, _nothing)

TROUBLES = (KILLED, FROZEN, FULL, READ_ONLY, FORGETFUL)


def away_past(lease_s: float) -> Fault:
    """Make an absence that is longer than the lease: nobody can renew, and nobody may be taken for dead."""
    return Fault("away past the leases", (lease_s + 2.0, lease_s + 5.0), _kill, _restart)


def frozen_past(lease_s: float) -> Fault:
    """Make a freeze that is longer than the lease; its clock goes on meanwhile."""
    return Fault("frozen past the leases", (lease_s + 2.0, lease_s + 5.0), _freeze, _thaw)
