"""Upkeep: a round every second that repairs what workers left undone, and shows how the campaigns stand.

Rounds may overlap, in one worker or in several: every change is a script of the ledger that may run twice.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from times_dispatch.broker.app import WaitingWakeups
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.audit import Audit, Counters, counter_mismatch
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import CampaignDamaged, CampaignUnknown, Damage
from times_dispatch.ledger.health import urgent_warnings
from times_dispatch.ledger.keys import UPKEEP_SINCE
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.maintenance import Maintenance, PendingSteps, Settled, read_mismatch
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.openings import new_operation
from times_dispatch.ledger.protocol import StopReason
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.ledger.redis_clock import RedisClock, clocks_agree
from times_dispatch.ledger.report_backlog import UnappliedReports, unapplied_reports
from times_dispatch.sms.rules.window import Window

log = structlog.get_logger(__name__)

_SENDERS_AT_ONCE = 16
"""Senders that one round looks after side by side."""
_MAX_ROWS = 100
"""Campaigns that one round shows. Their events cost more than everything else in a round; if more campaigns move at the
same time, each is shown every few seconds."""
_MAX_ROWS_PER_SENDER = 50
"""Campaigns of one sender that one round shows."""
_SINCE_KEY = UPKEEP_SINCE
"""Redis' time in milliseconds since which there has been upkeep without a gap; the key expires when there is a gap."""
_BEGIN_SINCE = """
local since_ms = tonumber(redis.call('GET', KEYS[1]) or 'inf')
if since_ms <= tonumber(ARGV[1]) then return end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
"""
"""Sets that time, unless another round has set it. Its first write frees, so it runs also when Redis is full."""
_WARN_EVERY_S = 60.0
_MIN_GAP_MS = 3_000
"""A shorter time without upkeep is no gap: rounds are a second apart."""
_MAX_BACKLOG = 1_000
"""When so many wake-ups wait in a queue, workers are woken again for some batches only of those that none of them took.
The others are probably in the queue still, and each further wake-up makes it longer."""


class Upkeep:
    """One round over all senders."""

    def __init__(
        self,
        redis: Redis,
        *,
        lease_s: float,
        wake_workers: Callable[[Sequence[BatchReady]], Awaitable[None]],
        show: Callable[[list[CampaignView]], Awaitable[bool]],
        backlog: Callable[[], Awaitable[WaitingWakeups]] | None = None,
        audited_per_round: int = 20,
        rng: random.Random | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make the upkeep of a process.

        Args:
            redis: the ledger's connection.
            lease_s: how long the lease of a batch lasts, in seconds.
            wake_workers: tells workers of batches that are ready; raises nothing.
            show: shows campaigns to people; returns whether it could.
            backlog: says how many wake-ups wait in the broker; raises nothing.
            audited_per_round: campaigns whose accounting identity one round checks, also where nothing happens.
            rng: shuffles the senders, so that none is always the last of a round.
            clock: the host's clock, with which Redis' clock is compared.
        """
        self._redis = redis
        self._maintenance = Maintenance(redis, lease_s=lease_s, on_damage=_log_damage)
        self._leases = BatchLeases(redis, lease_s=lease_s, on_damage=_log_damage, clock=clock)
        self._redis_clock = RedisClock(redis, clock=clock)
        self._clock = clock
        self._warn_at = clock.monotonic()
        self._control = Control(redis)
        self._queries = Queries(redis)
        self._wake_workers = wake_workers
        self._show = show
        self._backlog = backlog
        self._again_shares = {True: 1.0, False: 1.0}
        """For which share of the batches that no worker took workers are woken again, by whether they are urgent."""
        self._lease_ms = int(lease_s * 1000)
        self._unshown: defaultdict[SenderId, set[CampaignId]] = defaultdict(set)
        self._taken: defaultdict[SenderId, set[CampaignId]] = defaultdict(set)
        """What this process has of the ledger's campaigns to show, until the ledger knows that they were shown."""
        self._name = new_operation()
        """Of this process, where the ledger notes who shows what."""
        self._audit = Audit(redis)
        self._logged: dict[CampaignId, Counters] = {}
        """Counters of campaigns that cannot be read or whose accounting identity is broken, as last logged."""
        self._audited_per_round = audited_per_round
        self._rng = rng or random.Random()
        self._is_running = False
        self._rows_left = 0
        self._unapplied: UnappliedReports | None = None
        """Why this round settles nothing; None if it may."""

    async def round(self) -> None:
        """Look after every sender, then raise the first error that one of them met."""
        leases_may_expire = await self._leases_could_be_renewed()
        if self._is_running:
            return
        await self._log_warnings()
        self._is_running = True
        try:
            await self._look_after_all(leases_may_expire=leases_may_expire)
        finally:
            self._is_running = False

    async def _leases_could_be_renewed(self) -> bool:
        """Say whether the holders of leases that ran out had the chance to renew them.

        They had none while the ledger was away (restarted, frozen, cut off). There was no upkeep in that time either:
        after a gap without upkeep the holders have a third of a lease to renew. So have they when Redis' clock was set
        back: then the time since which there has been upkeep lies in the future.
        """
        now_ms = await self._redis_clock.now_ms()
        # A lease that is being renewed always has more time left than this, and two rounds are less than this apart.
        gap_ms = max(self._lease_ms * 3 // 5, _MIN_GAP_MS)
        since_ms = await self._redis.getex(_SINCE_KEY, px=gap_ms)
        if since_ms is None or int(since_ms) > now_ms:
            await self._redis.eval(_BEGIN_SINCE, 1, _SINCE_KEY, str(now_ms), str(gap_ms))
            return False
        return now_ms - int(since_ms) >= self._lease_ms // 3

    async def _look_after_all(self, *, leases_may_expire: bool) -> None:
        at_once = asyncio.Semaphore(_SENDERS_AT_ONCE)

        async def look_after(sender: SenderId) -> list[CampaignView]:
            async with at_once:
                return await self._look_after(sender, steps[sender])

        self._rows_left = _MAX_ROWS
        may_end = clocks_agree(await self._redis_clock.ahead_s())
        steps = {
            sender: _allowed(of_sender, leases_may_expire=leases_may_expire, may_end=may_end)
            for sender, of_sender in (await self._maintenance.pending_steps(await self._queries.senders())).items()
        }
        if self._backlog and any(of_sender.expire_leases for of_sender in steps.values()):
            waiting = await self._backlog()
            self._again_shares = {True: _again_share(waiting.urgent), False: _again_share(waiting.bulk)}
        await self._look_for_unapplied_reports(steps.values())
        senders = [sender for sender, of_sender in steps.items() if any(of_sender) or sender in self._unshown]
        self._rng.shuffle(senders)  # the rows of the last ones may have to wait for the next round
        ends = await asyncio.gather(*(look_after(sender) for sender in senders), return_exceptions=True)
        views = [view for end in ends if not isinstance(end, BaseException) for view in end]
        if await self._show(views):
            for sender, end in zip(senders, ends, strict=True):
                if not isinstance(end, BaseException):
                    self._unshown.pop(sender, None)
            await self._confirm_shown(
                sender for sender, end in zip(senders, ends, strict=True) if isinstance(end, list)
            )
        await self._audit_some()
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _confirm_shown(self, senders: Iterable[SenderId]) -> None:
        """Tell the ledger which campaigns were shown: those of a worker that dies before are shown by another."""
        shown = {sender: self._taken.pop(sender) for sender in senders if self._taken.get(sender)}
        if shown:
            await self._maintenance.shown(shown, taker=self._name)

    async def _log_warnings(self) -> None:
        """Log once a minute what is wrong with Redis."""
        if self._clock.monotonic() < self._warn_at:
            return
        self._warn_at = self._clock.monotonic() + _WARN_EVERY_S
        for warning in await urgent_warnings(self._redis, clock=self._clock):
            log.warning("ledger", warning=warning)

    async def _look_after(self, sender: SenderId, steps: PendingSteps) -> list[CampaignView]:
        ready: list[BatchReady] = []
        if steps.expire_leases:
            expired = await self._maintenance.expire_leases(sender)
            ready += [batch for batch in expired.ready if self._rng.random() < self._again_shares[batch.urgent]]
            if expired.reclaimed:
                log.warning("leases lapsed", sender=sender, batches=expired.reclaimed, in_doubt=expired.in_doubt)
        if steps.send_windows:
            await self._keep_hours(sender)
        if steps.end_pending or steps.settle_overdue:
            ended = await self._maintenance.end_pending(sender)
            settled = Settled() if self._unapplied else await self._maintenance.settle_overdue(sender)
            if ended or any(settled):
                log.info("settled", sender=sender, ended=ended, **settled._asdict())
        if any(steps[:-1]):  # each of the steps but the last may have made batches ready
            with suppress(OutOfMemoryError):  # a full Redis hands nothing out, and the warnings say so
                ready += await self._leases.issue(sender)
        if ready:
            await self._wake_workers(ready)
        # The campaigns are kept here until they are shown; if this process dies before, another one gets them.
        if self._rows_left > 0:
            moved = await self._maintenance.take_changed(
                sender, taker=self._name, max_campaigns=min(self._rows_left, _MAX_ROWS_PER_SENDER)
            )
            self._rows_left -= len(moved)
            self._unshown[sender].update(moved)
            self._taken[sender].update(moved)
        views = await self._read(sender)
        for view in views:
            if not view.counters_add_up and (counters := await read_mismatch(self._redis, sender, view.id)):
                await self._brake_unbalanced(sender, view.id, counters)
        return views

    async def _look_for_unapplied_reports(self, steps: Iterable[PendingSteps]) -> None:
        """Find out whether this round may settle what waited long enough; log when that changes."""
        unapplied = None
        if any(of_sender.settle_overdue or of_sender.end_pending for of_sender in steps):
            unapplied = await unapplied_reports(self._redis)
        elif self._unapplied:  # nothing to settle meanwhile: the reason that was logged stands
            return
        if unapplied and not self._unapplied:
            log.warning("nothing is settled before all reports are applied", why=str(unapplied))
        elif self._unapplied and not unapplied:
            log.info("all reports are applied: what waited long enough is settled again")
        self._unapplied = unapplied

    async def _audit_some(self) -> None:
        """Check the accounting identity of some campaigns, and of others in the next round."""
        for account in await self._audit.next_counters(self._audited_per_round):
            if account.damage:
                if self._logged.get(account.campaign) != account.counters:
                    _log_damage(Damage(account.sender, account.campaign, "", "read", account.damage))
                self._logged[account.campaign] = account.counters
            elif counter_mismatch(account.counters):
                await self._brake_unbalanced(account.sender, account.campaign, account.counters)
            else:
                self._logged.pop(account.campaign, None)

    async def _keep_hours(self, sender: SenderId) -> None:
        """Write the next opening hours of each campaign whose last ones are over; until then nothing of it is sent."""
        for campaign, plan, now_ms in await self._maintenance.closed_send_windows(sender):
            window = Window(plan.send_from_min, plan.send_until_min, plan.zone)
            opens = window.next_opening(datetime.fromtimestamp(now_ms / 1000, UTC))
            opens_ms, closes_ms = (round(moment.timestamp() * 1000) for moment in (opens, window.next_closing(opens)))
            await self._maintenance.set_send_window(sender, campaign, opens_ms=opens_ms, closes_ms=closes_ms)

    async def _read(self, sender: SenderId) -> list[CampaignView]:
        """Read the campaigns on which something happened; leave out those that cannot be read."""
        campaigns = self._unshown[sender]
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

    async def _brake_unbalanced(self, sender: SenderId, campaign: CampaignId, counters: Counters) -> None:
        """Brake a campaign whose accounting identity is broken; log its counters when they are new."""
        if self._logged.get(campaign) != counters:
            log.error("accounting identity broken", sender=sender, campaign=campaign, **counters)
        self._logged[campaign] = counters
        with suppress(CampaignUnknown):
            await self._control.campaign(sender, campaign, "brake", reason=StopReason.COUNTERS_MISMATCH)


def _again_share(waiting: int) -> float:
    """Return for which share of the batches that no worker took workers are woken again.

    The share falls with the square of what waits: so the queue stays bounded, and yet every batch whose wake-up was
    lost gets another one.
    """
    return min(1.0, (_MAX_BACKLOG / max(1, waiting)) ** 2)


def _allowed(steps: PendingSteps, *, leases_may_expire: bool, may_end: bool) -> PendingSteps:
    """Return the steps that may be done now.

    Args:
        steps: what there is to do for a sender.
        leases_may_expire: whether the holders of leases that ran out had the chance to renew them.
        may_end: whether Redis' clock and the host's agree: nothing that is final is done by a clock that may be wrong.
    """
    return steps._replace(
        expire_leases=steps.expire_leases and leases_may_expire,
        send_windows=steps.send_windows and may_end,
        end_pending=steps.end_pending and may_end,
        settle_overdue=steps.settle_overdue and may_end,
    )


def _log_damage(damage: Damage) -> None:
    log.error("damaged in the ledger", **damage._asdict())
