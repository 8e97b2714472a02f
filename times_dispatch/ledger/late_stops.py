"""Replies that ask for no more messages and come after their campaign was archived.

The number stands in the encrypted archive only, and the process that takes the reply has no key of the archive. So the
ledger notes which message was replied to, and the worker that archives looks the number up and opts it out.
"""

from collections.abc import Iterable

from redis.asyncio import Redis

from times_dispatch.ledger.keys import LATE_STOPS
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.scripts import text


class LateStops:
    """The messages whose numbers are still to be opted out. Every method raises Redis errors."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, messages: Iterable[tuple[CampaignId, int]]) -> None:
        """Note messages, each by its campaign and its index in the campaign."""
        if members := [f"{campaign}:{index}" for campaign, index in messages]:
            await self._redis.sadd(LATE_STOPS, *members)

    async def all(self) -> list[tuple[CampaignId, int]]:
        """Return the messages that are noted, sorted."""
        members = sorted(text(member) for member in await self._redis.smembers(LATE_STOPS))
        return [(CampaignId(campaign), int(index)) for campaign, _, index in (each.partition(":") for each in members)]

    async def remove(self, campaign: CampaignId, index: int) -> None:
        """Forget a message whose number was opted out, or is erased."""
        await self._redis.srem(LATE_STOPS, f"{campaign}:{index}")
