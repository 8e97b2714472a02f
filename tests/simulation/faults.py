"""The faults of a simulation: each begins at a random time, lasts for some time, and ends."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tests.simulation.ledger_checks import MAX_JUMP_S
from tests.simulation.provider import Behaviour
from tests.simulation.wire import NORMAL_ONE_WAY_S

if TYPE_CHECKING:
    from tests.simulation.world import World

RECOVERS_IN_S = 45.0
"""Seconds until most faults have no more effect: a lease must run out, and a batch waits for 30 s after an error."""


class SimulatedFaults:
    """Chooses faults at random, one after another, until a given time."""

    def __init__(self, world: "World", *, mean_gap_s: float = 30.0) -> None:
        self._world = world
        self._mean_gap_s = mean_gap_s
        self.happened: Counter[str] = Counter()
        self.kinds: list[Callable[[], Awaitable[None]]] = [
            self.worker_killed,
            self.worker_stopped,
            self.worker_frozen,
            self.worker_cut_off,
            self.worker_unheard,
            self.worker_heard_late,
            self.server_away,
            self.server_frozen,
            self.server_lost_a_second,
            self.server_full,
            self.server_clock_jumps,
            self.wires_slow,
            self.answers_lost,
            self.reconciler_killed,
            self.reconciler_frozen,
            self.receiver_away,
            self.provider_away,
            self.provider_throttles,
            self.provider_crashes_client,
            self.provider_hangs_up,
            self.wake_ups_lost,
            self.host_clock_jumps,
            self.doubt_resolved_from_afar,
            self.worker_cut_off_from_providers,
        ]

    async def run(self, until_s: float) -> None:
        """Inject faults until this moment of virtual time."""
        random, loop = self._world.random, self._world.loop
        while loop.time() < until_s:
            await asyncio.sleep(random.expovariate(1 / self._mean_gap_s))
            await self.happen(random.choice(self.kinds))

    async def happen(self, kind: Callable[[], Awaitable[None]]) -> None:
        """Inject one fault, and return at its end."""
        world = self._world
        self.happened[kind.__name__] += 1
        is_no_excuse = kind.__name__ == "wires_slow"  # while the ledger is slow, sending must continue
        world.active_faults += not is_no_excuse
        await kind()
        world.active_faults -= not is_no_excuse
        if not is_no_excuse:
            world.disturbed(recovers_in_s=RECOVERS_IN_S)

    async def _lasts(self, least_s: float, max_s: float) -> None:
        await asyncio.sleep(self._world.random.uniform(least_s, max_s))

    async def worker_killed(self) -> None:
        """Kill one worker as with kill -9; start another worker a little later."""
        world = self._world
        worker = world.random.choice(world.workers)
        worker.process.kill()
        world.workers.remove(worker)
        await self._lasts(0, 20)
        world.start_worker()

    async def worker_stopped(self) -> None:
        """Stop one worker as in an update; start another worker a little later."""
        world = self._world
        worker = world.random.choice(world.workers)
        world.workers.remove(worker)
        worker.stop()
        await self._lasts(0, 20)
        world.start_worker()

    async def worker_frozen(self) -> None:
        """Freeze one worker, often for longer than its leases."""
        worker = self._world.random.choice(self._world.workers)
        worker.process.freeze()
        await self._lasts(0.1, 40)
        worker.process.thaw()

    async def worker_cut_off(self) -> None:
        """Cut one worker off from the server."""
        worker = self._world.random.choice(self._world.workers)
        worker.wire.is_cut = True
        await self._lasts(0.1, 40)
        worker.wire.is_cut = False

    async def worker_cut_off_from_providers(self) -> None:
        """Cut one worker off from all providers, but not from the server."""
        worker = self._world.random.choice(self._world.workers)
        worker.way.is_cut = True
        await self._lasts(0.1, 60)
        worker.way.is_cut = False

    async def worker_unheard(self) -> None:
        """Lose all calls of one worker without an error."""
        worker = self._world.random.choice(self._world.workers)
        worker.wire.is_silent = True
        await self._lasts(0.1, 40)
        worker.wire.is_silent = False

    async def worker_heard_late(self) -> None:
        """Let the calls of one worker arrive after their time-out, and often after the end of the worker's leases."""
        worker = self._world.random.choice(self._world.workers)
        worker.wire.arrives_late_s = self._world.random.uniform(5, 40)
        await self._lasts(0.1, 5)
        worker.wire.arrives_late_s = 0.0

    async def server_away(self) -> None:
        """Refuse all connections to the server."""
        self._world.server.is_up = False
        await self._lasts(0.1, 40)
        self._world.server.is_up = True

    async def server_frozen(self) -> None:
        """Freeze the server: it executes the commands later, when no process waits for the answers."""
        self._world.server.freeze()
        await self._lasts(0.1, 20)
        self._world.server.thaw()

    async def server_lost_a_second(self) -> None:
        """Let the server lose its last second, as in a power cut."""
        server = self._world.server
        snapshot = server.snapshot()
        await self._lasts(0.2, 1)
        server.is_up = False
        self._world.put_back(snapshot)
        await self._lasts(0.1, 5)
        server.is_up = True

    async def server_full(self) -> None:
        """Let the server refuse commands that need memory, while a person pauses a campaign."""
        world = self._world
        world.server.set_full(is_full=True)
        if world.operator.sealed:
            await world.operator.pause_while_full(world.random.choice(list(world.operator.sealed)[-6:]))
        await self._lasts(1, 20)
        world.server.set_full(is_full=False)

    async def server_clock_jumps(self) -> None:
        """Set the server's clock forward or back for a while."""
        world = self._world
        world.clock_was_wrong = True
        world.server.offset_s = world.random.choice([-1, 1]) * world.random.uniform(0.5, MAX_JUMP_S)
        await self._lasts(5, 120)
        world.server.offset_s = 0.0

    async def wires_slow(self) -> None:
        """Delay each call of every worker to Redis, in both directions."""
        one_way_s = self._world.random.uniform(0.02, 0.25)
        workers = list(self._world.workers)
        for worker in workers:
            worker.wire.one_way_s = one_way_s
        self._world.slow_until_s = math.inf
        await self._lasts(5, 120)
        for worker in workers:
            worker.wire.one_way_s = NORMAL_ONE_WAY_S
        self._world.slow_until_s = self._world.loop.time() + 2.0

    async def answers_lost(self) -> None:
        """Break connections before and after the server executed their commands."""
        wires = [worker.wire for worker in self._world.workers]
        wires += [reconciler.wire for reconciler in self._world.reconcilers]
        wires += [self._world.operator.wire, self._world.receiver_wire]
        for wire in wires:
            wire.answer_loss, wire.request_loss = 0.1, 0.1
        await self._lasts(1, 30)
        for wire in wires:
            wire.answer_loss, wire.request_loss = 0.0, 0.0

    async def reconciler_killed(self) -> None:
        """Kill one reconciler; start another reconciler a little later."""
        world = self._world
        reconciler = world.random.choice(world.reconcilers)
        reconciler.process.kill()
        world.reconcilers.remove(reconciler)
        await self._lasts(0, 60)
        world.start_reconciler()

    async def reconciler_frozen(self) -> None:
        """Freeze one reconciler; other reconcilers claim its entries."""
        reconciler = self._world.random.choice(self._world.reconcilers)
        reconciler.process.freeze()
        await self._lasts(1, 60)
        reconciler.process.thaw()

    async def receiver_away(self) -> None:
        """Let the receiver answer 503."""
        self._world.receiver_wire.is_cut = True
        await self._lasts(1, 60)
        self._world.receiver_wire.is_cut = False

    async def provider_away(self) -> None:
        """Let one provider refuse connections."""
        behaviour = self._any_provider()
        behaviour.not_sent = 1.0
        await self._lasts(1, 30)
        behaviour.not_sent = 0.0

    async def provider_throttles(self) -> None:
        """Let one provider say "not now" to half of all pushes."""
        behaviour = self._any_provider()
        behaviour.throttled = 0.5
        await self._lasts(1, 20)
        behaviour.throttled = 0.0

    async def provider_crashes_client(self) -> None:
        """Let the client of a provider raise an unexpected error for some pushes."""
        behaviour = self._any_provider()
        behaviour.crashes = 0.006
        await self._lasts(1, 20)
        behaviour.crashes = 0.0

    async def provider_hangs_up(self) -> None:
        """Let one provider accept messages and break many connections before the answer."""
        behaviour = self._any_provider()
        behaviour.hangs_up = 0.3
        await self._lasts(1, 20)
        behaviour.hangs_up = 0.0

    async def wake_ups_lost(self) -> None:
        """Let the broker lose half of all wake-ups."""
        self._world.broker.lost = 0.5
        await self._lasts(1, 60)
        self._world.broker.lost = 0.0

    async def host_clock_jumps(self) -> None:
        """Set the clock of one worker's host forward or back."""
        worker = self._world.random.choice(self._world.workers)
        worker.clock.offset_s = self._world.random.choice([-1, 1]) * self._world.random.uniform(1, 86_400)
        await self._lasts(5, 120)
        worker.clock.offset_s = 0.0

    async def doubt_resolved_from_afar(self) -> None:
        """Let a provider break many connections, while a person who gets few answers from the ledger resolves doubt."""
        world, wire = self._world, self._world.operator.far_wire
        behaviour, until_s = self._any_provider(), world.loop.time() + world.random.uniform(20, 60)
        behaviour.hangs_up = 0.4
        wire.one_way_s, wire.answer_loss = world.random.uniform(0.05, 1.0), 0.5
        while world.loop.time() < until_s:
            await asyncio.sleep(world.random.uniform(1, 6))
            if doubtful := world.operator.with_doubt():
                await world.operator.resolve(world.random.choice(doubtful), "resend")
        behaviour.hangs_up = 0.0
        wire.heal()

    def _any_provider(self) -> Behaviour:
        return self._world.providers[self._world.random.choice(sorted(self._world.providers))].behaviour
