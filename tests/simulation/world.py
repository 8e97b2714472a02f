"""The simulated world: one real server, workers, upkeep, reconcilers, a receiver, an operator, and a provider."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

from redis.exceptions import RedisError

from callbacks.classifier import ReportClassifier
from callbacks.reconciler import Reconciler
from callbacks.stream_writer import NotStored, ReportStreamWriter
from tests.simulation.loop import SimulatedClock, SimulatedLoop, SimulatedProcess
from tests.simulation.provider import SimulatedClient, SimulatedProvider
from tests.simulation.wire import Server, Wire, connect
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.leases import BatchReady
from times_dispatch.ledger.model import BatchRef, CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.report_applier import ReportApplier
from times_dispatch.ledger.submission import Submissions
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.settings.model import Settings, SettingsFile
from workers.dispatcher import Dispatcher
from workers.upkeep import Upkeep

EPOCH_S = 2_000_000_000.0
"""The true time at the start: later than the server's own, so that an absolute expiry that a script sets never comes."""
ID_KEY = b"an-id-key-of-enough-bytes"
RATES = {"FASTAA": 200.0, "SLOWAA": 10.0, "FREEAA": 0.0}
"""Messages per second of each sender; 0 is no limit."""


class SimulatedWorker:
    """One worker process: a dispatcher, its connection, and the part of Celery that hands it wake-ups."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.world = world
        self.process = SimulatedProcess(world.loop, name)
        self.wire = Wire(world.server, world.random)
        self.clock = SimulatedClock(world.loop, epoch_s=EPOCH_S)
        self.redis = connect(self.wire)
        self.dispatcher = Dispatcher(
            world.settings,
            self.redis,
            wake_workers=self._wake,
            max_batches=24,
            make_client=lambda _: SimulatedClient(world.provider),  # type: ignore[arg-type,return-value]
            clock=self.clock,
            rng=Random(world.random.random()),
        )
        self.upkeep = Upkeep(
            self.redis,
            lease_s=world.settings.worker.lease_s,
            wake_workers=self._wake,
            show=_shown,
            rng=Random(world.random.random()),
        )
        self._runs: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Start the process."""
        self._keep(self.process.spawn(self.dispatcher.start()))

    def run(self, ref: BatchRef) -> None:
        """Take a wake-up from the broker."""
        self._keep(self.process.spawn(self.dispatcher.run(ref)))

    def do_upkeep(self) -> None:
        """Take beat's task."""
        self._keep(self.process.spawn(self._round()))

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
        if not task.cancelled() and task.exception():
            self.world.unexpected.append(f"{self.name}: {task.exception()!r}")


class Broker:
    """Celery's queue: it loses and doubles wake-ups, and gives each to any worker that can take one."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.lost = 0.01
        self.doubled = 0.01

    def publish(self, refs: Sequence[BatchRef]) -> None:
        """Deliver wake-ups a little later."""
        draw = self._world.random.random
        for ref in refs:
            copies = 0 if draw() < self.lost else 2 if draw() < self.doubled else 1
            for _ in range(copies):
                self._world.later(0.005 + 0.05 * draw(), lambda ref=ref: self._deliver(ref))  # type: ignore[misc]

    def _deliver(self, ref: BatchRef, tries: int = 0) -> None:
        able = [
            worker
            for worker in self._world.workers
            if worker.process.is_alive and not worker.process.is_frozen and not worker.dispatcher.is_full
        ]
        if able:
            self._world.random.choice(able).run(ref)
        elif tries < 1_200:
            self._world.later(0.5, lambda: self._deliver(ref, tries + 1))


class SimulatedReconciler:
    """One reconciler process."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.process = SimulatedProcess(world.loop, name)
        self.wire = Wire(world.server, world.random)
        redis = connect(self.wire)
        clock = SimulatedClock(world.loop, epoch_s=EPOCH_S)
        classifier = ReportClassifier(CorrelationIds(ID_KEY), relaying=False)
        reconciler = Reconciler(redis, ReportApplier(redis), classifier, name=name, clock=clock)
        self._task = self.process.spawn(reconciler.run(asyncio.Event()))


async def _shown(_: object) -> bool:
    return True


class World:
    """Everything that a simulation has; made from a seed, on a virtual loop and a real, empty server."""

    def __init__(self, loop: SimulatedLoop, url: str, seed: int) -> None:
        self.loop = loop
        self.random = Random(seed)
        # Ids of operations and processes are drawn from the seed as well, or no run could be repeated.
        secrets.token_hex = lambda nbytes=None: self.random.randbytes(nbytes or 16).hex()
        self.server = Server(url, loop, epoch_s=EPOCH_S)
        self.settings = _settings()
        self.unexpected: list[str] = []
        """Errors that no process should raise."""
        self.broker = Broker(self)
        self.receiver = SimulatedProcess(loop, "receiver")
        self.receiver_wire = Wire(self.server, self.random)
        self._writer = ReportStreamWriter(connect(self.receiver_wire))
        self.provider = SimulatedProvider(loop, self.random, id_key=ID_KEY, post=self._post)
        self.workers: list[SimulatedWorker] = []
        self.reconcilers: list[SimulatedReconciler] = []
        self.operator_wire = Wire(self.server, self.random)
        self.operator = connect(self.operator_wire)
        self.control = Control(self.operator)
        self.queries = Queries(self.operator)
        self.plans: dict[CampaignId, Plan] = {}
        self.sealed: list[CampaignId] = []
        self.rates = dict(RATES)
        self.rate_excess = 0.05
        self.invariants: Any = None
        self.totals: dict[CampaignId, int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._names = 0

    def later(self, seconds: float, action: Any) -> None:
        """Do something later, as part of no process."""
        import contextvars  # noqa: PLC0415

        self.loop.call_later(seconds, action, context=contextvars.Context())

    def start(self, *, workers: int = 3, reconcilers: int = 2) -> None:
        """Start the processes, and beat."""
        for _ in range(workers):
            self.start_worker()
        for _ in range(reconcilers):
            self.start_reconciler()
        self._beat()

    def start_worker(self) -> SimulatedWorker:
        """Start one more worker."""
        worker = SimulatedWorker(self, self._name("worker"))
        self.workers.append(worker)
        worker.start()
        return worker

    def start_reconciler(self) -> None:
        """Start one more reconciler."""
        self.reconcilers.append(SimulatedReconciler(self, self._name("reconciler")))

    async def submit(self, sender: str, messages: int, *, batch_size: int = 100, **changes: Any) -> CampaignId:
        """Submit a campaign, again from the start when the ledger is away, until it is sealed."""
        campaign = CampaignId(f"{len(self.plans):08}")
        now_ms = round((EPOCH_S + self.loop.time()) * 1000)
        fields: dict[str, Any] = {
            "name": f"campaign {campaign}",
            "sender": SenderId(sender),
            "provider": "times",
            "template": "greeting",
            "content_id": "1107160000000000001",
            "text": "Dear {#var#}",
            "category": "service",
            "valid_until_ms": now_ms + 6 * 3_600_000,
        }
        plan = Plan(**{**fields, **changes})
        self.plans[campaign], self.totals[campaign] = plan, messages
        submissions = Submissions(self.operator)
        while True:
            try:
                await submissions.claim(campaign, plan.sender, campaign)
                await submissions.begin(campaign, plan, batch_size=batch_size)
                for number, first in enumerate(range(0, messages, batch_size)):
                    rows = range(first, min(first + batch_size, messages))
                    base = int(campaign) * 100_000
                    batch = Recipients(
                        first,
                        [f"91{9_000_000_000 + base + row}" for row in rows],
                        [row + 2 for row in rows],
                        [[f"name {row}" for row in rows]],
                        [1] * len(rows),
                    )
                    await submissions.add_batch(campaign, plan.sender, number, batch)
                await submissions.seal(campaign, plan.sender, total=messages, batches=-(-messages // batch_size))
            except RedisError:
                await asyncio.sleep(1)
            else:
                self.sealed.append(campaign)
                return campaign

    async def pause_and_resume(self) -> None:
        """Let the operator pause a campaign that runs, and resume it after a while; nothing if none runs."""
        running = [campaign for campaign in self.sealed[-5:]]
        if not running:
            return
        campaign = self.random.choice(running)
        sender = self.plans[campaign].sender
        try:
            changed, state = await self.control.campaign(sender, campaign, "pause", reason="the operator said so")
        except RedisError:
            return
        if changed:
            self.invariants.pauses[campaign] = self.loop.time()
        await asyncio.sleep(self.random.uniform(1, 60))
        if changed or state.value == "braked":
            self.invariants.pauses.pop(campaign, None)
            await self.persistently(lambda: self.control.campaign(sender, campaign, "resume"))

    async def persistently(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Call until the ledger answers."""
        while True:
            try:
                return await call()
            except RedisError:
                await asyncio.sleep(1)

    async def reachable_from(self, sender: str) -> list[str]:
        """Return the members of everything that hands work out: leases, campaigns in turn, campaigns that wait."""
        keys = ("leases", "rotation", "rotation:own", "waiting", "hours")
        found: list[str] = []
        for key in keys:
            for member in await self.operator.zrange(f"{{{sender}}}:{key}", 0, -1):
                found.append(member.decode())
        return found

    def heal(self) -> None:
        """End every fault; all that is whole again may now finish."""
        self.server.is_up, self.server.offset_s = True, 0.0
        for worker in self.workers:
            worker.wire.is_cut, worker.wire.one_way_s = False, 0.0002
            worker.wire.answer_loss = worker.wire.request_loss = 0.0
            worker.clock.offset_s = 0.0
            if worker.process.is_frozen:
                worker.process.thaw()
        self.broker.lost = self.broker.doubled = 0.0
        self.provider.behaviour.not_sent = self.provider.behaviour.throttled = 0.0

    async def all_finished(self) -> bool:
        """Resume whatever a brake stopped, and say whether every campaign has come to its end."""
        done = True
        for campaign in self.sealed:
            view = await self.queries.campaign(campaign)
            if view.state.value == "braked":
                await self.control.campaign(self.plans[campaign].sender, campaign, "resume")
            done = done and view.state.value in {"finished", "cancelled"}
        return done

    def close(self) -> None:
        """Let go of the server, and of everything that still runs."""
        self.server.close()
        self.loop.close()

    def _beat(self) -> None:
        able = [w for w in self.workers if w.process.is_alive and not w.process.is_frozen]
        if able:
            self.random.choice(able).do_upkeep()
        self.later(1.0, self._beat)

    async def _post(self, body: bytes) -> None:
        """Post a report as providers do: again, later and later, while the answer is a 503."""
        for wait_s in (10, 60, 600, 3_600):
            try:
                await self.receiver.spawn(self._writer.put(body))
            except NotStored:
                await asyncio.sleep(wait_s)
            else:
                return

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}-{self._names}"


def _settings() -> Settings:
    file = SettingsFile.model_validate(
        {
            "providers": {"times": {"preset": "timesmobile-post"}},
            "senders": {
                name: {"provider": "times", "category": "service", "rate_per_s": rate} for name, rate in RATES.items()
            },
            "worker": {"grace_s": 1.0, "max_in_flight": 400},
        }
    )
    provider = timesmobile_post(nickname="times", username="shop", password="hunter2", endpoint="http://127.0.0.1:9/ct")
    return Settings(
        redis_url="",
        broker_url="",
        id_key=ID_KEY,
        providers={"times": provider},
        senders=file.senders,
        worker=file.worker,
    )
