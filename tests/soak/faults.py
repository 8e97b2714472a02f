"""Random faults: processes are killed or frozen, Redis is slow, killed or frozen, the provider fails or is away."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from tests.chaos import process_faults, redis_faults
from tests.chaos.fault import ChaosFault
from tests.chaos.provider_faults import EVERYTHING, IN_DOUBT, NOT_NOW
from tests.chaos.testbed import ChaosTestbed

SPARED_AFTER_SHARE = 0.35
"""Processes with one instance are killed only in this first share of the time, so that later a leak can be seen."""
PAIRED = ("worker-2", "reconciler-2")
"""Processes that are killed throughout the run; the other process of each pair is never killed, to show a leak."""
SINGLE = ("receiver", "links", "console", "beat")
"""Processes with one instance."""
SPARED = ("worker-1", "reconciler-1", "metrics", "alerts")
"""Processes that are never killed."""


async def _kill(testbed: ChaosTestbed, name: str, _random: float) -> None:
    testbed.down.add(name)
    testbed.process(name).kill()


async def _start(testbed: ChaosTestbed, name: str, _random: float) -> None:
    testbed.process(name).start()
    testbed.lower_priority(name)
    testbed.down.discard(name)


async def _slow(testbed: ChaosTestbed, _target: str, random_value: float) -> None:
    testbed.wires[""].change(delay_s=0.02 + 0.2 * random_value)


async def _quick(testbed: ChaosTestbed, _target: str, _random: float) -> None:
    testbed.wires[""].change(delay_s=0.0)


KILLED = ChaosFault("kill -9", (0.5, 3.0), _kill, _start)
"""A kill; unlike the fault of the chaos suite, it does not look for the messages that a worker had open."""
SLOW = ChaosFault("slow", (5.0, 15.0), _slow, _quick)


@dataclass(frozen=True)
class FaultSource:
    """Faults that follow one another during the whole run; faults of several sources may overlap."""

    name: str
    faults: tuple[ChaosFault, ...]
    targets: tuple[str, ...]
    pause_s: tuple[float, float]
    until_share: float = 1.0
    """The share of the run in which the source injects faults."""


SOURCES = (
    FaultSource("pairs", (KILLED, KILLED, process_faults.STOPPED), PAIRED, (60, 120)),
    FaultSource("single", (KILLED, KILLED, process_faults.FROZEN), SINGLE, (10, 40), SPARED_AFTER_SHARE),
    FaultSource("frozen", (process_faults.FROZEN,), SINGLE, (60, 150)),
    FaultSource(
        "redis",
        (SLOW, SLOW, redis_faults.FROZEN, redis_faults.DROPS_CLIENTS, redis_faults.KILLED),
        ("redis",),
        (30, 90),
    ),
    FaultSource("provider", IN_DOUBT + NOT_NOW + EVERYTHING, ("provider",), (20, 60)),
)


class RandomFaults:
    """Injects the faults of all sources until ``stop``, and ends each fault."""

    def __init__(
        self, testbed: ChaosTestbed, *, seconds: float, seed: int, sources: Sequence[FaultSource] = SOURCES
    ) -> None:
        """Make faults that have not begun.

        Args:
            testbed: the processes.
            seconds: the duration of the run.
            seed: decides the faults, their targets and their times.
            sources: the sources of the faults.
        """
        self._testbed = testbed
        self._seconds = seconds
        self._seed = seed
        self._sources = sources
        self._stopped = asyncio.Event()
        self._busy = set[str]()
        """Targets of the faults that are in force."""
        self.injected = 0

    def stop(self) -> None:
        """Inject no more faults."""
        self._stopped.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(self._run(source))

    async def _run(self, source: FaultSource) -> None:
        rng = random.Random(f"{self._seed}/{source.name}")
        loop = asyncio.get_running_loop()
        until = loop.time() + source.until_share * self._seconds
        # The first pause is short, so that a short run also gets faults of each source.
        scale = min(1.0, self._seconds / 600)
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), scale * rng.uniform(*source.pause_s))
            if self._stopped.is_set() or loop.time() > until:
                return
            fault, target = rng.choice(source.faults), rng.choice(source.targets)
            duration_s, random_value = rng.uniform(*fault.duration_s), rng.random()
            if target not in self._busy:
                await self._inject(fault, target, duration_s, random_value)

    async def _inject(self, fault: ChaosFault, target: str, duration_s: float, random_value: float) -> None:
        self._busy.add(target)
        self._testbed.log_action(f"{target}: {fault.name}")
        try:
            await fault.inject(self._testbed, target, random_value)
            await asyncio.sleep(duration_s)
        finally:
            await fault.recover(self._testbed, target, random_value)
            self._busy.discard(target)
        self.injected += 1
        self._testbed.log_action(f"{target}: over")
