"""How soon each campaign continues after the death of a worker, by the times of arrival at the provider."""

import time
from bisect import bisect_left
from dataclasses import dataclass

from tests.chaos.figure import ChaosFigure
from tests.chaos.figures import GAP_S
from tests.chaos.observations import Observations
from tests.chaos.testbed import ChaosTestbed, Kill
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.states import CampaignState, MessageState

_LAST_PUSHES_S = 0.5
"""Seconds within which pushes that a dead worker had already written arrive."""
_MAX_EXAMPLES = 8


@dataclass(frozen=True)
class _Wait:
    campaign: CampaignId
    seconds: float


async def note_kill(testbed: ChaosTestbed, name: str, *, min_pending: int = 50) -> None:
    """Note that a worker is killed now, and which campaigns have messages to send.

    Campaigns with fewer pending messages than *min_pending* are ignored, as all their messages may be opened already.
    """
    unsent = set()
    for campaign in testbed.campaigns:
        view = await testbed.queries.campaign(campaign)
        if view.state is CampaignState.RUNNING and view.counts[MessageState.PENDING] >= min_pending:
            unsent.add(campaign)
    testbed.events.kills.append(Kill(time.time(), name, unsent))


def goes_on(observations: Observations) -> ChaosFigure:
    """Return the longest time from a kill to the next arrival of a message of a campaign that had messages to send."""
    waits = [_wait(kill, campaign, observations) for kill in observations.events.kills for campaign in kill.unsent]
    waits.sort(key=lambda wait: -wait.seconds)
    longest = waits[0].seconds if waits else 0.0
    late = [wait for wait in waits if wait.seconds > GAP_S]
    value = f"{longest:.1f} s, " + (f"{len(late)} of {len(waits)} late" if late else f"{len(waits)} campaigns")
    why = [f"campaign {wait.campaign}: {wait.seconds:.1f} s" for wait in late[:_MAX_EXAMPLES]]
    return ChaosFigure(
        "longest wait of a campaign for another worker", value, f"≤ {GAP_S:g} s", bool(waits) and not late, why
    )


def _wait(kill: Kill, campaign: CampaignId, observations: Observations) -> _Wait:
    times_s = observations.campaigns[campaign].arrivals_s
    following = bisect_left(times_s, kill.at_s + _LAST_PUSHES_S)
    return _Wait(campaign, times_s[following] - kill.at_s if following < len(times_s) else float("inf"))
