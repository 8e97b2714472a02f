"""Faults of the project's own processes: killed, frozen, told to stop."""

import asyncio
import signal
import time

from tests.chaos.fault import Fault
from tests.chaos.losses import note_loss
from tests.chaos.stage import Stage

STOPS_WITHIN_S = 10.0


async def _kill(stage: Stage, name: str, _chance: float) -> None:
    stage.down.add(name)
    stage.process(name).kill()
    _lost(stage, name)


async def _start(stage: Stage, name: str, _chance: float) -> None:
    stage.process(name).start()
    stage.yield_to_the_sandbox(name)
    stage.down.discard(name)


async def _freeze(stage: Stage, name: str, _chance: float) -> None:
    stage.down.add(name)
    stage.process(name).send(signal.SIGSTOP)


async def _freeze_past_the_lease(stage: Stage, name: str, chance: float) -> None:
    await _freeze(stage, name, chance)
    _lost(stage, name)


async def _thaw(stage: Stage, name: str, _chance: float) -> None:
    stage.process(name).send(signal.SIGCONT)
    stage.down.discard(name)


async def _stop(stage: Stage, name: str, _chance: float) -> None:
    """Tell it to stop; how long that takes is a figure."""
    stage.down.add(name)
    began = time.monotonic()
    process = stage.process(name)
    process.send(signal.SIGTERM)
    while process.running and time.monotonic() - began < 2 * STOPS_WITHIN_S:  # nothing tells
        await asyncio.sleep(0.02)
    stage.notes.stops_s.append(time.monotonic() - began)
    process.kill()


def _lost(stage: Stage, name: str) -> None:
    if name in stage.stack.worker_names:
        stage.in_background(note_loss(stage, name))


KILLED = Fault("kill -9", (0.5, 3.0), _kill, _start)
FROZEN = Fault("frozen", (0.3, 5.0), _freeze, _thaw)
STOPPED = Fault("SIGTERM", (0.0, 1.0), _stop, _start)


def frozen_past(lease_s: float) -> Fault:
    """Make a freeze that is longer than the lease, but not by much: the zombie should meet those who took its work."""
    return Fault("frozen past its leases", (lease_s, lease_s + 3.0), _freeze_past_the_lease, _thaw)
