"""Tracked links in the ledger: numbers campaigns at submit, and finds the campaign that a link's code names."""

from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import (
    BatchKey,
    CampaignField,
    LinksField,
    SenderKey,
    batch_key,
    campaign_key,
    sender_key,
)
from times_dispatch.ledger.lanes.names import header_of, lane_senders
from times_dispatch.ledger.model import CampaignId, Plan, SenderId, TrackedLinks
from times_dispatch.ledger.records import cut_link_values
from times_dispatch.ledger.scripts import Script, text

LINK_KEY_PURPOSE: Final = "link key"
"""The purpose in the digest of a link key (``digest_secret``)."""


class LinkCampaign(NamedTuple):
    """The ledger's data about a campaign with tracked links, or about one lane of the campaign."""

    id: CampaignId
    sender: SenderId
    links: TrackedLinks
    total: int
    batch_size: int
    until_ms: int
    """The end of the campaign's validity, in epoch milliseconds."""
    lane_campaigns: list[CampaignId]
    """The campaigns of all lanes, in their order; empty if the sender has no lanes."""


class LinkNumbers:
    """Numbers campaigns with tracked links, and finds campaigns by their numbers. Every method raises Redis errors."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._number = Script(redis, "number_campaign")

    async def number(self, sender: SenderId, campaign: CampaignId) -> int:
        """Return the number of a campaign; the first call gives the number."""
        return int((await self._number(sender, campaign=campaign))["number"])

    async def find(self, sender: SenderId, number: int) -> LinkCampaign | None:
        """Return the campaign with a number, or its first lane; None if there is none, or if it left the ledger."""
        name: Any = await self._redis.hget(sender_key(sender, SenderKey.LINKS), f"{LinksField.CAMPAIGN}:{number}")
        return await self._read(sender, CampaignId(text(name)), number) if name is not None else None

    async def lane(self, campaign: LinkCampaign, lane: int) -> LinkCampaign | None:
        """Return the campaign of another lane of a campaign that ``find`` returned; None if it left the ledger."""
        ids = campaign.lane_campaigns
        sender = lane_senders(header_of(campaign.sender), len(ids))[lane]
        return await self._read(sender, ids[lane], campaign.links.number)

    async def _read(self, sender: SenderId, campaign: CampaignId, number: int) -> LinkCampaign | None:
        names = (CampaignField.PLAN, CampaignField.TOTAL, CampaignField.BATCH_SIZE, CampaignField.UNTIL_MS)
        fields: Any = await self._redis.hmget(campaign_key(sender, campaign), names)
        if None in fields:
            return None
        plan = msgspec.json.decode(fields[0], type=Plan)
        if plan.tracked_links is None or plan.tracked_links.number != number:
            return None
        total, batch_size, until_ms = map(int, fields[1:])
        return LinkCampaign(campaign, sender, plan.tracked_links, total, batch_size, until_ms, plan.lane_campaigns)

    async def values(self, campaign: LinkCampaign, batch_number: int) -> bytes | None:
        """Return the values for the link targets of a batch (``read_link_values``); None if it left the ledger."""
        packed: Any = await self._redis.get(batch_key(campaign.sender, campaign.id, BatchKey.RECIPIENTS, batch_number))
        return cut_link_values(packed) if packed else None
