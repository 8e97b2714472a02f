"""The list of archived campaigns, from their stubs in Redis. Their rows can be read with the archive's key only."""

from typing import Final

from starlette.responses import Response

from console.visit import Visit
from times_dispatch.ledger.archive_states import ArchiveStates
from times_dispatch.ledger.campaign_pages import CampaignFilter
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState

ARCHIVED: Final = "archived"
"""The word for these campaigns in the filter of states."""
_MAX_READ: Final = 1_000


async def archived_page(visit: Visit, wanted: CampaignFilter) -> Response:
    """Show the newest archived campaigns that fit the filters."""
    senders = [SenderId(wanted.sender)] if wanted.sender else await Queries(visit.redis).senders()
    stubs, left_out = await ArchiveStates(visit.redis).newest(senders, limit=_MAX_READ)
    words = wanted.words.casefold()
    matching = [
        stub
        for stub in stubs
        if (words in stub.name.casefold() or stub.id.startswith(words))
        and wanted.since_ms <= stub.created_ms <= wanted.until_ms
    ]
    return visit.page(
        "archived_campaigns.html",
        stubs=matching,
        left_out=left_out,
        wanted=wanted,
        state=ARCHIVED,
        states=[*CampaignState, ARCHIVED],
        senders=await Queries(visit.redis).senders(),
        is_filtered=True,
    )
