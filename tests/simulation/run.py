"""One run: a world made from a seed, its story, and the verdict."""

import asyncio
import hashlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import msgspec
import structlog

from tests.simulation.cpu_limit import cpu_limit
from tests.simulation.loop import SimulatedLoop
from tests.simulation.story import Story
from tests.simulation.violation import Violation
from tests.simulation.wire import clock_exchanged
from tests.simulation.world import World

MAX_CPU_S = 1_200.0
"""How much CPU time a run may use, in seconds: some ten times as much as a whole run with its quiet hours uses."""


class SimulationVerdict(msgspec.Struct, kw_only=True):
    """The result of a run."""

    seed: int
    violation: str
    """The description of the broken invariant; empty if every invariant held."""
    at_s: float
    """The virtual time at the end of the run, in seconds."""
    quiet_s: float
    """The virtual duration of the quiet hours, in seconds."""
    took_s: float
    """The real duration of the run, in seconds."""
    cpu_s: float
    """The CPU time of the run without its server, in seconds."""
    pushes: int
    checks: int
    faults: dict[str, int]
    digest: str
    """A digest of all pushes: two runs with the same pushes have the same digest."""


def run(
    seed: int,
    *,
    storm_s: float,
    night_s: float | None = None,
    faults: Sequence[str] | None = None,
    exercises: Sequence[str] | None = None,
    max_cpu_s: float = MAX_CPU_S,
) -> SimulationVerdict:
    """Simulate one world; the simulation changes this Python process for good, so each run needs its own process.

    Args:
        seed: the seed of all random numbers.
        storm_s: how long faults are injected, in virtual seconds.
        night_s: the shortest duration of the quiet hours, in virtual seconds; None for no quiet hours.
        faults: the names of the faults to inject; None for all faults.
        exercises: the names of the exercises to hold instead of a storm; None for a storm.
        max_cpu_s: how much CPU time the run may use; then the process ends, and says what the run was doing.
    """
    started, started_cpu = time.monotonic(), time.process_time()
    loop = SimulatedLoop()
    asyncio.set_event_loop(loop)
    with _quiet(), clock_exchanged():
        world = World(loop, seed)
        story = Story(
            world,
            storm_s=storm_s,
            night_s=night_s,
            faults=list(faults) if faults is not None else None,
            exercises=list(exercises) if exercises is not None else None,
        )
        violation = ""

        def end(reason: str) -> NoReturn:
            print(reason, file=sys.stderr, flush=True)  # noqa: T201
            world.server.close()
            os._exit(1)

        try:
            with cpu_limit(max_cpu_s, virtual_s=loop.time, describe=story.describe, end=end):
                loop.run_until_complete(story.tell())
        except Violation as found:
            violation = str(found)
        finally:
            at_s = loop.time()
            world.close()
            asyncio.set_event_loop(None)
    digest = hashlib.sha256(repr((world.books.begun, violation)).encode()).hexdigest()[:16]
    return SimulationVerdict(
        seed=seed,
        violation=violation,
        at_s=at_s,
        quiet_s=story.quiet_s,
        took_s=time.monotonic() - started,
        cpu_s=time.process_time() - started_cpu,
        pushes=len(world.books.begun),
        checks=story.checks,
        faults=dict(story.faults.happened),
        digest=digest,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
