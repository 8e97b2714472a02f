"""Control of campaigns and senders; a change holds for all workers at once, because the ledger opens each block."""

import asyncio
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.ledger.archive_states import missing_campaign
from times_dispatch.ledger.campaigns.view import stored_rate
from times_dispatch.ledger.errors import CampaignDamaged, LanesRefused, is_transient
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
from times_dispatch.ledger.lanes.names import header_of, known_lanes, lane_senders
from times_dispatch.ledger.lanes.shares import cap_shares, rate_shares
from times_dispatch.ledger.lanes.whole import whole_state
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction, Settlement, Status
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.scripts import Reply, Script, text
from times_dispatch.ledger.sender_view import unavailable_providers
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.trail import PROGRAM, TrailAction, add_entry, packed_entry
from times_dispatch.plurals import counted

_TRAIL_ACTIONS = {
    ControlAction.PAUSE: TrailAction.PAUSED,
    ControlAction.RESUME: TrailAction.RESUMED,
    ControlAction.CANCEL: TrailAction.CANCELLED,
    ControlAction.BRAKE: TrailAction.BRAKED,
}
T = TypeVar("T")


class _PlanOfLanes(msgspec.Struct, frozen=True):
    """The fields of a campaign's plan about lanes."""

    lane_campaigns: list[CampaignId] = []


_MILLISECOND_S = 0.002
"""Seconds of a sleep that lasts at least a millisecond, whatever the timer's resolution."""


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
        """Pause, resume, cancel or brake a campaign; return whether the call changed the campaign, and its state.

        After this call no block can be opened that the new state forbids. Messages that were opened before this call
        are pushed within the time for which send times are given out ahead. A resume finishes a campaign that has no
        messages left to send. A campaign that was paused or braked after this call began is not resumed.

        Args:
            sender: The sender of the campaign.
            campaign: The campaign.
            action: The change.
            reason: Why the campaign is changed: a ``StopReason``, or a text for people.
            replaces_reason: Whether a pause gives the reason also to a campaign that is paused already.

        Raises:
            CampaignUnknown: No campaign has this id.
            CampaignArchived: The campaign is archived.
        """
        trail = self._entry(_TRAIL_ACTIONS[action], campaign=campaign, detail=reason)

        async def change(lane: SenderId, of_lane: CampaignId, trail: str) -> Reply:
            acts_on_a_stop = action == ControlAction.RESUME or replaces_reason
            return await self._control(
                lane,
                campaign=of_lane,
                action=action,
                reason=reason,
                decided_us=await self._clock.now_us(lane) if acts_on_a_stop else 0,
                replaces_reason=int(replaces_reason),
                trail=trail,
            )

        lanes = await self._lanes_of(sender, campaign)
        if not lanes:
            replies = [await change(sender, campaign, trail)]
        else:
            # A lane that cannot be reached does not prevent the change of the other lanes.
            changes = [change(lane, of_lane, "" if at else trail) for at, (lane, of_lane) in enumerate(lanes)]
            replies = _raised_at_end(await asyncio.gather(*changes, return_exceptions=True))
        known = [reply for reply in replies if text(reply["status"]) != Status.NO_CAMPAIGN]
        if not known:
            raise await missing_campaign(self._redis, sender, campaign)
        is_changed = any(text(reply["status"]) == Status.CHANGED for reply in known)
        return is_changed, whole_state([CampaignState(text(reply["state"])) for reply in known])

    async def _lanes_of(self, sender: SenderId, campaign: CampaignId) -> list[tuple[SenderId, CampaignId]]:
        """Return the lanes of a campaign, or of the whole campaign if it belongs to one lane; empty without lanes.

        If the plan is damaged, the plans of the sender's other lanes are searched, so that all lanes of the campaign
        are stopped.
        """
        plan = await self._redis.hget(campaign_key(sender, campaign), CampaignField.PLAN)
        campaigns = _lane_campaigns(plan)
        if campaigns is None:
            campaigns = await self._lanes_named_elsewhere(sender, campaign)
        return list(zip(lane_senders(header_of(sender), len(campaigns)), campaigns, strict=True)) if campaigns else []

    async def _lanes_named_elsewhere(self, sender: SenderId, campaign: CampaignId) -> list[CampaignId]:
        for lane in await known_lanes(self._redis, sender):
            for other in await self._redis.smembers(sender_key(lane, SenderKey.LIVE)):
                plan = await self._redis.hget(campaign_key(lane, CampaignId(text(other))), CampaignField.PLAN)
                if campaign in (campaigns := _lane_campaigns(plan) or []):
                    return campaigns
        return []

    async def configure_rate(self, sender: SenderId, rate_per_s: float, *, lanes: int = 1) -> None:
        """Write the rate of the settings; it replaces a rate that a person set only if the settings have changed.

        Each lane gets its share of the rate. A sender keeps all lanes that it ever had. A new lane is stopped if the
        sender is stopped.
        """
        names = await self.with_lanes(sender, lanes)
        shares = rate_shares(rate_per_s, len(names))
        keys = [_sender_hash_key(lane) for lane in names]
        fields = [await self._redis.hmget(key, [SenderField.CONFIGURED_RATE, SenderField.RATE]) for key in keys]
        changes = [
            (_increase(rate, share), lane, configured, share)
            for lane, (configured, rate), share in zip(names, fields, shares, strict=True)
            if stored_rate(configured) != share
        ]
        detail = f"{_rate_in_words(rate_per_s)}, by the settings"
        for _, lane, configured, share in sorted(changes, key=lambda change: change[0]):
            trail = self._entry(TrailAction.RATE_SET, detail=detail) if lane == sender else ""
            await self._configure_rate(lane, known_rate=configured or "", rate=share, trail=trail)

    async def with_lanes(self, sender: SenderId, lanes: int) -> list[SenderId]:
        """Return the lanes of a sender, at least *lanes*; a new lane is stopped if the first lane is stopped."""
        known = set(await known_lanes(self._redis, sender))
        names = lane_senders(sender, max(lanes, len(known)))
        for lane in names:
            await self._redis.sadd(SENDERS, lane)
            # A lane gets its rate after this step, so a lane without a rate was being added when a process died.
            is_new = lane not in known or not await self._redis.hexists(_sender_hash_key(lane), SenderField.RATE)
            if is_new and lane != sender:
                await self._stop_like(sender, lane)
        return list(names)

    async def _stop_like(self, sender: SenderId, lane: SenderId) -> None:
        """Pause and brake a new lane like its sender; a later stop reaches the lane through the ledger."""
        fields: Any = await self._redis.hgetall(_sender_hash_key(sender))
        stops = {SenderField.PAUSED.encode(), SenderField.PAUSE_REASON.encode(), SenderField.SILENT.encode()}
        copied: Any = {name: value for name, value in fields.items() if name in stops or b"@" in name}
        if copied:
            await self._redis.hset(_sender_hash_key(lane), mapping=copied)

    async def configure_daily_cap(self, sender: SenderId, max_parts: int) -> None:
        """Write the daily cap of the settings: SMS parts from midnight to midnight in Asia/Kolkata; 0 is no limit.

        Each lane that the sender ever had gets its share, so that all lanes together keep the cap.
        """
        lanes = await known_lanes(self._redis, sender)
        for lane, share in zip(lanes, cap_shares(max_parts, len(lanes)), strict=True):
            key = _sender_hash_key(lane)
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, SenderField.MAX_PARTS_PER_DAY, share)
                pipe.hdel(key, SenderField.FULL_DAY)  # the next block is compared with the new cap
                await pipe.execute()

    async def set_budget(self, sender: SenderId, campaign: CampaignId, max_parts: int) -> int:
        """Set the SMS parts that a campaign may hand to the provider, from the next block on; 0 is no limit.

        Return the parts that were handed over before this call, which count against the budget. Raises
        ``CampaignUnknown``, ``CampaignArchived`` or ``LanesRefused``.
        """
        if await self._lanes_of(sender, campaign):
            raise LanesRefused(campaign, "a budget")
        key = campaign_key(sender, campaign)
        before = await self._redis.hget(key, CampaignField.MAX_PARTS)
        if before is None:
            raise await missing_campaign(self._redis, sender, campaign)
        detail = counted(max_parts, "part") if max_parts else "no limit"
        async with self._redis.pipeline(transaction=True) as pipe:
            # The same budget is not written: it would replace a budget that was set since, without an entry.
            if text(before) != str(max_parts):
                pipe.hset(key, CampaignField.MAX_PARTS, max_parts)
                add_entry(pipe, sender, self._entry(TrailAction.BUDGET_SET, campaign=campaign, detail=detail))
            pipe.hget(key, CampaignField.PARTS_OUT)
            parts_out = (await pipe.execute())[-1]
        return int(parts_out or 0)

    async def set_rate(self, sender: SenderId, rate_per_s: float) -> None:
        """Set a sender's rate in messages (or parts) per second, from the next block on; 0 is no limit.

        The lanes of a sender get their shares. Lanes whose rate falls are changed first, so that the sum is never too
        high.
        """
        trail = self._entry(TrailAction.RATE_SET, detail=_rate_in_words(rate_per_s))
        lanes = await known_lanes(self._redis, sender)
        changes = [
            (_increase(await self._redis.hget(_sender_hash_key(lane), SenderField.RATE), share), lane, share)
            for lane, share in zip(lanes, rate_shares(rate_per_s, len(lanes)), strict=True)
        ]
        for _, lane, share in sorted(changes, key=lambda change: change[0]):
            await self._set(lane, {SenderField.RATE: share}, trail=trail if lane == sender else "")

    async def pause_sender(self, sender: SenderId, *, reason: str = "") -> None:
        """Stop all campaigns of a sender, until a person resumes the sender.

        A new reason replaces the reason of an earlier pause; without a new reason, the earlier reason stays.
        """
        fields: dict[str, float | str] = {SenderField.PAUSED: 1}
        if reason:
            fields[SenderField.PAUSE_REASON] = reason
        trail = self._entry(TrailAction.SENDER_PAUSED, detail=reason)
        await self._set_on_lanes(sender, fields, is_stop=True, trail=trail)

    async def brake_provider(self, sender: SenderId, provider: str, reason: str) -> None:
        """Brake a provider for a sender, until a person resumes the sender; an earlier reason stays."""
        trail = self._entry(TrailAction.PROVIDER_BRAKED, detail=f"{provider}: {reason}")
        fields = {provider_field(ProviderField.BRAKE, provider): reason}
        await self._set_on_lanes(sender, fields, keep_first=True, is_stop=True, trail=trail)

    async def _set_on_lanes(
        self, sender: SenderId, fields: Mapping[str, float | str], *, trail: str, **how: bool
    ) -> None:
        """Set fields of all lanes of a sender, as ``_set`` does, also if a lane cannot be reached."""
        lanes = await known_lanes(self._redis, sender)
        changes = [self._set(lane, fields, trail="" if at else trail, **how) for at, lane in enumerate(lanes)]
        _raised_at_end(await asyncio.gather(*changes, return_exceptions=True))

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
            is_stop: Whether the fields pause or brake the sender; then the time of this call is stored.
            trail: The entry of the trail about the change; empty if the change is not noted.
        """
        fields = [{"name": name, "value": value} for name, value in values.items()]
        await self._set_sender(sender, keep_first=int(keep_first), is_stop=int(is_stop), fields=fields, trail=trail)

    async def resume_sender(self, sender: SenderId) -> bool:
        """Resume a sender: end its pause, and the brake and the back-off of each of its providers.

        Return False, and change nothing, if the sender was paused or braked after this call began.
        """
        lanes = await known_lanes(self._redis, sender)
        decided_us = [await self._clock.now_us(lane) for lane in lanes]
        # The lanes are read after the decision, so each stop that this call ends is found here.
        is_stopped = any([await self._is_stopped(lane) for lane in lanes])
        trail = self._entry(TrailAction.SENDER_RESUMED) if is_stopped else ""
        resumes = [
            self._resume_sender(lane, decided_us=moment, trail="" if at else trail)
            for at, (lane, moment) in enumerate(zip(lanes, decided_us, strict=True))
        ]
        replies = _raised_at_end(await asyncio.gather(*resumes, return_exceptions=True))
        return all(text(reply["status"]) == Status.CHANGED for reply in replies)

    async def _is_stopped(self, lane: SenderId) -> bool:
        """Say whether a lane is paused, or a provider is unavailable to it; also True if that cannot be read."""
        stored: Any = await self._redis.hgetall(_sender_hash_key(lane))
        try:
            fields = {text(name): value for name, value in stored.items()}
            return SenderField.PAUSED in fields or bool(unavailable_providers(fields))
        except ValueError:
            return True

    async def resolve(self, sender: SenderId, campaign: CampaignId, how: Literal["sent", "resend"]) -> int:
        """Settle all messages in doubt of a campaign: count them as sent, or send them again. Return how many.

        In a paused or braked campaign, messages that are to be sent again wait until a person resumes the campaign.

        Only messages that were sent before this call began are settled: the Redis client repeats a call whose reply is
        lost, and by then messages that the first call made pending again may have been pushed.

        Raises:
            CampaignDamaged: Some batches are damaged; the messages of all other batches are settled.
        """
        if not (lanes := await self._lanes_of(sender, campaign)):
            return await self._resolve_lane(sender, campaign, how)
        settled = [self._resolve_lane(lane, of_lane, how, at=at) for at, (lane, of_lane) in enumerate(lanes)]
        return sum(_raised_at_end(await asyncio.gather(*settled, return_exceptions=True)))

    async def _resolve_lane(
        self, sender: SenderId, campaign: CampaignId, how: Literal["sent", "resend"], *, at: int = 0
    ) -> int:
        decided_ms = await self._next_ms(sender)
        batches = int(await self._redis.hget(campaign_key(sender, campaign), CampaignField.BATCHES) or 0)
        settled, damaged = 0, list[str]()
        trail = "" if at else self._entry(TrailAction.RESOLVED, campaign=campaign, detail=f"as {how}")
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
                settled += reply["requeued"] + reply["as_sent"]
                trail = ""
        if damaged:
            what = f"batch {', '.join(damaged)} cannot be settled"
            raise CampaignDamaged(
                campaign,
                sender,
                what,
                done=f" ({counted(settled, 'message of other batches is', 'messages of other batches are')} settled)",
            )
        return settled

    async def _next_ms(self, sender: SenderId) -> int:
        """Wait for the next millisecond of Redis' clock and return it; messages sent before the call are earlier."""
        now_us = await self._clock.now_us(sender)
        await asyncio.sleep(_MILLISECOND_S)
        return now_us // 1000 + 1


def _lane_campaigns(plan: bytes | str | None) -> list[CampaignId] | None:
    """Return the campaigns of the lanes that a stored plan names; None if the plan cannot be read."""
    try:
        return msgspec.json.decode(plan, type=_PlanOfLanes).lane_campaigns if plan else []
    except msgspec.DecodeError:
        return None


def _raised_at_end(results: Sequence[T | BaseException]) -> list[T]:
    """Return the results of several calls; raise the first error, after all calls were made."""
    done = list[T]()
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


def _increase(rate: bytes | str | None, new_rate: float) -> float:
    """Return by how much a rate grows; below 0 if the rate falls. A rate of 0 is no limit; a new lane has no rate."""
    before = stored_rate(rate)
    return (new_rate or math.inf) - (0.0 if before is None else before or sys.float_info.max)


def _rate_in_words(rate_per_s: float) -> str:
    return f"{rate_per_s:g}/s" if rate_per_s else "no limit"


def _sender_hash_key(sender: SenderId) -> str:
    return sender_key(sender, SenderKey.SENDER)
