"""The campaign whose messages are to be sent once more: whether the campaign can have a resend now."""

from collections.abc import Collection

from redis.asyncio import Redis

from producers.errors import InputInvalid
from times_dispatch.ledger.lanes.names import known_lanes
from times_dispatch.ledger.lanes.shares import forbidden_with_lanes
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import LIVE, CampaignState, MessageState
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import max_parts_per_day


async def resendable(
    redis: Redis, settings: Settings, campaign: CampaignId, *, states: Collection[MessageState]
) -> CampaignView:
    """Return a campaign whose messages in *states* can be sent once more; raise InputInvalid if they cannot."""
    parent = await Queries(redis).campaign(campaign)
    lanes = len(await known_lanes(redis, parent.plan.sender))
    if why := why_not_resendable(parent, settings, states=states, lanes=lanes):
        raise InputInvalid(f"campaign {campaign}: {why}")
    return parent


def why_not_resendable(
    parent: CampaignView, settings: Settings, *, states: Collection[MessageState] = (), lanes: int = 1
) -> str:
    """Return why messages of a campaign cannot be sent once more now, with advice; empty if they can.

    Args:
        parent: the campaign.
        settings: the settings under which the resend would be sent.
        states: the chosen states.
        lanes: the lanes that the sender has in the ledger.
    """
    return (
        _why_nothing_was_sent(parent)
        or _lacking_in_settings(parent, settings, lanes=lanes)
        or _why_it_sends_again_itself(parent, states)
    )


def _why_nothing_was_sent(parent: CampaignView) -> str:
    if parent.state is CampaignState.SUBMITTING:
        return "is still being submitted, so none of its messages is sent yet"
    if parent.plan.resend_of and was_never_sent(parent):
        return (
            "is a resend that was cancelled during its submit, so none of its messages was sent; "
            f"resend messages of campaign {parent.plan.resend_of}"
        )
    return ""


def _lacking_in_settings(parent: CampaignView, settings: Settings, *, lanes: int) -> str:
    plan = parent.plan
    if plan.sender not in settings.senders:
        return f"its sender {plan.sender} is not in the settings any more: add the sender again"
    lanes = max(lanes, settings.senders[plan.sender].lanes)
    if what := forbidden_with_lanes(plan, lanes, max_parts_per_day=max_parts_per_day(plan.sender, settings)):
        return f"its sender has lanes, and a resend in lanes cannot have {what}"
    if gone := [name for name in plan.chain if name not in settings.providers]:
        return f"its provider {gone[0]} is not in the settings any more: add the provider again"
    if plan.tracked_links and not settings.link_key:
        return "its tracked links need new codes: set DISPATCH_LINK_KEY in the environment"
    return ""


def _why_it_sends_again_itself(parent: CampaignView, states: Collection[MessageState]) -> str:
    plan = parent.plan
    states_of_lanes = {lane.state for lane in parent.lanes or [parent]}  # a stop reaches the lanes one after another
    if plan.retry and states_of_lanes & LIVE:
        return (
            "may send failed messages again by its rule (retry_failed); wait until it is finished, or cancel it first"
        )
    sends_itself = plan.in_doubt == "resend" and states_of_lanes != {CampaignState.CANCELLED}
    if sends_itself and MessageState.IN_DOUBT in states and parent.counts[MessageState.IN_DOUBT]:
        return 'sends its messages in doubt again by itself (in_doubt = "resend"); leave out --in-doubt'
    return ""


def was_never_sent(campaign: CampaignView) -> bool:
    """Return whether a campaign was cancelled before any of its lanes was sealed, so that no message was sent."""
    was_sealed = any(lane.sealed_ms for lane in campaign.lanes or [campaign])
    return campaign.state is CampaignState.CANCELLED and not was_sealed
