"""Queries of campaigns, senders and messages in the ledger; no query writes."""

import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from operator import attrgetter
from typing import Any, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.archive_states import missing_campaign
from times_dispatch.ledger.campaigns.view import Fields, india_day, read_view, stored_rate
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged, CampaignUnknown, is_transient
from times_dispatch.ledger.keys import (
    CAMPAIGNS,
    SENDERS,
    BatchKey,
    CampaignField,
    SenderField,
    SenderKey,
    batch_key,
    campaign_key,
    codes_key,
    sender_key,
)
from times_dispatch.ledger.lanes.names import header_of, is_lane, known_lanes, lane_senders
from times_dispatch.ledger.lanes.whole import lane_batch, whole_campaign, whole_sender
from times_dispatch.ledger.model import CampaignId, CampaignView, Recipients, SenderId
from times_dispatch.ledger.records import MessageRecord, read_records, unpack_recipients
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.sender_view import SenderView, unavailable_providers
from times_dispatch.ledger.states import MessageState

_COUNTED = (
    SenderKey.LEASES,
    SenderKey.ROTATION,
    SenderKey.ROTATION_OWN,
    SenderKey.ROTATION_URGENT,
    SenderKey.BLOCKED,
)
"""The sets whose members are counted for the state of a sender."""


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A message with its row in the recipients file."""

    index: int
    """Index within the campaign."""
    line: int
    """Line in the recipients file, from 1."""
    to: str
    """E.164 digits without the plus."""
    slots: list[str]
    record: MessageRecord


class LaneQueries:
    """Reads the ledger lane by lane: each lane of a sender counts as a sender, with campaigns of its own."""

    def __init__(self, redis: Redis, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._redis = redis
        self._clock = clock

    async def senders(self) -> list[SenderId]:
        """Return the senders that ever had a campaign or a limit, sorted."""
        return sorted(SenderId(text(name)) for name in await self._redis.smembers(SENDERS))

    async def sender(self, sender: SenderId) -> SenderView:
        """Return the state of a sender."""
        [view] = await self.sender_views([sender])
        return view

    async def sender_views(self, senders: Sequence[SenderId]) -> list[SenderView]:
        """Return the states of senders in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                pipe.hgetall(sender_key(sender, SenderKey.SENDER))
                for kind in _COUNTED:
                    pipe.zcard(sender_key(sender, kind))
            replies = await pipe.execute()
        step = 1 + len(_COUNTED)
        return [
            self._sender_view(sender, *replies[first : first + step])
            for sender, first in zip(senders, range(0, len(replies), step), strict=True)
        ]

    def _sender_view(self, sender: SenderId, fields_reply: Any, batches_out: int, *in_turn: int) -> SenderView:
        fields, today = _by_name(fields_reply), india_day(self._clock.time())
        return SenderView(
            id=sender,
            rate_per_s=float(fields.get(SenderField.RATE, 0)),
            paused=fields.get(SenderField.PAUSED) == b"1",
            pause_reason=fields.get(SenderField.PAUSE_REASON, b"").decode("utf-8", "replace"),
            configured_rate_per_s=stored_rate(fields.get(SenderField.CONFIGURED_RATE)),
            unavailable=sorted(unavailable_providers(fields).values(), key=attrgetter("provider")),
            batches_out=batches_out,
            campaigns_in_turn=sum(in_turn),
            max_parts_per_day=int(fields.get(SenderField.MAX_PARTS_PER_DAY, 0)),
            parts_today=int(fields.get(SenderField.DAY_PARTS, 0))
            if int(fields.get(SenderField.DAY, 0)) == today
            else 0,
            day_is_used_up=int(fields.get(SenderField.FULL_DAY, 0)) == today,
        )

    async def sender_of(self, campaign: CampaignId) -> SenderId:
        """Return a campaign's sender; raise ``CampaignUnknown``."""
        sender = await self._redis.hget(CAMPAIGNS, campaign)
        if sender is None:
            raise CampaignUnknown(campaign)
        return SenderId(text(sender))

    async def campaigns(self, *, damaged: list[CampaignDamaged] | None = None) -> list[CampaignView]:
        """Return all campaigns, also those that ended, the newest first.

        The cost grows with the number of campaigns. Damaged campaigns are appended to *damaged*; without this list, the
        first ``CampaignDamaged`` is raised.
        """
        known = await self._redis.hgetall(CAMPAIGNS)
        ids = [(CampaignId(text(campaign)), SenderId(text(sender))) for campaign, sender in known.items()]
        return await self._newest_first(ids, damaged)

    async def live(self, sender: SenderId, *, damaged: list[CampaignDamaged] | None = None) -> list[CampaignView]:
        """Return a sender's campaigns that are neither finished nor cancelled, as ``campaigns`` does."""
        members = await self._redis.smembers(sender_key(sender, SenderKey.LIVE))
        return await self._newest_first([(CampaignId(text(member)), sender) for member in members], damaged)

    async def _newest_first(
        self, ids: Iterable[tuple[CampaignId, SenderId]], damaged: list[CampaignDamaged] | None
    ) -> list[CampaignView]:
        views = [view async for view in self._read(sorted(ids), damaged)]
        return sorted(views, key=lambda view: (-view.created_ms, view.id))

    async def campaign(self, campaign: CampaignId) -> CampaignView:
        """Return one campaign; raise ``CampaignUnknown``, ``CampaignArchived`` or ``CampaignDamaged``."""
        sender = await self.sender_of(campaign)
        async for view in self._read([(campaign, sender)]):
            return view
        raise await missing_campaign(self._redis, sender, campaign)

    async def of_sender(self, sender: SenderId, campaigns: Iterable[CampaignId]) -> list[CampaignView]:
        """Return these campaigns of one sender; raise ``CampaignDamaged``."""
        return [view async for view in self._read([(campaign, sender) for campaign in campaigns])]

    async def some(
        self, ids: Iterable[tuple[CampaignId, SenderId]], *, damaged: list[CampaignDamaged]
    ) -> list[CampaignView]:
        """Return campaigns of several senders in their order; damaged campaigns are appended to *damaged*."""
        return [view async for view in self._read(ids, damaged)]

    async def messages(self, campaign: CampaignId) -> AsyncIterator[MessageView]:
        """Yield every message of a campaign with its row, batch by batch; raise as ``campaign`` and ``batch`` do."""
        view = await self.campaign(campaign)
        for number in range(view.batches):
            async for message in self.batch(view, number):
                yield message

    async def batch(self, view: CampaignView, number: int) -> AsyncIterator[MessageView]:
        """Yield the messages of one batch with their rows; raise ``CampaignDamaged`` before the first of them."""
        kinds = (BatchKey.RECIPIENTS, BatchKey.MESSAGES)
        keys = [batch_key(view.plan.sender, view.id, kind, number) for kind in kinds]
        packed, records = cast("list[bytes]", await self._redis.mget(keys))
        try:
            messages = _messages(unpack_recipients(packed), records or b"", view.state_without_records(number))
        except UNREADABLE as error:
            raise CampaignDamaged(view.id, view.plan.sender, f"batch {number + 1} cannot be read") from error
        for message in messages:
            yield message

    async def _read(
        self, ids: Iterable[tuple[CampaignId, SenderId]], damaged: list[CampaignDamaged] | None = None
    ) -> AsyncIterator[CampaignView]:
        wanted = list(ids)
        senders = list({sender for _, sender in wanted})
        async with self._redis.pipeline(transaction=False) as pipe:
            for campaign, sender in wanted:
                pipe.hgetall(campaign_key(sender, campaign))
                pipe.hgetall(codes_key(sender, campaign))
            for sender in senders:
                pipe.hgetall(sender_key(sender, SenderKey.SENDER))
            replies = await pipe.execute(raise_on_error=False)
        of_campaigns, of_senders = replies[: 2 * len(wanted)], replies[2 * len(wanted) :]
        hashes, now_s = dict(zip(senders, of_senders, strict=True)), self._clock.time()
        for (campaign, sender), fields, codes in zip(wanted, of_campaigns[::2], of_campaigns[1::2], strict=True):
            try:
                named = [_by_name(reply) for reply in (fields, codes, hashes[sender])]
                view = read_view(campaign, *named, now_s=now_s) if fields and not _is_archived(fields) else None
            except UNREADABLE as error:
                damage = CampaignDamaged(campaign, sender, damage_in_words(error))
                if damaged is None:
                    raise damage from error
                damaged.append(damage)
            else:
                if view:
                    yield view


class Queries(LaneQueries):
    """Reads the ledger for people and programs: the lanes of a sender count as one sender, with whole campaigns."""

    async def senders(self) -> list[SenderId]:
        """Return the senders that ever had a campaign or a limit, sorted."""
        return [sender for sender in await super().senders() if not is_lane(sender)]

    async def sender(self, sender: SenderId) -> SenderView:
        """Return the state of a sender."""
        lanes = await known_lanes(self._redis, sender)
        return whole_sender([await LaneQueries.sender(self, lane) for lane in lanes])

    async def campaigns(self, *, damaged: list[CampaignDamaged] | None = None) -> list[CampaignView]:
        """Return all campaigns, also those that ended, the newest first; damaged campaigns as ``LaneQueries`` does."""
        return await self._whole(await super().campaigns(damaged=damaged), damaged)

    async def live(self, sender: SenderId, *, damaged: list[CampaignDamaged] | None = None) -> list[CampaignView]:
        """Return a sender's campaigns that are neither finished nor cancelled, as ``campaigns`` does."""
        lanes = await known_lanes(self._redis, sender)
        views = [view for lane in lanes for view in await LaneQueries.live(self, lane, damaged=damaged)]
        return await self._whole(views, damaged)

    async def live_and_ended(
        self, *, max_ended: int, only_sender: SenderId | None = None, damaged: list[CampaignDamaged] | None = None
    ) -> tuple[list[CampaignView], int]:
        """Return all live and the newest *max_ended* ended campaigns, the newest first; damaged ones as ``campaigns``.

        Also return how many ended campaigns are left out; the cost does not depend on their number.
        """
        every = await LaneQueries.senders(self)
        senders = [only_sender] if only_sender else [sender for sender in every if not is_lane(sender)]
        lanes = [lane for lane in every if is_lane(lane) and header_of(lane) in senders]
        live = [view for lane in lanes for view in await LaneQueries.live(self, lane, damaged=damaged)]
        of_lanes = {view.plan.lane_campaigns[0] for view in live if view.plan.lane_campaigns}
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                pipe.smembers(sender_key(sender, SenderKey.LIVE))
                ended_key = sender_key(sender, SenderKey.ENDED)
                pipe.zcard(ended_key)
                pipe.zrevrange(ended_key, 0, max(max_ended - 1, 0) + len(of_lanes), withscores=True)
            replies = await pipe.execute()
        ids = [
            (CampaignId(text(campaign)), sender)
            for sender, members in zip(senders, replies[::3], strict=True)
            for campaign in members
        ]
        newest_ended = sorted(
            (
                (-created_ms, CampaignId(text(campaign)), sender)
                for sender, newest in zip(senders, replies[2::3], strict=True)
                for campaign, created_ms in newest
            ),
        )
        # The first lane of a campaign may have ended before its other lanes.
        ended = [each for each in newest_ended if each[1] not in of_lanes][:max_ended]
        live_elsewhere = [(campaign, sender) for _, campaign, sender in newest_ended if campaign in of_lanes]
        ids += live_elsewhere + [(campaign, sender) for _, campaign, sender in ended]
        views = await self._whole(await self._newest_first(ids, damaged), damaged)
        return views, sum(replies[1::3]) - len(ended) - len(live_elsewhere)

    async def campaign(self, campaign: CampaignId) -> CampaignView:
        """Return one campaign; raise ``CampaignUnknown``, ``CampaignArchived`` or ``CampaignDamaged``."""
        lane = await super().campaign(campaign)
        for view in await self._whole([lane]):
            return view
        raise CampaignArchived(campaign, lane.plan.sender)

    async def of_sender(self, sender: SenderId, campaigns: Iterable[CampaignId]) -> list[CampaignView]:
        """Return these campaigns of one sender; raise ``CampaignDamaged``."""
        return await self._whole(await super().of_sender(sender, campaigns))

    async def some(
        self, ids: Iterable[tuple[CampaignId, SenderId]], *, damaged: list[CampaignDamaged]
    ) -> list[CampaignView]:
        """Return campaigns of several senders in their order; damaged campaigns are appended to *damaged*."""
        return await self._whole(await super().some(ids, damaged=damaged), damaged)

    async def batch(self, view: CampaignView, number: int) -> AsyncIterator[MessageView]:
        """Yield the messages of one batch with their rows; raise ``CampaignDamaged`` before the first of them."""
        if not view.lanes:
            async for message in super().batch(view, number):
                yield message
            return
        lane, of_lane, offset = lane_batch(view, number)
        async for message in super().batch(lane, of_lane):
            record, later_ms = message.record, lane.created_ms - view.created_ms
            if record.sent_ms and later_ms:
                record = msgspec.structs.replace(record, sent_ms=record.sent_ms + later_ms)
            yield msgspec.structs.replace(message, index=message.index + offset, record=record)

    async def _whole(
        self, views: list[CampaignView], damaged: list[CampaignDamaged] | None = None
    ) -> list[CampaignView]:
        """Replace the first lanes of campaigns by the whole campaigns, and drop the other lanes.

        A campaign with a damaged lane is left out, and so is a campaign with a lane that is in the archive already.
        """
        first = {view.plan.lane_campaigns[0]: view.plan for view in views if view.plan.lane_campaigns}
        if not first:
            return views
        wanted = [
            (campaign, sender)
            for plan in first.values()
            for campaign, sender in zip(
                plan.lane_campaigns, lane_senders(header_of(plan.sender), len(plan.lane_campaigns)), strict=True
            )
        ]
        lanes = {view.id: view async for view in self._read(wanted, damaged)}
        unreadable = {damage.campaign for damage in damaged or ()}
        unreadable |= await self._archived_among([each for each in wanted if each[0] not in lanes])
        whole = dict[CampaignId, CampaignView]()
        for view in views:
            ids = view.plan.lane_campaigns
            if not ids:
                whole[view.id] = view
            elif not unreadable.intersection(ids) and (known := [lanes[each] for each in ids if each in lanes]):
                whole.setdefault(ids[0], whole_campaign(known))
        return list(whole.values())

    async def _archived_among(self, ids: Sequence[tuple[CampaignId, SenderId]]) -> set[CampaignId]:
        """Return the campaigns among some campaigns that are in the archive."""
        if not ids:
            return set()
        async with self._redis.pipeline(transaction=False) as pipe:
            for campaign, sender in ids:
                pipe.hget(campaign_key(sender, campaign), CampaignField.ARCHIVE)
            replies = await pipe.execute(raise_on_error=False)  # a damaged campaign is not in the archive
        return {campaign for (campaign, _), state in zip(ids, replies, strict=True) if isinstance(state, bytes)}


UNREADABLE = (KeyError, IndexError, TypeError, ValueError, struct.error, msgspec.MsgspecError, ResponseError)
"""The errors of reading damaged data: wrong types, missing fields, unreadable values."""


def _by_name(reply: dict[bytes, bytes] | RedisError) -> Fields:
    if isinstance(reply, RedisError):
        raise reply
    return {text(name): value for name, value in reply.items()}


def _is_archived(fields: object) -> bool:
    """Say whether the hash of a campaign is the stub of an archived campaign."""
    return isinstance(fields, dict) and b"archive" in fields and CampaignField.STATE.encode() not in fields


def damage_in_words(error: Exception) -> str:
    """Say what is wrong with a campaign that cannot be read; raise the error if a later call may succeed."""
    if isinstance(error, ResponseError):
        if is_transient(error):
            raise error
        return "its key does not hold a hash"
    if isinstance(error, KeyError) and isinstance(error.args[0], str):
        return f"it has no {error.args[0]}"
    return "it cannot be read"


def _messages(recipients: Recipients, records: bytes, without_records: MessageState) -> list[MessageView]:
    return [
        MessageView(
            index=recipients.first + record.index,
            line=recipients.lines[record.index],
            to=recipients.to[record.index],
            slots=[column[record.index] for column in recipients.slots],
            record=record,
        )
        for record in read_records(records, len(recipients.to), without_records=without_records)
    ]
