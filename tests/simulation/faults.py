"""What goes wrong in a simulation: each fault begins at random, lasts a while, and ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import World


class Faults:
    """Draws faults one after the other, until it is told to stop; then the world is whole again."""

    def __init__(self, world: "World", *, mean_gap_s: float = 30.0) -> None:
        self._world = world
        self._mean_gap_s = mean_gap_s
        self.happened: dict[str, int] = {}
        self._kinds: list[Callable[[], Awaitable[None]]] = [
            self.worker_killed,
            self.worker_frozen,
            self.worker_cut_off,
            self.server_away,
            self.wires_slow,
            self.answers_lost,
            self.reconciler_killed,
            self.provider_away,
            self.provider_throttles,
            self.wake_ups_lost,
            self.server_clock_jumps,
            self.host_clock_jumps,
            self.campaign_paused,
        ]

    async def run(self, until_s: float) -> None:
        """Let faults happen until this moment of virtual time."""
        random, loop = self._world.random, self._world.loop
        while loop.time() < until_s:
            await asyncio.sleep(random.expovariate(1 / self._mean_gap_s))
            kind = random.choice(self._kinds)
            name = kind.__name__
            self.happened[name] = self.happened.get(name, 0) + 1
            await kind()

    async def worker_killed(self) -> None:
        """Kill one worker as by kill -9; another is started a little later."""
        world = self._world
        worker = world.random.choice(world.workers)
        worker.process.kill()
        world.workers.remove(worker)
        await asyncio.sleep(world.random.uniform(0, 20))
        world.start_worker()

    async def worker_frozen(self) -> None:
        """Freeze one worker, often for longer than its leases."""
        world = self._world
        worker = world.random.choice(world.workers)
        worker.process.freeze()
        await asyncio.sleep(world.random.uniform(0.1, 40))
        worker.process.thaw()

    async def worker_cut_off(self) -> None:
        """Cut one worker off from the server."""
        world = self._world
        worker = world.random.choice(world.workers)
        worker.wire.is_cut = True
        await asyncio.sleep(world.random.uniform(0.1, 40))
        worker.wire.is_cut = False

    async def server_away(self) -> None:
        """Take the server away from everybody."""
        self._world.server.is_up = False
        await asyncio.sleep(self._world.random.uniform(0.1, 40))
        self._world.server.is_up = True

    async def wires_slow(self) -> None:
        """Let every call take long."""
        one_way_s = self._world.random.uniform(0.02, 0.25)
        for worker in self._world.workers:
            worker.wire.one_way_s = one_way_s
        await asyncio.sleep(self._world.random.uniform(5, 60))
        for worker in self._world.workers:
            worker.wire.one_way_s = 0.0002

    async def answers_lost(self) -> None:
        """Break connections before and after the server executed what they carried."""
        workers = list(self._world.workers)
        for worker in workers:
            worker.wire.answer_loss, worker.wire.request_loss = 0.1, 0.1
        await asyncio.sleep(self._world.random.uniform(1, 30))
        for worker in workers:
            worker.wire.answer_loss, worker.wire.request_loss = 0.0, 0.0

    async def reconciler_killed(self) -> None:
        """Kill one reconciler; another is started a little later."""
        world = self._world
        reconciler = world.random.choice(world.reconcilers)
        reconciler.process.kill()
        world.reconcilers.remove(reconciler)
        await asyncio.sleep(world.random.uniform(0, 60))
        world.start_reconciler()

    async def provider_away(self) -> None:
        """Let the provider refuse connections."""
        behaviour = self._world.provider.behaviour
        behaviour.not_sent = 1.0
        await asyncio.sleep(self._world.random.uniform(1, 30))
        behaviour.not_sent = 0.0

    async def provider_throttles(self) -> None:
        """Let the provider say "not now" to half of all pushes."""
        behaviour = self._world.provider.behaviour
        behaviour.throttled = 0.5
        await asyncio.sleep(self._world.random.uniform(1, 20))
        behaviour.throttled = 0.0

    async def wake_ups_lost(self) -> None:
        """Let the broker lose half of what it is given."""
        broker = self._world.broker
        broker.lost = 0.5
        await asyncio.sleep(self._world.random.uniform(1, 60))
        broker.lost = 0.01

    async def server_clock_jumps(self) -> None:
        """Set the server's clock forward or back for a while."""
        server = self._world.server
        server.offset_s = self._world.random.choice([-1, 1]) * self._world.random.uniform(0.5, 600)
        await asyncio.sleep(self._world.random.uniform(5, 120))
        server.offset_s = 0.0

    async def host_clock_jumps(self) -> None:
        """Set one worker's own clock forward or back."""
        worker = self._world.random.choice(self._world.workers)
        worker.clock.offset_s = self._world.random.choice([-1, 1]) * self._world.random.uniform(1, 86_400)
        await asyncio.sleep(self._world.random.uniform(5, 120))
        worker.clock.offset_s = 0.0

    async def campaign_paused(self) -> None:
        """Let the operator pause a running campaign, and resume it."""
        await self._world.pause_and_resume()
