"""Rounds of upkeep, with the campaigns that they sent to Flower and the batches for which they woke workers."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from times_dispatch.ledger.model import BatchRef, CampaignView
from times_dispatch.ledger.ready_batches import BatchReady
from workers.upkeep import Upkeep


class Rounds:
    """An upkeep that notes its wake-ups of workers and its updates of Flower."""

    def __init__(self, redis: Redis, *, lease_s: float = 15.0, **options: Any) -> None:
        self.redis = redis
        self.woken: list[BatchRef] = []
        self.shown: list[CampaignView] = []
        self.broker_unavailable = False
        self.shows = asyncio.Event()
        """Set when a round begins to update Flower."""
        self.slow = asyncio.Event()
        self.slow.set()
        self.upkeep = Upkeep(
            redis, lease_s=lease_s, wake_workers=self._wake_workers, update_flower=self._show, **options
        )
        self.round = self.upkeep.round

    async def _wake_workers(self, batches: Sequence[BatchReady]) -> None:
        self.woken += [batch.ref for batch in batches]

    async def _show(self, views: list[CampaignView]) -> bool:
        self.shows.set()
        await self.slow.wait()
        if self.broker_unavailable:
            return False
        self.shown += views
        return True

    async def pretend_rounds(self, milliseconds: int = 10_000) -> None:
        """Write to the ledger that rounds of upkeep began this many milliseconds ago."""
        seconds, microseconds = await self.redis.time()
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        await self.redis.set("upkeep:since", now_ms - milliseconds, px=9_000)
