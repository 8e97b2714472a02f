"""The data of the page of a campaign, read once for all people who look at the campaign."""

from datetime import date, datetime
from typing import Final

import msgspec
from redis.asyncio import Redis

from console.formats import INDIA
from times_dispatch.archive.catalog import Catalog
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.archive_states import ArchiveStub
from times_dispatch.ledger.errors import CampaignArchived
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.statistics.figures import Amounts, Statistics, statistics_of, total
from times_dispatch.ledger.statistics.rollups import StatisticsReader
from times_dispatch.ledger.trail import Trail, TrailEntry

_MAX_TRAIL: Final = 100


class CampaignFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign, its statistics and its trail at one moment."""

    view: CampaignView
    stub: ArchiveStub | None
    """Where its archive is; None if the campaign is in Redis."""
    statistics: Statistics
    trail: list[TrailEntry]
    """The entries of the trail, the newest first."""
    day: date
    """The day in India: times of this day are written without their date."""


async def read_campaign(redis: Redis, campaign: CampaignId, *, clock: Clock = SYSTEM_CLOCK) -> CampaignFigures:
    """Read a campaign from Redis or from its archive.

    Raises:
        CampaignUnknown: there is no such campaign.
        CampaignDamaged: its records cannot be read.
    """
    stub, view, amounts = await _read(redis, campaign)
    return CampaignFigures(
        view=view,
        stub=stub,
        statistics=statistics_of(amounts),
        trail=await Trail(redis).newest(
            [view.plan.sender], limit=_MAX_TRAIL, campaign=view.id, since_ms=view.created_ms
        ),
        day=datetime.fromtimestamp(clock.time(), INDIA).date(),
    )


async def _read(redis: Redis, campaign: CampaignId) -> tuple[ArchiveStub | None, CampaignView, Amounts]:
    try:
        view = await Queries(redis).campaign(campaign)
    except CampaignArchived:
        catalog = Catalog(redis)
        stub = await catalog.archive.states.find(campaign)
        view = await catalog.campaign(campaign)
        return stub, view, await catalog.statistics(view)
    reader = StatisticsReader(redis)
    return None, view, total([await reader.campaign(each.plan.sender, each.id) for each in view.lanes or [view]])
