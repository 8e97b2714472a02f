"""What callbacks do with the ledger: apply delivery reports, in groups, any number of times, in any order."""

import asyncio
import struct
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, cast

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.records import unpack_recipients
from times_dispatch.ledger.scripts import Script, campaign_key, text
from times_dispatch.ledger.submission import CAMPAIGNS

_REPORT = struct.Struct(">HBcHI")
_HIGHEST_CODE = 0xFFFF
_KNOWN_CAMPAIGNS = 10_000

ReportKind = Literal["delivered", "failed", "clicked", "replied", "intermediate"]


class DeliveryReport(msgspec.Struct, frozen=True, gc=False):
    """One row of a delivery report that carries one of our ids."""

    campaign: CampaignId
    index: int
    attempt: int
    kind: ReportKind
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


_LETTERS: dict[ReportKind, bytes] = {
    "delivered": b"d",
    "failed": b"f",
    "clicked": b"o",
    "replied": b"o",
    "intermediate": b"o",
}
_ANSWERS = {ord(answer): answer for answer in Applied}


class ReportApplier:
    """The callbacks' side of the ledger."""

    def __init__(self, redis: Redis, *, max_known_campaigns: int = _KNOWN_CAMPAIGNS) -> None:
        self._redis = redis
        self._max_known_campaigns = max_known_campaigns
        self._apply = Script(redis, "apply_reports")
        self._campaigns: OrderedDict[CampaignId, tuple[SenderId, int]] = OrderedDict()

    async def apply(self, reports: Sequence[DeliveryReport]) -> list[Applied]:
        """Apply reports and say for each what it did; one script call per batch of messages, all under way at once."""
        answers = [Applied.UNKNOWN] * len(reports)
        campaigns = {campaign: await self._campaign(campaign) for campaign in {report.campaign for report in reports}}
        batches: dict[tuple[CampaignId, int], list[int]] = defaultdict(list)
        for position, report in enumerate(reports):
            if known := campaigns[report.campaign]:
                batches[report.campaign, report.index // known[1]].append(position)
        # Neighbours are cheaper together; reports of one message stay in their order.
        by_index = [report.index for report in reports].__getitem__
        calls = []
        for (campaign, number), positions in batches.items():
            if known := campaigns[campaign]:
                positions.sort(key=by_index)
                calls.append(self._apply_to_batch(*known, campaign, number, [reports[at] for at in positions]))
        for positions, reply in zip(batches.values(), await asyncio.gather(*calls), strict=True):
            for position, answer in zip(positions, reply, strict=True):
                answers[position] = _ANSWERS[answer]
        return answers

    async def numbers(self, reports: Sequence[DeliveryReport]) -> list[str]:
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
            return unpack_recipients(packed).to if packed else []
        except ValueError:  # damaged
            return []

    async def _apply_to_batch(
        self, sender: SenderId, size: int, campaign: CampaignId, number: int, reports: Sequence[DeliveryReport]
    ) -> bytes:
        pack, letters, first = _REPORT.pack, _LETTERS, number * size
        packed = b"".join(
            [
                pack(
                    report.index - first,
                    report.attempt,
                    letters[report.kind],
                    code if (code := report.code) <= _HIGHEST_CODE else _HIGHEST_CODE,
                    report.ts,
                )
                for report in reports
            ]
        )
        digests = [item for report in reports if report.digest for item in (report.kind, report.digest)]
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
        if len(self._campaigns) > self._max_known_campaigns:
            self._campaigns.popitem(last=False)
        return known
