"""Exercises in a calm: each creates a difficult situation while no fault is in force, and every check must hold."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tests.simulation.faults import SimulatedFaults
from tests.simulation.operator import MINUTE_MS

if TYPE_CHECKING:
    from tests.simulation.world import World

CAMPAIGNS_OF_ONE_TEXT = 30


class Calm:
    """Chooses one exercise after another at random."""

    def __init__(self, world: "World", faults: SimulatedFaults) -> None:
        self._world = world
        self._kinds: list[Callable[[], Awaitable[None]]] = [
            self.small_behind_huge,
            self.many_campaigns_of_one_text,
            faults.wires_slow,
        ]
        self._next: list[Callable[[], Awaitable[None]]] = []

    async def hold(self) -> None:
        """Wait until the effects of the last faults are over, and hold the next exercise; no exercise is left out."""
        world = self._world
        while world.calm_since_s() > world.loop.time():
            await asyncio.sleep(1)
        if not self._next:
            self._next = world.random.sample(self._kinds, len(self._kinds))
        await self._next.pop()()
        await asyncio.sleep(20)

    async def small_behind_huge(self) -> None:
        """Submit a small campaign while a huge campaign of the same sender has all batches out."""
        operator = self._world.operator
        valid_until_ms = self._world.now_ms() + 600 * MINUTE_MS
        huge = await operator.submit("SLOWAA", 900, batch_size=300, valid_until_ms=valid_until_ms)
        await asyncio.sleep(10)
        await operator.submit("SLOWAA", 5, valid_until_ms=valid_until_ms)
        await asyncio.sleep(30)
        await operator.cancel(huge)

    async def many_campaigns_of_one_text(self, campaigns: int = CAMPAIGNS_OF_ONE_TEXT) -> None:
        """Submit many small campaigns of one text, and then a larger campaign to the same numbers."""
        operator = self._world.operator
        for number in range(campaigns):
            await operator.submit("ONCEAA", 5, numbers_from=10_000 + 5 * number)
        await operator.submit("ONCEAA", 200, batch_size=200, numbers_from=10_000)
