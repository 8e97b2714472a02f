"""The dispatcher of a worker process: takes the leases of batches, runs the batches, and stops all of them in order."""

import asyncio
import os
import random
import socket
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import (
    LEDGER_ERRORS,
    BatchUnreadable,
    CampaignNewer,
    CampaignUnknown,
    IdKeyRefused,
    LeaseLost,
    LedgerNewer,
    is_transient,
)
from times_dispatch.ledger.frequency_cap import FrequencyLimit
from times_dispatch.ledger.id_key import IdKeyGuard
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.model import BatchRef, CampaignId, Plan, SenderId
from times_dispatch.ledger.protocol import CloseReason, ControlAction
from times_dispatch.ledger.push_results import FailurePolicy
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.ledger.tokens import RedisTokenStore
from times_dispatch.log_sums import LogSums
from times_dispatch.provider.client import Client
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.reach import ProviderReach
from times_dispatch.settings.model import Settings
from workers.batch.batch_run import BatchEnd, WorkEnd
from workers.batch.batch_worker import BatchWorker
from workers.batch.capacity import Capacity
from workers.batch.context import OpeningLock, WorkerContext
from workers.batch.failures import BatchFailures
from workers.batch.issuer import BatchIssuer
from workers.batch.link_keys import LinkKeys
from workers.batch.opt_out_cache import OptOutCache
from workers.batch.push_queue import PushQueue
from workers.batch.timings import BatchTimings
from workers.id_key_watch import IdKeyWatch
from workers.lease_renewal import LeaseRenewal
from workers.ledger_failures import log_failed_call
from workers.reach_watch import ReachWatch
from workers.sender_limits import write_sender_limits
from workers.waiting_batches import MAX_WAIT_S, WaitingBatches

log = structlog.get_logger(__name__)

_MAX_CACHED_PLANS = 1_000
_URGENT_PLACES = 10
"""One of this many places is kept for urgent batches; at least one place, if the process has more than one."""
_URGENT_PERMITS = 50
"""One of this many permits for open messages is kept for urgent batches."""
_LAST_WRITES_S = 2.0
"""How long the ledger has to take the last results after a stop cancelled the pushes, in seconds."""


class Dispatcher:
    """Runs batches on the process' event loop. All its methods must be called on that loop."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        *,
        wake_workers: Callable[[Sequence[BatchReady]], Awaitable[None]],
        on_refused: Callable[[IdKeyRefused | LedgerNewer], None],
        max_batches: int,
        full_at: int = 64,
        make_client: Callable[[Provider], Client] | None = None,
        timings: BatchTimings | None = None,
        clock: Clock = SYSTEM_CLOCK,
        rng: random.Random | None = None,
        name: str = "",
        failure_policy: FailurePolicy = FailurePolicy(),  # noqa: B008  # a NamedTuple, which nobody changes
    ) -> None:
        """Make the dispatcher of a process; nothing happens before ``start``.

        Args:
            settings: the settings of the process.
            redis: the connection to the ledger.
            wake_workers: sends wake-ups for issued batches; raises nothing.
            on_refused: called when the ledger refuses the id key of the process, or is newer than this program; the
                call ends the process.
            max_batches: how many batches the process works on at once.
            full_at: how many more batches may wait for a place, at most. As many may wait as ended in the last second.
            make_client: makes the client of a provider; by default one whose tokens are shared through the ledger.
            timings: the waits and limits of the work on a batch.
            clock: the clock of all waits in the process.
            rng: spreads the waits of several processes (jitter).
            name: the name under which the ledger notes failures of this worker; by default its host and process id.
            failure_policy: what the ledger does after unexpected errors of a batch.
        """
        max_in_flight = settings.worker.max_in_flight
        kept_permits = max_in_flight // _URGENT_PERMITS
        self._settings = settings
        self._redis = redis
        self._control = Control(redis)
        self._sums = LogSums(log)
        self._max_batches = max_batches
        self._make_client = make_client or (lambda provider: Client(provider, tokens=RedisTokenStore(redis)))
        self._clock = clock
        self._rng = rng or random.Random()
        self._clients: dict[str, Client] = {}
        limits = {
            name: FrequencyLimit(sender.repeat_after_s, sender.max_per_number, sender.frequency_period_s)
            for name, sender in settings.senders.items()
        }
        timings = timings or BatchTimings()
        leases = BatchLeases(
            redis,
            lease_s=settings.worker.lease_s,
            on_damage=lambda damage: log.error("damaged in the ledger", **damage._asdict()),
            clock=clock,
            wait_for_replicas=settings.ledger.wait_for_replicas,
            replicas_within_s=settings.ledger.replicas_within_s,
        )
        self._issuer = BatchIssuer(
            leases,
            wake_workers=wake_workers,
            start_in_background=self._start_in_background,
            pause_s=timings.pass_on_after_s,
            clock=clock,
        )
        self._failures = BatchFailures(
            leases, self._control, worker=name or f"{socket.gethostname()}:{os.getpid()}", policy=failure_policy
        )
        self._context = WorkerContext(
            leases=leases,
            clients=self._clients,
            ids=CorrelationIds(settings.id_key, settings.old_id_key),
            capacity=Capacity(max_in_flight, kept=kept_permits),
            push_queue=PushQueue(max_in_flight, kept=kept_permits, clock=clock),
            opt_out_cache=OptOutCache(redis, settings.dead_numbers.rule),
            frequency_limits=limits,
            link_keys=LinkKeys((settings.link_key, settings.old_link_key)),
            issue_batches=self._issuer.issue,
            brake_provider=self._brake_provider,
            reach=ProviderReach(lost_after_s=timings.lost_after_s, clock=clock),
            timings=timings,
            clock=clock,
            rng=self._rng,
        )
        self._opening_locks = defaultdict[tuple[SenderId, tuple[str, ...], bool], OpeningLock](OpeningLock)
        """One lock for each sender and chain of providers, for urgent batches and for others. So a batch that waits for
        a chain delays no batch of another chain, and an urgent batch waits for urgent batches only."""
        self._plans: dict[CampaignId, Plan] = {}
        self._batches: set[BatchWorker] = set()
        self._running: set[asyncio.Task[WorkEnd]] = set()
        self._max_not_urgent = max_batches - (max(1, max_batches // _URGENT_PLACES) if max_batches > 1 else 0)
        self._not_urgent_running = 0
        self._ended_at: deque[float] = deque(maxlen=full_at)
        """When the last batches ended, on the monotonic clock."""
        self._waiting = WaitingBatches(clock=clock)
        self._background: set[asyncio.Task[None]] = set()
        self._is_prepared = asyncio.Event()
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
        self._start_in_background(self._release_waiting())
        self._start_in_background(ReachWatch(self._context.reach, self._clients, clock=self._clock).run())

    def is_full(self, *, is_urgent: bool = False) -> bool:
        """Return whether this process should take no more wake-ups; may be called from any thread.

        Celery polls for wake-ups once a second. So that the places of batches that end meanwhile are used, as many
        batches may wait here as ended in the last second. Where batches take long, no batch waits here: another process
        may have room for it. A process that is cut off from all providers takes no wake-ups at all.
        """
        if self._context.reach.is_cut_off(tuple(self._settings.providers)):
            return True
        if self._has_place(is_urgent=is_urgent):
            return False
        now = self._clock.monotonic()
        ended = sum(now - ended_at < 1.0 for ended_at in tuple(self._ended_at))
        return self._waiting.count(is_urgent=is_urgent) >= ended

    def figures(self) -> dict[str, int]:
        """Return what this process does now, for its heartbeats."""
        in_flight = self._settings.worker.max_in_flight - self._context.capacity.free
        return {"batches": len(self._running), "messages_open": in_flight}

    async def run(self, ref: BatchRef, *, is_urgent: bool = False) -> WorkEnd:
        """Take the lease of a batch and work on the batch; return why the work ended, or did not begin."""
        if not self._has_place(is_urgent=is_urgent):
            self._waiting.add(ref, is_urgent=is_urgent)
            return BatchEnd.FULL
        return await self._begin(ref, is_urgent=is_urgent)

    async def stop(self) -> None:
        """Open no more blocks, let pushes in flight end within the grace, and release every batch."""
        self._is_stopping = True
        self._issuer.stop()
        self._is_prepared.set()
        self._context.capacity.close()
        grace_s = self._settings.worker.grace_s
        for batch in self._batches:
            batch.stop(grace_s=grace_s)
        self._context.push_queue.return_all()
        for ref in self._waiting.take_all():
            self._begin(ref, is_urgent=True)  # a batch that begins now is released at once
        await self._wait_for_batches(grace_s)
        self._context.push_queue.cancel_all()
        await self._wait_for_batches(_LAST_WRITES_S)
        for running in self._running:
            running.cancel()
        if self._running:
            log.error("batches abandoned", batches=len(self._running), reason="the ledger does not answer")
            await self._wait_for_batches(_LAST_WRITES_S)

    async def close(self) -> None:
        """Close the clients; call ``stop`` first."""
        self._sums.flush()
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
        self._is_prepared.set()
        self._start_in_background(self._id_key_watch.run())

    def _has_place(self, *, is_urgent: bool) -> bool:
        if len(self._running) >= self._max_batches:
            return False
        return is_urgent or self._not_urgent_running < self._max_not_urgent

    def _begin(self, ref: BatchRef, *, is_urgent: bool) -> asyncio.Task[WorkEnd]:
        running = asyncio.create_task(self._run(ref))
        self._running.add(running)
        self._not_urgent_running += not is_urgent
        running.add_done_callback(partial(self._ended, is_urgent=is_urgent))
        return running

    def _ended(self, running: asyncio.Task[WorkEnd], *, is_urgent: bool) -> None:
        self._running.discard(running)
        self._not_urgent_running -= not is_urgent
        self._ended_at.append(self._clock.monotonic())
        if self._is_stopping:
            return
        for urgent in (True, False):
            while self._has_place(is_urgent=urgent) and (ref := self._waiting.take(is_urgent=urgent)):
                self._begin(ref, is_urgent=urgent)

    async def _release_waiting(self) -> None:
        """Release the batches that have waited too long for a place, so that another process can begin them."""
        while True:
            await self._clock.sleep(MAX_WAIT_S / 4)
            while ref := self._waiting.take_overdue():
                if await self._release(ref):
                    await self._issuer.issue(ref.sender)

    async def _release(self, ref: BatchRef) -> bool:
        """Take the lease of a batch and release it at once; return whether the batch can be issued again."""
        leases = self._context.leases
        try:
            if lease := await leases.take(ref):
                await leases.release(lease)
                return True
        except LeaseLost:
            return False  # another process holds the batch
        except (*LEDGER_ERRORS, BatchUnreadable) as error:
            log_failed_call(error, doing="release")
        return False

    async def _pass_on(self, ref: BatchRef, plan: Plan) -> bool:
        """Leave a batch to another process if this one is cut off from the providers; return whether it did so."""
        if not self._context.reach.is_cut_off(plan.chain):
            return False
        if await self._release(ref):
            self._issuer.issue_later(ref.sender)
        return True

    async def _run(self, ref: BatchRef) -> WorkEnd:
        token: int | None = None
        try:
            await self._is_prepared.wait()
            asked_at = self._clock.monotonic()
            try:
                plan = await self._cached_plan(ref)
                if lack := self._lack(plan):
                    end, reason = lack
                    await self._control.campaign(ref.sender, ref.campaign, ControlAction.BRAKE, reason=reason)
                    return end
                lease = None if await self._pass_on(ref, plan) else await self._context.leases.take(ref)
            except LEDGER_ERRORS as error:
                if not is_transient(error):
                    raise
                log_failed_call(error, doing="take")
                return BatchEnd.LEDGER_UNAVAILABLE
            if lease is None:
                return BatchEnd.NOTHING_TO_DO
            token = lease.token
            return await self._work_on(lease, plan, asked_at + self._settings.worker.lease_s)
        except (CampaignUnknown, CampaignNewer) as error:
            if isinstance(error, CampaignNewer):
                self._sums.error("a campaign is left to workers of a newer version", reason=str(error))
            return BatchEnd.NOTHING_TO_DO
        except Exception as unexpected:  # noqa: BLE001  # the only such place in a worker process
            await self._failures.release(ref, token, unexpected)
            return BatchEnd.FAILED

    def _lack(self, plan: Plan) -> tuple[BatchEnd, str] | None:
        """Return why this process cannot send a campaign, as an end of the batch and in words; None if it can."""
        if plan.provider not in self._clients:
            return BatchEnd.PROVIDER_UNKNOWN, f"provider {plan.provider} is not in the worker's settings"
        if not self._context.link_keys.has_key_of(plan):
            return BatchEnd.LINK_KEY_UNKNOWN, "the worker lacks the campaign's DISPATCH_LINK_KEY"
        return None

    async def _work_on(self, lease: Lease, plan: Plan, lease_deadline: float) -> WorkEnd:
        ref = lease.ref
        opening_lock = self._opening_locks[ref.sender, plan.chain, plan.urgent]
        batch = BatchWorker(lease, plan, self._context, opening_lock=opening_lock, lease_deadline=lease_deadline)
        self._batches.add(batch)
        if self._is_stopping:
            batch.stop(grace_s=self._settings.worker.grace_s)
        began_at = self._clock.monotonic()
        try:
            end = await batch.work()
        finally:
            self._batches.discard(batch)
        if end in (BatchEnd.PROVIDER_LOST, CloseReason.OUT_OF_REACH):
            self._issuer.issue_later(ref.sender)
        elif end is not BatchEnd.DONE:  # the next batches were issued when the last block of a done batch was opened
            await self._issuer.issue(ref.sender)
        worked_ms = round((self._clock.monotonic() - began_at) * 1000)
        log.debug("batch ended", campaign=ref.campaign, batch=ref.number, ended=end, worked_ms=worked_ms)
        self._sums.info(
            "batch", campaign=ref.campaign, sender=ref.sender, ended=end, worked_ms=worked_ms, **batch.counts
        )
        return end

    async def _wait_for_batches(self, max_s: float) -> None:
        if self._running:
            with suppress(TimeoutError):
                async with self._clock.timeout(max_s):
                    await asyncio.wait(self._running)

    async def _cached_plan(self, ref: BatchRef) -> Plan:
        if (plan := self._plans.get(ref.campaign)) is None:
            plan = await self._context.leases.plan(ref.sender, ref.campaign)
            if len(self._plans) >= _MAX_CACHED_PLANS:
                self._plans.pop(next(iter(self._plans)))
            self._plans[ref.campaign] = plan
        return plan

    async def _brake_provider(self, sender: SenderId, provider: str, reason: str) -> None:
        """Brake a provider for a sender, and for all senders of the settings that use the provider."""
        self._sums.error("provider braked", provider=provider, reason=reason)
        others = [SenderId(name) for name, other in self._settings.senders.items() if provider in other.chain]
        for braked in {sender, *others}:
            await self._control.brake_provider(braked, provider, reason)

    def _start_in_background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
