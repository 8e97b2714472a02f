"""Faults of Redis: it is killed and restarted, freezes, runs out of memory, is read-only, or drops its clients."""

import asyncio
import signal
import time

from redis.exceptions import RedisError

from tests.chaos.fault import ChaosFault
from tests.chaos.testbed import REDIS, ChaosTestbed

_COMMAND_TIMEOUT_S = 30.0
_UNREACHABLE_PRIMARY = ("127.0.0.1", "1")


async def _kill(testbed: ChaosTestbed, _target: str, _random: float) -> None:
    testbed.down.add(REDIS)
    testbed.stack.redis.kill()


async def _restart(testbed: ChaosTestbed, _target: str, _random: float) -> None:
    testbed.stack.redis.start()
    testbed.down.discard(REDIS)


async def _freeze(testbed: ChaosTestbed, _target: str, _random: float) -> None:
    testbed.down.add(REDIS)
    testbed.stack.redis.send(signal.SIGSTOP)


async def _thaw(testbed: ChaosTestbed, _target: str, _random: float) -> None:
    testbed.stack.redis.send(signal.SIGCONT)
    testbed.down.discard(REDIS)


async def _fill(testbed: ChaosTestbed, _target: str, _random: float) -> None:
    testbed.down.add(REDIS)
    await _retry_command(testbed, "CONFIG", "SET", "maxmemory", "1mb")


async def _make_room(testbed: ChaosTestbed, _target: str, _random: float) -> None:
    await _retry_command(testbed, "CONFIG", "SET", "maxmemory", "0")
    testbed.down.discard(REDIS)


async def _demote(testbed: ChaosTestbed, _target: str, _random: float) -> None:
    """Make Redis a replica of an unreachable server, as after a failover: Redis keeps its data but refuses writes."""
    testbed.down.add(REDIS)
    await _retry_command(testbed, "REPLICAOF", *_UNREACHABLE_PRIMARY)


async def _promote(testbed: ChaosTestbed, _target: str, _random: float) -> None:
    await _retry_command(testbed, "REPLICAOF", "NO", "ONE")
    testbed.down.discard(REDIS)


async def _drop_clients(testbed: ChaosTestbed, _target: str, random_value: float) -> None:
    """Close every connection repeatedly: calls fail in the middle, and the clients repeat these calls."""
    testbed.down.add(REDIS)
    until = time.monotonic() + 0.5 + 1.5 * random_value
    while time.monotonic() < until:
        await _retry_command(testbed, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.sleep(0.05)
    testbed.down.discard(REDIS)


async def _nothing(_testbed: ChaosTestbed, _target: str, _random: float) -> None:
    """Do nothing: the fault ends by itself."""


async def _retry_command(testbed: ChaosTestbed, *command: str) -> None:
    """Repeat a command until Redis executes it."""
    until = time.monotonic() + _COMMAND_TIMEOUT_S
    while True:
        try:
            await testbed.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except RedisError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)
        else:
            return


KILLED = ChaosFault("kill -9", (0.1, 3.0), _kill, _restart)
FROZEN = ChaosFault("frozen", (0.5, 7.0), _freeze, _thaw)
FULL = ChaosFault("out of memory", (1.0, 3.0), _fill, _make_room)
READ_ONLY = ChaosFault("read-only", (1.0, 3.0), _demote, _promote)
DROPS_CLIENTS = ChaosFault("drops its clients", (0.0, 0.0), _drop_clients, _nothing)

REDIS_FAULTS = (KILLED, FROZEN, FULL, READ_ONLY, DROPS_CLIENTS)


def away_past(lease_s: float) -> ChaosFault:
    """Return a kill of Redis for longer than the lease.

    No worker can renew its leases, but no worker may be treated as dead.
    """
    return ChaosFault("away past the leases", (lease_s + 2.0, lease_s + 5.0), _kill, _restart)


def frozen_past(lease_s: float) -> ChaosFault:
    """Return a freeze of Redis for longer than the lease; the clock of Redis continues."""
    return ChaosFault("frozen past the leases", (lease_s + 2.0, lease_s + 5.0), _freeze, _thaw)
