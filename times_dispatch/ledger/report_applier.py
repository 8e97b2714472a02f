"""The callbacks' side of the ledger: apply delivery reports, in groups, any number of times, in any order."""

import asyncio
import struct
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Literal, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.errors import CampaignUnknown
from times_dispatch.ledger.keys import CAMPAIGNS, BatchKey, CampaignField, batch_key, campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ReportLetter
from times_dispatch.ledger.records import unpack_phones
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.states import MessageState

_REPORT = struct.Struct(">HBcHI")
_MAX_CODE = 0xFFFF
_MAX_KNOWN_CAMPAIGNS = 10_000

ReportKind = Literal[
    "delivered",
    "failed",
    "clicked",
    "replied",
    "opted_out",
    "intermediate",
    "link_previewed",
    "link_scanned",
    "link_probed",
]


class DeliveryReport(msgspec.Struct, frozen=True, gc=False):
    """A report event about one of our messages."""

    campaign: CampaignId
    index: int
    """Index of the message in its campaign."""
    attempt: int
    """The attempt that the correlation id names."""
    kind: ReportKind
    code: int
    """The failure code; 0 unless the report says failed."""
    ts: int
    """The time of the event, in epoch seconds."""
    digest: bytes = b""
    """Eight bytes that tell one click, reply, opt-out or fetch of a link from another; empty for other kinds, and for a
    visit with an id."""
    visit: str = ""
    """The id of a visit of a tracked link: 16 characters that name a links process, a hyphen, and a number. The visit
    counts once, however often it is reported."""
    link: int = 0
    """Which tracked link of the message was clicked, from 1; 0 if that is not known, and for other kinds."""
    asks_to_stop: bool = False
    """Whether a reply asks for no more messages: the statistics count an opt-out."""


class ReportEffect(StrEnum):
    """The effect of a report on its message."""

    APPLIED = "A"
    """The report changed the state of the message."""
    DUPLICATE = "D"
    """The report changed nothing: the ledger had this report, or a report that counts more."""
    STALE = "S"
    """The report changed nothing: it says that an earlier attempt failed."""
    UNKNOWN = "U"
    """The ledger has no such campaign or message."""
    ARCHIVED = "R"
    """The campaign is archived: nothing of it changes any more."""


_LETTERS: dict[ReportKind, bytes] = {
    "delivered": ReportLetter.DELIVERED.value,
    "failed": ReportLetter.FAILED.value,
    "clicked": ReportLetter.ARRIVED.value,
    "replied": ReportLetter.ARRIVED.value,
    "opted_out": ReportLetter.ARRIVED.value,
    "intermediate": ReportLetter.ARRIVED.value,
    "link_previewed": ReportLetter.NOTICED.value,
    "link_scanned": ReportLetter.NOTICED.value,
    "link_probed": ReportLetter.NOTICED.value,
}
_ARCHIVED = frozenset({b"archived", b"erased"})
"""The states of the archive in which the messages of a campaign are not in Redis."""
_EFFECTS = {ord(effect): effect for effect in ReportEffect}


def _letter(visit: DeliveryReport) -> bytes:
    """Return the letter of a report with the id of a visit."""
    letter = _LETTERS[visit.kind]
    return ReportLetter.VISITED.value if letter == ReportLetter.ARRIVED.value else letter


class _KnownCampaign(NamedTuple):
    sender: SenderId
    batch_size: int


class ReportApplier:
    """Applies delivery reports; remembers the senders of up to *max_known_campaigns* campaigns."""

    def __init__(self, redis: Redis, *, max_known_campaigns: int = _MAX_KNOWN_CAMPAIGNS) -> None:
        self._redis = redis
        self._max_known_campaigns = max_known_campaigns
        self._apply = Script(redis, "apply_reports")
        self._campaigns: OrderedDict[CampaignId, _KnownCampaign] = OrderedDict()

    async def apply(self, reports: Sequence[DeliveryReport]) -> list[ReportEffect]:
        """Apply reports, and return the effect of each. Makes one script call per batch, all calls at the same time."""
        effects = [ReportEffect.UNKNOWN] * len(reports)
        campaigns = {campaign: await self._campaign(campaign) for campaign in {report.campaign for report in reports}}
        batches: dict[tuple[CampaignId, int], list[int]] = defaultdict(list)
        for position, report in enumerate(reports):
            if known_campaign := campaigns[report.campaign]:
                batches[report.campaign, report.index // known_campaign.batch_size].append(position)
        # Reports of neighbouring messages are cheaper together; reports of one message stay in their order.
        by_index = [report.index for report in reports].__getitem__
        calls = []
        for (campaign, batch_number), positions in batches.items():
            if known_campaign := campaigns[campaign]:
                positions.sort(key=by_index)
                of_batch = [reports[position] for position in positions]
                calls.append(self._apply_to_batch(known_campaign, campaign, batch_number, of_batch))
        for positions, batch_effects in zip(batches.values(), await asyncio.gather(*calls), strict=True):
            for position, effect in zip(positions, batch_effects, strict=True):
                effects[position] = _EFFECTS[effect]
        if ReportEffect.UNKNOWN not in effects:
            return effects
        unknown = {reports[at].campaign for at, effect in enumerate(effects) if effect is ReportEffect.UNKNOWN}
        if archived := await self._archived(unknown):
            for position, report in enumerate(reports):
                if report.campaign in archived:
                    effects[position] = ReportEffect.ARCHIVED
        return effects

    async def _archived(self, campaigns: Collection[CampaignId]) -> set[CampaignId]:
        """Return those of these campaigns that are archived."""
        wanted = list(campaigns)
        senders = await self._redis.hmget(CAMPAIGNS, wanted)
        known = [(id_, SenderId(text(sender))) for id_, sender in zip(wanted, senders, strict=True) if sender]
        async with self._redis.pipeline(transaction=False) as pipe:
            for campaign, sender in known:
                pipe.hget(campaign_key(sender, campaign), CampaignField.ARCHIVE)
            states = await pipe.execute()
        return {campaign for (campaign, _), state in zip(known, states, strict=True) if state in _ARCHIVED}

    async def phones(self, reports: Sequence[DeliveryReport]) -> list[str]:
        """Return the phones of the messages that reports are about; empty where the ledger does not know the phone.

        Each batch is read once.
        """
        phones = [""] * len(reports)
        batches: dict[tuple[CampaignId, int], list[str]] = {}
        for position, report in enumerate(reports):
            known_campaign = await self._campaign(report.campaign)
            if not known_campaign:
                continue
            batch_number, index = divmod(report.index, known_campaign.batch_size)
            batch = report.campaign, batch_number
            if batch not in batches:
                batches[batch] = await self._phones_of_batch(known_campaign.sender, report.campaign, batch_number)
            if index < len(batches[batch]):
                phones[position] = batches[batch][index]
        return phones

    async def are_delivered(self, reports: Sequence[DeliveryReport]) -> list[bool]:
        """Return for each report whether its message counts as delivered now; raise CampaignUnknown."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for report in reports:
                known_campaign = await self._campaign(report.campaign)
                if not known_campaign:
                    raise CampaignUnknown(report.campaign)
                batch_number, index = divmod(report.index, known_campaign.batch_size)
                pipe.getrange(
                    batch_key(known_campaign.sender, report.campaign, BatchKey.MESSAGES, batch_number), index, index
                )
            states = await pipe.execute()
        return [state == MessageState.DELIVERED.value.encode() for state in states]

    async def _phones_of_batch(self, sender: SenderId, campaign: CampaignId, batch_number: int) -> list[str]:
        key = batch_key(sender, campaign, BatchKey.RECIPIENTS, batch_number)
        packed = cast("bytes | None", await self._redis.get(key))
        try:
            return unpack_phones(packed) if packed else []
        except ValueError:  # damaged
            return []

    async def _apply_to_batch(
        self, known: _KnownCampaign, campaign: CampaignId, batch_number: int, reports: Sequence[DeliveryReport]
    ) -> bytes:
        pack, letters, first = _REPORT.pack, _LETTERS, batch_number * known.batch_size
        packed = b"".join(
            [
                pack(
                    report.index - first,
                    report.attempt,
                    _letter(report) if report.visit else letters[report.kind],
                    code if (code := report.code) <= _MAX_CODE else _MAX_CODE,
                    report.ts,
                )
                for report in reports
            ]
        )
        reactions = [
            {
                "kind": kind,
                "index": report.index - first,
                "link": report.link,
                "digest": report.digest,
                "visit": report.visit,
            }
            for report in reports
            if report.digest or report.visit
            for kind in ((report.kind, "opted_out") if report.asks_to_stop else (report.kind,))
        ]
        reply = await self._apply(
            known.sender, campaign=campaign, batch_number=batch_number, reports=packed, reactions=reactions
        )
        effects: bytes = reply["effects"]
        return effects

    async def _campaign(self, campaign: CampaignId) -> _KnownCampaign | None:
        """Return a campaign's sender and batch size; remember them for later calls."""
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
