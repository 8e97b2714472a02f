"""Pages of campaigns by name, sender, states, days, template, provider and code, in the order of creation.

Only the campaigns of a page are read, so the cost does not grow with the number of campaigns. A search by anything but
sender and days of creation examines more campaigns: a script makes the search in slices, so that no call keeps Redis
busy for long.

The messages of a campaign in lanes are counted by each lane. So the state of such a campaign is read from all lanes,
and each lane is searched for the days, the provider and the code.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import SenderKey, sender_key
from times_dispatch.ledger.lanes.names import header_of, is_lane
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.states import CampaignState, MessageState

_MAX_EXAMINED: Final = 400
"""How many ended campaigns one call of the script examines: about two milliseconds of Redis' time."""
_CANDIDATES: Final = 200
"""How many campaigns in lanes are compared at a time."""
_MAX_MS: Final = 9_999_999_999_999
_INDIA: Final = ZoneInfo("Asia/Kolkata")
_ENDED: Final = frozenset({CampaignState.FINISHED, CampaignState.CANCELLED})
_EPOCH: Final = date(1970, 1, 1)


class CampaignOrder(StrEnum):
    """Which campaigns come first, by the time of their creation."""

    NEWEST = "newest"
    OLDEST = "oldest"


class CampaignFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The campaigns to find; an empty field matches all campaigns."""

    words: str = ""
    """A part of the name, in any case of ASCII letters, or the beginning of the id."""
    sender: SenderId | str = ""
    states: frozenset[CampaignState] = frozenset()
    since: date | None = None
    """The first day of creation, in India."""
    until: date | None = None
    """The last day of creation, in India."""
    template: str = ""
    """The name of a template."""
    provider: str = ""
    """Only campaigns that the statistics count at this provider."""
    sent_since: date | None = None
    """Only campaigns that the statistics count on this day, in India, or later."""
    sent_until: date | None = None
    """Only campaigns that the statistics count on this day, in India, or before."""
    reason: tuple[MessageState, int] | None = None
    """Only campaigns that have messages in this state with this code."""

    @property
    def since_ms(self) -> int:
        """The first moment of creation, in epoch milliseconds."""
        return _midnight_ms(self.since) if self.since else 0

    @property
    def until_ms(self) -> int:
        """The last moment of creation, in epoch milliseconds."""
        return _end_ms(self.until)

    @property
    def is_by_sending(self) -> bool:
        """Whether only campaigns that sent on some days, or through a provider, match."""
        return bool(self.sent_since or self.sent_until or self.provider)

    @property
    def is_by_counts(self) -> bool:
        """Whether the counts of messages, which each lane of a campaign has of its own, decide."""
        return self.is_by_sending or self.reason is not None

    @property
    def sent_days(self) -> tuple[int, int]:
        """The first and the last day of sending, in days since the epoch; two zeros match all campaigns."""
        if not self.is_by_sending:
            return 0, 0
        since, until = self.sent_since or _EPOCH, self.sent_until or date.max
        return (since - _EPOCH).days, (until - _EPOCH).days


class PagePosition(msgspec.Struct, frozen=True):
    """The campaign after which a page begins."""

    created_ms: int
    id: str

    def sort_key(self, order: "CampaignOrder") -> tuple[int, list[int]]:
        """Return the key by which positions are sorted in an order."""
        sign = -1 if order is CampaignOrder.NEWEST else 1
        return sign * self.created_ms, [sign * ord(letter) for letter in self.id]

    def __str__(self) -> str:
        """Return the position as the text in a URL."""
        return f"{self.created_ms}-{self.id}"

    @classmethod
    def parse(cls, written: str) -> "PagePosition | None":
        """Return the position that the text in a URL means; None if the text is empty or damaged."""
        created_ms, dash, campaign = written.partition("-")
        is_position = dash and created_ms.isascii() and created_ms.isdecimal() and len(created_ms) < 15
        return cls(int(created_ms), campaign[:16]) if is_position else None


class CampaignPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some campaigns, and where the next page begins."""

    campaigns: list[CampaignView]
    next: PagePosition | None
    """None if this is the last page."""
    total: int | None
    """How many campaigns match the filter; None if counting would need a search through all campaigns."""
    damaged: list[CampaignDamaged]


class _Part(msgspec.Struct, frozen=True):
    """A part of the campaigns in their order."""

    count: int
    """How many campaigns, at most."""
    after: PagePosition | None
    """Only campaigns after this position."""
    order: CampaignOrder


class CampaignPages:
    """Reads pages of campaigns."""

    def __init__(self, redis: Redis, *, max_examined: int = _MAX_EXAMINED) -> None:
        """Make a reader of pages.

        Args:
            redis: the ledger.
            max_examined: how many ended campaigns one call of the script examines.
        """
        self._redis = redis
        self._max_examined = max_examined
        self._queries = Queries(redis)
        self._search = Script(redis, "search_campaigns")

    async def page(
        self,
        wanted: CampaignFilter,
        *,
        count: int = 50,
        after: PagePosition | None = None,
        order: CampaignOrder = CampaignOrder.NEWEST,
    ) -> CampaignPage:
        """Return a page of campaigns.

        Args:
            wanted: which campaigns.
            count: how many, at most.
            after: where the page begins; by default the first page.
            order: which campaigns come first.
        """
        every = await LaneQueries(self._redis).senders()
        senders = [SenderId(wanted.sender)] if wanted.sender else [sender for sender in every if not is_lane(sender)]
        with_lanes = {header_of(sender) for sender in every if is_lane(sender)}
        part = _Part(count + 1, after, order)
        of_senders = await asyncio.gather(
            *(
                self._in_lanes(sender, wanted, part)
                if sender in with_lanes and (wanted.states or wanted.is_by_counts)
                else self._of_sender(sender, wanted, part)
                for sender in senders
            )
        )
        matches = [(match, sender) for sender, several in zip(senders, of_senders, strict=True) for match in several]
        matches.sort(key=lambda match: match[0].sort_key(order))
        rows, damaged = matches[:count], list[CampaignDamaged]()
        ids = [(CampaignId(position.id), sender) for position, sender in rows]
        views = {view.id: view for view in await self._queries.some(ids, damaged=damaged)}
        return CampaignPage(
            campaigns=[views[campaign] for campaign, _ in ids if campaign in views],
            next=rows[-1][0] if len(matches) > count else None,
            total=await self._count(senders, wanted),
            damaged=damaged,
        )

    async def _of_sender(
        self,
        sender: SenderId,
        wanted: CampaignFilter,
        part: _Part,
    ) -> list[PagePosition]:
        """Return the campaigns of a sender that come first."""
        position, matches = part.after, set[PagePosition]()
        sent_since_day, sent_until_day = wanted.sent_days
        while True:
            reply = await self._search(
                sender,
                words=_as_in_json(wanted.words),
                states=f" {' '.join(sorted(wanted.states))} " if wanted.states else "",
                since_ms=wanted.since_ms,
                until_ms=wanted.until_ms,
                template=wanted.template,
                provider=wanted.provider,
                sent_since_day=sent_since_day,
                sent_until_day=sent_until_day,
                reason=f"{wanted.reason[0]}:{wanted.reason[1]}" if wanted.reason else "",
                order=part.order.value,
                after_ms=position.created_ms if position else 0,
                after_id=position.id if position else "",
                count=part.count,
                max_examined=self._max_examined,
            )
            # A live campaign is in the reply of each call that begins before it, and counts once.
            for match in text(reply["matches"]).split():
                created_ms, _, campaign = match.partition(":")
                matches.add(PagePosition(int(created_ms), campaign))
            examined = PagePosition(int(text(reply["examined_ms"])), text(reply["examined_id"]))
            first = sorted(matches, key=lambda match: match.sort_key(part.order))
            known = [match for match in first if match.sort_key(part.order) <= examined.sort_key(part.order)]
            if not examined.id or len(known) >= part.count:
                return first[: part.count]
            position = examined

    async def _in_lanes(
        self,
        sender: SenderId,
        wanted: CampaignFilter,
        part: _Part,
    ) -> list[PagePosition]:
        """Return the campaigns of a sender with lanes that come first.

        The first lane gives the campaigns in their order; then all lanes of each campaign decide whether it matches.
        """
        of_first_lane = msgspec.structs.replace(
            wanted, states=frozenset(), provider="", sent_since=None, sent_until=None, reason=None
        )
        live = await self._live(sender) if wanted.states and not wanted.states & _ENDED else None
        position, matches = part.after, list[PagePosition]()
        while True:
            candidates = await self._of_sender(sender, of_first_lane, _Part(_CANDIDATES, position, part.order))
            likely = [each for each in candidates if live is None or each.id in live]
            ids = [(CampaignId(each.id), sender) for each in likely]
            views = {view.id: view for view in await self._queries.some(ids, damaged=[])}
            fit = await asyncio.gather(*(self._fits(views.get(campaign), wanted) for campaign, _ in ids))
            matches += [each for each, is_match in zip(likely, fit, strict=True) if is_match]
            if len(matches) >= part.count or len(candidates) < _CANDIDATES:
                return matches[: part.count]
            position = candidates[-1]

    async def _live(self, sender: SenderId) -> set[str]:
        """Return the campaigns of a sender of which a lane has not ended, and those that cannot be read."""
        damaged = list[CampaignDamaged]()
        views = await self._queries.live(sender, damaged=damaged)
        return {*(view.id for view in views), *(damage.campaign for damage in damaged)}

    async def _fits(self, view: CampaignView | None, wanted: CampaignFilter) -> bool:
        """Return whether a campaign has a wanted state, and one of its lanes the wanted counts.

        A campaign without a view is damaged, and matches, so that the page names the damage.
        """
        if view is None:
            return True
        if wanted.states and view.state not in wanted.states:
            return False
        if not wanted.is_by_counts:
            return True
        matches = await asyncio.gather(
            *(
                self._of_sender(
                    lane.plan.sender,
                    msgspec.structs.replace(
                        wanted, words=lane.id, states=frozenset(), since=_day_of(lane), until=_day_of(lane)
                    ),
                    _Part(count=1, after=None, order=CampaignOrder.NEWEST),
                )
                for lane in view.lanes or [view]
            )
        )
        return any(matches)

    async def _count(self, senders: Sequence[SenderId], wanted: CampaignFilter) -> int | None:
        if any((wanted.words, wanted.states, wanted.since, wanted.until, wanted.template, wanted.is_by_counts)):
            return None
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                pipe.scard(sender_key(sender, SenderKey.LIVE))
                pipe.zcard(sender_key(sender, SenderKey.ENDED))
            return sum(map(int, await pipe.execute()))


def _midnight_ms(day: date) -> int:
    return int(datetime.combine(day, time(), _INDIA).timestamp() * 1000)


def _day_of(view: CampaignView) -> date:
    return datetime.fromtimestamp(view.created_ms / 1000, _INDIA).date()


def _end_ms(day: date | None) -> int:
    return _midnight_ms(day + timedelta(days=1)) - 1 if day else _MAX_MS


def _as_in_json(words: str) -> str:
    """Return words escaped as in the JSON of a plan, with small ASCII letters."""
    written = msgspec.json.encode(words)[1:-1].decode("utf-8", "replace")
    return "".join(char.lower() if char.isascii() else char for char in written)
