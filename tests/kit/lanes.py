"""Campaigns of senders with lanes, submitted in the same way as by a producer."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from redis.asyncio import Redis

from tests.kit.workers import CAMPAIGN, SENDER, YEAR_2100_MS
from times_dispatch.ledger.lanes.plans import plans_of_lanes
from times_dispatch.ledger.lanes.split import lane_batches
from times_dispatch.ledger.model import CampaignId, Plan, Recipients
from times_dispatch.ledger.submission import Submissions


def people(messages: int, *, first: int = 0) -> Recipients:
    """Return recipients with different numbers, in the form in which a producer reads them from a file."""
    rows = range(first, first + messages)
    return Recipients(
        first,
        [f"9198{row:08}" for row in rows],
        [row + 2 for row in rows],
        [[f"name {row}" for row in rows]],
        [1] * len(rows),
    )


def plan_of(**changes: Any) -> Plan:
    """Return the plan of a whole campaign."""
    fields: dict[str, Any] = {
        "name": "diwali-sale",
        "sender": SENDER,
        "provider": "times",
        "template": "greeting",
        "content_id": "1107160000000000001",
        "text": "Dear {#var#}",
        "category": "service",
        "valid_until_ms": YEAR_2100_MS,
    }
    return Plan(**{**fields, **changes})


async def submit_in_lanes(
    redis: Redis,
    recipients: Recipients,
    *,
    lanes: int = 4,
    batch_size: int = 20,
    campaign: str = CAMPAIGN,
    sealed: Sequence[int] | None = None,
    **changes: Any,
) -> CampaignId:
    """Submit a campaign of a sender with lanes.

    Args:
        redis: the ledger.
        recipients: the recipients, one per message.
        lanes: the number of lanes.
        batch_size: messages of a full batch.
        campaign: the id of the whole campaign.
        sealed: the numbers of the lanes that are sealed; all lanes by default.
        changes: fields of the plan.
    """
    submissions, plan, numbers = Submissions(redis), plan_of(**changes), count(1)
    claimed = await submissions.claim(campaign, plan.sender, CampaignId(campaign))
    plans = await plans_of_lanes(
        redis,
        campaign,
        claimed,
        plan,
        lanes=lanes,
        max_parts_per_day=0,
        new_id=lambda: f"{campaign[:5]}l{next(numbers):02}",
    )
    ids, totals, batches = list(plans), dict.fromkeys(plans, 0), dict.fromkeys(plans, 0)
    for of_lane, lane_plan in plans.items():
        await submissions.begin(of_lane, lane_plan, batch_size=batch_size)
    for lane, number, batch in lane_batches([recipients], lanes=len(plans), size=batch_size):
        await submissions.add_batch(ids[lane], plans[ids[lane]].sender, number, batch)
        totals[ids[lane]] += len(batch.to)
        batches[ids[lane]] += 1
    for lane, of_lane in enumerate(ids):
        if sealed is None or lane in sealed:
            await submissions.seal(of_lane, plans[of_lane].sender, total=totals[of_lane], batches=batches[of_lane])
    return claimed
