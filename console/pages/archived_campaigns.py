"""The list of archived campaigns, from their stubs in Redis. Their rows can be read with the archive's key only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from starlette.responses import Response

from console.formats import INDIA
from console.visit import Visit
from times_dispatch.ledger.archive_states import ArchiveStates, ArchiveStub
from times_dispatch.ledger.campaigns.pages import CampaignFilter
from times_dispatch.ledger.lanes.names import header_of, is_lane
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.queries import LaneQueries
from times_dispatch.ledger.states import MessageState

ARCHIVED: Final = "archived"
"""The word for these campaigns in the filter of states."""
_MAX_READ: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=INDIA).toordinal()


async def archived_page(
    visit: Visit,
    wanted: CampaignFilter,
    *,
    states: Sequence[str],
    senders: Sequence[str],
    providers: Sequence[str],
) -> Response:
    """Show the newest archived campaigns that fit the filters.

    Args:
        visit: the request.
        wanted: the filters.
        states: the states from which a person can choose.
        senders: the senders from which a person can choose.
        providers: the providers from which a person can choose.
    """
    searched = map(SenderId, [wanted.sender] if wanted.sender else senders)
    with_lanes = {header_of(sender) for sender in await LaneQueries(visit.redis).senders() if is_lane(sender)}
    stubs, left_out = await ArchiveStates(visit.redis).newest(list(searched), limit=_MAX_READ)
    return visit.page(
        "archived_campaigns.html",
        stubs=[stub for stub in stubs if _fits(stub, wanted, has_lanes=stub.sender in with_lanes)],
        left_out=left_out,
        wanted=wanted,
        state=ARCHIVED,
        states=states,
        senders=senders,
        providers=providers,
        archived="",
        is_filtered=True,
    )


def _fits(stub: ArchiveStub, wanted: CampaignFilter, *, has_lanes: bool) -> bool:
    """Return whether a campaign fits; a stub is of the first lane, so other lanes may have other days and codes."""
    words = wanted.words.casefold()
    return (
        (words in stub.name.casefold() or stub.id.startswith(words))
        and wanted.since_ms <= stub.created_ms <= wanted.until_ms
        and wanted.template in {"", stub.template}
        and (has_lanes or not wanted.is_by_sending or _has_sent(stub, wanted))
        and (has_lanes or wanted.reason is None or _may_have_code(stub, *wanted.reason))
    )


def _may_have_code(stub: ArchiveStub, state: MessageState, code: int) -> bool:
    """Return whether messages of a campaign have a code; if an earlier version archived the campaign, they may."""
    return stub.codes is None or f"{state}:{code}" in stub.codes


def _has_sent(stub: ArchiveStub, wanted: CampaignFilter) -> bool:
    """Return whether a campaign counts on one of the wanted days at the wanted provider.

    An earlier version kept no days: a campaign that it created, or sent in part, may have sent on each day from its
    creation to its end, through any provider.
    """
    since, until = wanted.sent_days
    if not stub.sent_days:
        return _day_of(stub.created_ms) <= until and _day_of(stub.ended_ms) >= since
    days = (entry.partition(":") for entry in stub.sent_days.split())
    return any(since <= int(day) <= until and wanted.provider in {"", provider} for day, _, provider in days)


def _day_of(ms: int) -> int:
    """Return the day since the epoch, in India."""
    return datetime.fromtimestamp(ms / 1000, INDIA).toordinal() - _EPOCH
