"""The steps of upkeep in the ledger: expire leases, end pending messages, settle overdue messages.

Two processes may run these steps at the same time.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.clock import Clock
from times_dispatch.ledger.audit import COUNTERS, Counters, counter_mismatch, read_counters
from times_dispatch.ledger.errors import Damage, is_transient
from times_dispatch.ledger.keys import (
    UPKEEP_SINCE,
    CampaignField,
    SenderKey,
    campaign_key,
    sender_key,
    split_batch_member,
)
from times_dispatch.ledger.model import CampaignId, Plan, SenderId
from times_dispatch.ledger.protocol import ControlAction, Settlement
from times_dispatch.ledger.ready_batches import BatchReady, ready_batches
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.scripts import Script, read_reply, text
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.trail import PROGRAM, TrailAction, packed_entry

_MAX_BATCHES = 200
"""How many batches one call processes, so that a script delays other scripts by a few milliseconds at most."""

_DAMAGED_MS = 60_000
"""Milliseconds after which upkeep tries a damaged campaign or batch again; ``lua/lib/damage.lua`` has the same time."""

_MAX_SENDERS = 50
"""For how many senders one round trip reads the steps."""


class PendingSteps(NamedTuple):
    """Which steps upkeep has to do for a sender."""

    expire_leases: bool = True
    send_windows: bool = True
    end_pending: bool = True
    settle_overdue: bool = True
    issue: bool = True
    show_changed: bool = True


class UpkeepReach(NamedTuple):
    """The time since which upkeep reaches a sender on a cluster, by the clock of the sender's node."""

    now_ms: int
    since_ms: int
    """The time since which there has been no gap, in epoch milliseconds."""
    ahead_s: float
    """By how many seconds the node's clock is ahead of this host's; below 0 if it is behind."""


class ExpiredLeases(NamedTuple):
    """The batches whose leases ran out."""

    reclaimed: int
    """How many batches were reclaimed from lost workers."""
    in_doubt: int
    """How many messages of these batches are in doubt now."""
    ready: list[BatchReady]
    """Batches that no worker took; the caller wakes a worker for each."""


class ClosedSendWindow(NamedTuple):
    """A campaign whose send window has closed, or was never set."""

    campaign: CampaignId
    plan: Plan
    now_ms: int
    """The time by Redis' clock, in epoch milliseconds."""


class Settled(NamedTuple):
    """How many overdue messages were settled in each way."""

    no_report: int = 0
    given_up: int = 0
    requeued: int = 0
    """Messages in doubt that are pending again."""
    second_tries: int = 0
    """Failed messages that are pending again, for their second try."""


class _Ended(NamedTuple):
    messages: int
    calls: int
    is_damaged: bool


class Maintenance:
    """The steps of upkeep, and which of them are due.

    Args:
        redis: The ledger.
        lease_s: How long a lease lasts without renewal, in seconds.
        max_batches: How many batches one call of a script processes.
        on_damage: Called for each campaign or batch whose data is damaged.
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
        self._pending_steps = Script(redis, "pending_steps")
        self._note_upkeep = Script(redis, "note_upkeep")
        self._expire_leases = Script(redis, "expire_leases")
        self._end_pending = Script(redis, "end_pending")
        self._settle_overdue = Script(redis, "settle_overdue")
        self._set_send_window = Script(redis, "set_send_window")
        self._control = Script(redis, "control")
        self._take_changed = Script(redis, "take_changed")

    async def pending_steps(self, senders: Sequence[SenderId]) -> dict[SenderId, PendingSteps]:
        """Return the steps that are due for each sender; all steps for a sender whose steps cannot be read."""
        steps = dict[SenderId, PendingSteps]()
        for first in range(0, len(senders), _MAX_SENDERS):
            page = senders[first : first + _MAX_SENDERS]
            replies = await self._pending_steps.for_each(page, lease_ms=self._lease_ms)
            for sender, reply in zip(page, replies, strict=True):
                due = {} if isinstance(reply, Exception) else reply
                steps[sender] = PendingSteps(**{step: bool(is_due) for step, is_due in due.items()})
        return steps

    async def note_upkeep_of_all(self, *, gap_ms: int) -> tuple[int, int]:
        """Note that upkeep runs; return Redis' time now, and since when upkeep has run without a gap.

        Both times are in epoch milliseconds. A time without a call of more than *gap_ms* is a gap.
        """
        reply = await self._note_upkeep.on_key(UPKEEP_SINCE, gap_ms=gap_ms, of_all=1)
        return int(reply["now_us"]) // 1000, int(reply["since_ms"])

    async def note_upkeep(
        self, senders: Sequence[SenderId], *, gap_ms: int, clock: Clock
    ) -> dict[SenderId, UpkeepReach]:
        """Note on a cluster that upkeep runs; return since when upkeep reaches each sender that can be reached.

        Args:
            senders: All senders.
            gap_ms: A longer time without a call is a gap, in milliseconds.
            clock: This host's clock.
        """
        reached = dict[SenderId, UpkeepReach]()
        for first in range(0, len(senders), _MAX_SENDERS):
            page, before_s = senders[first : first + _MAX_SENDERS], clock.time()
            replies = await self._note_upkeep.for_each(page, gap_ms=gap_ms, of_all=0)
            host_s = (before_s + clock.time()) / 2
            for sender, reply in zip(page, replies, strict=True):
                if not isinstance(reply, Exception):
                    now_us, since_ms = int(reply["now_us"]), int(reply["since_ms"])
                    reached[sender] = UpkeepReach(now_us // 1000, since_ms, now_us / 1e6 - host_s)
        return reached

    async def expire_leases(self, sender: SenderId, *, decided_ms: int = 0) -> ExpiredLeases:
        """Reclaim batches of lost workers, and issue batches again that no worker took; the caller wakes workers.

        Only leases that had run out at *decided_ms* end (Redis' clock, epoch milliseconds; 0 is now).
        """
        reply = await self._expire_leases(
            sender,
            lease_ms=self._lease_ms,
            max_batches=self._max_batches,
            decided_ms=decided_ms,
        )
        for damaged in map(read_reply, reply["damaged"]):
            campaign, number, error = (text(damaged[name]) for name in ("campaign", "batch_number", "error"))
            await self._report_damage(Damage(sender, CampaignId(campaign), number, "reclaimed", error))
        return ExpiredLeases(reply["reclaimed"], reply["in_doubt"], ready_batches(sender, reply))

    async def closed_send_windows(
        self, sender: SenderId, *, max_campaigns: int = 100, decided_ms: int = 0
    ) -> list[ClosedSendWindow]:
        """Return campaigns whose send window has closed, or was never set; the caller sets the next send window.

        Only send windows that had closed at *decided_ms* count (Redis' clock, epoch milliseconds; 0 is now).
        """
        now_ms = decided_ms or await self._redis_clock.now_ms(sender)
        send_windows_key = sender_key(sender, SenderKey.SEND_WINDOWS)
        members = await self._redis.zrangebyscore(send_windows_key, "-inf", now_ms, start=0, num=max_campaigns)
        ended = []
        for campaign in (CampaignId(text(member)) for member in members):
            try:
                stored = await self._redis.hget(campaign_key(sender, campaign), CampaignField.PLAN)
                plan = msgspec.json.decode(stored or b"", type=Plan)
            except (ResponseError, msgspec.MsgspecError) as error:
                if is_transient(error):
                    raise
                await self._report_damage(Damage(sender, campaign, "", "opened", type(error).__name__))
                await self._redis.zadd(send_windows_key, {campaign: now_ms + _DAMAGED_MS}, xx=True)
            else:
                ended.append(ClosedSendWindow(campaign, plan, now_ms))
        return ended

    async def set_send_window(self, sender: SenderId, campaign: CampaignId, *, opens_ms: int, closes_ms: int) -> None:
        """Set a campaign's next send window, in epoch milliseconds; outside it, the campaign sends nothing."""
        await self._set_send_window(sender, campaign=campaign, opens_ms=opens_ms, closes_ms=closes_ms)

    async def end_pending(self, sender: SenderId, *, max_calls: int = 50, decided_ms: int = 0) -> int:
        """End the pending messages of campaigns that are cancelled or whose validity is over; return how many.

        The pending messages of a large campaign are ended over several calls, and the campaign's hash holds how many
        batches are ended. Only a validity that was over at *decided_ms* counts (Redis' clock, epoch milliseconds; 0 is
        now).
        """
        validity_ends_key = sender_key(sender, SenderKey.VALIDITY_ENDS)
        now_ms = decided_ms or await self._redis_clock.now_ms(sender)
        messages = 0
        for member in await self._redis.zrangebyscore(validity_ends_key, "-inf", now_ms, start=0, num=100):
            campaign = CampaignId(text(member))
            try:
                ended = await self._end_campaign(sender, campaign, max_calls=max_calls, decided_ms=decided_ms)
            except (ResponseError, ValueError) as error:
                await self._report_damage(_damage(error, sender, campaign, doing="ended"))
                ended = _Ended(0, 1, is_damaged=True)
            messages, max_calls = messages + ended.messages, max_calls - ended.calls
            if ended.is_damaged:
                await self._redis.zadd(validity_ends_key, {campaign: now_ms + _DAMAGED_MS}, xx=True)
        return messages

    async def _end_campaign(self, sender: SenderId, campaign: CampaignId, *, max_calls: int, decided_ms: int) -> _Ended:
        """End the pending messages of one campaign."""
        key = campaign_key(sender, campaign)
        state = await self._redis.hget(key, CampaignField.STATE)
        new_state = MessageState.CANCELLED if state == CampaignState.CANCELLED.encode() else MessageState.EXPIRED
        is_over, messages, calls, is_damaged = False, 0, 0, False
        while not is_over and calls < max_calls:
            reply = await self._end_pending(
                sender,
                campaign=campaign,
                max_batches=self._max_batches,
                state=new_state.value,
                decided_ms=decided_ms,
            )
            is_over, messages, calls = bool(reply["is_round_over"]), messages + reply["ended"], calls + 1
            for damaged in map(read_reply, reply["damaged"]):
                error = text(damaged["error"])
                await self._report_damage(Damage(sender, campaign, text(damaged["batch_number"]), "ended", error))
                is_damaged = True
        return _Ended(messages, calls, is_damaged and is_over)

    async def settle_overdue(
        self, sender: SenderId, *, max_batches: int = _MAX_BATCHES, decided_ms: int = 0
    ) -> Settled:
        """Settle messages whose report is overdue, and messages in doubt at the end of the validity.

        Only messages that were due at *decided_ms* are settled (Redis' clock, epoch milliseconds; 0 is now).
        """
        settle_due_key = sender_key(sender, SenderKey.SETTLE_DUE)
        now_ms = decided_ms or await self._redis_clock.now_ms(sender)
        due = await self._redis.zrangebyscore(settle_due_key, "-inf", now_ms, start=0, num=max_batches)
        total = Settled()
        for member in map(text, due):
            campaign, number = split_batch_member(member)
            try:
                reply = await self._settle_overdue(
                    sender,
                    campaign=campaign,
                    batch_number=number,
                    settlement=Settlement.POLICY,
                    decided_ms=decided_ms,
                    trail="",
                )
            except ResponseError as error:
                await self._report_damage(_damage(error, sender, campaign, number, doing="settled"))
                await self._redis.zadd(settle_due_key, {member: now_ms + _DAMAGED_MS}, xx=True)
                continue
            total = Settled(
                no_report=total.no_report + reply["no_report"],
                given_up=total.given_up + reply["given_up"],
                requeued=total.requeued + reply["requeued"],
                second_tries=total.second_tries + reply["second_tries"],
            )
        return total

    async def take_changed(self, sender: SenderId, *, worker: str = "", max_campaigns: int = 500) -> list[CampaignId]:
        """Return campaigns that changed since they were last shown.

        Another worker gets the campaigns that *worker* does not pass to ``shown`` within ten seconds.
        """
        reply = await self._take_changed(sender, worker=worker, max_campaigns=max_campaigns)
        return [CampaignId(text(campaign)) for campaign in reply["campaigns"]]

    async def shown(self, campaigns: Mapping[SenderId, Collection[CampaignId]], *, worker: str) -> None:
        """Note that *worker* has shown campaigns, so that no other worker gets them."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender, of_sender in campaigns.items():
                members = [f"{campaign} {worker}" for campaign in of_sender]
                pipe.zrem(sender_key(sender, SenderKey.SHOWING), *members)
            await pipe.execute()

    async def _report_damage(self, damage: Damage) -> None:
        """Report damage, and brake the damaged campaign, so that a person checks it before it sends more."""
        self._on_damage(damage)
        what = f"batch {int(damage.batch) + 1}" if damage.batch.isdecimal() else "the campaign"
        reason = f"{what} cannot be {damage.doing}: damaged in the ledger"
        with suppress(ResponseError):  # the campaign may not exist
            await self._control(
                damage.sender,
                campaign=damage.campaign,
                action=ControlAction.BRAKE,
                reason=reason,
                decided_us=0,
                replaces_reason=0,
                trail=packed_entry(PROGRAM, TrailAction.BRAKED, campaign=damage.campaign, detail=reason),
            )


def _damage(
    error: ResponseError | ValueError, sender: SenderId, campaign: CampaignId, number: str = "", *, doing: str
) -> Damage:
    """Return the damage that caused an error; raise the error if a later call may succeed.

    Args:
        error: the error of a script or a reader.
        sender: the sender of the campaign.
        campaign: the damaged campaign.
        number: the number of the damaged batch; empty if no batch is damaged.
        doing: the action that upkeep could not do, as a participle: opened, ended.
    """
    if is_transient(error):
        raise error
    return Damage(sender, campaign, number, doing, str(error))


async def read_mismatch(redis: Redis, sender: SenderId, campaign: CampaignId) -> Counters | None:
    """Return the counters of a campaign if they do not add up to its total; None if they do."""
    counters = read_counters(await redis.hmget(campaign_key(sender, campaign), COUNTERS))
    return counters if counter_mismatch(counters) else None
