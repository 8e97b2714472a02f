"""Control of campaigns and senders, across all workers at once, because every block asks the ledger first."""

import asyncio
from collections.abc import Mapping
from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.ledger.archive_states import missing_campaign
from times_dispatch.ledger.errors import CampaignDamaged, is_transient
from times_dispatch.ledger.keys import (
    SENDERS,
    CampaignField,
    ProviderField,
    SenderField,
    SenderKey,
    campaign_key,
    provider_field,
    sender_key,
)
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction, Settlement, Status
from times_dispatch.ledger.queries import stored_rate
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.trail import PROGRAM, TrailAction, add_entry, packed_entry

_TRAIL_ACTIONS = {
    ControlAction.PAUSE: TrailAction.PAUSED,
    ControlAction.RESUME: TrailAction.RESUMED,
    ControlAction.CANCEL: TrailAction.CANCELLED,
    ControlAction.BRAKE: TrailAction.BRAKED,
}
_MILLISECOND_S = 0.002
"""A sleep of at least a millisecond, whatever the timer's resolution."""


class Control:
    """Changes campaigns and senders on behalf of people, and of brakes; notes each change in the sender's trail.

    Args:
        redis: the ledger.
        actor: who makes the changes: a person, or by default the program itself.
    """

    def __init__(self, redis: Redis, *, actor: str = PROGRAM) -> None:
        self._redis = redis
        self._actor = actor
        self._clock = RedisClock(redis)
        self._control = Script(redis, "control")
        self._configure_rate = Script(redis, "configure_rate")
        self._set_sender = Script(redis, "set_sender")
        self._settle_overdue = Script(redis, "settle_overdue")
        self._resume_sender = Script(redis, "resume_sender")

    async def campaign(
        self,
        sender: SenderId,
        campaign: CampaignId,
        action: ControlAction,
        *,
        reason: str = "",
        replaces_reason: bool = False,
    ) -> tuple[bool, CampaignState]:
        """Pause, resume, cancel or brake a campaign; return whether that changed the campaign, and its state.

        After this call no block can be opened that the new state forbids. Messages that were opened before are pushed
        within the time for which send times are given out ahead. The resume of a campaign that has nothing left to send
        finishes the campaign. A campaign that was paused or braked after this call began is not resumed.

        Args:
            sender: The sender of the campaign.
            campaign: The campaign.
            action: The change.
            reason: Why, a ``StopReason`` or a text for people.
            replaces_reason: Whether a pause gives the reason also to a campaign that is paused already.

        Raises:
            CampaignUnknown: No campaign has this id.
            CampaignArchived: The campaign is archived.
        """
        decided_us = await self._clock.now_us(sender) if action == ControlAction.RESUME or replaces_reason else 0
        trail = self._entry(_TRAIL_ACTIONS[action], campaign=campaign, detail=reason)
        reply = await self._control(
            sender,
            campaign=campaign,
            action=action,
            reason=reason,
            decided_us=decided_us,
            replaces_reason=int(replaces_reason),
            trail=trail,
        )
        status = text(reply["status"])
        if status == Status.NO_CAMPAIGN:
            raise await missing_campaign(self._redis, sender, campaign)
        return status == Status.CHANGED, CampaignState(text(reply["state"]))

    async def configure_rate(self, sender: SenderId, rate_per_s: float) -> None:
        """Write the rate of the settings; it replaces a rate that a person set only if the settings have changed."""
        configured = await self._redis.hget(_sender_hash_key(sender), SenderField.CONFIGURED_RATE)
        await self._redis.sadd(SENDERS, sender)
        if stored_rate(configured) != rate_per_s:
            trail = self._entry(TrailAction.RATE_SET, detail=f"{_rate_in_words(rate_per_s)}, by the settings")
            await self._configure_rate(sender, known_rate=configured or "", rate=rate_per_s, trail=trail)

    async def configure_daily_cap(self, sender: SenderId, max_parts: int) -> None:
        """Write the daily cap of the settings: SMS parts from midnight to midnight in Asia/Kolkata; 0 is no limit."""
        key = _sender_hash_key(sender)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(key, SenderField.MAX_PARTS_PER_DAY, max_parts)
            pipe.hdel(key, SenderField.FULL_DAY)  # the next block compares with the new cap
            await pipe.execute()

    async def set_budget(self, sender: SenderId, campaign: CampaignId, max_parts: int) -> None:
        """Set the SMS parts that a campaign may hand to the provider, from the next block on; 0 is no limit.

        Parts that were handed over before count. Raises ``CampaignUnknown`` or ``CampaignArchived``.
        """
        key = campaign_key(sender, campaign)
        if not await self._redis.hexists(key, CampaignField.MAX_PARTS):
            raise await missing_campaign(self._redis, sender, campaign)
        detail = f"{max_parts:,} parts" if max_parts else "no limit"
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(key, CampaignField.MAX_PARTS, max_parts)
            add_entry(pipe, sender, self._entry(TrailAction.BUDGET_SET, campaign=campaign, detail=detail))
            await pipe.execute()

    async def set_rate(self, sender: SenderId, rate_per_s: float) -> None:
        """Set a sender's rate in messages (or parts) per second, from the next block on; 0 is no limit."""
        trail = self._entry(TrailAction.RATE_SET, detail=_rate_in_words(rate_per_s))
        await self._set(sender, {SenderField.RATE: rate_per_s}, trail=trail)

    async def pause_sender(self, sender: SenderId, *, reason: str = "") -> None:
        """Stop all campaigns of a sender, until a person resumes the sender.

        A reason replaces the reason of an earlier pause; without a reason, the earlier reason stays.
        """
        fields: dict[str, float | str] = {SenderField.PAUSED: 1}
        if reason:
            fields[SenderField.PAUSE_REASON] = reason
        trail = self._entry(TrailAction.SENDER_PAUSED, detail=reason)
        await self._set(sender, fields, is_stop=True, trail=trail)

    async def brake_provider(self, sender: SenderId, provider: str, reason: str) -> None:
        """Brake a provider for a sender, until a person resumes the sender; an earlier reason stays."""
        trail = self._entry(TrailAction.PROVIDER_BRAKED, detail=f"{provider}: {reason}")
        fields = {provider_field(ProviderField.BRAKE, provider): reason}
        await self._set(sender, fields, keep_first=True, is_stop=True, trail=trail)

    def _entry(self, action: TrailAction, *, campaign: str = "", detail: str = "") -> str:
        return packed_entry(self._actor, action, campaign=campaign, detail=detail)

    async def _set(
        self,
        sender: SenderId,
        values: Mapping[str, float | str],
        *,
        keep_first: bool = False,
        is_stop: bool = False,
        trail: str = "",
    ) -> None:
        """Set fields of a sender's hash, also when Redis is full.

        Args:
            sender: The sender.
            values: The value of each field.
            keep_first: Whether a field that has a value keeps it.
            is_stop: Whether the fields pause or brake the sender: then the moment is kept.
            trail: The entry of the trail about the change; empty if the change is not noted.
        """
        fields = [{"name": name, "value": value} for name, value in values.items()]
        await self._set_sender(sender, keep_first=int(keep_first), is_stop=int(is_stop), fields=fields, trail=trail)

    async def resume_sender(self, sender: SenderId) -> bool:
        """Resume a sender: end its pause, and the brake and the back-off of each of its providers.

        Return False, and changes nothing, if the sender was paused or braked after this call began.
        """
        trail = self._entry(TrailAction.SENDER_RESUMED)
        reply = await self._resume_sender(sender, decided_us=await self._clock.now_us(sender), trail=trail)
        return text(reply["status"]) == Status.CHANGED

    async def resolve(self, sender: SenderId, campaign: CampaignId, how: Literal["sent", "resend"]) -> int:
        """Settle all messages in doubt of a campaign: count them as sent, or send them again. Return how many.

        Messages that are to be sent again of a paused or braked campaign wait for its resume.

        Only messages that were sent before this call began are settled: the Redis client repeats a call whose reply is
        lost, and by then messages that it resent may have been pushed again.

        Raises:
            CampaignDamaged: Some batches are damaged; the messages of all other batches are settled.
        """
        decided_ms = await self._next_ms(sender)
        batches = int(await self._redis.hget(campaign_key(sender, campaign), CampaignField.BATCHES) or 0)
        settled, damaged = 0, list[str]()
        trail = self._entry(TrailAction.RESOLVED, campaign=campaign, detail=f"as {how}")
        for number in range(batches):
            try:
                reply = await self._settle_overdue(
                    sender,
                    campaign=campaign,
                    batch_number=number,
                    settlement=Settlement(how),
                    decided_ms=decided_ms,
                    trail=trail,
                )
            except ResponseError as error:
                if is_transient(error):
                    raise
                damaged.append(str(number + 1))
            else:
                settled += reply["resent"] + reply["as_sent"]
                trail = ""
        if damaged:
            what = f"batch {', '.join(damaged)} cannot be settled"
            raise CampaignDamaged(campaign, sender, what, done=f" ({settled:,} messages of other batches are settled)")
        return settled

    async def _next_ms(self, sender: SenderId) -> int:
        """Wait for the next millisecond of Redis' clock and return it; messages sent before are earlier."""
        now_us = await self._clock.now_us(sender)
        await asyncio.sleep(_MILLISECOND_S)
        return now_us // 1000 + 1


def _rate_in_words(rate_per_s: float) -> str:
    return f"{rate_per_s:g}/s" if rate_per_s else "no limit"


def _sender_hash_key(sender: SenderId) -> str:
    return sender_key(sender, SenderKey.SENDER)
