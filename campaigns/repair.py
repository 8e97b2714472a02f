"""What upkeep does with the ledger: rings again, takes in, ends, settles. Safe to run twice at once."""

from typing import NamedTuple

from redis.asyncio import Redis

from campaigns.model import CampaignId, SenderId
from campaigns.scripts import Script, campaign_key, tag, text
from campaigns.states import CampaignState, MessageState
from campaigns.work import Ring, rings

_MOST_BATCHES = 200
"""Batches looked at per call: a script must not hold up the others for longer than some milliseconds."""

_MOST_HASHES = 1_000
"""Of what campaigns said, forgotten per call."""


class Lapsed(NamedTuple):
    """What came of leases that ran out."""

    taken_in: int
    in_doubt: int
    rings: list[Ring]


class Settled(NamedTuple):
    """What came of messages that waited long enough."""

    no_report: int = 0
    given_up: int = 0
    resent: int = 0


class Repair:
    """The upkeep's side of the ledger."""

    def __init__(self, redis: Redis, *, lease_s: float = 15.0) -> None:
        self._redis = redis
        self._lease_ms = int(lease_s * 1000)
        self._lapse = Script(redis, "lapse")
        self._sweep = Script(redis, "sweep")
        self._settle = Script(redis, "settle")
        self._forget = Script(redis, "forget")

    async def lapse(self, sender: SenderId) -> Lapsed:
        """Look after leases that ran out; the caller rings."""
        taken_in, doubted, again = await self._lapse(sender, self._lease_ms, _MOST_BATCHES)
        return Lapsed(taken_in, doubted, rings(sender, again))

    async def end(self, sender: SenderId, *, most_calls: int = 50) -> int:
        """End what is pending of cancelled campaigns and of those whose validity is over; return how many messages.

        Large campaigns are ended over several calls: how far it came stands in the campaign's hash.
        """
        ends = f"{tag(sender)}:ends"
        now_ms = await self._now_ms()
        ended = 0
        for member in await self._redis.zrangebyscore(ends, "-inf", now_ms, start=0, num=100):
            campaign = CampaignId(text(member))
            key = campaign_key(sender, campaign)
            state, batches, swept = await self._redis.hmget(key, "state", "batches", "swept")
            to = MessageState.CANCELLED if state == CampaignState.CANCELLED.encode() else MessageState.EXPIRED
            number, is_over = int(swept or 0), False
            while not is_over and most_calls > 0:
                number, changed = await self._sweep(sender, campaign, number, _MOST_BATCHES, to.value)
                ended, most_calls = ended + changed, most_calls - 1
                is_over = number >= int(batches or 0)
            await self._redis.hset(key, "swept", 0 if is_over else number)
        return ended

    async def settle(self, sender: SenderId, *, most: int = _MOST_BATCHES) -> Settled:
        """Decide messages whose report is overdue, and those in doubt at the end of the validity."""
        due = await self._redis.zrangebyscore(f"{tag(sender)}:due", "-inf", await self._now_ms(), start=0, num=most)
        total = Settled()
        for member in due:
            campaign, _, number = text(member).partition(":")
            no_report, given_up, resent, _ = await self._settle(sender, campaign, number, "time")
            total = Settled(total.no_report + no_report, total.given_up + given_up, total.resent + resent)
        return total

    async def forget(self, sender: SenderId, *, most_calls: int = 20) -> None:
        """Forget what the sender's campaigns said, when the same may be said again."""
        while most_calls > 0 and await self._forget(sender, _MOST_HASHES):
            most_calls -= 1

    async def moved(self, sender: SenderId, *, most: int = 500) -> list[CampaignId]:
        """Return, and forget, campaigns on which something happened since the last call."""
        members = await self._redis.spop(f"{tag(sender)}:moved", most)
        return [CampaignId(text(member)) for member in members or []]

    async def _now_ms(self) -> int:
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000


async def still_wrong(redis: Redis, sender: SenderId, campaign: CampaignId) -> dict[str, int] | None:
    """Return the counters of a campaign whose total is not the sum over all states; None if all is well."""
    names = ["total", *(state.value for state in MessageState)]
    values = [int(value or 0) for value in await redis.hmget(campaign_key(sender, campaign), names)]
    return dict(zip(names, values, strict=True)) if values[0] != sum(values[1:]) else None
