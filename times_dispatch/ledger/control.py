"""Control of campaigns and senders, across all workers at once, because every block asks the ledger first."""

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

Action = Literal["pause", "resume", "cancel", "brake"]
"""The values of ``ControlAction``."""


class Control:
    """What people (and brakes) do with the ledger."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._control = Script(redis, "control")
        self._set_pace = Script(redis, "set_pace")
        self._settle_overdue = Script(redis, "settle_overdue")

    async def campaign(
        self, sender: SenderId, campaign: CampaignId, action: Action, *, reason: str = ""
    ) -> tuple[bool, CampaignState]:
        """Pause, resume, cancel or brake a campaign; return whether that changed it, and its state.

        When this returns no block can be opened that the new state forbids; what was opened before goes out
        within the time that slots are given out ahead. To resume a campaign that has nothing left to send is to
        finish it. Raises ``CampaignUnknown``.
        """
        reply = await self._control(sender, campaign=campaign, action=ControlAction(action), reason=reason)
        status = text(reply["status"])
        if status == Status.NO_CAMPAIGN:
            raise CampaignUnknown(campaign)
        return status == Status.CHANGED, CampaignState(text(reply["state"]))

    async def configure_rate(self, sender: SenderId, rate_per_s: float) -> None:
        """Make the settings' rate known; it replaces a rate set by hand only when the settings have changed."""
        pace_key = _pace_key(sender)
        configured = _rate(await self._redis.hget(pace_key, PaceField.CONFIGURED_RATE))
        await self._redis.sadd(SENDERS, sender)
        if configured != rate_per_s:
            rates = (PaceField.RATE, rate_per_s, PaceField.CONFIGURED_RATE, rate_per_s)
            await self._redis.hset(pace_key, items=list(rates))

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
        await self._set(sender, PaceField.RATE, rate_per_s)

    async def pause_sender(self, sender: SenderId) -> None:
        """Stop all campaigns of a sender, until it is resumed."""
        await self._set(sender, PaceField.PAUSED, 1)

    async def brake_provider(self, sender: SenderId, provider: str, reason: str) -> None:
        """Let nothing more of a sender go through a provider, as something is wrong there; the first reason stays."""
        await self._set(sender, provider_field(ProviderField.BRAKE, provider), reason, keep_first=True)

    async def _set(self, sender: SenderId, field: str, value: float | str, *, keep_first: bool = False) -> None:
        """Set a field of a sender's pace, also when Redis is full."""
        await self._set_pace(sender, keep_first=int(keep_first), fields=[{"name": field, "value": value}])

    async def resume_sender(self, sender: SenderId) -> None:
        """Let a sender's campaigns go on: lifts the pause, and the brakes and the backing off of all its providers."""
        pace_key = _pace_key(sender)
        of_providers = [field for field in await self._redis.hkeys(pace_key) if b"@" in field]
        blocked_key = sender_key(sender, SenderKey.BLOCKED)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hdel(pace_key, PaceField.PAUSED, *of_providers)
            pipe.zunionstore(blocked_key, {blocked_key: 0})  # campaigns that waited for a provider are in turn at once
            await pipe.execute()

    async def resolve(self, sender: SenderId, campaign: CampaignId, how: Literal["sent", "resend"]) -> int:
        """Decide all messages in doubt of a campaign: count them as sent, or send them again. Return how many.

        What is to be sent again of a paused or braked campaign waits for its resume. Raises ``CampaignDamaged`` once
        all batches are decided but those that cannot be.
        """
        batches = int(await self._redis.hget(campaign_key(sender, campaign), CampaignField.BATCHES) or 0)
        settled, damaged = 0, list[str]()
        for number in range(batches):
            try:
                reply = await self._settle_overdue(sender, campaign=campaign, number=number, settlement=Settlement(how))
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


def _rate(stored: bytes | str | None) -> float | None:
    """Read a stored rate; None if there is none, or if it is damaged."""
    try:
        return float(stored or b"")
    except ValueError:
        return None


def _pace_key(sender: SenderId) -> str:
    return sender_key(sender, SenderKey.PACE)
