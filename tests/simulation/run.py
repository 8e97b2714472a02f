"""One run: a world from a seed, campaigns and faults for a while, a time to heal, and the verdict."""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import structlog

from tests.simulation.faults import Faults
from tests.simulation.invariants import Invariants, Violation
from tests.simulation.loop import SimulatedLoop
from tests.simulation.wire import clock_exchanged
from tests.simulation.world import RATES, World
from times_dispatch.demo.redis_server import EmbeddedServer

HEAL_S = 3_600.0
"""Virtual seconds in which everything must have come to its end after the last fault."""


class Verdict(NamedTuple):
    """How a run ended."""

    seed: int
    violation: str
    """Empty if every invariant held."""
    simulated_s: float
    took_s: float
    pushes: int
    faults: dict[str, int]
    digest: str
    """Equal for two runs that were the same, push by push."""


def run(seed: int, *, hours: float) -> Verdict:
    """Simulate one world for so many virtual hours of faults, and the healing after them."""
    started = time.monotonic()
    with EmbeddedServer(appendonly=False) as server, _quiet(), clock_exchanged():
        loop = SimulatedLoop()
        asyncio.set_event_loop(loop)
        world = World(loop, server.url, seed)
        faults = Faults(world)
        violation = ""
        try:
            loop.run_until_complete(_simulate(world, faults, hours * 3600))
        except Violation as found:
            violation = str(found)
        finally:
            simulated_s = loop.time()
            world.close()
            asyncio.set_event_loop(None)
    digest = hashlib.sha256(repr(world.provider.begun).encode()).hexdigest()[:16]
    return Verdict(
        seed,
        violation or "; ".join(world.unexpected[:3]),
        simulated_s,
        time.monotonic() - started,
        len(world.provider.begun),
        faults.happened,
        digest,
    )


async def _simulate(world: World, faults: Faults, seconds: float) -> None:
    invariants = Invariants(world)
    world.invariants = invariants
    world.start()
    ends_s = world.loop.time() + seconds
    troubles = [asyncio.create_task(faults.run(ends_s)) for _ in range(2)]
    campaigns = asyncio.create_task(_campaigns(world, ends_s))
    while world.loop.time() < ends_s:
        await asyncio.sleep(1)
        await invariants.check()
    await asyncio.gather(*troubles, campaigns)
    world.heal()
    until = world.loop.time() + HEAL_S
    while world.loop.time() < until:
        await asyncio.sleep(30)
        await invariants.check()
        if await world.all_finished():
            break
    await invariants.check_end()


async def _campaigns(world: World, ends_s: float) -> None:
    """Submit campaigns of all kinds, one after the other."""
    random = world.random
    while world.loop.time() < ends_s - 600:
        sender = random.choice(list(RATES))
        messages = random.choice([1, 7, 60, 300, 1_000])
        await world.submit(
            sender,
            min(messages, int((RATES[sender] or 100) * 60)),
            batch_size=random.choice([20, 100, 500]),
            in_doubt=random.choice(["give_up", "resend"]),
            rate_per_s=random.choice([0.0, 0.0, 5.0]),
        )
        await asyncio.sleep(random.expovariate(1 / 120))


@contextmanager
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    token_hex = secrets.token_hex
    try:
        yield
    finally:
        secrets.token_hex = token_hex
        structlog.reset_defaults()
