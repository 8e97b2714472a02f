"""What upkeep does with the ledger: rings again, takes in, ends, settles. Safe to run twice at once."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from times_dispatch.ledger.audit import COUNTERS, Counters, imbalance, read_counters
from times_dispatch.ledger.errors import Damage, is_transient
from times_dispatch.ledger.leases import BatchReady, rings
from times_dispatch.ledger.model import CampaignId, Plan, SenderId
from times_dispatch.ledger.scripts import Script, campaign_key, tag, text
from times_dispatch.ledger.states import CampaignState, MessageState

_MOST_BATCHES = 200
"""Batches looked at per call: a script must not hold up the others for longer than some milliseconds."""

_DAMAGED_MS = 60_000
"""What is damaged is looked at again after so long; lapse.lua has its own."""

_MOST_HASHES = 1_000
"""Of what campaigns said, forgotten per call."""


_MOST_SENDERS = 50
"""Senders asked about in one round trip."""


class Chores(NamedTuple):
    """What there is to do for a sender, step by step."""

    lapse: bool = True
    reopen: bool = True
    end: bool = True
    settle: bool = True
    forget: bool = True
    issue: bool = True
    show: bool = True


class ExpiredLeases(NamedTuple):
    """What came of leases that ran out."""

    taken_in: int
    in_doubt: int
    rings: list[BatchReady]


class EndedMessages(NamedTuple):
    """A campaign whose hours of the day are over."""

    campaign: CampaignId
    plan: Plan
    now_ms: int
    """By Redis' clock, in epoch milliseconds."""


class Settled(NamedTuple):
    """What came of messages that waited long enough."""

    no_report: int = 0
    given_up: int = 0
    resent: int = 0


class Maintenance:
    """The upkeep's side of the ledger."""

    def __init__(
        self,
        redis: Redis,
        *,
        lease_s: float = 15.0,
        max_batches: int = _MOST_BATCHES,
        on_damage: Callable[[Damage], None] = lambda _: None,
    ) -> None:
        self._redis = redis
        self._max_batches = max_batches
        self._on_damage = on_damage
        self._lease_ms = int(lease_s * 1000)
        self._chores = Script(redis, "chores")
        self._lapse = Script(redis, "lapse")
        self._sweep = Script(redis, "sweep")
        self._settle = Script(redis, "settle")
        self._reopen = Script(redis, "reopen")
        self._control = Script(redis, "control")
        self._forget = Script(redis, "forget")

    async def chores(self, senders: Sequence[SenderId]) -> dict[SenderId, Chores]:
        """Say what there is to do for each sender; all of it where the ledger cannot say."""
        found = dict[SenderId, Chores]()
        for first in range(0, len(senders), _MOST_SENDERS):
            some = senders[first : first + _MOST_SENDERS]
            replies = await self._chores.for_each(some)
            for sender, reply in zip(some, replies, strict=True):
                found[sender] = Chores() if isinstance(reply, RedisError) else Chores(*map(bool, reply))
        return found

    async def lapse(self, sender: SenderId) -> ExpiredLeases:
        """Look after leases that ran out; the caller rings."""
        taken_in, doubted, again, damaged = await self._lapse(sender, self._lease_ms, self._max_batches)
        for member, error in damaged:
            campaign, _, number = text(member).partition(":")
            await self._set_aside(Damage(sender, CampaignId(campaign), number, "taken in", text(error)))
        return ExpiredLeases(taken_in, doubted, rings(sender, again))

    async def closed(self, sender: SenderId, *, most: int = 100) -> list[EndedMessages]:
        """Return campaigns whose hours are over, or were never said: the caller says when they are next."""
        now_ms = await self._now_ms()
        members = await self._redis.zrangebyscore(f"{tag(sender)}:hours", "-inf", now_ms, start=0, num=most)
        found = []
        for member in members:
            campaign = CampaignId(text(member))
            try:
                plan = msgspec.json.decode(
                    await self._redis.hget(campaign_key(sender, campaign), "plan") or b"", type=Plan
                )
            except (ResponseError, msgspec.MsgspecError) as error:
                if is_transient(error):
                    raise
                await self._set_aside(Damage(sender, campaign, "", "opened", type(error).__name__))
                await self._redis.zadd(f"{tag(sender)}:hours", {campaign: now_ms + _DAMAGED_MS}, xx=True)
            else:
                found.append(EndedMessages(campaign, plan, now_ms))
        return found

    async def reopen(self, sender: SenderId, campaign: CampaignId, *, opens_ms: int, closes_ms: int) -> None:
        """Say when a campaign's hours are next, in epoch milliseconds; nothing goes before and after."""
        await self._reopen(sender, campaign, opens_ms, closes_ms)

    async def end(self, sender: SenderId, *, most_calls: int = 50) -> int:
        """End what is pending of cancelled campaigns and of those whose validity is over; return how many messages.

        Large campaigns are ended over several calls: how far it came stands in the campaign's hash.
        """
        ends = f"{tag(sender)}:ends"
        now_ms = await self._now_ms()
        ended = 0
        for member in await self._redis.zrangebyscore(ends, "-inf", now_ms, start=0, num=100):
            campaign = CampaignId(text(member))
            try:
                changed, calls, is_damaged = await self._end(sender, campaign, most_calls=most_calls)
            except (ResponseError, ValueError) as error:
                await self._set_aside(_damage(error, sender, campaign, doing="ended"))
                changed, calls, is_damaged = 0, 1, True
            ended, most_calls = ended + changed, most_calls - calls
            if is_damaged:
                await self._redis.zadd(ends, {campaign: now_ms + _DAMAGED_MS}, xx=True)
        return ended

    async def _end(self, sender: SenderId, campaign: CampaignId, *, most_calls: int) -> tuple[int, int, bool]:
        """End what is pending of one campaign; return how many messages, in how many calls, and if any is damaged."""
        key = campaign_key(sender, campaign)
        state, batches, swept = await self._redis.hmget(key, "state", "batches", "swept")
        to = MessageState.CANCELLED if state == CampaignState.CANCELLED.encode() else MessageState.EXPIRED
        number, is_over, ended, calls, is_damaged = int(swept or 0), False, 0, 0, False
        while not is_over and calls < most_calls:
            number, changed, damaged = await self._sweep(sender, campaign, number, self._max_batches, to.value)
            ended, calls = ended + changed, calls + 1
            for place, error in damaged:
                await self._set_aside(Damage(sender, campaign, str(place), "ended", text(error)))
                is_damaged = True
            is_over = number >= int(batches or 0)
        await self._redis.hset(key, "swept", 0 if is_over else number)
        return ended, calls, is_damaged and is_over

    async def settle(self, sender: SenderId, *, most: int = _MOST_BATCHES) -> Settled:
        """Decide messages whose report is overdue, and those in doubt at the end of the validity."""
        key, now_ms = f"{tag(sender)}:due", await self._now_ms()
        due = await self._redis.zrangebyscore(key, "-inf", now_ms, start=0, num=most)
        total = Settled()
        for member in due:
            campaign, _, number = text(member).partition(":")
            try:
                no_report, given_up, resent, _ = await self._settle(sender, campaign, number, "time")
            except ResponseError as error:
                await self._set_aside(_damage(error, sender, CampaignId(campaign), number, doing="settled"))
                await self._redis.zadd(key, {text(member): now_ms + _DAMAGED_MS}, xx=True)
                continue
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

    async def _set_aside(self, damage: Damage) -> None:
        """Tell of damage, and stop its campaign: people must look at it before anything more of it is sent."""
        self._on_damage(damage)
        what = f"batch {int(damage.batch) + 1}" if damage.batch.isdecimal() else "it"
        reason = f"{what} cannot be {damage.doing}: damaged in the ledger"
        with suppress(ResponseError):  # of a campaign that is not even there
            await self._control(damage.sender, damage.campaign, "brake", reason)

    async def _now_ms(self) -> int:
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000


def _damage(
    error: ResponseError | ValueError, sender: SenderId, campaign: CampaignId, number: str = "", *, doing: str
) -> Damage:
    """Read an error as damage; raise it if waiting may mend it."""
    if is_transient(error):
        raise error
    return Damage(sender, campaign, number, doing, str(error))


async def still_wrong(redis: Redis, sender: SenderId, campaign: CampaignId) -> Counters | None:
    """Return the counters of a campaign whose total is not the sum over all states; None if all is well."""
    counters = read_counters(await redis.hmget(campaign_key(sender, campaign), COUNTERS))
    return counters if imbalance(counters) else None
