"""The page of one campaign: what became of its messages, why, when, at what cost, and who did what."""

from typing import Final

from starlette.responses import Response

from console.access import page
from console.visit import Visit
from console.words import BAR_ORDER, MEANINGS, words_of
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.statistics.figures import statistics_of
from times_dispatch.ledger.statistics.rollups import StatisticsReader
from times_dispatch.ledger.trail import Trail

_MAX_TRAIL: Final = 100


async def show_campaign(visit: Visit) -> Response:
    """Show a campaign with the figures that ``dispatch stats`` and ``dispatch show`` print."""
    queries = Queries(visit.redis)
    view = await queries.campaign(CampaignId(visit.request.path_params["campaign"]))
    statistics = statistics_of(await StatisticsReader(visit.redis).campaign(view.plan.sender, view.id))
    trail = await Trail(visit.redis).newest(
        [view.plan.sender], limit=_MAX_TRAIL, campaign=view.id, since_ms=view.created_ms
    )
    return visit.page(
        "campaign.html",
        view=view,
        statistics=statistics,
        sender=await queries.sender(view.plan.sender),
        trail=trail,
        states=[(state, view.counts[state], words_of(state), MEANINGS[state]) for state in BAR_ORDER],
    )


ROUTES = (page("/campaigns/{campaign}", show_campaign),)
