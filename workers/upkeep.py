"""Upkeep: a round every second that repairs the work of lost workers, starts and ends campaigns, and updates Flower.

Rounds may overlap, in one worker or in several: each change is a script of the ledger that may run twice.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError

from times_dispatch.broker.app import WaitingWakeups
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.audit import Audit, Counters, counter_mismatch
from times_dispatch.ledger.cluster.client import ClusterRedis
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged, CampaignUnknown, Damage
from times_dispatch.ledger.lanes.alignment import LaneAlignment
from times_dispatch.ledger.lanes.whole_of_changed import with_whole_campaigns
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.maintenance import Maintenance, PendingSteps, Settled, read_mismatch
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.monitoring.health import urgent_warnings
from times_dispatch.ledger.monitoring.memory_history import note_memory
from times_dispatch.ledger.openings import new_operation
from times_dispatch.ledger.protocol import ControlAction, StopReason
from times_dispatch.ledger.queries import LaneQueries
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.ledger.redis_clock import RedisClock, clocks_agree
from times_dispatch.ledger.reports.report_backlog import UnappliedReports, unapplied_reports
from times_dispatch.sms.rules.send_window import SendWindow

log = structlog.get_logger(__name__)

_SENDERS_AT_ONCE = 16
"""How many senders a round works on at the same time."""
_MAX_ROWS = 100
"""How many campaigns one round shows in Flower. Their events cost more than everything else in a round; if more
campaigns change at the same time, each is shown every few seconds."""
_MAX_ROWS_PER_SENDER = 50
"""How many campaigns of one sender one round shows in Flower."""
_WARN_EVERY_S = 60.0
_MIN_GAP_MS = 3_000
"""A shorter time without upkeep is not a gap, because rounds are a second apart."""
_MAX_BACKLOG = 1_000
"""While more wake-ups than this wait in a queue, workers are woken again for only a share of the batches that no worker
took. The other wake-ups are probably still in the queue, and each further wake-up makes the queue longer."""


class _Moment(NamedTuple):
    """What the clock of a sender's node allows in this round."""

    decided_ms: int | None
    """Leases that had run out at this moment may expire, in epoch milliseconds; None if no lease may expire."""
    compared_ms: int
    """The moment, in epoch milliseconds, at which the node's clock was compared with this host's clock. A campaign or
    message whose time ends after this moment waits for a later round, because the node's clock may be set forward
    during this round."""
    clocks_agree: bool
    """Whether the two clocks agreed at that comparison."""


class Upkeep:
    """Does the rounds of a process, each over all senders."""

    def __init__(
        self,
        redis: Redis,
        *,
        lease_s: float,
        wake_workers: Callable[[Sequence[BatchReady]], Awaitable[None]],
        update_flower: Callable[[list[CampaignView]], Awaitable[bool]],
        backlog: Callable[[], Awaitable[WaitingWakeups]] | None = None,
        watch_silence: Callable[[Iterable[SenderId]], Awaitable[None]] | None = None,
        retention: Callable[[], Awaitable[None]] | None = None,
        audited_per_round: int = 20,
        rng: random.Random | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make the upkeep of a process.

        Args:
            redis: the connection to the ledger.
            lease_s: how long the lease of a batch lasts, in seconds.
            wake_workers: sends wake-ups for issued batches; raises nothing.
            update_flower: shows campaigns in Flower; returns whether the broker took them.
            backlog: returns how many wake-ups wait in the broker; raises nothing.
            watch_silence: looks whether delivery reports of senders are missing; None to look at none.
            retention: begins to archive and erase what is due, and returns at once; None without an archive.
            audited_per_round: campaigns whose counters one round checks, also if nothing happens in them.
            rng: shuffles the senders, so that no sender is always the last of a round.
            clock: the host's clock, with which Redis' clock is compared.
        """
        self._redis = redis
        self._maintenance = Maintenance(redis, lease_s=lease_s, on_damage=_log_damage)
        self._leases = BatchLeases(redis, lease_s=lease_s, on_damage=_log_damage, clock=clock)
        self._redis_clock = RedisClock(redis, clock=clock)
        self._clock = clock
        self._warn_at = clock.monotonic()
        self._control = Control(redis)
        self._queries = LaneQueries(redis)
        self._alignment = LaneAlignment(redis, clock=clock)
        self._wake_workers = wake_workers
        self._update_flower = update_flower
        self._backlog = backlog
        self._watch_silence = watch_silence
        self._retention = retention
        self._again_shares = {True: 1.0, False: 1.0}
        """The share of the batches that no worker took for which workers are woken again; True for urgent batches."""
        self._lease_ms = int(lease_s * 1000)
        # A lease that is being renewed always has more time left than this, and two rounds are less than this apart.
        self._gap_ms = max(self._lease_ms * 3 // 5, _MIN_GAP_MS)
        self._not_in_flower: defaultdict[SenderId, set[CampaignId]] = defaultdict(set)
        self._taken: defaultdict[SenderId, set[CampaignId]] = defaultdict(set)
        """Campaigns that this process took from the ledger to show, until the ledger knows that they were shown."""
        self._name = new_operation()
        """The name of this process where the ledger notes who shows a campaign."""
        self._audit = Audit(redis)
        self._logged: dict[CampaignId, Counters] = {}
        """Counters of campaigns that cannot be read or whose counters do not add up to the total, as last logged."""
        self._audited_per_round = audited_per_round
        self._rng = rng or random.Random()
        self._is_running = False
        self._flower_rows_left = 0
        self._unapplied: UnappliedReports | None = None
        """Why this round settles no messages; None if the round may settle them."""

    async def round(self) -> None:
        """Do the steps of every sender, then raise the first error of a sender."""
        decided_ms = await self._leases_could_be_renewed()
        if self._is_running:
            return
        await self._log_warnings()
        if self._retention:
            await self._retention()
        self._is_running = True
        try:
            await self._work_on_senders(decided_ms)
        finally:
            self._is_running = False

    async def _leases_could_be_renewed(self) -> int | None:
        """Return Redis' time, in epoch milliseconds; None if workers could not renew their leases a short time ago.

        Leases that had run out at the returned moment may expire, because their workers had time to renew them. Workers
        cannot renew leases while the ledger is unavailable (restarted, frozen, cut off), and no round of upkeep
        succeeds in that time either. So after a gap without upkeep, workers get a third of a lease to renew. Workers
        get the same time after Redis' clock was set back: then the recorded start of upkeep lies in the future.
        """
        now_ms, since_ms = await self._maintenance.note_upkeep_of_all(gap_ms=self._gap_ms)
        return self._decided_ms(now_ms, since_ms)

    def _decided_ms(self, now_ms: int, since_ms: int) -> int | None:
        return now_ms if now_ms - since_ms >= self._lease_ms // 3 else None

    async def _moments(self, senders: Sequence[SenderId], decided_ms: int | None) -> dict[SenderId, _Moment]:
        """Return the moments that decide which leases of each sender may expire, and which final steps may be done.

        Each node of a cluster may be unavailable alone and has a clock of its own, so each sender has its own moment.
        """
        if not isinstance(self._redis, ClusterRedis):
            compared = await self._redis_clock.compared()
            return dict.fromkeys(senders, _Moment(decided_ms, compared.now_ms, clocks_agree(compared.ahead_s)))
        reached = await self._maintenance.note_upkeep(senders, gap_ms=self._gap_ms, clock=self._clock)
        return {
            sender: _Moment(self._decided_ms(reach.now_ms, reach.since_ms), reach.now_ms, clocks_agree(reach.ahead_s))
            for sender, reach in reached.items()
        }

    async def _work_on_senders(self, decided_ms: int | None) -> None:
        """Do the steps of every sender; leases that had run out at *decided_ms* may expire, no lease if it is None."""
        at_once = asyncio.Semaphore(_SENDERS_AT_ONCE)

        async def do_steps(sender: SenderId) -> list[CampaignView]:
            async with at_once:
                return await self._do_steps(sender, steps[sender], moments[sender])

        self._flower_rows_left = _MAX_ROWS
        known = await self._queries.senders()
        moments = await self._moments(known, decided_ms)
        steps = {
            sender: _allowed(
                of_sender,
                leases_may_expire=moments[sender].decided_ms is not None,
                may_end=moments[sender].clocks_agree,
            )
            for sender, of_sender in (await self._maintenance.pending_steps(list(moments))).items()
        }
        if self._backlog and any(of_sender.expire_leases for of_sender in steps.values()):
            waiting = await self._backlog()
            self._again_shares = {True: _again_share(waiting.urgent), False: _again_share(waiting.bulk)}
        await self._look_for_unapplied_reports(steps.values())
        senders = [sender for sender, of_sender in steps.items() if any(of_sender) or sender in self._not_in_flower]
        self._rng.shuffle(senders)  # the rows of the last senders may have to wait for the next round
        results = await asyncio.gather(*(do_steps(sender) for sender in senders), return_exceptions=True)
        results, lanes = await with_whole_campaigns(self._redis, results, away=set(known) - set(moments))
        errors = [result for result in results if isinstance(result, BaseException)]
        views = [view for result in results if not isinstance(result, BaseException) for view in result]
        if await self._update_flower(views):
            for sender, result in zip(senders, results, strict=True):
                if not isinstance(result, BaseException):
                    self._not_in_flower.pop(sender, None)
            await self._confirm_shown(
                sender for sender, result in zip(senders, results, strict=True) if isinstance(result, list)
            )
        away = set(known) - set(moments)
        align = partial(self._alignment.align, [*views, *lanes], away=away)
        for step in (align, partial(self._alignment.align_senders, moments)):
            try:
                await step()
            except (RedisError, OSError) as error:
                errors.append(error)
        await self._audit_some()
        if self._watch_silence:
            await self._watch_silence([sender for sender, moment in moments.items() if moment.clocks_agree])
        if errors:
            raise errors[0]

    async def _confirm_shown(self, senders: Iterable[SenderId]) -> None:
        """Tell the ledger which campaigns were shown; if this worker dies first, another worker shows them."""
        shown = {sender: self._taken.pop(sender) for sender in senders if self._taken.get(sender)}
        if shown:
            await self._maintenance.shown(shown, worker=self._name)

    async def _log_warnings(self) -> None:
        """Log once a minute the warnings about Redis, and note its memory."""
        if self._clock.monotonic() < self._warn_at:
            return
        self._warn_at = self._clock.monotonic() + _WARN_EVERY_S
        for warning in await urgent_warnings(self._redis, clock=self._clock):
            log.warning("ledger", warning=warning)
        await note_memory(self._redis)

    async def _do_steps(self, sender: SenderId, steps: PendingSteps, moment: _Moment) -> list[CampaignView]:
        ready: list[BatchReady] = []
        if steps.expire_leases:
            expired = await self._maintenance.expire_leases(sender, decided_ms=moment.decided_ms or 0)
            ready += [batch for batch in expired.ready if self._rng.random() < self._again_shares[batch.urgent]]
            if expired.reclaimed:
                log.warning("leases expired", sender=sender, batches=expired.reclaimed, in_doubt=expired.in_doubt)
        if steps.send_windows:
            await self._write_send_windows(sender, decided_ms=moment.compared_ms)
        if steps.end_pending or steps.settle_overdue:
            ended, settled = await self._maintenance.end_pending(sender, decided_ms=moment.compared_ms), Settled()
            if not self._unapplied:
                settled = await self._maintenance.settle_overdue(sender, decided_ms=moment.compared_ms)
            if ended or any(settled):
                log.info("settled", sender=sender, ended=ended, **settled._asdict())
        if any(steps[:-1]):  # each step but the last may have made batches ready
            with suppress(OutOfMemoryError):  # a full Redis issues no batch, and the warnings say so
                ready += await self._leases.issue(sender)
        if ready:
            await self._wake_workers(ready)
        # This process remembers a changed campaign until it is shown; if the process dies, another process shows it.
        if self._flower_rows_left > 0:
            changed = await self._maintenance.take_changed(
                sender, worker=self._name, max_campaigns=min(self._flower_rows_left, _MAX_ROWS_PER_SENDER)
            )
            self._flower_rows_left -= len(changed)
            self._not_in_flower[sender].update(changed)
            self._taken[sender].update(changed)
        views = await self._read(sender)
        for view in views:
            if not view.counters_add_up and (counters := await read_mismatch(self._redis, sender, view.id)):
                await self._brake_miscounted(sender, view.id, counters)
        return views

    async def _look_for_unapplied_reports(self, steps: Iterable[PendingSteps]) -> None:
        """Find out whether this round may settle overdue messages; log when that changes."""
        unapplied = None
        if any(of_sender.settle_overdue or of_sender.end_pending for of_sender in steps):
            unapplied = await unapplied_reports(self._redis)
        elif self._unapplied:  # nothing to settle in this round: the logged reason still holds
            return
        if unapplied and not self._unapplied:
            log.warning("no message is settled before all reports are applied", reason=str(unapplied))
        elif self._unapplied and not unapplied:
            log.info("all reports are applied: overdue messages are settled again")
        self._unapplied = unapplied

    async def _audit_some(self) -> None:
        """Check the counters of some campaigns; the next round checks other campaigns."""
        for of_campaign in await self._audit.next_counters(self._audited_per_round):
            if of_campaign.damage:
                if self._logged.get(of_campaign.campaign) != of_campaign.counters:
                    _log_damage(Damage(of_campaign.sender, of_campaign.campaign, "", "read", of_campaign.damage))
                self._logged[of_campaign.campaign] = of_campaign.counters
            elif counter_mismatch(of_campaign.counters):
                await self._brake_miscounted(of_campaign.sender, of_campaign.campaign, of_campaign.counters)
            else:
                self._logged.pop(of_campaign.campaign, None)

    async def _write_send_windows(self, sender: SenderId, *, decided_ms: int) -> None:
        """Write the next send window of each campaign whose last window is over; without a window nothing is sent."""
        for campaign, plan, now_ms in await self._maintenance.closed_send_windows(sender, decided_ms=decided_ms):
            window = SendWindow(plan.send_from_min, plan.send_until_min, plan.zone)
            opens = window.next_opening(datetime.fromtimestamp(now_ms / 1000, UTC))
            opens_ms, closes_ms = (round(moment.timestamp() * 1000) for moment in (opens, window.next_closing(opens)))
            await self._maintenance.set_send_window(sender, campaign, opens_ms=opens_ms, closes_ms=closes_ms)

    async def _read(self, sender: SenderId) -> list[CampaignView]:
        """Read the changed campaigns; leave out campaigns that cannot be read."""
        campaigns = self._not_in_flower[sender]
        try:
            return await self._queries.of_sender(sender, campaigns)
        except CampaignDamaged:
            views = []
            for campaign in tuple(campaigns):
                try:
                    views += await self._queries.of_sender(sender, [campaign])
                except CampaignDamaged as error:
                    _log_damage(Damage(sender, campaign, "", "read", error.what))
                    campaigns.discard(campaign)
            return views

    async def _brake_miscounted(self, sender: SenderId, campaign: CampaignId, counters: Counters) -> None:
        """Brake a campaign whose counters do not add up to the total; log the counters when they are new."""
        if self._logged.get(campaign) != counters:
            log.error("the counters do not add up to the total", sender=sender, campaign=campaign, **counters)
        self._logged[campaign] = counters
        with suppress(CampaignUnknown, CampaignArchived):
            await self._control.campaign(sender, campaign, ControlAction.BRAKE, reason=StopReason.COUNTERS_MISMATCH)


def _again_share(waiting: int) -> float:
    """Return the share of the batches that no worker took for which workers are woken again.

    The share falls with the square of the number of waiting wake-ups. So the queue stays bounded, and yet every batch
    whose wake-up was lost gets another wake-up.
    """
    return min(1.0, (_MAX_BACKLOG / max(1, waiting)) ** 2)


def _allowed(steps: PendingSteps, *, leases_may_expire: bool, may_end: bool) -> PendingSteps:
    """Return the steps that may be done now.

    Args:
        steps: the pending steps of a sender.
        leases_may_expire: whether the workers of leases that ran out had time to renew them.
        may_end: whether Redis' clock and the host's clock agree; no final step is done by a clock that may be wrong.
    """
    return steps._replace(
        expire_leases=steps.expire_leases and leases_may_expire,
        send_windows=steps.send_windows and may_end,
        end_pending=steps.end_pending and may_end,
        settle_overdue=steps.settle_overdue and may_end,
    )


def _log_damage(damage: Damage) -> None:
    log.error("damaged in the ledger", **damage._asdict())
