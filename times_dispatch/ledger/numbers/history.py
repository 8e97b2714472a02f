"""All data of the ledger about one phone number: its messages in all campaigns, opt-out, dead number."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import cast

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.batch_columns import BatchColumns, read_batches
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged
from times_dispatch.ledger.keys import BatchKey, CampaignKey, batch_key, campaign_key
from times_dispatch.ledger.lanes.whole import lane_offset
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.numbers.dead_numbers import DeadNumber, DeadNumberRule, DeadNumbers
from times_dispatch.ledger.numbers.fingerprints import batches_that_may_hold
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.records import holds_number
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.states import MessageState

_BATCHES_AT_ONCE = 32
_CAMPAIGNS_AT_ONCE = 4
"""How many campaigns are searched at the same time, so that Redis searches while this process reads matches."""


class NumberMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message to the number; times are epoch milliseconds, or 0 if there is no such time."""

    campaign: CampaignView
    index: int
    line: int
    state: MessageState
    code: int
    attempt: int
    parts: int
    sent_ms: int
    reported_ms: int
    transaction_id: str
    clicked: bool = False
    """Whether a tracked link of the message was clicked."""


class NumberHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The data of the ledger about a number."""

    opted_out: bool
    dead: DeadNumber | None
    is_dead: bool
    """Whether the number was noted as dead so recently that it gets no message."""
    messages: list[NumberMessage]
    """The messages to the number, of the newest campaign first."""
    damaged: list[str]
    """Campaigns that cannot be read, each with the reason."""
    is_forgotten: bool = False
    """Whether the number is forgotten; sealed records about it in archives are not read."""


async def number_history(redis: Redis, number: str, rule: DeadNumberRule) -> NumberHistory:
    """Return the data of the ledger about a number, E.164 digits without the plus.

    The cost grows with the messages in the ledger: Redis compares two bytes for each message.
    """
    dead_numbers, damaged = DeadNumbers(redis, rule), list[CampaignDamaged]()
    dead = await dead_numbers.find(number)
    find_number, turn = Script(redis, "find_number"), asyncio.Semaphore(_CAMPAIGNS_AT_ONCE)

    async def search(view: CampaignView) -> list[NumberMessage]:
        async with turn:
            try:
                return [message async for message in _messages_of(redis, find_number, view, number)]
            except CampaignDamaged as damage:
                damaged.append(damage)
                return []

    searches = [search(view) for view in await LaneQueries(redis).campaigns(damaged=damaged)]
    messages = [message for of_campaign in await asyncio.gather(*searches) for message in of_campaign]
    messages = await _of_whole_campaigns(Queries(redis), messages)
    return NumberHistory(
        opted_out=bool((await OptOuts(redis).contains([number]))[0]),
        dead=dead,
        is_dead=dead is not None and await dead_numbers.counts(dead),
        messages=messages,
        damaged=[str(damage) for damage in damaged],
    )


async def _of_whole_campaigns(queries: Queries, messages: Sequence[NumberMessage]) -> list[NumberMessage]:
    """Return messages with campaigns of lanes replaced by the whole campaigns that people see."""
    ids = {message.campaign.plan.lane_campaigns[0] for message in messages if message.campaign.plan.lane_campaigns}
    whole = dict[CampaignId, CampaignView]()
    for campaign in ids:
        with suppress(CampaignArchived):  # the campaign's first lanes are in the archive already
            whole[campaign] = await queries.campaign(campaign)
    return [_of_whole(message, whole) for message in messages]


def _of_whole(message: NumberMessage, whole: Mapping[CampaignId, CampaignView]) -> NumberMessage:
    lane = message.campaign
    if not lane.plan.lane_campaigns or lane.plan.lane_campaigns[0] not in whole:
        return message
    view = whole[lane.plan.lane_campaigns[0]]
    return msgspec.structs.replace(message, campaign=view, index=message.index + lane_offset(view, lane.id))


async def _messages_of(
    redis: Redis, find_number: Script, view: CampaignView, number: str
) -> AsyncIterator[NumberMessage]:
    clickers = f"{campaign_key(view.plan.sender, view.id)}:{CampaignKey.CLICKERS}"
    batches = await batches_that_may_hold(find_number, view.plan.sender, view.id, batches=view.batches, number=number)
    async for batch in read_batches(redis, view, await _holding(redis, view, batches, number)):
        recipients = batch.recipients
        for at, to in enumerate(recipients.to):
            if to == number:
                clicked = bool(await redis.getbit(clickers, recipients.first + at))
                yield number_message(view, batch, at, clicked=clicked)


def number_message(view: CampaignView, batch: BatchColumns, at: int, *, clicked: bool) -> NumberMessage:
    """Return a message of a batch.

    Args:
        view: the campaign.
        batch: the batch, from Redis or from an archive.
        at: the position of the message in the batch.
        clicked: whether a tracked link of the message was clicked.
    """
    recipients, records = batch.recipients, batch.records
    sent_ms = records.pushed_ms[at]
    return NumberMessage(
        campaign=view,
        index=recipients.first + at,
        line=recipients.lines[at],
        state=MessageState(records.states[at]),
        code=records.codes[at],
        attempt=records.attempts[at],
        parts=recipients.parts[at],
        sent_ms=view.created_ms + sent_ms if sent_ms else 0,
        reported_ms=records.reported_s[at] * 1000,
        transaction_id=records.transaction_ids[at],
        clicked=clicked,
    )


async def _holding(redis: Redis, view: CampaignView, batches: Sequence[int], number: str) -> list[int]:
    """Return the batches whose recipients hold the number, because another number may have the same fingerprint."""
    holding = list[int]()
    for first in range(0, len(batches), _BATCHES_AT_ONCE):
        group = batches[first : first + _BATCHES_AT_ONCE]
        keys = [batch_key(view.plan.sender, view.id, BatchKey.RECIPIENTS, batch) for batch in group]
        replies = cast("list[bytes | None]", await redis.mget(keys))
        holding += [batch for batch, packed in zip(group, replies, strict=True) if holds_number(packed or b"", number)]
    return holding
