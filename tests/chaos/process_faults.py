"""Faults of the project's own processes: SIGKILL, SIGSTOP and SIGTERM."""

import asyncio
import signal
import time

from tests.chaos.fault import ChaosFault
from tests.chaos.lost_workers import record_lost_worker
from tests.chaos.testbed import ChaosTestbed

STOPS_WITHIN_S = 10.0


async def _kill(testbed: ChaosTestbed, name: str, _random: float) -> None:
    testbed.down.add(name)
    testbed.process(name).kill()
    _lost(testbed, name)


async def _start(testbed: ChaosTestbed, name: str, _random: float) -> None:
    testbed.process(name).start()
    testbed.lower_priority(name)
    testbed.down.discard(name)


async def _freeze(testbed: ChaosTestbed, name: str, _random: float) -> None:
    testbed.down.add(name)
    testbed.process(name).send(signal.SIGSTOP)


async def _freeze_past_the_lease(testbed: ChaosTestbed, name: str, random_value: float) -> None:
    await _freeze(testbed, name, random_value)
    _lost(testbed, name)


async def _thaw(testbed: ChaosTestbed, name: str, _random: float) -> None:
    testbed.process(name).send(signal.SIGCONT)
    testbed.down.discard(name)


async def _stop(testbed: ChaosTestbed, name: str, _random: float) -> None:
    """Stop the process with SIGTERM, and record how long the stop takes."""
    testbed.down.add(name)
    began = time.monotonic()
    process = testbed.process(name)
    process.send(signal.SIGTERM)
    while process.running and time.monotonic() - began < 2 * STOPS_WITHIN_S:  # Process has no event to wait for
        await asyncio.sleep(0.02)
    testbed.events.stops_s.append(time.monotonic() - began)
    process.kill()


def _lost(testbed: ChaosTestbed, name: str) -> None:
    if name in testbed.stack.worker_names:
        testbed.start_background(record_lost_worker(testbed, name))


KILLED = ChaosFault("kill -9", (0.5, 3.0), _kill, _start)
FROZEN = ChaosFault("frozen", (0.3, 5.0), _freeze, _thaw)
STOPPED = ChaosFault("SIGTERM", (0.0, 1.0), _stop, _start)


def frozen_past(lease_s: float) -> ChaosFault:
    """Return a freeze that is slightly longer than the lease: the worker resumes while others have its batches."""
    return ChaosFault("frozen past its leases", (lease_s, lease_s + 3.0), _freeze_past_the_lease, _thaw)
