"""The list of archived campaigns, from their stubs in Redis. Their rows can be read with the archive's key only."""

from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.responses import Response

from console.visit import Visit
from times_dispatch.ledger.archive_states import ArchiveStates
from times_dispatch.ledger.campaign_pages import CampaignFilter
from times_dispatch.ledger.model import SenderId

ARCHIVED: Final = "archived"
"""The word for these campaigns in the filter of states."""
_MAX_READ: Final = 1_000


async def archived_page(
    visit: Visit, wanted: CampaignFilter, *, states: Sequence[str], senders: Sequence[str]
) -> Response:
    """Show the newest archived campaigns that fit the filters.

    Args:
        visit: the request.
        wanted: the filters. The days of sending are left out, because the stubs do not have them.
        states: the states from which a person can choose.
        senders: the senders from which a person can choose.
    """
    searched = map(SenderId, [wanted.sender] if wanted.sender else senders)
    stubs, left_out = await ArchiveStates(visit.redis).newest(list(searched), limit=_MAX_READ)
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
        wanted=msgspec.structs.replace(wanted, sent_since=None, sent_until=None),
        leaves_out_sending=bool(wanted.sent_since or wanted.sent_until),
        state=ARCHIVED,
        states=states,
        senders=senders,
        is_filtered=True,
    )
