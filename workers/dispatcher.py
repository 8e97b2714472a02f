"""The dispatcher of a worker process: its batches, their leases, its clients, and how all of it stops."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.ledger.connection import RedisUnavailable, check
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import CampaignUnknown, is_transient
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.leases import BatchLeases, BatchReady, Lease
from times_dispatch.ledger.model import BatchRef, CampaignId, Plan, SenderId
from times_dispatch.ledger.tokens import RedisTokenStore
from times_dispatch.provider.client import Client
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.ids import CorrelationIds
from times_dispatch.settings.logs import failure
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import max_parts_per_day
from workers.batch.capacity import Capacity
from workers.batch.push_queue import PushQueue
from workers.batch.suppression_check import OptOutCache
from workers.batch.worker import Batch

log = structlog.get_logger(__name__)

_PLANS_KEPT = 1_000
_REFUSED_KEPT = 1_000
_STOCK = 64
"""Batches that wait beside those at work, for the second that Celery takes to look for others: more would wait here for
long, and could be at work elsewhere."""
_RETRY_S = 1.0
_LAST_WRITES_S = 2.0
"""What the ledger gets to take the last outcomes in, when pushes were cut short."""


class Dispatcher:
    """Runs batches on the process' event loop. All its methods belong on that loop."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        *,
        wake_workers: Callable[[Sequence[BatchReady]], Awaitable[None]],
        most_batches: int,
        make_client: Callable[[Provider], Client] | None = None,
    ) -> None:
        self._settings = settings
        self._redis = redis
        self._work = BatchLeases(
            redis,
            lease_s=settings.worker.lease_s,
            on_damage=lambda damage: log.error("damaged in the ledger", **damage._asdict()),
        )
        self._control = Control(redis)
        self._wake_workers = wake_workers
        self._most_batches = most_batches
        self._make_client = make_client or (lambda provider: Client(provider, tokens=RedisTokenStore(redis)))
        self._ids = CorrelationIds(settings.id_key)
        self._capacity = Capacity(settings.worker.max_in_flight)
        self._pushers = PushQueue(settings.worker.max_in_flight)
        self._screen = OptOutCache(
            redis,
            {
                name: FrequencyLimit(sender.repeat_after_s, sender.max_per_number, sender.frequency_period_s)
                for name, sender in settings.senders.items()
            },
        )
        self._clients: dict[str, Client] = {}
        self._turnstiles: defaultdict[tuple[SenderId, tuple[str, ...]], asyncio.Lock] = defaultdict(asyncio.Lock)
        """For each sender and chain of providers: who waits for one chain holds up nobody with another."""
        self._plans: dict[CampaignId, Plan] = {}
        self._batches: set[Batch] = set()
        self._running: set[asyncio.Task[str]] = set()
        self._refused: deque[BatchRef] = deque(maxlen=_REFUSED_KEPT)
        self._background: set[asyncio.Task[None]] = set()
        self._introduced = asyncio.Event()
        self._stopping = False

    async def start(self) -> None:
        """Make the clients and begin to renew leases; batches wait until the ledger is there."""
        for nickname, provider in self._settings.providers.items():
            self._clients[nickname] = self._make_client(provider)
        self._in_background(self._introduce())
        self._in_background(self._renew_for_ever())

    @property
    def is_full(self) -> bool:
        """Whether enough wait here already to follow those that end."""
        return len(self._refused) >= _STOCK

    async def run(self, ref: BatchRef) -> str:
        """Work on a batch as long as it is ours; return in a word how that ended."""
        if len(self._running) >= self._most_batches:
            self._refused.append(ref)
            return "no room"
        return await self._begin(ref)

    async def stop(self) -> None:
        """Open nothing more, let what is in flight end within the grace, hand everything back."""
        self._stopping = True
        self._introduced.set()
        self._capacity.close()
        grace_s = self._settings.worker.grace_s
        for batch in self._batches:
            batch.stop(grace_s=grace_s)
        self._pushers.drop()
        while self._refused:
            self._begin(self._refused.popleft())  # which hands it back
        await self._empty(grace_s)
        self._pushers.cut_short()
        await self._empty(_LAST_WRITES_S)
        for running in self._running:
            running.cancel()
        if self._running:
            log.error("batches abandoned", batches=len(self._running), reason="the ledger does not answer")
            await self._empty(_LAST_WRITES_S)

    async def close(self) -> None:
        """End the clients; to be called when no batch is left."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()

    async def _introduce(self) -> None:
        """Make the senders' rates known to the ledger, as soon as it is there: nothing may go without a limit."""
        while not self._introduced.is_set():
            try:
                for warning in await check(self._redis):
                    log.warning("ledger", warning=warning)
                for name, sender in self._settings.senders.items():
                    await self._control.configure_rate(SenderId(name), sender.rate_per_s)
                    most_parts = max_parts_per_day(name, self._settings)
                    await self._control.configure_daily_cap(SenderId(name), most_parts)
            except (RedisUnavailable, RedisError) as error:
                reason = str(error) if isinstance(error, RedisUnavailable) else type(error).__name__
                log.warning("ledger away", error=reason, doing="start")
                await asyncio.sleep(_RETRY_S)
            else:
                self._introduced.set()

    def _begin(self, ref: BatchRef) -> asyncio.Task[str]:
        running = asyncio.create_task(self._run(ref))
        self._running.add(running)
        running.add_done_callback(self._ended)
        return running

    def _ended(self, running: asyncio.Task[str]) -> None:
        self._running.discard(running)
        if self._refused and not self._stopping:
            self._begin(self._refused.popleft())

    async def _run(self, ref: BatchRef) -> str:
        try:
            await self._introduced.wait()
            asked_at = time.monotonic()
            try:
                plan = await self._plan(ref)
                if plan.provider not in self._clients:
                    reason = f"provider {plan.provider} is not in the worker's settings"
                    await self._control.campaign(ref.sender, ref.campaign, "brake", reason=reason)
                    return "no provider"
                lease = await self._work.take(ref)
            except RedisError as error:
                if not is_transient(error):
                    raise
                log.warning("ledger away", error=type(error).__name__, doing="take")
                return "ledger away"
            if lease is None:
                return "nothing owed"
            return await self._work_on(lease, plan, asked_at + self._settings.worker.lease_s)
        except CampaignUnknown:
            return "nothing owed"
        except Exception as surprise:  # noqa: BLE001  # the one place of a worker that must survive everything
            await self._set_aside(ref, surprise)
            return "failed"

    async def _work_on(self, lease: Lease, plan: Plan, lease_deadline: float) -> str:
        ref = lease.ref
        batch = Batch(
            lease,
            plan,
            work=self._work,
            clients=self._clients,
            ids=self._ids,
            capacity=self._capacity,
            pushers=self._pushers,
            turnstile=self._turnstiles[ref.sender, plan.chain],
            screen=self._screen,
            lease_deadline=lease_deadline,
            on_drained=lambda: self._issue(ref.sender),
            on_provider_brake=lambda provider, reason: self._brake_provider(ref.sender, provider, reason),
        )
        self._batches.add(batch)
        if self._stopping:
            batch.stop(grace_s=self._settings.worker.grace_s)
        began_at = time.monotonic()
        try:
            await batch.run()
        finally:
            self._batches.discard(batch)
        if batch.why != "done":  # what is done has made room in the window before
            await self._issue(ref.sender)
        log.info(
            "batch",
            campaign=ref.campaign,
            batch=ref.number,
            sender=ref.sender,
            ended=batch.why,
            seconds=round(time.monotonic() - began_at, 3),
            **batch.verdicts,
        )
        return batch.why

    async def _set_aside(self, ref: BatchRef, surprise: Exception) -> None:
        """Stop the campaign of a batch that nobody can work on: it would come back for ever.

        Its lease runs out, and it is tried again after a resume.
        """
        kind = type(surprise).__qualname__
        log.error("batch failed", campaign=ref.campaign, batch=ref.number, sender=ref.sender, **failure(surprise))
        try:
            reason = f"batch {ref.number + 1} cannot be worked on: {kind}"
            await self._control.campaign(ref.sender, ref.campaign, "brake", reason=reason)
        except (RedisError, CampaignUnknown) as error:
            log.warning("ledger away", error=type(error).__name__, doing="brake")

    async def _empty(self, seconds: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    async def _plan(self, ref: BatchRef) -> Plan:
        if (plan := self._plans.get(ref.campaign)) is None:
            plan = await self._work.plan(ref.sender, ref.campaign)
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.pop(next(iter(self._plans)))
            self._plans[ref.campaign] = plan
        return plan

    async def _issue(self, sender: SenderId) -> None:
        """Hand out the sender's next batches; if that fails upkeep does it a little later."""
        if self._stopping:
            return
        try:
            if rings := await self._work.issue(sender):
                # Nobody waits for the broker: a bell that does not ring is rung again when its lease runs out.
                self._in_background(self._ring_all(rings))
        except RedisError as error:
            log.warning("ledger away", error=type(error).__name__, doing="issue")

    async def _ring_all(self, rings: Sequence[BatchReady]) -> None:
        await self._wake_workers(rings)

    def _in_background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _brake_provider(self, who: SenderId, provider: str, reason: str) -> None:
        """Let neither this sender nor any other use a provider that refuses its account, or that nobody knows."""
        log.error("provider braked", provider=provider, reason=reason)
        others = [SenderId(name) for name, sender in self._settings.senders.items() if provider in sender.chain]
        for sender in {who, *others}:
            await self._control.brake_provider(sender, provider, reason)

    async def _renew_for_ever(self) -> None:
        """Renew the leases of all batches, sender by sender; tell a batch when its lease has gone."""
        lease_s = self._settings.worker.lease_s
        while True:
            await asyncio.sleep(lease_s / 5)
            by_sender: defaultdict[SenderId, list[Batch]] = defaultdict(list)
            for batch in self._batches:
                by_sender[batch.lease.ref.sender].append(batch)
            for sender, batches in by_sender.items():
                asked_at = time.monotonic()
                try:
                    held = await self._work.renew(sender, [batch.lease for batch in batches])
                except RedisError as error:
                    log.warning("ledger away", error=type(error).__name__, doing="renew")
                    continue
                for batch, still_ours in zip(batches, held, strict=True):
                    if still_ours:
                        batch.lease_deadline = asked_at + lease_s
                    else:
                        batch.lose()
