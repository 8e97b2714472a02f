"""Writes campaigns into the ledger with the scripts of ``dispatch submit``, but without files."""

import time
from collections.abc import Sequence
from secrets import randbelow

from redis.asyncio import Redis

from benchmarks.rig import CONTENT_ID, TEMPLATE
from producers.submit import BATCH_SIZE
from times_dispatch.demo.recipients import rows
from times_dispatch.ledger.keys import CampaignField, campaign_key
from times_dispatch.ledger.lanes.plans import plans_of_lanes
from times_dispatch.ledger.lanes.split import lane_batches
from times_dispatch.ledger.model import CampaignId, Plan, Recipients, SenderId
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.submission import BrakeRule, Submissions
from times_dispatch.provider.correlation_ids import new_campaign_id

_A_DAY_MS = 86_400_000
_BRAKE = BrakeRule(pushes=200, rejected_share=0.5, reports=500, failed_share=0.8)
"""The default brake of ``dispatch submit``."""


def plan(sender: SenderId, name: str, *, is_urgent: bool = False) -> Plan:
    """Return a plan that is valid for a day."""
    return Plan(
        name=name,
        sender=sender,
        provider="timesmobile",
        template="shipped",
        content_id=CONTENT_ID,
        text=TEMPLATE,
        category="service",
        valid_until_ms=int(time.time() * 1000) + _A_DAY_MS,
        urgent=is_urgent,
    )


def recipients(first: int, count: int) -> Recipients:
    """Return a batch of recipients with three values each."""
    rows_read = list(rows(count, seed=first, wrong=False))
    return Recipients(
        first=first,
        to=[f"919{(first + index) % 10**9:09}" for index in range(count)],
        lines=list(range(first + 2, first + count + 2)),
        slots=[[row[1] for row in rows_read], [row[2] for row in rows_read], [f"Rs {row[3]}" for row in rows_read]],
        parts=[1] * count,
    )


async def write(
    redis: Redis,
    sender: SenderId,
    messages: int,
    *,
    name: str = "benchmark",
    is_urgent: bool = False,
    declared: int = 0,
) -> CampaignId:
    """Write a campaign and seal it. All batches have the same rows, with numbers that no other campaign has.

    Args:
        redis: the ledger.
        sender: the campaign's sender.
        messages: the number of messages that are written.
        name: the campaign's name.
        is_urgent: whether the campaign is urgent.
        declared: the number of messages of the campaign in the ledger, in whole batches. The messages after the written
            messages have no recipients, and must not be reached. 0: only the written messages.
    """
    submissions = Submissions(redis)
    campaign = CampaignId(new_campaign_id())
    campaign = await submissions.claim(f"benchmark-{campaign}", sender, campaign)
    await submissions.begin(campaign, plan(sender, name, is_urgent=is_urgent), batch_size=BATCH_SIZE, brake=_BRAKE)
    full, first_number = recipients(0, BATCH_SIZE), randbelow(10**9)
    batches = -(-messages // BATCH_SIZE)
    for number in range(batches):
        count = min(BATCH_SIZE, messages - number * BATCH_SIZE)
        await submissions.add_batch(
            campaign, sender, number, _renumbered(full, number * BATCH_SIZE, count, first_number)
        )
    if declared:
        batches = declared // BATCH_SIZE
        counters = (CampaignField.TOTAL, declared, CampaignField.BATCHES, batches, MessageState.PENDING, declared)
        await redis.hset(campaign_key(sender, campaign), items=list(counters))
    await submissions.seal(campaign, sender, total=declared or messages, batches=batches)
    return campaign


async def write_in_lanes(
    redis: Redis, sender: SenderId, messages: int, *, lanes: int
) -> list[tuple[SenderId, CampaignId]]:
    """Write a campaign of a sender with lanes, and return the campaign of each lane."""
    submissions, campaign = Submissions(redis), CampaignId(new_campaign_id())
    fingerprint, whole = f"benchmark-{campaign}", plan(sender, "benchmark")
    await submissions.claim(fingerprint, sender, campaign)
    plans = await plans_of_lanes(
        redis, fingerprint, campaign, whole, lanes=lanes, max_parts_per_day=0, new_id=new_campaign_id
    )
    ids, stored = list(plans), dict.fromkeys(plans, (0, 0))
    for of_lane, lane_plan in plans.items():
        await submissions.begin(of_lane, lane_plan, batch_size=BATCH_SIZE, brake=_BRAKE)
    full, first_number = recipients(0, BATCH_SIZE), randbelow(10**9)
    firsts = range(0, messages, BATCH_SIZE)
    read = (_renumbered(full, first, min(BATCH_SIZE, messages - first), first_number) for first in firsts)
    for lane, number, batch in lane_batches(read, lanes=lanes, size=BATCH_SIZE):
        await submissions.add_batch(ids[lane], plans[ids[lane]].sender, number, batch)
        total, _ = stored[ids[lane]]
        stored[ids[lane]] = (total + len(batch.to), number + 1)
    for of_lane, (total, batches) in stored.items():
        await submissions.seal(of_lane, plans[of_lane].sender, total=total, batches=batches)
    return [(lane_plan.sender, of_lane) for of_lane, lane_plan in plans.items()]


async def write_many(
    redis: Redis, senders: Sequence[SenderId], messages: int, *, lanes: int = 1
) -> list[tuple[SenderId, CampaignId]]:
    """Write one campaign for each sender, or for each lane; all campaigns together have *messages* messages."""
    share = messages // len(senders)
    if lanes > 1:
        return [each for sender in senders for each in await write_in_lanes(redis, sender, share, lanes=lanes)]
    return [(sender, await write(redis, sender, share, name=f"benchmark-{sender}")) for sender in senders]


def _renumbered(batch: Recipients, first: int, count: int, first_number: int) -> Recipients:
    return Recipients(
        first=first,
        to=[f"919{(first_number + first + index) % 10**9:09}" for index in range(count)],
        lines=list(range(first + 2, first + count + 2)),
        slots=[values[:count] for values in batch.slots],
        parts=batch.parts[:count],
    )
