"""The dispatcher of a worker process: takes the leases of batches, runs the batches, and stops all of them in order."""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import CampaignUnknown, IdKeyRefused, is_transient
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.leases import BatchLeases, BatchReady, Lease
from times_dispatch.ledger.model import BatchRef, CampaignId, Plan, SenderId
from times_dispatch.ledger.tokens import RedisTokenStore
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.settings.logs import failure
from times_dispatch.settings.model import Settings
from workers.batch.batch import Batch
from workers.batch.capacity import Capacity
from workers.batch.context import WorkerContext
from workers.batch.opt_out_cache import OptOutCache
from workers.batch.push_queue import PushQueue
from workers.batch.timings import BatchTimings
from workers.id_key_watch import IdKeyWatch
from workers.lease_renewal import LeaseRenewal
from workers.sender_limits import write_sender_limits

log = structlog.get_logger(__name__)

_MAX_CACHED_PLANS = 1_000
_MAX_WAITING = 1_000
"""Batches without room that a process remembers. Upkeep wakes a worker for a forgotten one when its lease runs out."""
_LAST_WRITES_S = 2.0
"""How long the ledger has to take the last results when pushes were cut short by a stop."""


class Dispatcher:
    """Runs batches on the process' event loop. All its methods must be called on that loop."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        *,
        wake_workers: Callable[[Sequence[BatchReady]], Awaitable[None]],
        on_refused: Callable[[IdKeyRefused], None],
        max_batches: int,
        full_at: int = 64,
        make_client: Callable[[Provider], Client] | None = None,
        timings: BatchTimings | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
    ) -> None:
        """Make the dispatcher of a process; nothing happens before ``start``.

        Args:
            settings: the process' own.
            redis: the ledger's connection.
            wake_workers: tells workers of batches that are ready; raises nothing.
            on_refused: is called when the ledger refuses the process' id key; it ends the process.
            max_batches: batches that may be at work at once.
            full_at: batches that wait beside those at work before ``is_full`` says that the process takes no more. They
                are for the second that Celery takes to look for others; more would wait here for long, and could be at
                work in another process.
            make_client: makes the client of a provider; by default one whose tokens are shared through the ledger.
            timings: how long batches wait for what.
            clock: what everything in the process waits with.
            rng: spreads the waits of several processes (jitter).
        """
        self._settings = settings
        self._redis = redis
        self._control = Control(redis)
        self._wake_workers = wake_workers
        self._max_batches = max_batches
        self._full_at = full_at
        self._make_client = make_client or (lambda provider: Client(provider, tokens=RedisTokenStore(redis)))
        self._clock = clock
        self._rng = rng or random.Random()
        self._clients: dict[str, Client] = {}
        limits = {
            name: FrequencyLimit(sender.repeat_after_s, sender.max_per_number, sender.frequency_period_s)
            for name, sender in settings.senders.items()
        }
        self._context = WorkerContext(
            leases=BatchLeases(
                redis,
                lease_s=settings.worker.lease_s,
                on_damage=lambda damage: log.error("damaged in the ledger", **damage._asdict()),
                clock=clock,
                wait_for_replicas=settings.ledger.wait_for_replicas,
                replicas_within_s=settings.ledger.replicas_within_s,
            ),
            clients=self._clients,
            ids=CorrelationIds(settings.id_key, settings.old_id_key),
            capacity=Capacity(settings.worker.max_in_flight),
            push_queue=PushQueue(settings.worker.max_in_flight, clock=clock),
            opt_out_cache=OptOutCache(redis, limits),
            issue_batches=self._issue_batches,
            brake_provider=self._brake_provider,
            timings=timings or BatchTimings(),
            clock=clock,
            rng=self._rng,
        )
        self._sender_locks: defaultdict[tuple[SenderId, tuple[str, ...]], asyncio.Lock] = defaultdict(asyncio.Lock)
        """One for each sender and chain of providers: a batch that waits for one chain holds up no batch of another."""
        self._plans: dict[CampaignId, Plan] = {}
        self._batches: set[Batch] = set()
        self._running: set[asyncio.Task[str]] = set()
        self._waiting: deque[BatchRef] = deque(maxlen=_MAX_WAITING)
        self._background: set[asyncio.Task[None]] = set()
        self._may_begin = asyncio.Event()
        """Set when the ledger has accepted the id key and knows the senders' limits, or when the process stops."""
        self._id_key_watch = IdKeyWatch(
            redis,
            IdKeyGuard(redis, settings.id_key, settings.old_id_key),
            on_refused=on_refused,
            clock=clock,
            rng=self._rng,
        )
        self._is_stopping = False

    async def start(self) -> None:
        """Make the clients and begin to renew leases; batches wait until ``_prepare`` has ended."""
        for nickname, provider in self._settings.providers.items():
            self._clients[nickname] = self._make_client(provider)
        renewal = LeaseRenewal(
            self._context.leases, self._batches, lease_s=self._settings.worker.lease_s, clock=self._clock
        )
        self._start_in_background(self._prepare())
        self._start_in_background(renewal.run())

    @property
    def is_full(self) -> bool:
        """Whether enough batches wait here already to follow those that end."""
        return len(self._waiting) >= self._full_at

    async def run(self, ref: BatchRef) -> str:
        """Work on a batch as long as it is ours; return in a word how that ended."""
        if len(self._running) >= self._max_batches:
            self._waiting.append(ref)
            return "no room"
        return await self._begin(ref)

    async def stop(self) -> None:
        """Open no more blocks, let pushes in flight end within the grace, and hand every batch back."""
        self._is_stopping = True
        self._may_begin.set()
        self._context.capacity.close()
        grace_s = self._settings.worker.grace_s
        for batch in self._batches:
            batch.stop(grace_s=grace_s)
        self._context.push_queue.drop()
        while self._waiting:
            self._begin(self._waiting.popleft())  # a batch that begins now is handed back at once
        await self._wait_for_batches(grace_s)
        self._context.push_queue.cut_short()
        await self._wait_for_batches(_LAST_WRITES_S)
        for running in self._running:
            running.cancel()
        if self._running:
            log.error("batches abandoned", batches=len(self._running), reason="the ledger does not answer")
            await self._wait_for_batches(_LAST_WRITES_S)

    async def close(self) -> None:
        """Close the clients; to be called after ``stop``."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()

    async def _prepare(self) -> None:
        """Compare the id key, write the senders' limits, and let batches begin."""
        if not await self._id_key_watch.register():
            return
        await write_sender_limits(self._redis, self._settings, clock=self._clock, rng=self._rng)
        self._may_begin.set()
        self._start_in_background(self._id_key_watch.run())

    def _begin(self, ref: BatchRef) -> asyncio.Task[str]:
        running = asyncio.create_task(self._run(ref))
        self._running.add(running)
        running.add_done_callback(self._ended)
        return running

    def _ended(self, running: asyncio.Task[str]) -> None:
        self._running.discard(running)
        if self._waiting and not self._is_stopping:
            self._begin(self._waiting.popleft())

    async def _run(self, ref: BatchRef) -> str:
        try:
            await self._may_begin.wait()
            asked_at = self._clock.monotonic()
            try:
                plan = await self._cached_plan(ref)
                if plan.provider not in self._clients:
                    reason = f"provider {plan.provider} is not in the worker's settings"
                    await self._control.campaign(ref.sender, ref.campaign, "brake", reason=reason)
                    return "no provider"
                lease = await self._context.leases.take(ref)
            except (RedisError, OSError) as error:
                if not is_transient(error):
                    raise
                log.warning("ledger away", error=type(error).__name__, doing="take")
                return "ledger away"
            if lease is None:
                return "nothing owed"
            return await self._work_on(lease, plan, asked_at + self._settings.worker.lease_s)
        except CampaignUnknown:
            return "nothing owed"
        except Exception as unexpected:  # noqa: BLE001  # the one place of a worker that must survive everything
            await self._brake_campaign(ref, unexpected)
            return "failed"

    async def _work_on(self, lease: Lease, plan: Plan, lease_deadline: float) -> str:
        ref = lease.ref
        lock = self._sender_locks[ref.sender, plan.chain]
        batch = Batch(lease, plan, self._context, sender_lock=lock, lease_deadline=lease_deadline)
        self._batches.add(batch)
        if self._is_stopping:
            batch.stop(grace_s=self._settings.worker.grace_s)
        began_at = self._clock.monotonic()
        try:
            end_reason = await batch.work()
        finally:
            self._batches.discard(batch)
        if end_reason != "done":  # a batch that is done has made room for the next one when its last block was opened
            await self._issue_batches(ref.sender)
        log.info(
            "batch",
            campaign=ref.campaign,
            batch=ref.number,
            sender=ref.sender,
            ended=end_reason,
            seconds=round(self._clock.monotonic() - began_at, 3),
            **batch.counts,
        )
        return end_reason

    async def _brake_campaign(self, ref: BatchRef, unexpected: Exception) -> None:
        """Stop the campaign of a batch that cannot be worked on: the batch would come back for ever.

        The batch's lease runs out, and the batch is tried again after somebody resumes the campaign.
        """
        kind = type(unexpected).__qualname__
        log.error("batch failed", campaign=ref.campaign, batch=ref.number, sender=ref.sender, **failure(unexpected))
        try:
            reason = f"batch {ref.number + 1} cannot be worked on: {kind}"
            await self._control.campaign(ref.sender, ref.campaign, "brake", reason=reason)
        except (RedisError, OSError, CampaignUnknown) as error:
            log.warning("ledger away", error=type(error).__name__, doing="brake")

    async def _wait_for_batches(self, max_s: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=max_s)

    async def _cached_plan(self, ref: BatchRef) -> Plan:
        if (plan := self._plans.get(ref.campaign)) is None:
            plan = await self._context.leases.plan(ref.sender, ref.campaign)
            if len(self._plans) >= _MAX_CACHED_PLANS:
                self._plans.pop(next(iter(self._plans)))
            self._plans[ref.campaign] = plan
        return plan

    async def _issue_batches(self, sender: SenderId) -> None:
        """Hand out the sender's next batches and wake workers for them; if that fails, upkeep does it soon."""
        if self._is_stopping:
            return
        try:
            if ready := await self._context.leases.issue(sender):
                # Nobody waits for the broker: a lost wake-up is repeated when the batch's lease runs out.
                self._start_in_background(self._wake(ready))
        except (RedisError, OSError) as error:
            log.warning("ledger away", error=type(error).__name__, doing="issue")

    async def _wake(self, ready: Sequence[BatchReady]) -> None:
        await self._wake_workers(ready)

    async def _brake_provider(self, sender: SenderId, provider: str, reason: str) -> None:
        """Stop a provider that refuses its account, or that the settings do not name, for all senders that use it."""
        log.error("provider braked", provider=provider, reason=reason)
        others = [SenderId(name) for name, other in self._settings.senders.items() if provider in other.chain]
        for braked in {sender, *others}:
            await self._control.brake_provider(braked, provider, reason)

    def _start_in_background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
