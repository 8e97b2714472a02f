"""What callbacks do with the ledger: apply delivery reports, in groups, any number of times, in any order."""

import asyncio
import struct
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, cast

import msgspec
from redis.asyncio import Redis

from campaigns.model import CampaignId, SenderId
from campaigns.packing import unpack
from campaigns.scripts import Script, campaign_key, text
from campaigns.submission import CAMPAIGNS

_REPORT = struct.Struct(">HBcHI")
_KNOWN_CAMPAIGNS = 10_000


class Report(msgspec.Struct, frozen=True, gc=False):
    """One row of a delivery report that carries one of our ids."""

    campaign: CampaignId
    index: int
    attempt: int
    kind: Literal["delivered", "failed", "clicked", "replied", "intermediate"]
    code: int
    """The failure code; 0 unless failed."""
    ts: int
    """Epoch seconds."""
    digest: bytes = b""
    """Eight bytes that tell one click or reply from another; empty for other kinds."""


class Applied(StrEnum):
    """What a report did."""

    APPLIED = "A"
    DUPLICATE = "D"
    """Nothing changed: it was known, or something better was."""
    STALE = "S"
    """It is about an older attempt."""
    UNKNOWN = "U"
    """There is no such campaign or message."""


def _index(item: tuple[int, Report]) -> int:
    return item[1].index


class Reported:
    """The callbacks' side of the ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._apply = Script(redis, "apply_reports")
        self._campaigns: OrderedDict[CampaignId, tuple[SenderId, int]] = OrderedDict()

    async def apply(self, reports: Sequence[Report]) -> list[Applied]:
        """Apply reports and say for each what it did; one script call per batch of messages, all under way at once."""
        answers = [Applied.UNKNOWN] * len(reports)
        groups: dict[tuple[SenderId, CampaignId, int, int], list[tuple[int, Report]]] = defaultdict(list)
        for position, report in enumerate(reports):
            known = await self._campaign(report.campaign)
            if known:
                sender, size = known
                number = report.index // size
                groups[sender, report.campaign, number, number * size].append((position, report))
        replies = await asyncio.gather(*(self._apply_group(*batch, group) for batch, group in groups.items()))
        for group, reply in zip(groups.values(), replies, strict=True):
            for (position, _), answer in zip(group, reply.decode(), strict=True):
                answers[position] = Applied(answer)
        return answers

    async def numbers(self, reports: Sequence[Report]) -> list[str]:
        """Return the numbers of the messages that reports are about; empty where the ledger cannot tell.

        Each batch is read once.
        """
        numbers = [""] * len(reports)
        batches: dict[tuple[str, int], list[str]] = {}
        for position, report in enumerate(reports):
            known = await self._campaign(report.campaign)
            if not known:
                continue
            sender, size = known
            number, place = divmod(report.index, size)
            batch = campaign_key(sender, report.campaign), number
            if batch not in batches:
                batches[batch] = await self._batch_numbers(*batch)
            if place < len(batches[batch]):
                numbers[position] = batches[batch][place]
        return numbers

    async def _batch_numbers(self, campaign: str, number: int) -> list[str]:
        packed = cast("bytes | None", await self._redis.get(f"{campaign}:p:{number}"))
        try:
            return unpack(packed).to if packed else []
        except ValueError:  # damaged
            return []

    async def _apply_group(
        self, sender: SenderId, campaign: CampaignId, number: int, first: int, group: list[tuple[int, Report]]
    ) -> bytes:
        group.sort(key=_index)  # neighbours are cheaper together; reports of one message stay in their order
        packed = b"".join(
            _REPORT.pack(
                report.index - first,
                report.attempt,
                {"delivered": b"d", "failed": b"f"}.get(report.kind, b"o"),
                min(report.code, 0xFFFF),
                report.ts,
            )
            for _, report in group
        )
        digests = [item for _, report in group if report.digest for item in (report.kind, report.digest)]
        reply: bytes = await self._apply(sender, campaign, number, packed, *digests)
        return reply

    async def _campaign(self, campaign: CampaignId) -> tuple[SenderId, int] | None:
        """Return a campaign's sender and batch size, from memory if it was asked for before."""
        if (known := self._campaigns.get(campaign)) is not None:
            return known
        sender = await self._redis.hget(CAMPAIGNS, campaign)
        if sender is None:
            return None
        size = await self._redis.hget(campaign_key(SenderId(text(sender)), campaign), "size")
        if size is None:
            return None
        known = self._campaigns[campaign] = (SenderId(text(sender)), int(size))
        if len(self._campaigns) > _KNOWN_CAMPAIGNS:
            self._campaigns.popitem(last=False)
        return known
