"""What the page of a campaign shows, read once for all who look at the campaign."""

from typing import Final

import msgspec
from redis.asyncio import Redis

from times_dispatch.archive.catalog import Catalog
from times_dispatch.ledger.archive_states import ArchiveStub
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.statistics.figures import Statistics, statistics_of
from times_dispatch.ledger.trail import Trail, TrailEntry

_MAX_TRAIL: Final = 100


class CampaignFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign, its statistics and its trail at one moment."""

    view: CampaignView
    stub: ArchiveStub | None
    """Where its archive is; None if the campaign is in Redis."""
    statistics: Statistics
    sender: SenderView
    trail: list[TrailEntry]
    """The newest first."""


async def read_campaign(redis: Redis, campaign: CampaignId) -> CampaignFigures:
    """Read a campaign from Redis or from its archive.

    Raises:
        CampaignUnknown: there is no such campaign.
        CampaignDamaged: its records cannot be read.
    """
    catalog = Catalog(redis)
    stub = await catalog.archive.states.find(campaign)
    view = await catalog.campaign(campaign)
    return CampaignFigures(
        view=view,
        stub=stub,
        statistics=statistics_of(await catalog.statistics(view)),
        sender=await Queries(redis).sender(view.plan.sender),
        trail=await Trail(redis).newest(
            [view.plan.sender], limit=_MAX_TRAIL, campaign=view.id, since_ms=view.created_ms
        ),
    )
