"""Pages of campaigns by a part of the name, sender, states, days, template and provider, in the order of creation.

Only the campaigns of a page are read, so the cost does not grow with the number of campaigns. A search by anything but
sender and days of creation examines more campaigns: a script makes the search in slices, so that no call keeps Redis
busy for long.
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
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.states import CampaignState

_MAX_EXAMINED: Final = 400
"""How many ended campaigns one call of the script examines: about two milliseconds of Redis' time."""
_MAX_MS: Final = 9_999_999_999_999
_INDIA: Final = ZoneInfo("Asia/Kolkata")
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
        senders = [SenderId(wanted.sender)] if wanted.sender else await self._queries.senders()
        of_senders = await asyncio.gather(
            *(self._of_sender(sender, wanted, count=count + 1, after=after, order=order) for sender in senders)
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
        *,
        count: int,
        after: PagePosition | None,
        order: CampaignOrder,
    ) -> list[PagePosition]:
        """Return the campaigns of a sender that come first in the order.

        Args:
            sender: the sender.
            wanted: which campaigns.
            count: how many, at most.
            after: only campaigns after this one.
            order: which campaigns come first.
        """
        position, matches = after, set[PagePosition]()
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
                order=order.value,
                after_ms=position.created_ms if position else 0,
                after_id=position.id if position else "",
                count=count,
                max_examined=self._max_examined,
            )
            # A live campaign is in the reply of each call that begins before it, and counts once.
            for match in text(reply["matches"]).split():
                created_ms, _, campaign = match.partition(":")
                matches.add(PagePosition(int(created_ms), campaign))
            examined = PagePosition(int(text(reply["examined_ms"])), text(reply["examined_id"]))
            first = sorted(matches, key=lambda match: match.sort_key(order))
            known = [match for match in first if match.sort_key(order) <= examined.sort_key(order)]
            if not examined.id or len(known) >= count:
                return first[:count]
            position = examined

    async def _count(self, senders: Sequence[SenderId], wanted: CampaignFilter) -> int | None:
        if any((wanted.words, wanted.states, wanted.since, wanted.until, wanted.template, wanted.is_by_sending)):
            return None
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                pipe.scard(sender_key(sender, SenderKey.LIVE))
                pipe.zcard(sender_key(sender, SenderKey.ENDED))
            return sum(map(int, await pipe.execute()))


def _midnight_ms(day: date) -> int:
    return int(datetime.combine(day, time(), _INDIA).timestamp() * 1000)


def _end_ms(day: date | None) -> int:
    return _midnight_ms(day + timedelta(days=1)) - 1 if day else _MAX_MS


def _as_in_json(words: str) -> str:
    """Return words escaped as in the JSON of a plan, with small ASCII letters."""
    written = msgspec.json.encode(words)[1:-1].decode("utf-8", "replace")
    return "".join(char.lower() if char.isascii() else char for char in written)
