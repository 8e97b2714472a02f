"""Stop replies that come after their campaign was archived.

Only the encrypted archive has the number, and the process that takes the reply has no key of the archive. So the ledger
notes which message was replied to. The worker that archives then looks up the number, and adds it to the opt-out list.
"""

from collections.abc import Iterable

from redis.asyncio import Redis

from times_dispatch.ledger.keys import LATE_STOPS
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.scripts import text


class LateStops:
    """The messages whose numbers still have to be added to the opt-out list. Every method raises Redis errors."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, messages: Iterable[tuple[CampaignId, int]]) -> None:
        """Note messages, each with its campaign and its index in the campaign."""
        if members := [f"{campaign}:{index}" for campaign, index in messages]:
            await self._redis.sadd(LATE_STOPS, *members)

    async def all(self) -> list[tuple[CampaignId, int]]:
        """Return the noted messages, sorted."""
        members = sorted(text(member) for member in await self._redis.smembers(LATE_STOPS))
        return [(CampaignId(campaign), int(index)) for campaign, _, index in (each.partition(":") for each in members)]

    async def remove(self, campaign: CampaignId, index: int) -> None:
        """Delete the note about a message whose number was opted out, or is erased."""
        await self._redis.srem(LATE_STOPS, f"{campaign}:{index}")
