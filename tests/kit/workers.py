"""Workers without Celery: dispatchers in the test's event loop, a real Redis, and a fake provider."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from tests.kit.fake_provider import FakeProvider, described_provider
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import IdKeyRefused, LedgerNewer
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.maintenance import Maintenance, read_mismatch
from times_dispatch.ledger.model import BatchRef, CampaignId, CampaignView, Plan, Recipients, SenderId
from times_dispatch.ledger.push_results import FailurePolicy
from times_dispatch.ledger.queries import MessageView, Queries
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.provider.client import Client
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.description.provider import Provider
from times_dispatch.settings.model import LedgerSettings, Settings, SettingsFile
from times_dispatch.settings.tables.dead_numbers import DeadNumberSettings
from workers.batch.batch_run import WorkEnd
from workers.batch.batch_worker import BatchWorker
from workers.batch.capacity import Capacity
from workers.batch.context import OpeningLock, WorkerContext
from workers.batch.opt_out_cache import OptOutCache
from workers.batch.push_queue import PushQueue
from workers.batch.timings import BatchTimings
from workers.dispatcher import Dispatcher

SENDER = SenderId("TIMESM")
CAMPAIGN = CampaignId("diwali01")
ID_KEY = b"an-id-key-of-enough-bytes"
YEAR_2100_MS = 4_102_444_800_000
AT_ONCE = FailurePolicy(pauses_s=(0.0,))
"""A policy that tries a batch again in the first round of upkeep after its failure."""


class Worker:
    """A dispatcher, called in the same way as by Celery's tasks."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self._runs: set[asyncio.Task[WorkEnd]] = set()
        self.ended: list[WorkEnd] = []
        """The reason why the work on each batch ended."""

    def wake(self, refs: Sequence[BatchRef], *, is_urgent: bool = False) -> None:
        for ref in refs:
            run = asyncio.create_task(self.dispatcher.run(ref, is_urgent=is_urgent))
            self._runs.add(run)
            run.add_done_callback(self._run_ended)

    def wake_for(self, batches: Sequence[BatchReady]) -> None:
        for batch in batches:
            self.wake([batch.ref], is_urgent=batch.urgent)

    def _run_ended(self, run: asyncio.Task[WorkEnd]) -> None:
        self._runs.discard(run)
        if not run.cancelled():
            self.ended.append(run.result())

    async def quiet(self, within_s: float = 120.0) -> None:
        """Wait until the worker has no batch."""
        async with asyncio.timeout(within_s):
            while self._runs:
                await asyncio.wait(self._runs)


class WorkerRig:
    """A ledger, a provider, and any number of workers."""

    def __init__(self, redis: Redis, provider: FakeProvider) -> None:
        self.redis = redis
        self.provider = provider
        self.second_provider = FakeProvider()
        """The provider with the nickname ``second``."""
        self.leases = BatchLeases(redis)
        self.control = Control(redis)
        self.maintenance = Maintenance(redis)
        self.queries = Queries(redis)
        self.woken: list[BatchReady] = []
        """Batches for which a worker woke workers."""
        self._turn = 0
        """How many times ``keep_up`` woke a worker."""
        self.refusals: list[IdKeyRefused | LedgerNewer] = []
        """The reasons for which workers had to end."""

    async def submit(
        self,
        messages: int = 3,
        *,
        batch_size: int = 100,
        campaign: str = CAMPAIGN,
        parts: int = 1,
        parts_known: int | None = None,
        slots: int = 1,
        opted_out: Sequence[int] = (),
        **changes: Any,
    ) -> CampaignId:
        """Submit a whole campaign, as a producer does.

        Args:
            messages: the number of messages.
            batch_size: messages of a full batch.
            campaign: the campaign's id.
            parts: SMS parts of each message.
            parts_known: the number of rows of each batch whose parts are stored; by default all rows.
            slots: the number of slots of the text; each slot gets the name of the row.
            opted_out: indexes, within the first batch, of messages whose numbers have opted out.
            changes: fields of the plan.
        """
        fields: dict[str, Any] = {
            "name": "diwali-sale",
            "sender": SENDER,
            "provider": "times",
            "template": "greeting",
            "content_id": "1107160000000000001",
            "text": "Dear {#var#}",
            "category": "service",
            "valid_until_ms": YEAR_2100_MS,
        }
        plan = Plan(**{**fields, **changes})
        submissions = Submissions(self.redis)
        claimed = await submissions.claim(campaign, plan.sender, CampaignId(campaign))
        await submissions.begin(claimed, plan, batch_size=batch_size)
        for number, first in enumerate(range(0, messages, batch_size)):
            rows = range(first, min(first + batch_size, messages))
            columns = [[f"name {row}" for row in rows]] * slots
            batch = Recipients(
                first,
                [f"9198{row:08}" for row in rows],
                [row + 2 for row in rows],
                columns,
                [parts] * (parts_known or len(rows)),
            )
            await submissions.add_batch(claimed, plan.sender, number, batch, opted_out=opted_out if number == 0 else ())
        await submissions.seal(claimed, plan.sender, total=messages, batches=-(-messages // batch_size))
        return claimed

    @asynccontextmanager
    async def worker(
        self,
        *,
        rates: dict[str, float] | None = None,
        redis: Redis | None = None,
        id_key: bytes = ID_KEY,
        old_id_key: bytes = b"",
        max_batches: int = 192,
        full_at: int = 64,
        chain: Sequence[str] = ("times",),
        make_client: Callable[[Provider], Client] | None = None,
        sender_options: dict[str, Any] | None = None,
        timings: BatchTimings | None = None,
        clock: Clock = SYSTEM_CLOCK,
        name: str = "",
        failure_policy: FailurePolicy = AT_ONCE,
        dead_codes: Sequence[str] = (),
        wait_for_replicas: int = 0,
        wake: Callable[[Sequence[BatchReady]], None] | None = None,
        **options: Any,
    ) -> AsyncIterator[Worker]:
        """Run a worker, which wakes only itself unless ``wake`` is given.

        Args:
            rates: the rate per second of each sender; 0 for no limit.
            redis: the worker's connection to the ledger; the connection of the test by default.
            id_key: the id key.
            old_id_key: the old id key; empty for no key.
            max_batches: how many batches the worker works on at the same time.
            full_at: how many batches may wait for a place.
            chain: the providers of each sender.
            make_client: makes the client of a provider; a client of the fake provider by default.
            sender_options: further settings of each sender.
            timings: the timings of batches; the defaults of the product if None.
            clock: the clock of the dispatcher.
            name: the name of the worker.
            failure_policy: how long a batch waits after an error.
            dead_codes: the codes in ``[dead_numbers]``.
            wait_for_replicas: how many replicas must confirm a write.
            wake: wakes workers for batches.
            options: settings of ``[worker]``.
        """
        file = SettingsFile.model_validate(
            {
                "providers": {name: {"preset": "timesmobile-post"} for name in chain},
                "senders": {
                    name: {"provider": list(chain), "category": "service", "rate_per_s": rate, **(sender_options or {})}
                    for name, rate in (rates or {SENDER: 0.0}).items()
                },
                "worker": {"grace_s": 0.3, **options},
            }
        )
        settings = Settings(
            redis_url="",
            broker_url="",
            id_key=id_key,
            old_id_key=old_id_key,
            providers={name: described_provider(name) for name in chain},
            senders=file.senders,
            worker=file.worker,
            dead_numbers=DeadNumberSettings(codes=list(dead_codes)),
            ledger=LedgerSettings(wait_for_replicas=wait_for_replicas),
        )

        async def wake_workers(batches: Sequence[BatchReady]) -> None:
            self.woken += batches
            (wake or worker.wake_for)(batches)

        dispatcher = Dispatcher(
            settings,
            redis or self.redis,
            wake_workers=wake_workers,
            on_refused=self.refusals.append,
            max_batches=max_batches,
            full_at=full_at,
            make_client=make_client or self.client,
            timings=timings,
            clock=clock,
            rng=random.Random(1),
            name=name,
            failure_policy=failure_policy,
        )
        worker = Worker(dispatcher)
        await dispatcher.start()
        try:
            yield worker
        finally:
            await dispatcher.stop()
            await worker.quiet()
            await dispatcher.close()
            held = settings.worker.max_in_flight - dispatcher._context.capacity.free
            assert held == 0, f"{held} permits for open messages were never given back"

    def client(self, description: Provider) -> Client:
        return Client(description, self.second_provider if description.nickname == "second" else self.provider)

    async def batch(
        self,
        *,
        lease_deadline: float = float("inf"),
        leases: BatchLeases | None = None,
        timings: BatchTimings | None = None,
        clock: Clock = SYSTEM_CLOCK,
        capacity: int = 10,
    ) -> BatchWorker:
        """Issue and take a batch, and return its ``BatchWorker``, which is not started.

        Args:
            lease_deadline: when the lease ends, in seconds of the monotonic clock.
            leases: the ledger's calls for workers; those of the rig by default.
            timings: the timings of the batch; the defaults of the product if None.
            clock: the clock of the batch.
            capacity: how many messages may be open at the same time.
        """
        (ref,) = await self.issue()
        lease = await self.leases.take(ref)
        assert lease
        context = worker_context(
            self.redis,
            leases=leases or self.leases,
            clients={"times": Client(described_provider(), self.provider)},
            timings=timings or BatchTimings(),
            clock=clock,
            capacity=Capacity(capacity),
        )
        plan = await self.leases.plan(ref.sender, ref.campaign)
        return BatchWorker(lease, plan, context, opening_lock=OpeningLock(), lease_deadline=lease_deadline)

    async def issue(self, worker: Worker | None = None, sender: SenderId = SENDER) -> list[BatchRef]:
        """Issue batches like upkeep, and wake the worker for these batches."""
        ready = await self.leases.issue(sender)
        if worker:
            worker.wake_for(ready)
        return [batch.ref for batch in ready]

    async def send(self, **options: Any) -> Worker:
        """Run one worker until it has sent all issued batches."""
        async with self.worker(**options) as worker:
            await self.issue(worker)
            await worker.quiet()
        return worker

    async def keep_up(self, *workers: Worker, sender: SenderId = SENDER) -> None:
        """Wake the workers in turn for batches that no worker took and for the next batches, like a round of upkeep."""
        ready = [*(await self.maintenance.expire_leases(sender)).ready, *(await self.leases.issue(sender))]
        for batch in ready:
            self._turn += 1
            workers[self._turn % len(workers)].wake_for([batch])

    async def send_until_stopped(self, *, campaign: CampaignId = CAMPAIGN, **options: Any) -> Worker:
        """Run one worker and upkeep until the campaign no longer runs."""
        async with self.worker(**options) as worker:
            async with asyncio.timeout(120):
                while (await self.view(campaign)).state is CampaignState.RUNNING:
                    await self.keep_up(worker)
                    await worker.quiet()
                    await asyncio.sleep(0.002)  # time must also pass in Redis
        return worker

    async def expire_leases(self, *refs: BatchRef) -> None:
        """Move the deadlines of leases into the past, and let upkeep take the batches back."""
        for ref in refs:
            await self.redis.zadd(f"{hash_tag(ref.sender)}:leases", {f"{ref.campaign}:{ref.number}": 1}, xx=True)
        await self.maintenance.expire_leases(SENDER)

    async def view(self, campaign: CampaignId = CAMPAIGN) -> CampaignView:
        return await self.queries.campaign(campaign)

    async def messages(self, campaign: CampaignId = CAMPAIGN) -> list[MessageView]:
        return [message async for message in self.queries.messages(campaign)]

    async def states(self, campaign: CampaignId = CAMPAIGN) -> str:
        """Return the states of the messages, one letter each."""
        return "".join(message.record.state for message in await self.messages(campaign))

    async def count(self, state: MessageState, campaign: CampaignId = CAMPAIGN) -> int:
        return (await self.view(campaign)).counts[state]

    async def lease_count(self, sender: SenderId = SENDER) -> int:
        return int(await self.redis.zcard(f"{hash_tag(sender)}:leases"))

    async def check_counters(self) -> None:
        """Fail unless the counters of every campaign equal what the records say."""
        for view in await self.queries.campaigns():
            states = Counter(message.record.state for message in await self.messages(view.id))
            assert {state: count for state, count in view.counts.items() if count} == states, view.id
            assert await read_mismatch(self.redis, view.plan.sender, view.id) is None


async def _nothing(*_: object) -> None:
    """Replace a function of the dispatcher that batches call."""


def worker_context(redis: Redis, *, clock: Clock = SYSTEM_CLOCK, **changes: Any) -> WorkerContext:
    """Return the context of a process with at most ten pushes in flight; ``changes`` replace some fields."""
    fields: dict[str, Any] = {
        "leases": BatchLeases(redis),
        "clients": {},
        "ids": CorrelationIds(ID_KEY),
        "capacity": Capacity(10),
        "push_queue": PushQueue(10, clock=clock),
        "opt_out_cache": OptOutCache(redis),
        "issue_batches": _nothing,
        "brake_provider": _nothing,
        "clock": clock,
        "rng": random.Random(1),
    }
    return WorkerContext(**{**fields, **changes})
