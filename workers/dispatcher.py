"""The dispatcher of a worker process: its batches, their leases, its clients, and how all of it stops."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from campaigns.control import Control
from campaigns.model import BatchRef, CampaignId, Plan, SenderId
from campaigns.work import Ring, Work
from settings.model import Settings
from timesmobile.client import Client
from timesmobile.ids import CorrelationIds
from workers.batch import Batch
from workers.capacity import Capacity

log = structlog.get_logger(__name__)

_PLANS_KEPT = 1_000


class Dispatcher:
    """Runs batches on the process' event loop. All its methods belong on that loop."""

    def __init__(
        self, settings: Settings, redis: Redis, *, ring: Callable[[Sequence[Ring]], Awaitable[None]], most_batches: int
    ) -> None:
        self._settings = settings
        self._work = Work(redis, lease_s=settings.worker.lease_s)
        self._control = Control(redis)
        self._ring = ring
        self._most_batches = most_batches
        self._ids = CorrelationIds(settings.id_key)
        self._capacity = Capacity(settings.worker.max_in_flight)
        self._clients: dict[str, Client] = {}
        self._turnstiles: defaultdict[SenderId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._plans: dict[CampaignId, Plan] = {}
        self._batches: set[Batch] = set()
        self._stopping = False
        self._renewing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the clients, make the senders' rates known, and begin to renew leases."""
        for nickname, provider in self._settings.providers.items():
            self._clients[nickname] = Client(provider)
        for name, sender in self._settings.senders.items():
            await self._control.configure_rate(SenderId(name), sender.rate_per_s)
        self._renewing = asyncio.create_task(self._renew_for_ever())

    async def run(self, ref: BatchRef) -> str:
        """Work on a batch as long as it is ours; return in a word how that ended."""
        if self._stopping or len(self._batches) >= self._most_batches:
            return "no room"  # upkeep rings again
        asked_at = time.monotonic()
        try:
            plan = await self._plan(ref)
            if (client := self._clients.get(plan.provider)) is None:
                reason = f"provider {plan.provider} is not in the worker's settings"
                await self._control.campaign(ref.sender, ref.campaign, "brake", reason=reason)
                return "no provider"
            lease = await self._work.take(ref)
        except RedisError as error:
            log.warning("ledger away", error=type(error).__name__, doing="take")
            return "ledger away"
        if lease is None:
            return "nothing owed"
        batch = Batch(
            lease,
            plan,
            work=self._work,
            client=client,
            ids=self._ids,
            capacity=self._capacity,
            turnstile=self._turnstiles[ref.sender],
            lease_deadline=asked_at + self._settings.worker.lease_s,
            on_drained=lambda: self._issue(ref.sender),
            on_provider_brake=lambda reason: self._brake_provider(plan.provider, reason),
        )
        self._batches.add(batch)
        if self._stopping:
            batch.stop(grace_s=self._settings.worker.grace_s)
        began_at = time.monotonic()
        try:
            await batch.run()
        finally:
            self._batches.discard(batch)
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

    async def stop(self) -> None:
        """Open nothing more, let what is in flight end within the grace, hand everything back."""
        self._stopping = True
        grace_s = self._settings.worker.grace_s
        for batch in self._batches:
            batch.stop(grace_s=grace_s)
        await self._empty(grace_s)
        for batch in list(self._batches):
            await asyncio.wait_for(batch.cut_short(), 1.0)
        await self._empty(1.0)

    async def close(self) -> None:
        """End the clients; to be called when no batch is left."""
        if self._renewing:
            self._renewing.cancel()
        for client in self._clients.values():
            await client.aclose()

    async def _empty(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._batches and time.monotonic() < until:
            await asyncio.sleep(0.01)

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
                await self._ring(rings)
        except RedisError as error:
            log.warning("ledger away", error=type(error).__name__, doing="issue")

    async def _brake_provider(self, provider: str, reason: str) -> None:
        """Stop all senders of a provider whose account is what is wrong."""
        log.error("provider braked", provider=provider, reason=reason)
        for name, sender in self._settings.senders.items():
            if sender.provider == provider:
                await self._control.brake_sender(SenderId(name), f"provider {provider}: {reason}")

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
