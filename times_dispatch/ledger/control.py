"""Control of campaigns and senders, across all workers at once, because every block asks the ledger first."""

import asyncio
from collections.abc import Mapping
from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.ledger.errors import CampaignDamaged, CampaignUnknown, is_transient
from times_dispatch.ledger.keys import (
    SENDERS,
    CampaignField,
    PaceField,
    ProviderField,
    SenderKey,
    campaign_key,
    provider_field,
    sender_key,
)
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction, Settlement, Status
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.states import CampaignState

_MILLISECOND_S = 0.002
"""A sleep of at least a millisecond, whatever the timer's resolution."""

Action = Literal["pause", "resume", "cancel", "brake"]
"""The values of ``ControlAction``."""


class Control:
    """What people (and brakes) do with the ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._control = Script(redis, "control")
        self._configure_rate = Script(redis, "configure_rate")
        self._set_pace = Script(redis, "set_pace")
        self._settle_overdue = Script(redis, "settle_overdue")
        self._resume_sender = Script(redis, "resume_sender")

    async def campaign(
        self, sender: SenderId, campaign: CampaignId, action: Action, *, reason: str = ""
    ) -> tuple[bool, CampaignState]:
        """Pause, resume, cancel or brake a campaign; return whether that changed it, and its state.

        When this returns no block can be opened that the new state forbids; what was opened before goes out
        within the time that slots are given out ahead. To resume a campaign that has nothing left to send is to
        finish it. A campaign that was paused or braked after this call began is not resumed. Raises
        ``CampaignUnknown``.
        """
        decided_us = await self._now_us() if action == "resume" else 0
        reply = await self._control(
            sender, campaign=campaign, action=ControlAction(action), reason=reason, decided_us=decided_us
        )
        status = text(reply["status"])
        if status == Status.NO_CAMPAIGN:
            raise CampaignUnknown(campaign)
        return status == Status.CHANGED, CampaignState(text(reply["state"]))

    async def configure_rate(self, sender: SenderId, rate_per_s: float) -> None:
        """Make the settings' rate known; it replaces a rate set by hand only when the settings have changed."""
        configured = await self._redis.hget(_pace_key(sender), PaceField.CONFIGURED_RATE)
        await self._redis.sadd(SENDERS, sender)
        if _rate(configured) != rate_per_s:
            await self._configure_rate(sender, known_rate=configured or "", rate=rate_per_s)

    async def configure_daily_cap(self, sender: SenderId, max_parts: int) -> None:
        """Make the settings' cap known: SMS parts from midnight to midnight in Asia/Kolkata; 0 is no limit."""
        pace_key = _pace_key(sender)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(pace_key, PaceField.MAX_PARTS_PER_DAY, max_parts)
            pipe.hdel(pace_key, PaceField.FULL_DAY)  # the next block finds out anew
            await pipe.execute()

    async def set_budget(self, sender: SenderId, campaign: CampaignId, max_parts: int) -> None:
        """Set the SMS parts that a campaign may hand to the provider, from the next block on; 0 is no limit.

        What was handed over before counts. Raises ``CampaignUnknown``.
        """
        key = campaign_key(sender, campaign)
        if not await self._redis.hexists(key, CampaignField.MAX_PARTS):
            raise CampaignUnknown(campaign)
        await self._redis.hset(key, CampaignField.MAX_PARTS, max_parts)

    async def set_rate(self, sender: SenderId, rate_per_s: float) -> None:
        """Set a sender's rate in messages (or parts) per second, from the next block on; 0 is no limit."""
        await self._set(sender, {PaceField.RATE: rate_per_s})

    async def pause_sender(self, sender: SenderId) -> None:
        """Stop all campaigns of a sender, until it is resumed."""
        await self._set(sender, {PaceField.PAUSED: 1, PaceField.HELD_US: await self._now_us()})

    async def brake_provider(self, sender: SenderId, provider: str, reason: str) -> None:
        """Let nothing more of a sender go through a provider, as something is wrong there; the first reason stays."""
        await self._set(sender, {PaceField.HELD_US: await self._now_us()})
        await self._set(sender, {provider_field(ProviderField.BRAKE, provider): reason}, keep_first=True)

    async def _set(self, sender: SenderId, values: Mapping[str, float | str], *, keep_first: bool = False) -> None:
        """Set fields of a sender's pace, also when Redis is full."""
        fields = [{"name": name, "value": value} for name, value in values.items()]
        await self._set_pace(sender, keep_first=int(keep_first), fields=fields)

    async def resume_sender(self, sender: SenderId) -> bool:
        """Let a sender's campaigns go on: lifts the pause, and the brakes and the backing off of all its providers.

        Returns False, and changes nothing, if the sender was paused or braked after this call began.
        """
        reply = await self._resume_sender(sender, decided_us=await self._now_us())
        return text(reply["status"]) == Status.CHANGED

    async def resolve(self, sender: SenderId, campaign: CampaignId, how: Literal["sent", "resend"]) -> int:
        """Decide all messages in doubt of a campaign: count them as sent, or send them again. Return how many.

        What is to be sent again of a paused or braked campaign waits for its resume. Raises ``CampaignDamaged`` once
        all batches are decided but those that cannot be.

        Only messages that were sent before this call began are decided: the Redis client repeats a call whose answer is
        lost, and by then messages that it resent may have been pushed again.
        """
        decided_ms = await self._next_ms()
        batches = int(await self._redis.hget(campaign_key(sender, campaign), CampaignField.BATCHES) or 0)
        settled, damaged = 0, list[str]()
        for number in range(batches):
            try:
                reply = await self._settle_overdue(
                    sender, campaign=campaign, number=number, settlement=Settlement(how), decided_ms=decided_ms
                )
            except ResponseError as error:
                if is_transient(error):
                    raise
                damaged.append(str(number + 1))
            else:
                settled += reply["resent"] + reply["as_sent"]
        if damaged:
            what = f"batch {', '.join(damaged)} cannot be settled"
            raise CampaignDamaged(campaign, sender, what, done=f" ({settled:,} messages of others are decided)")
        return settled

    async def _now_us(self) -> int:
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1_000_000 + int(microseconds)

    async def _next_ms(self) -> int:
        """Return the next millisecond of Redis' clock once it has begun: all that was sent before this is earlier."""
        now_us = await self._now_us()
        await asyncio.sleep(_MILLISECOND_S)
        return now_us // 1000 + 1


def _rate(stored: bytes | str | None) -> float | None:
    """Read a stored rate; None if there is none, or if it is damaged."""
    try:
        return float(stored or b"")
    except ValueError:
        return None


def _pace_key(sender: SenderId) -> str:
    return sender_key(sender, SenderKey.PACE)
