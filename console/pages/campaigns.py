"""The page Campaigns: the ledger searches, filters and pages; the address of the page holds every filter."""

from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from console.access import page
from console.formats import day_typed
from console.pages.archived_campaigns import ARCHIVED, archived_page
from console.visit import Visit
from times_dispatch.ledger.campaign_pages import CampaignFilter, CampaignOrder, CampaignPages, PagePosition
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState

_ROWS: Final = 40
LIVE: Final = "live"
"""The word for all states of campaigns that have not ended, in the filter of states."""
_ENDED: Final = frozenset({CampaignState.FINISHED, CampaignState.CANCELLED})
_MAX_WORDS: Final = 64
_FILTERS: Final = ("q", "sender", "state", "since", "until", "sent_since", "sent_until")


async def show_campaigns(visit: Visit) -> Response:
    """Show a page of campaigns."""
    wanted = _filter(visit)
    if visit.query("state") == ARCHIVED:
        return await archived_page(visit, wanted)
    after = PagePosition.parse(visit.query("after"))
    order = CampaignOrder.OLDEST if visit.query("order") == CampaignOrder.OLDEST else CampaignOrder.NEWEST
    listed = await CampaignPages(visit.redis).page(wanted, count=_ROWS, after=after, order=order)
    filters = {name: value for name in _FILTERS if (value := visit.query(name))}
    parameters = filters | ({"order": order.value} if order is CampaignOrder.OLDEST else {})
    other = filters | ({"order": CampaignOrder.OLDEST.value} if order is CampaignOrder.NEWEST else {})
    next_page = f"/campaigns?{urlencode({**parameters, 'after': str(listed.next)})}" if listed.next else ""
    return visit.page(
        "campaigns.html",
        listed=listed,
        wanted=wanted,
        state=visit.query("state"),
        states=[LIVE, *CampaignState, ARCHIVED],
        senders=await Queries(visit.redis).senders(),
        is_filtered=bool(filters),
        order=order.value,
        other_order=f"/campaigns?{urlencode(other)}",
        first_page=f"/campaigns?{urlencode(parameters)}" if after else "",
        next_page=next_page,
    )


def _filter(visit: Visit) -> CampaignFilter:
    return CampaignFilter(
        words=visit.query("q")[:_MAX_WORDS],
        sender=visit.query("sender")[:16],
        states=_states(visit.query("state")),
        since=day_typed(visit.query("since")),
        until=day_typed(visit.query("until")),
        sent_since=day_typed(visit.query("sent_since")),
        sent_until=day_typed(visit.query("sent_until")),
    )


def _states(written: str) -> frozenset[CampaignState]:
    if written == LIVE:
        return frozenset(CampaignState) - _ENDED
    return frozenset({CampaignState(written)}) if written in set(CampaignState) else frozenset()


ROUTES = (page("/campaigns", show_campaigns),)
