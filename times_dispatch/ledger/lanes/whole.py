"""A whole campaign or sender, made of its lanes: every number is the sum of the lanes' numbers."""

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from times_dispatch.ledger.model import CampaignId, CampaignView, WaitsFor
from times_dispatch.ledger.sender_view import SenderView, UnavailableProvider
from times_dispatch.ledger.states import CampaignState

_STOPS = (CampaignState.CANCELLED, CampaignState.BRAKED, CampaignState.PAUSED)


def whole_state(states: Collection[CampaignState]) -> CampaignState:
    """Return the state of a campaign from its lanes' states; a stop of one lane counts, as all lanes will follow."""
    if CampaignState.SUBMITTING in states:
        return CampaignState.CANCELLED if CampaignState.CANCELLED in states else CampaignState.SUBMITTING
    for stop in _STOPS:
        if stop in states:
            return stop
    return CampaignState.RUNNING if CampaignState.RUNNING in states else CampaignState.FINISHED


def whole_campaign(lanes: Sequence[CampaignView]) -> CampaignView:
    """Return a campaign from the views of its lanes, the first lane first; a lane may be missing during a submit."""
    first, state = lanes[0], whole_state([lane.state for lane in lanes])
    deciding = [lane for lane in lanes if lane.state is state] or lanes
    reasons = list(dict.fromkeys(lane.reason for lane in deciding if lane.reason))
    waits = {lane.waits_for for lane in deciding}
    return msgspec.structs.replace(
        first,
        id=first.plan.lane_campaigns[0],
        state=state,
        reason="; ".join(reasons),
        plan=msgspec.structs.replace(first.plan, rate_per_s=round(sum(lane.plan.rate_per_s for lane in lanes), 6)),
        total=sum(lane.total for lane in lanes),
        batches=sum(lane.batches for lane in lanes),
        counts={name: sum(lane.counts[name] for lane in lanes) for name in first.counts},
        codes=dict(sorted(_sums([lane.codes for lane in lanes]).items())),
        parts=sum(lane.parts for lane in lanes),
        stats=dict(sorted(_sums([lane.stats for lane in lanes]).items())),
        created_ms=min(lane.created_ms for lane in lanes),
        sealed_ms=when_all([lane.sealed_ms for lane in lanes]),
        first_sent_ms=min((lane.first_sent_ms for lane in lanes if lane.first_sent_ms), default=0),
        last_sent_ms=max(lane.last_sent_ms for lane in lanes),
        finished_ms=when_all([lane.finished_ms for lane in lanes]) if state is CampaignState.FINISHED else 0,
        waits_for=waits.pop() if len(waits) == 1 else WaitsFor.NOTHING,
        retries_waiting=sum(lane.retries_waiting for lane in lanes),
        lanes=list(lanes),
    )


def lane_offset(whole: CampaignView, campaign: CampaignId) -> int:
    """Return the index in the whole campaign of the first message of a lane."""
    offset = 0
    for lane in whole.lanes:
        if lane.id == campaign:
            return offset
        offset += lane.total
    return 0


def lane_batch(view: CampaignView, number: int) -> tuple[CampaignView, int, int]:
    """Return the lane that has a batch of a campaign, the number of the batch in the lane, and the index of the lane.

    For a campaign without lanes, return the campaign and the number unchanged.
    """
    offset = 0
    for lane in view.lanes:
        if number < lane.batches:
            return lane, number, offset
        number, offset = number - lane.batches, offset + lane.total
    return view, number, 0


def whole_sender(lanes: Sequence[SenderView]) -> SenderView:
    """Return a sender from the views of its lanes, the first lane first."""
    if len(lanes) == 1:
        return lanes[0]
    first, unavailable = lanes[0], dict[str, UnavailableProvider]()
    for lane in lanes:
        for provider in lane.unavailable:
            if provider.provider not in unavailable or not unavailable[provider.provider].brake:
                unavailable[provider.provider] = provider
    configured = [lane.configured_rate_per_s for lane in lanes if lane.configured_rate_per_s is not None]
    return msgspec.structs.replace(
        first,
        rate_per_s=round(sum(lane.rate_per_s for lane in lanes), 6),
        paused=any(lane.paused for lane in lanes),
        pause_reason=next((lane.pause_reason for lane in lanes if lane.pause_reason), ""),
        configured_rate_per_s=round(sum(configured), 6) if configured else None,
        unavailable=[unavailable[name] for name in sorted(unavailable)],
        batches_out=sum(lane.batches_out for lane in lanes),
        campaigns_in_turn=max(lane.campaigns_in_turn for lane in lanes),
        max_parts_per_day=sum(lane.max_parts_per_day for lane in lanes),
        parts_today=sum(lane.parts_today for lane in lanes),
        day_is_used_up=any(lane.day_is_used_up for lane in lanes),
        lanes=len(lanes),
    )


def _sums(several: Sequence[dict[str, int]]) -> Counter[str]:
    sums = Counter[str]()
    for each in several:
        sums.update(each)
    return sums


def when_all(times: Sequence[int]) -> int:
    """Return the last of several times; 0 if any of the times is missing."""
    return max(times) if all(times) else 0
