"""What callbacks do with the ledger: apply delivery reports, in groups, any number of times, in any order."""

import asyncio
import struct
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import CAMPAIGNS, BatchKey, CampaignField, batch_key, campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ReportLetter
from times_dispatch.ledger.records import unpack_recipients
from times_dispatch.ledger.scripts import Script, text

_REPORT = struct.Struct(">HBcHI")
_MAX_CODE = 0xFFFF
_MAX_KNOWN_CAMPAIGNS = 10_000

ReportKind = Literal["delivered", "failed", "clicked", "replied", "intermediate"]


class DeliveryReport(msgspec.Struct, frozen=True, gc=False):
    """One row of a delivery report that carries one of our ids."""

    campaign: CampaignId
    index: int
    """Of the message in its campaign."""
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
    """Nothing changed: the report was known, or a better one was."""
    STALE = "S"
    """The report is about an older attempt."""
    UNKNOWN = "U"
    """There is no such campaign or message."""


_LETTERS: dict[ReportKind, bytes] = {
    "delivered": ReportLetter.DELIVERED.value,
    "failed": ReportLetter.FAILED.value,
    "clicked": ReportLetter.ARRIVED.value,
    "replied": ReportLetter.ARRIVED.value,
    "intermediate": ReportLetter.ARRIVED.value,
}
_ANSWERS = {ord(answer): answer for answer in Applied}


class _KnownCampaign(NamedTuple):
    sender: SenderId
    batch_size: int


class ReportApplier:
    """The callbacks' side of the ledger; remembers the sender of up to *max_known_campaigns* campaigns."""

    def __init__(self, redis: Redis, *, max_known_campaigns: int = _MAX_KNOWN_CAMPAIGNS) -> None:
        self._redis = redis
        self._max_known_campaigns = max_known_campaigns
        self._apply = Script(redis, "apply_reports")
        self._campaigns: OrderedDict[CampaignId, _KnownCampaign] = OrderedDict()

    async def apply(self, reports: Sequence[DeliveryReport]) -> list[Applied]:
        """Apply reports and say for each what it did; one script call per batch of messages, all under way at once."""
        answers = [Applied.UNKNOWN] * len(reports)
        campaigns = {campaign: await self._campaign(campaign) for campaign in {report.campaign for report in reports}}
        batches: dict[tuple[CampaignId, int], list[int]] = defaultdict(list)
        for position, report in enumerate(reports):
            if known := campaigns[report.campaign]:
                batches[report.campaign, report.index // known.batch_size].append(position)
        # Neighbours are cheaper together; reports of one message stay in their order.
        by_index = [report.index for report in reports].__getitem__
        calls = []
        for (campaign, number), positions in batches.items():
            if known := campaigns[campaign]:
                positions.sort(key=by_index)
                calls.append(self._apply_to_batch(known, campaign, number, [reports[at] for at in positions]))
        for positions, batch_answers in zip(batches.values(), await asyncio.gather(*calls), strict=True):
            for position, answer in zip(positions, batch_answers, strict=True):
                answers[position] = _ANSWERS[answer]
        return answers

    async def numbers(self, reports: Sequence[DeliveryReport]) -> list[str]:
        """Return the phone numbers of the messages that reports are about; empty where the ledger cannot tell.

        Each batch is read once.
        """
        numbers = [""] * len(reports)
        batches: dict[tuple[CampaignId, int], list[str]] = {}
        for position, report in enumerate(reports):
            known = await self._campaign(report.campaign)
            if not known:
                continue
            number, index = divmod(report.index, known.batch_size)
            batch = report.campaign, number
            if batch not in batches:
                batches[batch] = await self._batch_numbers(known.sender, report.campaign, number)
            if index < len(batches[batch]):
                numbers[position] = batches[batch][index]
        return numbers

    async def _batch_numbers(self, sender: SenderId, campaign: CampaignId, number: int) -> list[str]:
        key = batch_key(sender, campaign, BatchKey.RECIPIENTS, number)
        packed = cast("bytes | None", await self._redis.get(key))
        try:
            return unpack_recipients(packed).to if packed else []
        except ValueError:  # damaged
            return []

    async def _apply_to_batch(
        self, known: _KnownCampaign, campaign: CampaignId, number: int, reports: Sequence[DeliveryReport]
    ) -> bytes:
        pack, letters, first = _REPORT.pack, _LETTERS, number * known.batch_size
        packed = b"".join(
            [
                pack(
                    report.index - first,
                    report.attempt,
                    letters[report.kind],
                    code if (code := report.code) <= _MAX_CODE else _MAX_CODE,
                    report.ts,
                )
                for report in reports
            ]
        )
        reactions = [{"kind": report.kind, "digest": report.digest} for report in reports if report.digest]
        reply = await self._apply(known.sender, campaign=campaign, number=number, reports=packed, reactions=reactions)
        answers: bytes = reply["answers"]
        return answers

    async def _campaign(self, campaign: CampaignId) -> _KnownCampaign | None:
        """Return a campaign's sender and batch size, from memory if it was asked for before."""
        if (known := self._campaigns.get(campaign)) is not None:
            return known
        sender = await self._redis.hget(CAMPAIGNS, campaign)
        if sender is None:
            return None
        key = campaign_key(SenderId(text(sender)), campaign)
        batch_size = await self._redis.hget(key, CampaignField.BATCH_SIZE)
        if batch_size is None:
            return None
        known = self._campaigns[campaign] = _KnownCampaign(SenderId(text(sender)), int(batch_size))
        if len(self._campaigns) > self._max_known_campaigns:
            self._campaigns.popitem(last=False)
        return known
