"""The search for the campaign that a person means by an id, the beginning of an id, a name, or ``last``."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from redis.asyncio import Redis

from times_dispatch.ledger.archive_states import ArchiveStates, ArchiveStub
from times_dispatch.ledger.campaigns.words import state_in_words
from times_dispatch.ledger.errors import CampaignAmbiguous, CampaignArchived, CampaignUnknown
from times_dispatch.ledger.keys import CAMPAIGNS
from times_dispatch.ledger.lanes.names import is_lane
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.scripts import text as as_text
from times_dispatch.similar_names import similar_name

LAST = "last"
"""The word for the campaign that was created last."""
MAX_NAMED = 500
"""How many ended campaigns are searched by name, the newest first; all live campaigns are searched."""
_PAGE = 10_000
_ID_LETTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")
_ID_LENGTH = 8


class CampaignSearch:
    """Finds campaigns as people name them. An id takes one call; other words read live and newest ended campaigns."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queries = Queries(redis)
        self._archives = ArchiveStates(redis)

    async def find(self, words: str) -> CampaignId:
        """Return the campaign with this id, with an id that begins with the words, or with this name; or the last one.

        Raises:
            CampaignUnknown: No campaign matches.
            CampaignAmbiguous: Several campaigns match; the message names them.
        """
        if sender := await self._redis.hget(CAMPAIGNS, words):
            if is_lane(as_text(sender)):
                with suppress(CampaignArchived):  # the readers of the archive find the whole campaign of this lane
                    return (await self._queries.campaign(CampaignId(words))).id
            return CampaignId(words)
        views, _ = await self._queries.live_and_ended(max_ended=1 if words == LAST else MAX_NAMED, damaged=[])
        stubs, _ = await self._archives.newest(await self._queries.senders(), limit=1 if words == LAST else MAX_NAMED)
        if words == LAST and (views or stubs):
            newest = [*((view.created_ms, view.id) for view in views), *((stub.created_ms, stub.id) for stub in stubs)]
            return max(newest)[1]
        named = [view.id for view in views if view.plan.name == words]
        named += [stub.id for stub in stubs if stub.name == words]
        matches = list(dict.fromkeys(chain(named, await self._beginning_with(words))))
        if len(matches) > 1:
            raise CampaignAmbiguous(words, _described(matches, views, stubs))
        if not matches:
            ids = [LAST, *(view.id for view in views), *(stub.id for stub in stubs)]
            similar = similar_name(words, (view.plan.name for view in views)) or similar_name(words, ids, cutoff=0.75)
            raise CampaignUnknown(words, similar=similar)
        return matches[0]

    async def _beginning_with(self, words: str) -> list[CampaignId]:
        if not words or len(words) > _ID_LENGTH or not _ID_LETTERS.issuperset(words):
            return []
        page: Any
        cursor, matches = 0, list[CampaignId]()
        while True:
            cursor, page = await self._redis.hscan(CAMPAIGNS, cursor, match=f"{words}*", count=_PAGE)
            matches += [CampaignId(as_text(each)) for each, sender in page.items() if not is_lane(as_text(sender))]
            if not cursor:
                return sorted(matches)


def _described(matches: Sequence[CampaignId], views: Sequence[CampaignView], stubs: Sequence[ArchiveStub]) -> list[str]:
    known = {stub.id: f"{stub.id} ({stub.name}, {stub.state})" for stub in stubs}
    known |= {view.id: f"{view.id} ({view.plan.name}, {state_in_words(view)})" for view in views}
    return [known.get(campaign, campaign) for campaign in matches]
