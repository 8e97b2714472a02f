"""The processes of the simulation: workers with a part of Celery, reconcilers, and the broker."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from callbacks.classifier import ReportClassifier
from callbacks.reconciler import Reconciler
from tests.simulation.loop import SimulatedClock, SimulatedProcess
from tests.simulation.provider import SimulatedClient, SimulatedWay
from tests.simulation.wire import SimulatedWire, connect
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.model import BatchRef
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.ledger.reports.report_applier import ReportApplier
from times_dispatch.provider.correlation_ids import CorrelationIds
from workers.batch.batch_run import BatchEnd
from workers.dispatcher import Dispatcher
from workers.upkeep import Upkeep

if TYPE_CHECKING:
    from tests.simulation.world import World


class SimulatedWorker:
    """One worker process: a dispatcher, upkeep, their connection, and the part of Celery that gives them tasks."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.world = world
        self.process = SimulatedProcess(world.loop, name)
        self.wire = SimulatedWire(world.server, world.random)
        self.clock = SimulatedClock(world.loop, epoch_s=world.epoch_s)
        self.redis = connect(self.wire)
        self.way = SimulatedWay()
        self.dispatcher = Dispatcher(
            world.settings,
            self.redis,
            wake_workers=self._wake,
            on_refused=lambda refused: world.unexpected.append(f"{name}: {refused}"),
            max_batches=world.max_batches,
            name=name,
            make_client=lambda provider: SimulatedClient(world.providers[provider.nickname], self.way),  # type: ignore[arg-type,return-value]
            clock=self.clock,
            rng=Random(world.random.random()),
        )
        self.upkeep = Upkeep(
            self.redis,
            lease_s=world.settings.worker.lease_s,
            wake_workers=self._wake,
            update_flower=_shown,
            rng=Random(world.random.random()),
            clock=self.clock,
        )
        self._runs: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Start the dispatcher, like the start of a worker process."""
        self._keep(self.process.spawn(self.dispatcher.start()))

    def run(self, ref: BatchRef) -> None:
        """Work on a wake-up from the broker."""
        self._keep(self.process.spawn(self.dispatcher.run(ref)))

    def do_upkeep(self) -> None:
        """Do a round of upkeep on this worker, like a worker that takes beat's task."""
        self._keep(self.process.spawn(self._round()))

    def stop(self) -> None:
        """Stop as with SIGTERM."""
        self._keep(self.process.spawn(self._stop()))

    async def _stop(self) -> None:
        await self.dispatcher.stop()
        await self.dispatcher.close()
        self.process.kill()

    async def _round(self) -> None:
        try:
            async with asyncio.timeout(30):
                await self.upkeep.round()
        except (RedisError, TimeoutError):
            pass

    async def _wake(self, ready: Sequence[BatchReady]) -> None:
        self.world.broker.publish([batch.ref for batch in ready])

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._runs.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._runs.discard(task)
        if task.cancelled():
            return
        if error := task.exception():
            self.world.unexpected.append(f"{self.name}: {error!r}")
        elif task.result() is BatchEnd.LEASE_LOST:
            self.world.lost_leases += 1


async def _shown(_: object) -> bool:
    return True


class Broker:
    """Celery's queue: it loses and doubles wake-ups, and gives each wake-up to any worker that can take it."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.lost = 0.0
        self.doubled = 0.01

    def publish(self, refs: Sequence[BatchRef]) -> None:
        """Deliver wake-ups after a short delay."""
        draw = self._world.random.random
        for ref in refs:
            copies = 0 if draw() < self.lost else 2 if draw() < self.doubled else 1
            for _ in range(copies):
                self._world.later(0.005 + 0.05 * draw(), self._deliver, ref)

    def _deliver(self, ref: BatchRef) -> None:
        able = [worker for worker in self._world.workers_at_work() if not worker.dispatcher.is_full()]
        if able:
            self._world.random.choice(able).run(ref)
        else:
            self._world.later(0.5, self._deliver, ref)


class SimulatedReconciler:
    """A process that applies stored reports, with its own connection to the server."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.process = SimulatedProcess(world.loop, name)
        self.wire = SimulatedWire(world.server, world.random)
        redis = connect(self.wire, retries=1)
        clock = SimulatedClock(world.loop, epoch_s=world.epoch_s)
        classifier = ReportClassifier(CorrelationIds(world.id_key), relaying=False)
        reconciler = Reconciler(
            redis, ReportApplier(redis), classifier, IdKeyGuard(redis, world.id_key, b""), name=name, clock=clock
        )
        self._task = self.process.spawn(reconciler.run(asyncio.Event()))
