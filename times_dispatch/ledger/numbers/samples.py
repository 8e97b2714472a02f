"""Samples of the numbers of recent campaigns, by which a submit finds campaigns to the same people.

A sample is the 1,024 smallest hashes of a campaign's numbers, four bytes each. A full sample has all hashes up to its
largest hash, so two samples can be compared up to the smaller of their largest hashes. The share of equal hashes in
this range is about the share of equal numbers. The samples of campaigns with at most 1,024 numbers are complete.
"""

import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.keys import CampaignKey, SenderKey, campaign_key, sender_key
from times_dispatch.ledger.model import CampaignId, Plan, SenderId
from times_dispatch.ledger.scripts import text

MAX_HASHES = 1_024
KEPT = timedelta(days=3)
"""How long a sample is kept after the submit, or after the start of a campaign that starts later."""
_MAX_CAMPAIGNS = 500
_MIN_COMPARED = 16
"""The fewest hashes of a larger campaign that give a usable share."""
_PRIME = (1 << 61) - 1
_FACTOR = 1_415_926_535_897_932_384
_LIMIT = 1 << 32


class NumberSample:
    """Collects the sample of one campaign; adding a number costs about a quarter of a microsecond."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._limit = _LIMIT

    def add(self, numbers: Sequence[str]) -> None:
        """Add numbers, which are E.164 digits without the plus."""
        limit = self._limit
        self._hashes.update([hashed for number in numbers if (hashed := int(number) * _FACTOR % _PRIME >> 29) < limit])
        if len(self._hashes) > 4 * MAX_HASHES:
            smallest = self.hashes()
            self._hashes, self._limit = set(smallest), smallest[-1] + 1

    def hashes(self) -> list[int]:
        """Return the sample, in ascending order."""
        return sorted(self._hashes)[:MAX_HASHES]


class SampledCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign with its sample, as the ledger keeps them."""

    id: CampaignId
    name: str
    template: str
    submitted_ms: int
    packed_hashes: bytes

    def hashes(self) -> tuple[int, ...]:
        """Return the sample, in ascending order."""
        return struct.unpack(f">{len(self.packed_hashes) // 4}I", self.packed_hashes)

    def share_of(self, hashes: Sequence[int]) -> float:
        """Return the share of another campaign's numbers that this campaign has too, from 0 to 1.

        ``hashes`` is the sample of the other campaign. The share is 0 if the other campaign has fewer than about a
        64th of this campaign's numbers, because too few hashes can be compared then.
        """
        own = self.hashes()
        limit = min((sample[-1] for sample in (own, hashes) if len(sample) == MAX_HASHES), default=_LIMIT)
        compared = [hashed for hashed in hashes if hashed <= limit]
        if not compared or len(compared) < min(_MIN_COMPARED, len(hashes)):
            return 0.0
        return len(set(own).intersection(compared)) / len(compared)


class NumberSamples:
    """Keeps and reads the samples of a ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def keep(self, campaign: CampaignId, plan: Plan, sample: NumberSample, now: datetime) -> None:
        """Keep the sample of a campaign that is submitted now; a repeated call changes nothing."""
        now_ms = round(now.timestamp() * 1000)
        hashes = sample.hashes()
        kept = SampledCampaign(
            id=campaign,
            name=plan.name,
            template=plan.template,
            submitted_ms=now_ms,
            packed_hashes=struct.pack(f">{len(hashes)}I", *hashes),
        )
        until_ms = max(now_ms, plan.start_at_ms) + KEPT // timedelta(milliseconds=1)
        index = sender_key(plan.sender, SenderKey.NUMBER_SAMPLES)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(_key(plan.sender, campaign), msgspec.msgpack.encode(kept), pxat=until_ms)
            pipe.zremrangebyscore(index, "-inf", now_ms)
            pipe.zadd(index, {campaign: until_ms})
            await pipe.execute()

    async def recent(self, sender: SenderId, now: datetime) -> list[SampledCampaign]:
        """Return a sender's campaigns that have a sample, the newest first, and at most 500."""
        now_ms = round(now.timestamp() * 1000)
        index = sender_key(sender, SenderKey.NUMBER_SAMPLES)
        members = await self._redis.zrevrangebyscore(index, "+inf", now_ms, start=0, num=_MAX_CAMPAIGNS)
        if not members:
            return []
        keys = [_key(sender, CampaignId(text(member))) for member in members]
        packed = cast("list[bytes | None]", await self._redis.mget(keys))
        return [campaign for sample in packed if sample and (campaign := unpacked_sample(sample))]


def unpacked_sample(packed: bytes) -> SampledCampaign | None:
    """Return a stored sample; None if it is damaged, because a damaged sample must not stop a submit."""
    try:
        return msgspec.msgpack.decode(packed, type=SampledCampaign)
    except msgspec.DecodeError:
        return None


def _key(sender: SenderId, campaign: CampaignId) -> str:
    return f"{campaign_key(sender, campaign)}:{CampaignKey.NUMBER_SAMPLE}"
