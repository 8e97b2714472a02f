"""The results of a campaign together with its resends: each recipient counts once."""

from decimal import Decimal

import msgspec

from producers.line_set import LineSet
from times_dispatch.archive.catalog import Catalog
from times_dispatch.ledger.errors import CampaignUnknown
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.states import SENT, MessageState
from times_dispatch.ledger.statistics.figures import statistics_of

_SENT_LETTERS = "".join(state.value for state in SENT)


class ChainFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a campaign and its resends."""

    campaigns: list[CampaignId]
    """The ids of the first campaign and of all resends; the resends of a campaign follow the campaign."""
    recipients: int
    """Recipients of the first campaign; resends have no others."""
    sent: int
    """Recipients for whom a provider accepted a message of any of the campaigns."""
    delivered: int
    """Recipients to whom a message of any of the campaigns was delivered."""
    parts: int
    """SMS parts of all pushes that a provider accepted, in all campaigns."""
    cost: Decimal
    """The price in rupees of all parts that had a price."""


async def chain_figures(catalog: Catalog, campaign: CampaignId) -> ChainFigures:
    """Read all messages of a campaign, of the campaigns that it resends, and of all their resends.

    A message is identified by its line in the recipients file, which a resend keeps.

    Raises:
        CampaignUnknown: there is no such campaign.
        CampaignDamaged: a campaign cannot be read.
    """
    first = await catalog.campaign(campaign)
    while first.plan.resend_of:
        try:
            first = await catalog.campaign(CampaignId(first.plan.resend_of))
        except CampaignUnknown:
            break
    chain = await _with_resends(catalog, first)
    reached, sent_to = LineSet(), LineSet()
    delivered = sent = parts = 0
    cost = Decimal(0)
    for view in chain:
        async for batch in catalog.batches(view):
            for line, state in zip(batch.recipients.lines, batch.records.states, strict=True):
                if state in _SENT_LETTERS:
                    sent += sent_to.add(line)
                    delivered += state == MessageState.DELIVERED.value and reached.add(line)
        statistics = statistics_of(await catalog.statistics(view))
        parts, cost = parts + statistics.parts, cost + statistics.cost
    return ChainFigures(
        campaigns=[view.id for view in chain],
        recipients=first.total,
        sent=sent,
        delivered=delivered,
        parts=parts,
        cost=cost,
    )


async def _with_resends(catalog: Catalog, view: CampaignView) -> list[CampaignView]:
    chain = [view]
    for resend in view.resends:
        chain += await _with_resends(catalog, await catalog.campaign(resend))
    return chain
