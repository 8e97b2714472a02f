"""Upkeep: a round every second that repairs what workers left, and says how the campaigns stand.

Safe to run twice at once, and on several workers: all it does are scripts of the ledger.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import structlog
from redis.asyncio import Redis

from times_dispatch.ledger.audit import Audit, Counters, imbalance
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import CampaignDamaged, CampaignUnknown, Damage
from times_dispatch.ledger.leases import BatchLeases, BatchReady
from times_dispatch.ledger.maintenance import Chores, Maintenance, still_wrong
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.sms.rules.window import Window

log = structlog.get_logger(__name__)

_SENDERS_AT_ONCE = 16
_ROWS = 100
"""Campaigns shown in a round; where more move at once each is shown every few seconds. Their events cost more than all
else in a round."""
_ROWS_OF_A_SENDER = 50
_AUDITED = 20
"""Campaigns whose books are looked into in a round, whether anything happens on them or not."""
_ALIVE = "upkeep:since"
"""Redis' time in milliseconds since which there has been upkeep without a gap; it expires when there is none."""

_LEAST_GAP_MS = 3_000


class Upkeep:
    """One round over all senders."""

    def __init__(
        self,
        redis: Redis,
        *,
        lease_s: float,
        wake_workers: Callable[[Sequence[BatchReady]], Awaitable[None]],
        show: Callable[[list[CampaignView]], Awaitable[bool]],
    ) -> None:
        self._redis = redis
        self._repair = Maintenance(redis, lease_s=lease_s, on_damage=_tell_of_damage)
        self._work = BatchLeases(redis, lease_s=lease_s, on_damage=_tell_of_damage)
        self._control = Control(redis)
        self._views = Queries(redis)
        self._wake_workers = wake_workers
        self._show = show
        self._lease_ms = int(lease_s * 1000)
        self._unshown: defaultdict[SenderId, set[CampaignId]] = defaultdict(set)
        self._audit = Audit(redis)
        self._broken: dict[CampaignId, Counters] = {}
        """Campaigns whose books do not balance or cannot be read, with their counters as last told."""
        self._busy = False
        self._rows_left = 0

    async def round(self) -> None:
        """Look after every sender; raise the first error when all had their turn (the next round comes in a second)."""
        lapse = await self._leases_could_be_renewed()
        if self._busy:
            return
        self._busy = True
        try:
            await self._look_after_all(lapse=lapse)
        finally:
            self._busy = False

    async def _leases_could_be_renewed(self) -> bool:
        """Say whether leases that ran out are their holders' fault.

        A ledger that was away (restarted, frozen, cut off) has leases that nobody could renew: after a gap in which
        there was no upkeep either, holders get a third of a lease to make themselves heard.
        """
        seconds, microseconds = await self._redis.time()
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        # Shorter than what is left of any lease that was being renewed, but not as short as what lies between rounds.
        gap_ms = max(self._lease_ms * 3 // 5, _LEAST_GAP_MS)
        since_ms = await self._redis.getex(_ALIVE, px=gap_ms)
        if since_ms is None:
            await self._redis.set(_ALIVE, now_ms, px=gap_ms, nx=True)
            return False
        return now_ms - int(since_ms) >= self._lease_ms // 3

    async def _look_after_all(self, *, lapse: bool) -> None:
        places = asyncio.Semaphore(_SENDERS_AT_ONCE)

        async def look_after(sender: SenderId) -> list[CampaignView]:
            async with places:
                return await self._look_after(sender, chores[sender])

        self._rows_left = _ROWS
        chores = {
            sender: of_sender._replace(expire_leases=of_sender.expire_leases and lapse)
            for sender, of_sender in (await self._repair.pending_chores(await self._views.senders())).items()
        }
        senders = [sender for sender, of_sender in chores.items() if any(of_sender) or sender in self._unshown]
        random.shuffle(senders)  # whoever comes late may have to wait for the next round with its rows
        ends = await asyncio.gather(*(look_after(sender) for sender in senders), return_exceptions=True)
        views = [view for end in ends if not isinstance(end, BaseException) for view in end]
        if await self._show(views):
            for sender, end in zip(senders, ends, strict=True):
                if not isinstance(end, BaseException):
                    self._unshown.pop(sender, None)
        await self._look_into_books()
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _look_after(self, sender: SenderId, chores: Chores) -> list[CampaignView]:
        rings: list[BatchReady] = []
        if chores.expire_leases:
            lapsed = await self._repair.expire_leases(sender)
            rings += lapsed.ready
            if lapsed.reclaimed:
                log.warning("leases lapsed", sender=sender, batches=lapsed.reclaimed, in_doubt=lapsed.in_doubt)
        if chores.next_hours:
            await self._keep_hours(sender)
        if chores.end_pending or chores.settle_overdue:
            ended = await self._repair.end_pending(sender)
            settled = await self._repair.settle_overdue(sender)
            if ended or any(settled):
                log.info("settled", sender=sender, ended=ended, **settled._asdict())
        if chores.drop_recent_texts:
            await self._repair.drop_recent_texts(sender)
        if any(chores[:-1]):  # each of the others may put something in turn
            rings += await self._work.issue(sender)
        if rings:
            await self._wake_workers(rings)
        # What moved is forgotten by the ledger when it is read, so it is kept here until it was shown.
        if self._rows_left > 0:
            moved = await self._repair.take_changed(sender, max_campaigns=min(self._rows_left, _ROWS_OF_A_SENDER))
            self._rows_left -= len(moved)
            self._unshown[sender].update(moved)
        views = await self._read(sender)
        for view in views:
            if not view.identity_holds and (counters := await still_wrong(self._redis, sender, view.id)):
                await self._report_breach(sender, view.id, counters)
        return views

    async def _look_into_books(self) -> None:
        """Check the identity of some campaigns, of others in the next round: also where nothing happens."""
        for account in await self._audit.next_counters(_AUDITED):
            if account.damage:
                if self._broken.get(account.campaign) != account.counters:
                    _tell_of_damage(Damage(account.sender, account.campaign, "", "read", account.damage))
                self._broken[account.campaign] = account.counters
            elif imbalance(account.counters):
                await self._report_breach(account.sender, account.campaign, account.counters)
            else:
                self._broken.pop(account.campaign, None)

    async def _keep_hours(self, sender: SenderId) -> None:
        """Say when the hours of campaigns are next whose last ones are over; until then the ledger lets nothing go."""
        for campaign, plan, now_ms in await self._repair.ended_hours(sender):
            window = Window(plan.send_from_min, plan.send_until_min, plan.zone)
            opens = window.next_opening(datetime.fromtimestamp(now_ms / 1000, UTC))
            opens_ms, closes_ms = (round(moment.timestamp() * 1000) for moment in (opens, window.next_closing(opens)))
            await self._repair.set_next_hours(sender, campaign, opens_ms=opens_ms, closes_ms=closes_ms)

    async def _read(self, sender: SenderId) -> list[CampaignView]:
        """Read how the campaigns stand on which something happened; forget those that cannot be read."""
        campaigns = self._unshown[sender]
        try:
            return await self._views.of_sender(sender, campaigns)
        except CampaignDamaged:
            views = []
            for campaign in tuple(campaigns):
                try:
                    views += await self._views.of_sender(sender, [campaign])
                except CampaignDamaged as error:
                    _tell_of_damage(Damage(sender, campaign, "", "read", error.what))
                    campaigns.discard(campaign)
            return views

    async def _report_breach(self, sender: SenderId, campaign: CampaignId, counters: Counters) -> None:
        """Stop a campaign whose books do not balance, and say so with the numbers; in the log once."""
        if self._broken.get(campaign) != counters:
            log.error("accounting identity broken", sender=sender, campaign=campaign, **counters)
        self._broken[campaign] = counters
        with suppress(CampaignUnknown):
            await self._control.campaign(sender, campaign, "brake", reason=imbalance(counters))


def _tell_of_damage(damage: Damage) -> None:
    log.error("damaged in the ledger", **damage._asdict())
