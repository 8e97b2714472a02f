"""Reads the data of a forecast from the ledger: the sender's rate, its other campaigns, and why it is stopped."""

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.model import CampaignView, Plan
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import SENT, CampaignState


class CampaignAhead(msgspec.Struct, frozen=True):
    """Another campaign of the same sender that still has messages to send."""

    campaign: str
    name: str
    units: int
    """Unsent messages, or unsent parts if the sender's rate counts parts."""


class SenderSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A sender in the ledger at one moment. The defaults describe a sender that the ledger does not know yet."""

    rate_per_s: float | None = None
    """None if the ledger does not know the sender."""
    stop_reason: str = ""
    """Why the sender sends nothing now; empty if the sender may send."""
    parts_today: int = 0
    """SMS parts that the sender has sent since midnight in India; 0 for a sender without a daily limit."""
    others: list[CampaignAhead] = []
    """The sender's running campaigns that have unsent messages."""


async def take_snapshot(redis: Redis, plan: Plan) -> SenderSnapshot:
    """Read the state of a plan's sender, of its providers and of the sender's other campaigns."""
    queries, sender, in_parts = Queries(redis), plan.sender, plan.cost_unit == "parts"
    if sender not in await queries.senders():
        return SenderSnapshot()
    view = await queries.sender(sender)
    others = [
        CampaignAhead(other.id, other.plan.name, _unsent_units(other, in_parts=in_parts))
        for other in await queries.live(sender, damaged=[])
        if other.state is CampaignState.RUNNING and other.unsent
    ]
    return SenderSnapshot(
        rate_per_s=view.rate_per_s,
        stop_reason=sender_stop_reason(view, plan),
        parts_today=view.parts_today,
        others=others,
    )


def sender_stop_reason(view: SenderView, plan: Plan) -> str:
    """Return why a plan's sender sends nothing until somebody resumes the sender; empty if the sender may send."""
    if view.paused:
        return f"it is paused ({view.pause_reason})" if view.pause_reason else "it is paused"
    if not view.waits_for_resume(plan.chain):
        return ""
    brakes = {provider.provider: provider.why for provider in view.unavailable}
    return "; ".join(f"provider {provider} is {brakes[provider]}" for provider in plan.chain)


def _unsent_units(view: CampaignView, *, in_parts: bool) -> int:
    """Return the unsent messages or parts.

    The ledger does not add up unsent parts, so they are estimated from the average of the sent messages.
    """
    sent = sum(view.counts[state] for state in SENT)
    if not in_parts or not sent:
        return view.unsent
    return round(view.unsent * max(1.0, view.parts / sent))
