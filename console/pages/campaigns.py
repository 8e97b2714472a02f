"""The page Campaigns: the ledger searches, filters and pages; the address of the page holds every filter."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from console.access import page
from console.pages.archived_campaigns import ARCHIVED, archived_page
from console.visit import QueryInvalid, Visit
from times_dispatch.ledger.campaigns.pages import CampaignFilter, CampaignOrder, CampaignPages, PagePosition
from times_dispatch.ledger.keys import SenderKey, sender_key
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.statistics.rollups import RollupFilter, StatisticsReader

_ROWS: Final = 40
LIVE: Final = "live"
"""The word for all states of campaigns that have not ended, in the filter of states."""
_ENDED: Final = frozenset({CampaignState.FINISHED, CampaignState.CANCELLED})
_STATES: Final = (LIVE, *CampaignState, ARCHIVED)
_MAX_WORDS: Final = 64
_CODE: Final = re.compile("[0-9]{1,5}")
_FILTERS: Final = (
    "q",
    "sender",
    "state",
    "since",
    "until",
    "template",
    "provider",
    "sent_since",
    "sent_until",
    "reason",
)


async def show_campaigns(visit: Visit) -> Response:
    """Show a page of campaigns."""
    senders = sorted({*await Queries(visit.redis).senders(), *visit.settings.senders})
    providers = await _providers(visit)
    wanted = _filter(visit, senders, providers)
    after = _position(visit)
    order = CampaignOrder(visit.choice("order", list(CampaignOrder)) or CampaignOrder.NEWEST)
    if visit.query("state") == ARCHIVED:
        return await archived_page(visit, wanted, states=_STATES, senders=senders, providers=providers)
    listed = await CampaignPages(visit.redis).page(wanted, count=_ROWS, after=after, order=order)
    filters = {name: value for name in _FILTERS if (value := visit.query(name))}
    parameters = filters | ({"order": order.value} if order is CampaignOrder.OLDEST else {})
    other = filters | ({"order": CampaignOrder.OLDEST.value} if order is CampaignOrder.NEWEST else {})
    archived = f"/campaigns?{urlencode({**filters, 'state': ARCHIVED})}"
    next_page = f"/campaigns?{urlencode({**parameters, 'after': str(listed.next)})}" if listed.next else ""
    return visit.page(
        "campaigns.html",
        listed=listed,
        wanted=wanted,
        state=visit.query("state"),
        states=_STATES,
        senders=senders,
        providers=providers,
        archived=archived if await _has_archived(visit, senders) else "",
        is_filtered=bool(filters),
        order=order.value,
        other_order=f"/campaigns?{urlencode(other)}",
        first_page=f"/campaigns?{urlencode(parameters)}" if after else "",
        next_page=next_page,
    )


async def _providers(visit: Visit) -> list[str]:
    """Return the providers from which a person can choose: of the settings, and the wanted one if it ever sent."""
    providers, wanted = set(visit.settings.providers), visit.query("provider")
    if wanted and wanted not in providers and await StatisticsReader(visit.redis).keys(RollupFilter(provider=wanted)):
        providers.add(wanted)
    return sorted(providers)


async def _has_archived(visit: Visit, senders: Sequence[str]) -> bool:
    """Return whether the archive has campaigns, also erased ones, of some senders."""
    async with visit.redis.pipeline(transaction=False) as pipe:
        for sender in senders:
            pipe.zcard(sender_key(SenderId(sender), SenderKey.ARCHIVED))
            pipe.zcard(sender_key(SenderId(sender), SenderKey.ERASED))
        return any(await pipe.execute())


def _filter(visit: Visit, senders: Sequence[str], providers: Sequence[str]) -> CampaignFilter:
    return CampaignFilter(
        words=visit.query("q")[:_MAX_WORDS],
        sender=visit.choice("sender", senders),
        states=_states(visit.choice("state", _STATES)),
        since=visit.day("since"),
        until=visit.day("until"),
        template=visit.query("template")[:_MAX_WORDS],
        provider=visit.choice("provider", providers),
        sent_since=visit.day("sent_since"),
        sent_until=visit.day("sent_until"),
        reason=_reason(visit),
    )


def _reason(visit: Visit) -> tuple[MessageState, int] | None:
    """Return the state and the code of messages in ``reason=failed:910``."""
    written = visit.query("reason")
    label, _, code = written.partition(":")
    state = next((each for each in MessageState if each.label == label), None)
    if written and (state is None or not _CODE.fullmatch(code)):
        raise QueryInvalid("reason", written, "a state of messages, a colon and a code: failed:910")
    return (state, int(code)) if state else None


def _position(visit: Visit) -> PagePosition | None:
    written = visit.query("after")
    position = PagePosition.parse(written)
    if written and position is None:
        raise QueryInvalid("after", written, "the addresses to which the button Next page leads")
    return position


def _states(written: str) -> frozenset[CampaignState]:
    if written == LIVE:
        return frozenset(CampaignState) - _ENDED
    return frozenset({CampaignState(written)}) if written in set(CampaignState) else frozenset()


ROUTES = (page("/campaigns", show_campaigns),)
