"""Upkeep: a round every second that repairs what workers left, and says how the campaigns stand.

Safe to run twice at once, and on several workers: all it does are scripts of the ledger.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from redis.asyncio import Redis

from campaigns.model import CampaignView, SenderId
from campaigns.repair import Repair, still_wrong
from campaigns.views import Views
from campaigns.work import Ring, Work

log = structlog.get_logger(__name__)

_SENDERS_AT_ONCE = 16
_AWAKE_S = 5
"""A ledger that came back less than this ago has leases that nobody could renew: their holders get a moment to."""


class Upkeep:
    """One round over all senders."""

    def __init__(
        self,
        redis: Redis,
        *,
        lease_s: float,
        ring: Callable[[Sequence[Ring]], Awaitable[None]],
        show: Callable[[list[CampaignView]], Awaitable[None]],
    ) -> None:
        self._redis = redis
        self._repair = Repair(redis, lease_s=lease_s)
        self._work = Work(redis, lease_s=lease_s)
        self._views = Views(redis)
        self._ring = ring
        self._show = show

    async def round(self) -> None:
        """Look after every sender; raise Redis' errors (the next round comes in a second)."""
        server = await self._redis.info("server")
        awake = int(server.get("uptime_in_seconds", _AWAKE_S)) >= _AWAKE_S
        places = asyncio.Semaphore(_SENDERS_AT_ONCE)

        async def look_after(sender: SenderId) -> None:
            async with places:
                await self._look_after(sender, lapse=awake)

        await asyncio.gather(*(look_after(sender) for sender in await self._views.senders()))

    async def _look_after(self, sender: SenderId, *, lapse: bool) -> None:
        rings: list[Ring] = []
        if lapse:
            lapsed = await self._repair.lapse(sender)
            rings += lapsed.rings
            if lapsed.taken_in:
                log.warning("leases lapsed", sender=sender, batches=lapsed.taken_in, in_doubt=lapsed.in_doubt)
        ended = await self._repair.end(sender)
        settled = await self._repair.settle(sender)
        if ended or any(settled):
            log.info("settled", sender=sender, ended=ended, **settled._asdict())
        rings += await self._work.issue(sender)
        if rings:
            await self._ring(rings)
        moved = await self._repair.moved(sender)
        views = await self._views.of_sender(sender, moved)
        for view in views:
            # Read apart from the other counters the view may be torn, so only a second look makes it a breach.
            if not view.identity_holds and (counters := await still_wrong(self._redis, sender, view.id)):
                log.error("accounting identity broken", sender=sender, campaign=view.id, **counters)
        await self._show(views)
