"""What the ledger says that a check should know: the sender's rate now, its other campaigns, and who opted out."""

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.model import CampaignView, Plan
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import SENT, CampaignState


class CampaignAhead(msgspec.Struct, frozen=True):
    """Another campaign of the same sender that still has something to send."""

    campaign: str
    name: str
    units: int
    """Messages, or parts if that is what the sender's rate counts."""


class SenderSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A sender as the ledger knows it; one that never sent is not there, and has nothing to say."""

    rate_per_s: float | None = None
    """None if the sender is not known."""
    held: str = ""
    """Why the sender sends nothing now; empty if it does."""
    parts_today: int = 0
    """SMS parts that the sender has used of its cap since midnight in India; counted only while it has a cap."""
    others: list[CampaignAhead] = []
    """Its running campaigns that have something to send."""


async def take_snapshot(redis: Redis, plan: Plan) -> SenderSnapshot:
    """Look at a plan's sender, its providers, and its other campaigns."""
    views, sender, in_parts = Queries(redis), plan.sender, plan.cost_unit == "parts"
    if sender not in await views.senders():
        return SenderSnapshot()
    view = await views.sender(sender)
    brakes = {held.provider: held.why for held in view.held if held.brake}
    held = "it is paused" if view.paused else ""
    if not held and all(provider in brakes for provider in plan.chain):
        held = "; ".join(f"provider {provider} is {brakes[provider]}" for provider in plan.chain)
    others = [
        CampaignAhead(other.id, other.plan.name, _units(other, in_parts=in_parts))
        for other in await views.campaigns(damaged=[])
        if other.plan.sender == sender and other.state is CampaignState.RUNNING and other.unsent
    ]
    return SenderSnapshot(rate_per_s=view.rate_per_s, held=held, parts_today=view.parts_today, others=others)


def _units(view: CampaignView, *, in_parts: bool) -> int:
    """Return what is unsent, in parts by the average of what was sent: the ledger keeps no sum of what was not."""
    sent = sum(view.counts[state] for state in SENT)
    if not in_parts or not sent:
        return view.unsent
    return round(view.unsent * max(1.0, view.parts / sent))
