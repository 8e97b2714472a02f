"""The newest ended campaigns, for pages that show them beside the live campaigns."""

from collections.abc import Collection, Sequence

from redis.asyncio import Redis

from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import SenderKey, sender_key
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.scripts import text


async def newest_ended(
    redis: Redis,
    senders: Sequence[SenderId],
    unended: Collection[CampaignId],
    *,
    limit: int,
    damaged: list[CampaignDamaged],
) -> list[CampaignView]:
    """Return the newest ended campaigns of some senders, the newest first, in few round trips.

    Args:
        redis: the ledger.
        senders: the senders.
        unended: live campaigns in lanes, whose first lane may have ended before the other lanes.
        limit: how many campaigns are read, at most.
        damaged: gets the damaged campaigns.
    """
    async with redis.pipeline(transaction=False) as pipe:
        for sender in senders:
            pipe.zrevrange(sender_key(sender, SenderKey.ENDED), 0, limit - 1 + len(unended), withscores=True)
        replies = await pipe.execute()
    newest = sorted(
        (-created_ms, CampaignId(text(campaign)), sender)
        for sender, members in zip(senders, replies, strict=True)
        for campaign, created_ms in members
    )
    left_out = frozenset(unended)
    ids = [(campaign, sender) for _, campaign, sender in newest if campaign not in left_out]
    return await Queries(redis).some(ids[:limit], damaged=damaged)
