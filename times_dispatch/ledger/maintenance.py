"""What upkeep does with the ledger: it announces and reclaims batches, ends, settles. Safe to run twice at once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.ledger.audit import COUNTERS, Counters, imbalance, read_counters
from times_dispatch.ledger.errors import Damage, is_transient
from times_dispatch.ledger.keys import CampaignField, SenderKey, campaign_key, sender_key, split_batch_member
from times_dispatch.ledger.leases import BatchReady, batches_ready
from times_dispatch.ledger.model import CampaignId, Plan, SenderId
from times_dispatch.ledger.protocol import ControlAction, Settlement
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.scripts import Script, read_reply, text
from times_dispatch.ledger.states import CampaignState, MessageState

_MAX_BATCHES = 200
"""Batches looked at per call: a script must not hold up the others for longer than some milliseconds."""

_DAMAGED_MS = 60_000
"""Upkeep looks again after this time at what was damaged; the scripts have the same time in ``lua/lib/damage.lua``."""

_MAX_SENDERS = 50
"""Senders asked about in one round trip."""


class Chores(NamedTuple):
    """What there is to do for a sender, step by step."""

    expire_leases: bool = True
    next_hours: bool = True
    end_pending: bool = True
    settle_overdue: bool = True
    issue: bool = True
    show_changed: bool = True


class ExpiredLeases(NamedTuple):
    """What came of leases that ran out."""

    reclaimed: int
    """Batches whose worker was gone."""
    in_doubt: int
    """Messages of these batches that are in doubt now."""
    ready: list[BatchReady]
    """Batches that no worker took; a worker is to be woken for each."""


class EndedHours(NamedTuple):
    """A campaign whose hours of the day are over, or were never said."""

    campaign: CampaignId
    plan: Plan
    now_ms: int
    """By Redis' clock, in epoch milliseconds."""


class Settled(NamedTuple):
    """How many messages that waited long enough became what."""

    no_report: int = 0
    given_up: int = 0
    resent: int = 0


class _Ended(NamedTuple):
    messages: int
    calls: int
    is_damaged: bool


class Maintenance:
    """The upkeep's side of the ledger.

    Args:
        redis: The ledger.
        lease_s: How long a lease lasts without renewal, in seconds.
        max_batches: How many batches one call of a script looks at.
        on_damage: Called for each campaign or batch that cannot be worked on as it stands in the ledger.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        lease_s: float = 15.0,
        max_batches: int = _MAX_BATCHES,
        on_damage: Callable[[Damage], None] = lambda _: None,
    ) -> None:
        self._redis = redis
        self._max_batches = max_batches
        self._on_damage = on_damage
        self._lease_ms = int(lease_s * 1000)
        self._redis_clock = RedisClock(redis)
        self._pending_chores = Script(redis, "pending_chores")
        self._expire_leases = Script(redis, "expire_leases")
        self._end_pending = Script(redis, "end_pending")
        self._settle_overdue = Script(redis, "settle_overdue")
        self._next_hours = Script(redis, "next_hours")
        self._control = Script(redis, "control")
        self._take_changed = Script(redis, "take_changed")

    async def pending_chores(self, senders: Sequence[SenderId]) -> dict[SenderId, Chores]:
        """Say what there is to do for each sender; all of it where the ledger cannot say."""
        chores = dict[SenderId, Chores]()
        for first in range(0, len(senders), _MAX_SENDERS):
            page = senders[first : first + _MAX_SENDERS]
            replies = await self._pending_chores.for_each(page, lease_ms=self._lease_ms)
            for sender, reply in zip(page, replies, strict=True):
                due = {} if isinstance(reply, Exception) else reply
                chores[sender] = Chores(**{step: bool(is_due) for step, is_due in due.items()})
        return chores

    async def expire_leases(self, sender: SenderId, *, may_announce: bool = True) -> ExpiredLeases:
        """Look after leases that ran out; the caller wakes workers.

        *may_announce* is false while too many wake-ups wait already: batches that no worker took then wait on.
        """
        reply = await self._expire_leases(
            sender, lease_ms=self._lease_ms, max_batches=self._max_batches, may_announce=int(may_announce)
        )
        for damaged in map(read_reply, reply["damaged"]):
            campaign, number, error = (text(damaged[name]) for name in ("campaign", "number", "error"))
            await self._report_damage(Damage(sender, CampaignId(campaign), number, "reclaimed", error))
        return ExpiredLeases(reply["reclaimed"], reply["in_doubt"], batches_ready(sender, reply))

    async def ended_hours(self, sender: SenderId, *, max_campaigns: int = 100) -> list[EndedHours]:
        """Return campaigns whose hours are over, or were never said: the caller says when they are next."""
        now_ms, hours_key = await self._redis_clock.now_ms(), sender_key(sender, SenderKey.HOURS)
        members = await self._redis.zrangebyscore(hours_key, "-inf", now_ms, start=0, num=max_campaigns)
        ended = []
        for campaign in (CampaignId(text(member)) for member in members):
            try:
                stored = await self._redis.hget(campaign_key(sender, campaign), CampaignField.PLAN)
                plan = msgspec.json.decode(stored or b"", type=Plan)
            except (ResponseError, msgspec.MsgspecError) as error:
                if is_transient(error):
                    raise
                await self._report_damage(Damage(sender, campaign, "", "opened", type(error).__name__))
                await self._redis.zadd(hours_key, {campaign: now_ms + _DAMAGED_MS}, xx=True)
            else:
                ended.append(EndedHours(campaign, plan, now_ms))
        return ended

    async def set_next_hours(self, sender: SenderId, campaign: CampaignId, *, opens_ms: int, closes_ms: int) -> None:
        """Set a campaign's next hours, in epoch milliseconds; outside of them none of its messages is sent."""
        await self._next_hours(sender, campaign=campaign, opens_ms=opens_ms, closes_ms=closes_ms)

    async def end_pending(self, sender: SenderId, *, max_calls: int = 50) -> int:
        """End what is pending of cancelled campaigns and of those whose validity is over; return how many messages.

        Large campaigns are ended over several calls: how far it came stands in the campaign's hash.
        """
        ends_key, now_ms = sender_key(sender, SenderKey.ENDS), await self._redis_clock.now_ms()
        messages = 0
        for member in await self._redis.zrangebyscore(ends_key, "-inf", now_ms, start=0, num=100):
            campaign = CampaignId(text(member))
            try:
                ended = await self._end_campaign(sender, campaign, max_calls=max_calls)
            except (ResponseError, ValueError) as error:
                await self._report_damage(_damage(error, sender, campaign, doing="ended"))
                ended = _Ended(0, 1, is_damaged=True)
            messages, max_calls = messages + ended.messages, max_calls - ended.calls
            if ended.is_damaged:
                await self._redis.zadd(ends_key, {campaign: now_ms + _DAMAGED_MS}, xx=True)
        return messages

    async def _end_campaign(self, sender: SenderId, campaign: CampaignId, *, max_calls: int) -> _Ended:
        """End what is pending of one campaign."""
        key = campaign_key(sender, campaign)
        state = await self._redis.hget(key, CampaignField.STATE)
        to = MessageState.CANCELLED if state == CampaignState.CANCELLED.encode() else MessageState.EXPIRED
        is_over, messages, calls, is_damaged = False, 0, 0, False
        while not is_over and calls < max_calls:
            reply = await self._end_pending(sender, campaign=campaign, max_batches=self._max_batches, state=to.value)
            is_over, messages, calls = bool(reply["is_over"]), messages + reply["ended"], calls + 1
            for damaged in map(read_reply, reply["damaged"]):
                error = text(damaged["error"])
                await self._report_damage(Damage(sender, campaign, text(damaged["number"]), "ended", error))
                is_damaged = True
        return _Ended(messages, calls, is_damaged and is_over)

    async def settle_overdue(self, sender: SenderId, *, max_batches: int = _MAX_BATCHES) -> Settled:
        """Decide messages whose report is overdue, and those in doubt at the end of the validity."""
        due_key, now_ms = sender_key(sender, SenderKey.DUE), await self._redis_clock.now_ms()
        due = await self._redis.zrangebyscore(due_key, "-inf", now_ms, start=0, num=max_batches)
        total = Settled()
        for member in map(text, due):
            campaign, number = split_batch_member(member)
            try:
                reply = await self._settle_overdue(
                    sender, campaign=campaign, number=number, settlement=Settlement.POLICY, decided_ms=0
                )
            except ResponseError as error:
                await self._report_damage(_damage(error, sender, campaign, number, doing="settled"))
                await self._redis.zadd(due_key, {member: now_ms + _DAMAGED_MS}, xx=True)
                continue
            total = Settled(
                no_report=total.no_report + reply["no_report"],
                given_up=total.given_up + reply["given_up"],
                resent=total.resent + reply["resent"],
            )
        return total

    async def take_changed(self, sender: SenderId, *, taker: str = "", max_campaigns: int = 500) -> list[CampaignId]:
        """Return campaigns of which something changed since they were last shown.

        Another worker gets those that *taker* does not name in a call of ``shown`` within ten seconds.
        """
        reply = await self._take_changed(sender, taker=taker, max_campaigns=max_campaigns)
        return [CampaignId(text(campaign)) for campaign in reply["campaigns"]]

    async def shown(self, campaigns: Mapping[SenderId, Collection[CampaignId]], *, taker: str) -> None:
        """Forget the campaigns that *taker* has shown."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender, of_sender in campaigns.items():
                members = [f"{campaign} {taker}" for campaign in of_sender]
                pipe.zrem(sender_key(sender, SenderKey.SHOWING), *members)
            await pipe.execute()

    async def _report_damage(self, damage: Damage) -> None:
        """Tell of damage, and stop its campaign: people must look at it before anything more of it is sent."""
        self._on_damage(damage)
        what = f"batch {int(damage.batch) + 1}" if damage.batch.isdecimal() else "it"
        reason = f"{what} cannot be {damage.doing}: damaged in the ledger"
        with suppress(ResponseError):  # the campaign may not even be there
            await self._control(
                damage.sender, campaign=damage.campaign, action=ControlAction.BRAKE, reason=reason, decided_us=0
            )


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
