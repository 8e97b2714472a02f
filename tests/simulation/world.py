"""The simulated world: one real server, workers, reconcilers, a receiver, people, and two providers."""

import asyncio
import contextvars
import math
import random as random_module
import secrets
from collections.abc import Callable
from random import Random
from typing import Any

from redis.exceptions import RedisError

from callbacks.stream_writer import NotStored, ReportStreamWriter
from tests.simulation.loop import SimulatedLoop, SimulatedProcess
from tests.simulation.operator import Operator
from tests.simulation.processes import Broker, SimulatedReconciler, SimulatedWorker
from tests.simulation.provider import SimulatedBooks, SimulatedProvider
from tests.simulation.server import ServerSnapshot, SimulatedServer
from tests.simulation.wire import SimulatedWire, connect
from times_dispatch.ledger.keys import SenderField, SenderKey
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.model import SenderId
from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.settings.model import Settings, SettingsFile
from workers.batch.batch_worker import BatchWorker

EPOCH_S = 2_000_000_000.0
"""The true time at the start."""
ID_KEY = b"an-id-key-of-enough-bytes"
SENDERS: dict[str, dict[str, Any]] = {
    "FASTAA": {"rate_per_s": 100.0},
    "SLOWAA": {"rate_per_s": 10.0, "provider": ["times", "other"]},
    "FREEAA": {"provider": ["times", "other"]},
    "CAPPAA": {"rate_per_s": 20.0, "max_parts_per_day": 400},
    "ONCEAA": {"rate_per_s": 30.0, "repeat_after": "30m"},
    "LANEAA": {"rate_per_s": 120.0, "lanes": 3},
}
"""The settings of each sender that differ from the defaults."""
CAP_OF_DAY = {"CAPPAA": 400}
REPEAT_AFTER_S = {"ONCEAA": 1_800}
INDIA_MS, DAY_MS = 19_800_000, 86_400_000
POST_AGAIN_AFTER_S = (10, 60, 600, 3_600, 14_400)


class World:
    """All parts of a simulation, made from a seed, on a virtual loop and a real, empty server."""

    def __init__(self, loop: SimulatedLoop, seed: int) -> None:
        self.loop = loop
        self.epoch_s, self.id_key = EPOCH_S, ID_KEY
        self.random = Random(seed)
        self.max_batches = self.random.choice([4, 24])
        _draw_everything_from(self.random)
        self.server = SimulatedServer(loop, epoch_s=EPOCH_S)
        self.settings = _settings()
        self.unexpected: list[str] = []
        """Errors of processes, none of which should occur."""
        self.broker = Broker(self)
        self.receiver = SimulatedProcess(loop, "receiver")
        self.receiver_wire = SimulatedWire(self.server, self.random)
        self._writer = ReportStreamWriter(connect(self.receiver_wire))
        self.books = SimulatedBooks()
        self.providers = {
            name: SimulatedProvider(
                loop,
                self.random,
                self.books,
                name=name,
                id_key=ID_KEY,
                post=self._post,
                has_campaign=lambda campaign: campaign in self.operator.sealed,
            )
            for name in self.settings.providers
        }
        self.workers: list[SimulatedWorker] = []
        self.reconcilers: list[SimulatedReconciler] = []
        self.operator = Operator(self)
        self.caps, self.repeat_after_s = CAP_OF_DAY, REPEAT_AFTER_S
        self.clock_was_wrong = False
        """Whether the server's clock has been set."""
        self.slow_until_s = -math.inf
        """The virtual time until which calls to the ledger may have taken longer than a block may be late."""
        self.lost_leases = 0
        """How many batches workers gave up because other workers had taken them."""
        self.active_faults = 0
        self._calm_from_s = 0.0
        self.lost: list[tuple[float, float]] = []
        """Spans of time whose writes the server lost."""
        self.is_quiet = False
        """Whether beat starts upkeep only when something is due, as in quiet hours."""
        self._names = 0
        self._beats = 0

    def lanes(self) -> list[SenderId]:
        """Return all lanes of all senders; a sender without lanes counts as one lane."""
        senders = self.settings.senders.items()
        return [lane for name, settings in senders for lane in lane_senders(SenderId(name), settings.lanes)]

    def now_ms(self) -> int:
        """Return the true time in milliseconds since the epoch."""
        return round((EPOCH_S + self.loop.time()) * 1000)

    def later(self, seconds: float, action: Callable[..., Any], *arguments: Any) -> None:
        """Call a function later, outside all simulated processes."""
        self.loop.call_later(seconds, action, *arguments, context=contextvars.Context())

    def start(self) -> None:
        """Start the processes and beat."""
        for _ in range(3):
            self.start_worker()
        for _ in range(2):
            self.start_reconciler()
        self._beat(self._beats)

    def start_worker(self) -> SimulatedWorker:
        """Start one more worker, under a name that no other had."""
        worker = SimulatedWorker(self, self._name("worker"))
        self.workers.append(worker)
        worker.start()
        return worker

    def start_reconciler(self) -> None:
        """Start one more reconciler, under a name that no other had."""
        self.reconcilers.append(SimulatedReconciler(self, self._name("reconciler")))

    def workers_at_work(self) -> list[SimulatedWorker]:
        """Return the workers that are neither dead nor frozen."""
        return [worker for worker in self.workers if worker.process.is_alive and not worker.process.is_frozen]

    def set_quiet(self, *, is_quiet: bool) -> None:
        """Let beat start upkeep only when something is due, or every second again."""
        self.is_quiet = is_quiet
        self.server.reads_wait_longer = 600.0 if is_quiet else 1.0
        self._beats += 1
        self._beat(self._beats)

    def put_back(self, snapshot: ServerSnapshot) -> None:
        """Let the server lose all writes since the snapshot, as in a power cut."""
        now = self.loop.time()
        self.server.put_back(snapshot)
        self.lost.append((snapshot.at_s, now))
        for known in self.books.known.values():
            for kind, times in list(known.items()):
                known[kind] = [at_s for at_s in times if at_s < snapshot.at_s]
                if not known[kind]:
                    del known[kind]
        self.operator.forget(snapshot.at_s)

    def disturbed(self, *, recovers_in_s: float) -> None:
        """Note that a fault has ended, and when its effects are over."""
        self._calm_from_s = max(self._calm_from_s, self.loop.time() + recovers_in_s)

    def calm_since_s(self) -> float:
        """Return since when no fault has an effect; infinite while a fault has one."""
        is_calm = not self.active_faults and self.loop.time() >= self._calm_from_s
        return self._calm_from_s if is_calm else math.inf

    def was_forgotten(self, at_s: float, *, tolerance_s: float = 0.0) -> bool:
        """Return whether the server lost the writes of this moment."""
        return any(start <= at_s <= end + tolerance_s for start, end in self.lost)

    def heal(self) -> None:
        """End every fault, so that all campaigns can finish."""
        self.server.is_up, self.server.offset_s = True, 0.0
        self.server.set_full(is_full=False)
        if self.server.is_frozen:
            self.server.thaw()
        self.receiver_wire.heal()
        self.operator.wire.heal()
        self.operator.far_wire.heal()
        processes: list[SimulatedWorker | SimulatedReconciler] = [*self.workers, *self.reconcilers]
        for process in processes:
            process.wire.heal()
            if process.process.is_frozen:
                process.process.thaw()
        for worker in self.workers:
            worker.clock.offset_s, worker.way.is_cut = 0.0, False
        self.broker.lost = 0.0
        for provider in self.providers.values():
            provider.behaviour.not_sent = provider.behaviour.throttled = provider.behaviour.crashes = 0.0
            provider.behaviour.hangs_up = 0.0

    def close(self) -> None:
        """End the server, and the loop with all its tasks."""
        self.server.close()
        self.loop.close()

    def next_due_s(self) -> float:
        """Return in how many seconds the next step of upkeep is due; 0 if one is due now."""
        tag = [f"{{{lane}}}:" for lane in self.lanes()]
        # While no reconciler works, no doubt is settled, so that due batches stay due.
        is_settling = any(not reconciler.process.is_frozen for reconciler in self.reconcilers)
        names = [
            SenderKey.LEASES,
            SenderKey.SEND_WINDOWS,
            SenderKey.VALIDITY_ENDS,
            SenderKey.WAITING,
            SenderKey.BLOCKED,
            *((SenderKey.SETTLE_DUE,) if is_settling else ()),
        ]
        rotations = [SenderKey.ROTATION, SenderKey.ROTATION_OWN, SenderKey.ROTATION_URGENT]
        today, to_midnight_ms = divmod(self.now_ms() + INDIA_MS, DAY_MS)
        zsets = [("ZRANGE", of + name, 0, 0, "WITHSCORES") for of in tag for name in names]
        full_days = self.server.peek([("HGET", of + SenderKey.SENDER, SenderField.FULL_DAY.value) for of in tag])
        of_rotation = [
            (
                "EXISTS",
                *([of + rotation for rotation in rotations] if full_day != b"%d" % today else []),
                of + SenderKey.CHANGED,
            )
            for of, full_day in zip(tag, full_days, strict=True)
        ]
        if any(self.server.peek(of_rotation)):
            return 0.0
        times = [float(entry[0][1]) for entry in self.server.peek(zsets) if entry]
        times += [self.now_ms() + DAY_MS - to_midnight_ms] if any(full_days) else []
        return max(0.0, (min(times, default=float("inf")) - self.now_ms()) / 1000)

    def _beat(self, beats: int) -> None:
        if beats != self._beats:  # another series of beats began
            return
        if able := self.workers_at_work():
            self.random.choice(able).do_upkeep()
        # Some rounds before the due time, because upkeep must see that it has run without a break.
        gap_s = min(max(1.0, self.next_due_s() - 30.0), 600.0) if self.is_quiet else 1.0
        self.later(gap_s, self._beat, beats)

    async def _post(self, body: bytes) -> bool:
        """Post a report like a provider: repeat the post with growing pauses while the answer is 503."""
        for wait_s in (*POST_AGAIN_AFTER_S, None):
            stored = self.loop.create_future()
            self.receiver.spawn(self._put(body, stored))
            if await stored:
                return True
            if wait_s:
                await asyncio.sleep(wait_s)
        return False

    async def _put(self, body: bytes, stored: "asyncio.Future[bool]") -> None:
        try:
            await self._writer.put(body)
        except (NotStored, RedisError):
            stored.set_result(False)
        else:
            stored.set_result(True)

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}-{self._names}"


def _draw_everything_from(random: Random) -> None:
    """Seed the ids and the random generators of the product, so that a run can be repeated."""

    class Seeded(Random):
        def __init__(self, seed: Any = None) -> None:
            super().__init__(random.random() if seed is None else seed)

    random_module.seed(random.random())
    module: Any = random_module
    module.Random = Seeded
    secrets.token_hex = lambda nbytes=None: random.randbytes(nbytes or 16).hex()
    # The order of a set of batches must not depend on the addresses of the objects.
    kind: Any = BatchWorker
    kind.__hash__ = lambda batch: hash((batch.lease.ref.campaign, batch.lease.token))


def _settings() -> Settings:
    usual = {"provider": "times", "category": "service", "repeat_after": "0m"}
    file = SettingsFile.model_validate(
        {
            "providers": {name: {"preset": "timesmobile-post"} for name in ("times", "other")},
            "senders": {name: {**usual, **settings} for name, settings in SENDERS.items()},
            "worker": {"grace_s": 1.0, "max_in_flight": 400},
        }
    )
    providers = {
        name: timesmobile_post(nickname=name, username="shop", password="hunter2", endpoint="http://127.0.0.1:9/ct")
        for name in ("times", "other")
    }
    return Settings(
        redis_url="", broker_url="", id_key=ID_KEY, providers=providers, senders=file.senders, worker=file.worker
    )
