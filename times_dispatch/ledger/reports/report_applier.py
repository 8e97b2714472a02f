"""Applies delivery reports to the ledger, in groups, any number of times, in any order."""

import struct
from bisect import bisect_left
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple

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
_REPORTS_AT_ONCE: Final = 4_000
"""How many reports one round trip applies; packing the reports takes some milliseconds, and so does each script."""
_BATCHES_AT_ONCE: Final = 32
"""How many batches are read together: their recipients are some hundred kilobytes, unpacked in some milliseconds."""

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
    """The id of a visit of a tracked link: 16 characters that name a links process, a hyphen, and a number. A visit
    counts once, however often it is reported."""
    link: int = 0
    """Which tracked link of the message was clicked, from 1; 0 if the link is not known, and for other kinds."""
    asks_to_stop: bool = False
    """Whether a reply asks for no more messages: the statistics count an opt-out."""


class ReportEffect(StrEnum):
    """The effect of a report on its message."""

    APPLIED = "A"
    """The report changed the state of the message."""
    CORRECTED = "C"
    """The report changed the state of the message to delivered, after a report that said failed."""
    DUPLICATE = "D"
    """The report changed nothing, because the ledger had this report, or a report with precedence."""
    STALE = "S"
    """The report changed nothing, because it says that an earlier attempt failed."""
    UNKNOWN = "U"
    """The ledger has no such campaign or message."""
    ARCHIVED = "R"
    """The campaign is archived, so its messages no longer change."""


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


class _OfBatch(NamedTuple):
    """Reports of one batch, by their positions among all reports, in the order of their messages."""

    known: _KnownCampaign
    campaign: CampaignId
    batch_number: int
    positions: list[int]


def _at_once(by_batch: Sequence[_OfBatch]) -> Iterator[list[_OfBatch]]:
    """Yield groups of batches whose reports are applied in one round trip."""
    group, reports = list[_OfBatch](), 0
    for of_batch in by_batch:
        reports += len(of_batch.positions)
        if group and reports > _REPORTS_AT_ONCE:
            yield group
            group, reports = [], len(of_batch.positions)
        group.append(of_batch)
    if group:
        yield group


def _call(of_batch: _OfBatch, all_reports: Sequence[DeliveryReport]) -> tuple[SenderId, dict[str, Any]]:
    """Return the sender and the arguments of the script."""
    known, campaign, batch_number, positions = of_batch
    reports = [all_reports[position] for position in positions]
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
    return known.sender, {
        "campaign": campaign,
        "batch_number": batch_number,
        "reports": packed,
        "reactions": reactions,
    }


def _unpack_phones(packed: bytes | None) -> list[str]:
    """Return the phones of a batch; no phones if its recipients are missing or damaged."""
    try:
        return unpack_phones(packed) if packed else []
    except ValueError:
        return []


class ReportApplier:
    """Applies delivery reports; remembers the senders of up to *max_known_campaigns* campaigns."""

    def __init__(self, redis: Redis, *, max_known_campaigns: int = _MAX_KNOWN_CAMPAIGNS) -> None:
        self._redis = redis
        self._max_known_campaigns = max_known_campaigns
        self._apply = Script(redis, "apply_reports")
        self._campaigns: OrderedDict[CampaignId, _KnownCampaign] = OrderedDict()

    async def apply(self, reports: Sequence[DeliveryReport]) -> list[ReportEffect]:
        """Apply reports, and return the effect of each. Makes one script call per batch, some in one round trip.

        The reports of a batch that has very many of them are applied in several calls, one after the other.
        """
        effects = [ReportEffect.UNKNOWN] * len(reports)
        for group in _at_once(await self._by_batch(reports)):
            replies = await self._apply.together([_call(of_batch, reports) for of_batch in group])
            for of_batch, reply in zip(group, replies, strict=True):
                for position, effect in zip(of_batch.positions, reply["effects"], strict=True):
                    effects[position] = _EFFECTS[effect]
        if ReportEffect.UNKNOWN not in effects:
            return effects
        unknown = {reports[at].campaign for at, effect in enumerate(effects) if effect is ReportEffect.UNKNOWN}
        if archived := await self._archived(unknown):
            for position, report in enumerate(reports):
                if report.campaign in archived:
                    effects[position] = ReportEffect.ARCHIVED
        return effects

    async def _by_batch(self, reports: Sequence[DeliveryReport]) -> list[_OfBatch]:
        """Return reports by batch, without reports about campaigns that the ledger does not have.

        If a batch has more reports than one call applies, its reports are divided.
        """
        positions_of: dict[CampaignId, list[int]] = defaultdict(list)
        for position, report in enumerate(reports):
            positions_of[report.campaign].append(position)
        by_index = [report.index for report in reports].__getitem__
        by_batch = list[_OfBatch]()
        for campaign, positions in positions_of.items():
            known = await self._campaign(campaign)
            if not known:
                continue
            # Reports of neighbouring messages are cheaper together; reports of one message stay in their order.
            positions.sort(key=by_index)
            begin = 0
            while begin < len(positions):
                batch_number = by_index(positions[begin]) // known.batch_size
                end = bisect_left(positions, (batch_number + 1) * known.batch_size, begin, key=by_index)
                end = min(end, begin + _REPORTS_AT_ONCE)
                by_batch.append(_OfBatch(known, campaign, batch_number, positions[begin:end]))
                begin = end
        return by_batch

    async def _archived(self, campaigns: Collection[CampaignId]) -> set[CampaignId]:
        """Return the archived campaigns among these campaigns."""
        wanted = list(campaigns)
        senders = await self._redis.hmget(CAMPAIGNS, wanted)
        known = [(id_, SenderId(text(sender))) for id_, sender in zip(wanted, senders, strict=True) if sender]
        async with self._redis.pipeline(transaction=False) as pipe:
            for campaign, sender in known:
                pipe.hget(campaign_key(sender, campaign), CampaignField.ARCHIVE)
            states = await pipe.execute()
        return {campaign for (campaign, _), state in zip(known, states, strict=True) if state in _ARCHIVED}

    async def phones(self, reports: Sequence[DeliveryReport]) -> list[str]:
        """Return the phones of the messages that reports are about; empty if the ledger does not have the phone.

        Each batch is read once, and several batches are read at the same time.
        """
        phones = [""] * len(reports)
        by_batch = await self._by_batch(reports)
        for begin in range(0, len(by_batch), _BATCHES_AT_ONCE):
            read = by_batch[begin : begin + _BATCHES_AT_ONCE]
            async with self._redis.pipeline(transaction=False) as pipe:
                for known, campaign, batch_number, _ in read:
                    pipe.get(batch_key(known.sender, campaign, BatchKey.RECIPIENTS, batch_number))
                recipients = await pipe.execute()
            for (known, _, batch_number, positions), packed in zip(read, recipients, strict=True):
                of_batch, first = _unpack_phones(packed), batch_number * known.batch_size
                for position in positions:
                    if (index := reports[position].index - first) < len(of_batch):
                        phones[position] = of_batch[index]
        return phones

    async def are_delivered(self, reports: Sequence[DeliveryReport]) -> list[bool]:
        """Return for each report whether its message is delivered now.

        Raises:
            CampaignUnknown: the ledger does not have the campaign of a report.
        """
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
